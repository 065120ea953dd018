"""`msb demo --condensed`: a melt of polystyrene, from its beads and one snapshot, as a page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report, say

if TYPE_CHECKING:
    from msb.analysis.comparison import EnsembleComparison
    from msb.jobs.backmap.run import Backmapped
    from msb.jobs.backmap.setup import Prepared

__all__ = ["run_condensed"]

_TEMPERATURE = 568.0  # K
_FEWEST = 4  # frames whose even and odd ones tell anything


def run_condensed(args: argparse.Namespace) -> int:
    """Backmap, check, compare, write the page.

    Parameters
    ----------
    args : argparse.Namespace
        Of `msb demo`: output, frames, relax, seed, device, json.

    Returns
    -------
    int
        0
    """
    import numpy as np

    from msb.io.trajectory import open_trajectory
    from msb.io.writers import open_writer
    from msb.jobs.backmap.run import BackmapOptions, backmap
    from msb.jobs.backmap.setup import prepare
    from msb.report.condensed import CondensedDemo, condensed_page
    from msb.report.page import write_page

    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    files = _files()
    beads = open_trajectory(files["beads"], files["bead_frames"]).read(0, args.frames)
    simulated = open_trajectory(files["snapshot"], files["reference"])
    reference = simulated.read(0, args.frames)
    with open_writer(folder / "beads.xtc", open_trajectory(files["beads"])) as writer:
        writer.write(beads)
    with open_writer(folder / "reference.xtc", simulated) as writer:
        writer.write(reference)
    ready = prepare(_request(args, files, folder))
    with progress_bar(what="backmap") as advance:
        done = backmap(
            ready.system,
            ready.maker,
            folder / "atoms.xtc",
            BackmapOptions(seed=args.seed, resume=True),
            advance,
            identity=ready.identity,
        )
    comparison = _comparison(folder, files["top"], done)
    generated = open_trajectory(folder / "atoms.pdb", folder / "atoms.xtc").read()
    demo = CondensedDemo(
        ready.system.topology,
        ready.system.mapping,
        beads.positions,
        reference.positions,
        generated.positions,
        np.asarray(beads.boxes, dtype=np.float64),
        done.verdicts[0],
        comparison,
        done.relaxed[0],
        done.seconds,
        _how(ready),
    )
    page = folder / "index.html"
    write_page(condensed_page(demo, _commands(args)), page)
    report(_summary(page, ready, done, comparison), _lines(page, done), args.json)
    return 0


def _files() -> dict[str, Path]:
    from msb.data import sample

    names = {
        "beads": "polystyrene_beads.gro",
        "bead_frames": "polystyrene_beads.xtc",
        "snapshot": "polystyrene_snapshot.gro",
        "reference": "polystyrene_reference.xtc",
        "top": "polystyrene.top",
        "mapping": "polystyrene_mapping.yaml",
    }
    return {key: sample(name) for key, name in names.items()}


def _request(args: argparse.Namespace, files: dict[str, Path], folder: Path) -> Any:
    from msb.jobs.backmap.setup import Request

    raw = args.relax == "none"
    return Request(
        structure=folder / "beads.pdb",
        trajectory=folder / "beads.xtc",
        method="fragment",
        snapshots=(files["snapshot"],),
        top=files["top"],
        mapping=(files["mapping"],),
        temperature=_TEMPERATURE,
        relax=args.relax,
        polish="none" if raw else "thermal",
        seed=args.seed,
        device=args.device,
    )


def _comparison(folder: Path, top: Path, done: Backmapped) -> EnsembleComparison | None:
    if done.n_frames < _FEWEST:
        return None
    from msb.jobs.compare.run import CompareSettings, compare_ensembles

    say("comparing with the simulation that the beads came from …")
    compared = compare_ensembles(
        folder / "reference.pdb",
        folder / "reference.xtc",
        [folder / "atoms.xtc"],
        CompareSettings(top=top, temperature=_TEMPERATURE),
    )
    return compared.tests[0]


def _how(ready: Prepared) -> str:
    return f"{ready.maker.model.method}, relax {ready.relax}, polish {ready.polish}, {_TEMPERATURE:g} K"


def _commands(args: argparse.Namespace) -> list[str]:
    return [
        "S=$(python -c 'from msb.data import sample; print(sample(\"polystyrene.top\").parent)')/polystyrene",
        "msb backmap ${S}_beads.gro ${S}_beads.xtc --method fragment --from ${S}_snapshot.gro --top $S.top "
        f"--mapping ${{S}}_mapping.yaml --temperature {_TEMPERATURE:g} --seed {args.seed} -o atoms.xtc",
        "msb check atoms.pdb atoms.xtc --top $S.top --cg ${S}_beads.gro ${S}_beads.xtc "
        "--mapping ${S}_mapping.yaml --reference ${S}_snapshot.gro",
        "msb compare ${S}_snapshot.gro ${S}_reference.xtc atoms.xtc --top $S.top",
    ]


def _summary(
    page: Path, ready: Prepared, done: Backmapped, comparison: EnsembleComparison | None
) -> dict[str, Any]:
    return {
        "page": str(page),
        "trajectory": str(done.outputs[0]),
        "frames": done.n_frames,
        "atoms": done.n_atoms,
        "how": _how(ready),
        "seconds_per_frame": done.seconds,
        "relaxed": dict(done.relaxed[0]),
        "notes": list(done.notes),
        "quality": done.verdicts[0].to_json(),
        "comparison": comparison.summary() if comparison is not None else None,
    }


def _lines(page: Path, done: Backmapped) -> list[str]:
    from msb.quality.words import headline

    return [
        f"{done.outputs[0]}: {done.n_frames} frames of {done.n_atoms} atoms, {done.seconds:.1f} s each",
        f"check: {headline(done.verdicts[0])}",
        f"{page}: open it in a browser",
    ]
