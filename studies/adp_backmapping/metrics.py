"""Every row of the comparison of backmapped alanine dipeptide with the all-atom run it was mapped from.

    python metrics.py TEST.xtc                        # 33,000 frames: the test split of adp_300K.dcd
    python metrics.py TEST.npz --reference adp_400K.dcd --frames 0:60000 --temperature 400
    python metrics.py CG.npz --unpaired               # beads no atoms ever made: no frame-by-frame twin
    python metrics.py TEST.xtc --spread SAMPLES.npz   # adds the spread at fixed beads

TEST is a trajectory of the 22 atoms (xtc, trr, dcd, pdb, gro, h5) or an npz with ``positions`` (F, 22, 3) in
nm and, where the model knows it, ``projection`` (F,), the displacement that projecting onto the beads
needed.  SAMPLES is an npz with ``positions`` (50, S, 22, 3): S consecutive frames of the model on each bead
frame of ``frozen_beads.npz``, repeated.

Figures are defined in ``README.md``.  A divergence is judged by its excess over the floor of as many frames.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from adp_system import BEADS, split
from numpy.typing import NDArray
from rows import Row, table, verdict

HERE = Path(__file__).resolve().parent
METHYL_PS = 28.0
"""Relaxation time of the beta methyl in the whole 300 K run; 20 % of it gives 26.2 ps."""
OWN_ROWS = ("order of", "chirality", "amide", "peptide", "broken", "beads", "drift")
"""Rows that a test with beads of its own is judged by; the others compare it with a run of other beads."""
FULL = {"replicates": 200, "blocks": 50, "seed": 0}
SMOKE = {"replicates": 10, "blocks": 10, "seed": 0}


def evaluate(
    test_positions: NDArray[np.float32],
    reference_positions: NDArray[np.float32],
    beads: NDArray[np.float32] | None = None,
    *,
    projection: NDArray | None = None,
    methyl_ps: float | None = None,
    n_states: int = 100,
    options: dict[str, int] | None = None,
) -> list[Row]:
    """Return every row that consecutive frames decide.

    Parameters
    ----------
    test_positions, reference_positions : ndarray (F, 22, 3)
        Backmapped and all-atom, nm, the same frames, consecutive, 1 ps apart.
    beads : ndarray (F, 6, 3), optional
        What the test was backmapped from, nm; the reference's own where not given.
    projection : ndarray (F,), optional
        Displacement that projecting onto the beads needed, nm.
    methyl_ps : float, optional
        MD's relaxation time of the beta methyl; the reference's own where not given.
    n_states : int
        k-means states of the Markov model.
    options : dict, optional
        ``blocks``, ``replicates`` and ``seed`` of the bootstraps.

    Returns
    -------
    list of Row
    """
    import motion_rows as motion
    import structure_rows as structure

    options = FULL if options is None else options
    test, reference = (
        checked(x, name) for x, name in ((test_positions, "test"), (reference_positions, "reference"))
    )
    if len(test) != len(reference):
        raise SystemExit(
            f"the test has {len(test)} frames, the reference {len(reference)}: name its frames with "
            "--frames A:B, or say --unpaired"
        )
    beads = reference[:, BEADS] if beads is None else np.asarray(beads)
    energies = structure.vacuum_energies(test), structure.vacuum_energies(reference)
    return [
        *structure.energy_rows(*energies, options),
        *motion.displacement_rows(test, reference, options),
        motion.methyl_row(test, reference, options, methyl_ps),
        *structure.width_rows(test, reference, options),
        *structure.internal_rows(test, reference, options),
        *structure.handedness_rows(test),
        structure.broken_row(test),
        *motion.drift_rows(energies, test, reference, options),
        *motion.timescale_rows(test, reference, n_states, min(options["replicates"], 50)),
        motion.surface_row(test, reference, options),
        *structure.bead_rows(test, beads, projection),
    ]


def checked(positions: NDArray, name: str) -> NDArray[np.float32]:
    """Return positions as float32, or say what is wrong with them."""
    x = np.ascontiguousarray(positions, dtype=np.float32)
    if x.ndim != 3 or x.shape[1:] != (22, 3):
        raise SystemExit(f"the {name} has shape {x.shape}, not (frames, 22, 3)")
    if not np.isfinite(x).all():
        frame = int(np.argwhere(~np.isfinite(x))[0][0])
        raise SystemExit(f"the {name} is not finite, first in frame {frame}")
    return x


def unjudged(rows: list[Row]) -> list[Row]:
    """Return the rows without verdicts on what compares runs of different beads."""
    return [row if row.name.startswith(OWN_ROWS) else replace(row, passed=None) for row in rows]


def evaluate_spread(samples: Path, frozen: Path, options: dict[str, int] | None = None) -> list[Row]:
    """Return the rows of the spread at fixed beads from two npz files."""
    from spread_rows import frozen_torsions, sample_torsions, spread_rows

    with np.load(samples) as file:
        torsions = sample_torsions(file["positions"])
    with np.load(frozen) as file:
        expected = frozen_torsions(file["torsions"], file["quads"])
    if len(torsions) != len(expected):
        raise SystemExit(f"{samples} has {len(torsions)} bead frames, {frozen} has {len(expected)}")
    return spread_rows(torsions, expected, FULL if options is None else options)


def load(path: Path, name: str = "positions") -> dict[str, NDArray]:
    """Return ``positions`` (F, N, 3), nm, of a trajectory or npz, and what else the npz holds."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {key: file[key] for key in file if key in (name, "projection")}
    from msb.io import open_trajectory

    return {"positions": open_trajectory(HERE / "adp.pdb", path).read().positions}


