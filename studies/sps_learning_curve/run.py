"""How many snapshots does a model need?  1, 2, 4, 8 and 13 of the published ones, on 71 frames of 568 K.

    MSB_DATA=... python studies/sps_learning_curve/run.py --train             # one training each, resumable
    MSB_DATA=... python studies/sps_learning_curve/run.py                     # their tables
    MSB_DATA=... python studies/sps_learning_curve/run.py --any-backmapper fragment --no-polish
    MSB_DATA=... python studies/sps_learning_curve/run.py --smoke --any-backmapper linear --numbers 1 2

Reported, not barred: the run exits 1 only where a number of snapshots has no frames.  Writes
``out/results.json`` and ``out/TABLE.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from columns import LJ_ROWS, RDF
from entrants import SMOKE, Entrant, Findings, arguments, find, finish, make, options, settle
from verdict import Verdict

HERE = Path(__file__).resolve().parent
OUT, SUBSET = HERE / "out", "t568"
CONFIG = HERE.parents[1] / "configs" / "backmap" / "sps_published.yaml"
NUMBERS = (1, 2, 4, 8, 13)


def snapshots(data: Path) -> list[str]:
    """Names of the training snapshots, in the order in which they are taken."""
    return [f"sps/train/aa/{path.name}" for path in sorted((data / "train" / "aa").glob("*.gro"))]


def overrides(data: Path, number: int, more: Sequence[str]) -> list[str]:
    """What is changed in the configuration for so many snapshots."""
    chosen = ", ".join(snapshots(data)[:number])
    return [f"name=sps_{number}", f"data.snapshots=[{chosen}]", *more]


def train(args: argparse.Namespace) -> None:
    """Train, or go on training, every model whose bundle is missing."""
    from msb.jobs.train_model import train_model

    for number in args.numbers:
        folder = args.models / f"{number:02d}"
        if (folder / "model" / "model.json").is_file():
            continue
        resume = (folder / "checkpoint.pt").is_file()
        result = train_model(
            args.config, folder, overrides=overrides(args.data, number, args.set), resume=resume
        )
        print(f"{number} snapshots: {result.bundle}", flush=True)


def entrants_of(args: argparse.Namespace) -> list[Entrant]:
    """One for each number of snapshots."""
    told = options(args)
    if args.any_backmapper:
        model = args.any_backmapper
        names = {number: f"{model}_{number:02d}" for number in args.numbers}
        return [Entrant.of(model, name, **{**told, "snapshots": n}) for n, name in names.items()]
    return [
        Entrant.of(str(args.models / f"{n:02d}" / "model"), f"sps_{n:02d}", **told)
        for n in args.numbers
        if (args.models / f"{n:02d}" / "model" / "model.json").is_file()
    ]


def curve(found: Findings, entrants: Sequence[Entrant]) -> list[str]:
    """The curve as text: mean excess of ten shapes, Lennard-Jones, contacts, unfamiliar beads."""
    lines = ["", "## Curve", ""]
    lines.append(
        "| model | column | shapes, mean excess | LJ, all | LJ, carbons | pairs < 1.7 Å | unfamiliar |"
    )
    lines.append("|---|---|---|---|---|---|---|")
    for entrant in entrants:
        for column in entrant.columns:
            own = found.columns.get((SUBSET, entrant.name, column))
            if own is None:
                continue
            rows = own.rows
            shapes = [
                r.excess for r in rows.values() if r.excess is not None and r.name not in (*LJ_ROWS, RDF)
            ]
            energies = " | ".join(f"{rows[name].excess:+.4f}" for name in LJ_ROWS)
            close = rows["any pair < 0.17 nm a frame"].value
            share = own.cost.get("unfamiliar")
            told = "" if share is None else f"{share:.4f}"
            lines.append(
                f"| {entrant.name} | {column} | {np.mean(shapes):+.4f} | {energies} | {close:.2f} | {told} |"
            )
    return lines


def main(words: list[str] | None = None) -> int:
    """Train where asked to; make the frames that are missing, measure, write."""
    parser = arguments(__doc__, "sps_learning_curve", OUT)
    parser.add_argument("--numbers", type=int, nargs="+", default=list(NUMBERS), help="of snapshots")
    parser.add_argument("--train", action="store_true", help="train first")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="more overrides")
    parser.add_argument("--models", type=Path, help="folder of the trainings (default: RUNS/models)")
    parser.add_argument(
        "--any-backmapper", metavar="METHOD", help="a method built from the snapshots instead"
    )
    args = settle(parser.parse_args(words))
    args.models = args.models or args.runs / "models"
    if args.train:
        train(args)
    entrants = entrants_of(args)
    if entrants and not args.table:
        make(entrants, [SUBSET], args)
    found = find(entrants, [SUBSET], args)
    for number in args.numbers:
        there = [key for key in found.columns if key[1].endswith(f"_{number:02d}")]
        frames = max((len(found.columns[key].column.frames) for key in there), default=0)
        text = f"{number} snapshots"
        found.verdicts.append(Verdict(text, f"≥ {SMOKE} frames", f"{frames} frames", frames >= SMOKE))
    return finish(found, args, OUT, "Learning curve", curve(found, entrants))


if __name__ == "__main__":
    raise SystemExit(main())
