"""Trained on octane and cumene, tried on polystyrene: priors C1, C2 and none, beside models of polystyrene.

    MSB_DATA=... python studies/sps_chemistry/prepare.py       # topologies, configurations; says how to train
    MSB_DATA=... python studies/sps_chemistry/run.py           # every model below --models, 71 frames
    MSB_DATA=... python studies/sps_chemistry/run.py --table   # only the table of what is there
    MSB_DATA=... python studies/sps_chemistry/run.py --entrant transferred_C1=FOLDER --entrant own=sps
    MSB_DATA=... python studies/sps_chemistry/run.py --entrant transferred_min=FOLDER,select=min
    MSB_DATA=... python studies/sps_chemistry/run.py --smoke --entrant own=fragment --runs ...

Models are `transferred_C1`, `transferred_C2`, `transferred_none`, the same with `specific_`, and `own`, the
shipped one.  A mixture network, `octane_cumene`, knows no priors: energies enter where it chooses among
candidates, so it stands as `transferred_min` (least energy, as C1), `transferred_boltzmann` (as C2) and
`transferred_random` (none), beside the shipped one as `specific_min` and `specific_random`.  Each frame is
kept in a file under ``--runs``.  Writes ``out/results.json`` and ``out/TABLE.md``; exits 1 where a bar is
missed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msb.analysis import maps
from msb.io.bundle import shipped_models

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
import monomers
from columns import LJ_ROWS
from entrants import Entrant, Findings, Judged, arguments, find, finish, make, options, settle
from frame_files import frames_of
from melt import Melt
from prepare import PRIORS, TRAININGS
from verdict import Verdict

HERE = Path(__file__).resolve().parent
OUT, SUBSET, OWN = HERE / "out", "t568", "own"
ANGLES = ("angle C-C-C ring", "angle C-C-C_ar", "angle C-C-H", "angle H-C-H")
REPORTED = ("angle C-C-C backbone", "dihedral C-C-C-C backbone", *LJ_ROWS)
TIMES = 2.0  # as far from MD as our own model, at most
#: How a mixture network chooses among candidates, and the prior that does the like in training.
CHOICES = {"min": "C1", "boltzmann": "C2", "random": "none"}
MIXTURE = "octane_cumene"  # configs/backmap/octane_cumene.yaml
LANDMARK_FRAMES, MAP_FRAMES, LANDMARKS, REGIONS, OUTLIERS = 2, 4, 200, 6, 0.05


def entrants_of(args: argparse.Namespace) -> list[Entrant]:
    """The models that are there."""
    given = dict(word.partition("=")[::2] for word in args.entrant)
    if not given:
        for name in TRAININGS:
            if _is_bundle(folder := args.models / name / "model"):
                given[name] = str(folder)
        if _is_bundle(folder := args.models / MIXTURE / "model"):
            given |= {f"transferred_{how}": f"{folder},select={how}" for how in CHOICES}
        if "sps" in shipped_models():
            given |= {OWN: "sps", **{f"specific_{how}": f"sps,select={how}" for how in ("min", "random")}}
    return [_entrant(name, text, options(args)) for name, text in given.items()]


def _is_bundle(folder: Path) -> bool:
    return (folder / "model.json").is_file()


def _entrant(name: str, text: str, shared: dict[str, Any]) -> Entrant:
    """An entrant of `MODEL[,KEY=VALUE...]`."""
    model, *words = text.split(",")
    own = tuple((key, value) for key, _, value in (word.partition("=") for word in words))
    return Entrant.of(model, name, **{**shared, "sampling": (*shared["sampling"], *own)})


def goals(found: Findings) -> list[Verdict]:
    """The bars, and what the publication says of the priors."""
    raw = {name: own for (_, name, column), own in found.columns.items() if column == "raw"}
    verdicts: list[Verdict] = []
    for name in (f"transferred_{prior}" for prior in (*PRIORS, *CHOICES)):
        if name in raw and OWN in raw:
            for row_name in ANGLES:
                mine, ours = raw[name].rows[row_name], raw[OWN].rows[row_name]
                bar = TIMES * max(ours.excess, ours.floor)
                said = f"{mine.excess:+.5f}, own {ours.excess:+.5f}, floor {ours.floor:.5f}"
                text = f"excess ≤ {bar:.5f}, twice our own (or its floor)"
                passed = bool(mine.excess <= bar)
                verdicts.append(Verdict(f"{name}, raw: {row_name}", text, said, passed))
    for least, others in (("C1", PRIORS), ("min", CHOICES)):
        verdicts += _least_energies(raw, least, [f"transferred_{name}" for name in others])
    return verdicts


def _least_energies(raw: Mapping[str, Judged], least: str, others: Sequence[str]) -> Iterator[Verdict]:
    """Minimised energies: the best when transferred, too low when specific (the paper's finding)."""
    together = [name for name in others if name in raw]
    if f"transferred_{least}" in together and len(together) > 1:
        scores = {name: raw[name].rows[LJ_ROWS[0]].excess for name in together}
        said = ", ".join(f"{name} {score:+.4f}" for name, score in scores.items())
        own = scores.pop(f"transferred_{least}")
        text = f"Lennard-Jones of all atoms: {least} is the best when transferred"
        yield Verdict(text, "lowest excess", said, own < min(scores.values()))
    if f"specific_{least}" in raw:
        found = raw[f"specific_{least}"]
        means = [float(c.arrays["energies"][:, 0].mean()) for c in (found.column, found.reference)]
        text = f"Lennard-Jones of all atoms: {least} is too low when specific"
        said = f"{means[0]:.1f} beside {means[1]:.1f} kJ/mol a chain"
        yield Verdict(text, "below MD", said, means[0] < means[1])


def reported(found: Findings) -> list[str]:
    """What is not barred: the rows that transfer badly, raw and polished."""
    lines = ["", "## Rows that are reported", "", f"| model | column | {' | '.join(REPORTED)} |"]
    lines.append(f"|---|---|{'---|' * len(REPORTED)}")
    for (_, name, column), own in found.columns.items():
        if name != "md":
            cells = " | ".join(f"{own.rows[row].excess:+.4f}" for row in REPORTED)
            lines.append(f"| {name} | {column} | {cells} |")
    return lines


def monomer_map(entrants: Sequence[Entrant], args: argparse.Namespace) -> dict[str, Any]:
    """Populations and confusion matrix of monomers on a sketch-map of MD (second paper, Figs. 5 and 6)."""
    melt, frames = Melt(args.data), frames_of(SUBSET, args.frames)
    first = [
        frames[k] for k in np.linspace(0, len(frames) - 1, min(len(frames), args.map_frames[0])).astype(int)
    ]
    left = [k for k in frames if k not in first] or frames
    shown = [left[k] for k in np.linspace(0, len(left) - 1, min(len(left), args.map_frames[1])).astype(int)]
    ground = monomers.described(melt, SUBSET, "md", "raw", first, args.runs)
    chosen = maps.farthest_points(ground, min(LANDMARKS, len(ground)))
    chart = maps.fit_sketch_map(ground[chosen.indices], weights=chosen.weights)
    reference = chart.transform(monomers.described(melt, SUBSET, "md", "raw", shown, args.runs))
    regions = maps.find_regions(reference, REGIONS, outliers=OUTLIERS)
    rows = []
    for entrant in (Entrant("deepbackmap"), *entrants):
        for column in entrant.columns:
            if not monomers.made(SUBSET, entrant.name, column, shown, args.runs):
                continue
            test = chart.transform(monomers.described(melt, SUBSET, entrant.name, column, shown, args.runs))
            compared = maps.compare_regions(regions, reference, test)
            who = {"entrant": entrant.name, "column": column, "monomers": len(test)}
            told = {"js": compared.js, "kept": compared.kept, "confusion": compared.confusion.tolist()}
            rows.append({**who, **told, "populations": compared.test.tolist()})
    populations = maps.compare_regions(regions, reference, reference).reference
    return {"landmarks": first, "frames": shown, "reference": populations.tolist(), "rows": rows}


def map_lines(table: dict[str, Any]) -> list[str]:
    """The map as text."""
    number = len(table["reference"])
    names = [*(str(k + 1) for k in range(number - 1)), "outside"]
    lines = ["", "## Monomers on the map", "", f"| who | {' | '.join(names)} | JS | kept |"]
    lines += [f"|---|{'---|' * (number + 2)}", _populations("md", table["reference"], 0.0, 1.0)]
    for row in table["rows"]:
        who = f"{row['entrant']}, {row['column']}"
        lines.append(_populations(who, row["populations"], row["js"], row["kept"]))
    for row in table["rows"]:
        lines += ["", f"Confusion of {row['entrant']}, {row['column']} (rows: region of MD):", ""]
        lines += [f"| | {' | '.join(names)} |", f"|---|{'---|' * number}"]
        for name, counts in zip(names, row["confusion"], strict=True):
            lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return lines


def _populations(who: str, shares: Sequence[float], js: float, kept: float) -> str:
    return f"| {who} | {' | '.join(f'{share:.3f}' for share in shares)} | {js:.4f} | {kept:.2f} |"


def main(words: list[str] | None = None) -> int:
    """Make the frames that are missing, measure, judge, map, write."""
    parser = arguments(__doc__, "sps_chemistry", OUT)
    parser.add_argument("--models", type=Path, help="folder of the trainings (default: RUNS/models)")
    parser.add_argument(
        "--entrant", action="append", default=[], metavar="NAME=MODEL", help="instead of those"
    )
    args = settle(parser.parse_args(words))
    args.models = args.models or args.runs / "models"
    args.map_frames = (1, 1) if args.smoke else (LANDMARK_FRAMES, MAP_FRAMES)
    warnings.filterwarnings("ignore", message=".*left out. posres.itp")  # never published
    entrants = entrants_of(args)
    if not entrants:
        print(f"no models: train them (prepare.py says how) below {args.models}, or give --entrant")
        return 1
    if not args.table:
        make(entrants, [SUBSET], args)
    found = find(entrants, [SUBSET], args)
    found.verdicts += goals(found)
    found.more["map"] = table = monomer_map(entrants, args)
    lines = [*reported(found), *map_lines(table)]
    return finish(found, args, OUT, "Octane and cumene to polystyrene", lines)


if __name__ == "__main__":
    raise SystemExit(main())
