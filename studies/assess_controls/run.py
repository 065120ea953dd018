"""Assess beads that are wrong in a known way: the divergence must rise with it, and name the pushed pair.

    MSB_DATA=... python studies/assess_controls/run.py              # 10 frames, exact and the shipped model
    python studies/assess_controls/run.py --any-backmapper exact    # only what adds nothing of its own
    python studies/assess_controls/run.py --smoke --runs DIR        # bundled melt, 2 frames, no verdict

Writes ``out/results.json`` and ``out/TABLE.md`` (a smoke run only where ``--out`` says); exits 1 if a bar is
missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from controls import Exact
from files import DISTANCE, MAPPING, PUSHED, SIGMAS, TOP, Written, named, write

from msb.assess import Assessment, AssessOptions, assess
from msb.assess.extremes import largest_forces
from msb.data.samples import sample
from msb.errors import MsbWarning
from msb.io.atomic import atomic_write_json, atomic_write_text
from msb.jobs.assess.prepare import Ready, prepare
from msb.jobs.assess.request import AssessRequest, CGFiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "assess_common"))  # studies are no package
from rows import Row, rows_of, table

__all__ = ["Verdict", "judge", "main"]

OUT = Path(__file__).resolve().parent / "out"
TEMPERATURE, CUTOFF, DIELECTRIC = 568.0, 0.85, 2.5  # K; nm and reaction field of the force field
FRAMES, SMOKE_FRAMES, SMOKE_SIGMAS = 10, 2, (0.01, 0.04)
EXACT, IN_DISTRIBUTION = "exact", "in-distribution"


@dataclass(frozen=True)
class Verdict:
    """One bar."""

    text: str
    found: str
    passed: bool


def request_of(written: Written, backmapper: str) -> AssessRequest:
    """What `msb assess-cg` would be given."""
    from msb.backmapper import METHODS

    built = backmapper == EXACT or (backmapper in METHODS and bool(METHODS[backmapper].build))
    how: dict[str, Any] = {"model": None if built else backmapper}
    if built:  # exact replaces the method that it asks for
        how = {"method": "random" if backmapper == EXACT else backmapper}
        how |= {} if backmapper == EXACT else {"snapshots": (sample("polystyrene_snapshot.gro"),)}
    return AssessRequest(
        written.structure,
        written.trajectory,
        cg=tuple(CGFiles(name, *files) for name, files in written.cg.items()),
        top=sample(TOP),
        mapping=(sample(MAPPING),),
        temperature=TEMPERATURE,
        cutoff=CUTOFF,
        dielectric=DIELECTRIC,
        **how,
    )


def ready(written: Written, backmapper: str) -> Ready:
    """Sets of frames and what puts the atoms back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # chains cross the box
        made = prepare(request_of(written, backmapper))
    if backmapper != EXACT:
        return made
    own = written.reference
    exact = Exact.of(own.mapping, range(len(own.positions)), own.positions, TEMPERATURE)
    models = tuple(replace(model, backmapper=exact) for model in made.models)
    return replace(made, models=models, backmapper=exact)


def assessed(written: Written, backmapper: str, args: argparse.Namespace) -> Assessment:
    """Assess all controls with one backmapper; frames that are there are kept."""
    made = ready(written, backmapper)
    options = AssessOptions(
        polish=not args.no_polish, temperature=TEMPERATURE, workers=args.workers, keep_positions=False
    )

    done = count(1)

    def told(_: int, total: int) -> None:
        print(f"{backmapper}: {next(done)} of {total}", flush=True)

    folder = args.runs / backmapper.replace("/", "_")
    return assess(
        made.reference, made.models, made.backmapper, options, folder=folder, resume=True, progress=told
    )


def judge(rows: Sequence[Row], backmapper: str, order: Sequence[str]) -> list[Verdict]:
    """Whether the excess rises from each set of the order to the next, column by column."""
    verdicts = []
    for column in dict.fromkeys(row.column for row in rows if row.kind != "reference"):
        values = [next(r for r in rows if (r.name, r.column) == (name, column)).excess for name in order]
        rising = all(a < b for a, b in pairwise(values))
        words = (" < " if rising else ", ").join(f"{value:.4f}" for value in values)
        bar = f"{backmapper}, {column}: the divergence rises with the noise"
        verdicts.append(Verdict(bar, words, rising))
    return verdicts