def frames_of(text: str | None, n_frames: int) -> slice:
    """Return the frames that ``A:B`` names; the test split by default."""
    if text is None:
        return split(n_frames)["test"]
    first, _, last = text.partition(":")
    return slice(int(first or 0), int(last) if last else n_frames)


def report(rows: list[Row], path: Path | None, **heading: object) -> str:
    """Return the table; write it as JSON where a path is given."""
    passed, judged = verdict(rows)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {**heading, "passed": passed, "judged": judged, "rows": [row.as_dict() for row in rows]}
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
        temporary.replace(path)
    missed = [row.name for row in rows if row.passed is False]
    return "\n".join(
        [table(rows), f"{passed} of {judged} rows pass", *(f"missed: {name}" for name in missed)]
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    data = Path(os.environ.get("MSB_DATA", "data")) / "adp"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("test", type=Path)
    parser.add_argument("--reference", type=Path, default=data / "adp_300K.dcd")
    parser.add_argument(
        "--frames", help="A:B of the reference that the test covers (default: its last 20 %%)"
    )
    parser.add_argument(
        "--beads", type=Path, help="npz with positions (F, 6, 3), nm (default: the reference's)"
    )
    parser.add_argument("--unpaired", action="store_true", help="the test has beads of its own")
    parser.add_argument("--temperature", type=float, default=300.0)
    parser.add_argument("--spread", type=Path, help="npz with samples at the frozen bead frames")
    parser.add_argument("--frozen", type=Path, default=HERE / "out" / "frozen_beads.npz")
    parser.add_argument("--name", default="")
    parser.add_argument("-o", "--output", type=Path, help="JSON with the rows")
    parser.add_argument("--smoke", action="store_true", help="the first 600 frames, few replicates")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, write."""
    options = parse(arguments)
    found = load(options.test)
    reference = load(options.reference)["positions"]
    reference = reference[frames_of(options.frames, len(reference))]
    test, projection = found["positions"], found.get("projection")
    beads = load(options.beads)["positions"] if options.beads else None
    if options.unpaired:
        beads = test[:, BEADS] if beads is None else beads
    if options.unpaired or options.smoke:
        common = min(len(test), len(reference), 600 if options.smoke else len(test))
        test, reference = test[:common], reference[:common]
        beads, projection = (None if x is None else x[:common] for x in (beads, projection))
    rows = evaluate(
        test,
        reference,
        beads,
        projection=projection,
        methyl_ps=METHYL_PS if options.temperature == 300.0 and not options.smoke else None,
        n_states=10 if options.smoke else 100,
        options=SMOKE if options.smoke else FULL,
    )
    if options.unpaired:
        rows = unjudged(rows)
    if options.spread:
        rows += evaluate_spread(options.spread, options.frozen, SMOKE if options.smoke else FULL)
    heading = {
        "name": options.name or options.test.stem,
        "reference": options.reference.name,
        "frames": len(test),
        "temperature": options.temperature,
        "paired": not options.unpaired,
    }
    print(report(rows, options.output, **heading))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