def named_pair(found: Assessment, column: str, pairs: Sequence[tuple[int, int]]) -> tuple[bool, float]:
    """Whether the first of the largest forces is a pushed pair, and in which share of the frames it is."""
    result = found.result(PUSHED, column)
    strongest = np.argmax(np.nan_to_num(result.magnitudes, nan=np.inf), axis=1)
    share = float(np.mean([bead in pair for bead, pair in zip(strongest.tolist(), pairs, strict=True)]))
    first = largest_forces(result, 1)[0]
    return {first.bead, first.partner} == set(pairs[first.frame]), share


def main(arguments: list[str] | None = None) -> int:
    """Write the controls, assess, judge."""
    args = _arguments(arguments)
    sigmas = SMOKE_SIGMAS if args.smoke else SIGMAS
    written = write(*_source(args), args.frames, args.runs / "files", sigmas)
    order = [IN_DISTRIBUTION, *(named(sigma) for sigma in sigmas)]
    parts: dict[str, list[Row]] = {}
    verdicts: list[Verdict] = []
    for backmapper in args.any_backmapper:
        found = assessed(written, backmapper, args)
        parts[backmapper] = rows_of(found)
        verdicts += judge(parts[backmapper], backmapper, order)
        for column in dict.fromkeys(r.column for r in parts[backmapper] if r.kind == "generalisation"):
            first, share = named_pair(found, column, written.pushed)
            what = f"{backmapper}, {column}: the largest force is on a pushed pair"
            verdicts.append(Verdict(what, f"in {share:.0%} of the frames it is the frame's largest", first))
    return _finish(parts, verdicts, written, args)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "assess_controls", help="frames")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--frames", type=int, help=f"of every set ({FRAMES})")
    parser.add_argument(
        "--any-backmapper",
        nargs="+",
        default=[EXACT, "sps"],
        metavar="NAME",
        help="exact, models or methods (exact sps)",
    )
    parser.add_argument("--no-polish", action="store_true", help="raw structures only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--smoke", action="store_true", help=f"{SMOKE_FRAMES} frames of the bundled melt, exact, raw"
    )
    args = parser.parse_args(arguments)
    args.frames = args.frames or (SMOKE_FRAMES if args.smoke else FRAMES)
    if args.smoke:
        args.no_polish, args.any_backmapper, args.workers = True, [EXACT], 1
    return args


def _source(args: argparse.Namespace) -> tuple[Path, Path]:
    """Structure and trajectory of the reference."""
    if args.smoke:
        return sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc")
    return args.data / "aa.gro", args.data / "t568" / "aa.xtc"


def _finish(
    parts: dict[str, list[Row]], verdicts: Sequence[Verdict], written: Written, args: argparse.Namespace
) -> int:
    lines = ["# Controls of the assessment: results", "", "Written by `run.py`."]
    lines += [
        "Divergences of the force on beads from the reference's in nats, excess over the floor with its"
    ]
    lines += [f"95 % interval; the pushed pairs are {DISTANCE} nm apart.", ""]
    lines += ["| bar | found | |", "|---|---|---|"]
    lines += [f"| {v.text} | {v.found} | {'✓' if v.passed else '✗'} |" for v in verdicts]
    for backmapper, rows in parts.items():
        lines += ["", f"## {backmapper}", "", *table(rows)]
    text = "\n".join([*lines, ""])
    print(text)
    folder = args.out or (None if args.smoke else OUT)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        rows = {name: [row.to_dict() for row in own] for name, own in parts.items()}
        told = {"frames": args.frames, "pushed": [list(pair) for pair in written.pushed]}
        atomic_write_json(
            folder / "results.json", {**told, "verdicts": [asdict(v) for v in verdicts], "rows": rows}
        )
        atomic_write_text(folder / "TABLE.md", text)
    if args.smoke:
        print(f"{args.frames} frames: too few to judge")
        return 0
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
