"""MD at constant pressure from all-atom, backmapped, published and minimised structures, without heating up.

    MSB_DATA=... python studies/sps_md/run.py                          # the shipped model: 10 runs of 100 ps
    MSB_DATA=... python studies/sps_md/run.py --set t313 --frames 5 40 70
    MSB_DATA=... python studies/sps_md/run.py --any-backmapper fragment
    MSB_DATA=... python studies/sps_md/run.py --table                  # only the table of what is there
    MSB_DATA=... python studies/sps_md/run.py --smoke --any-backmapper linear --runs ...

A run is kept every 2.5 ps; one that was killed goes on from there.  Writes ``out/results.json`` and
``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from msb.io.atomic import atomic_write_json, atomic_write_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
import gromacs_dynamics
from dynamics import Energies, Run, carry_on, read_energies, whole
from entrants import Entrant
from frame_files import SETS
from melt import PUBLISHED, SEED, Melt, place
from verdict import Verdict

OUT = Path(__file__).resolve().parent / "out"
SUBSETS = ("t568", "t313")
FRAMES = (40,)
PS, SETTLED, EVERY, BLOCKS = 100.0, 50.0, 0.25, 5
STARTS = ("md", "deepbackmap", "baseline")
ERRORS = 2.0  # block errors within which two means are the same


@dataclass(frozen=True)
class Row:
    """One start at one temperature: mean potential energy of the second half, kJ/mol, over its frames."""

    set: str
    start: str
    frames: int
    mean: float | None
    error: float | None
    gap: float | None  # from the all-atom start
    errors: float | None  # the gap in block errors of both
    first: float | None  # after the first interval
    density: float | None
    failed: tuple[str, ...] = ()


def structures(
    melt: Melt, entrant: Entrant, subset: str, frame: int, starts: Sequence[str] = STARTS
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, positions and box of every start."""
    for name in starts:
        x, box = melt.read(PUBLISHED[name], subset, frame)
        yield name, whole(x, box, melt.topology), box
    beads, box = melt.beads(subset, frame)
    x = place(melt.model(entrant.model), beads, box, SETS[subset], frame)
    yield f"{entrant.name}, raw", whole(x, box, melt.topology), box
    for column, how in entrant.plan:
        x = melt.finisher(how, SETS[subset]).run(x, beads, box, seed=SEED + frame).positions
        if column != "minimised":
            yield f"{entrant.name}, {column}", whole(x, box, melt.topology), box


def path_of(runs: Path, subset: str, start: str, frame: int) -> Path:
    """A run's file."""
    return runs / subset / start.replace(", ", "_") / f"{frame:03d}.npz"


def make(args: argparse.Namespace, entrant: Entrant, melt: Melt, subsets: Sequence[str]) -> None:
    """Make or go on with every run."""
    began = perf_counter()
    for subset in subsets:
        for frame in args.frames:
            for start, x, box in structures(melt, entrant, subset, frame, args.starts):
                key = entrant.key if start.startswith(entrant.name) else ""
                path = path_of(args.runs, subset, start, frame)
                run = Run(path, x, box, SETS[subset], args.ps, SEED + frame, key, args.every)
                if args.engine == "gromacs":
                    found = gromacs_dynamics.carry_on(run, melt.force_field, melt.topology, args.threads)
                else:
                    found = carry_on(run, melt.force_field, args.threads)
                said = found.failed or f"{found.potential[-1]:.0f} kJ/mol at {found.times[-1]:g} ps"
                print(f"[{perf_counter() - began:7.0f} s] {subset} {frame} {start}: {said}", flush=True)


def block_mean(found: Energies, settled: float) -> tuple[float, float]:
    """Mean potential energy after a time, and its error from blocks, kJ/mol."""
    values = found.potential[found.times > settled]
    blocks = np.array([part.mean() for part in np.array_split(values, min(BLOCKS, len(values)))])
    error = blocks.std(ddof=1) / np.sqrt(len(blocks)) if len(blocks) > 1 else 0.0
    return float(values.mean()), float(error)


def rows_of(args: argparse.Namespace, starts: Sequence[str], subset: str, mass: float) -> list[Row]:
    """Every start of a temperature beside the all-atom one, frame by frame."""
    runs = {
        (start, frame): read_energies(path_of(args.runs, subset, start, frame))
        for start in starts
        for frame in args.frames
        if path_of(args.runs, subset, start, frame).is_file()
    }
    rows = []
    for start in starts:
        own = {frame: found for (who, frame), found in runs.items() if who == start}
        failed = tuple(f"frame {frame}: {found.failed}" for frame, found in own.items() if found.failed)
        good = {
            frame: block_mean(found, args.settled)
            for frame, found in own.items()
            if not found.failed and len(found.times) and found.times[-1] >= args.ps - args.every
        }
        if not good:
            rows.append(Row(subset, start, 0, None, None, None, None, None, None, failed))
            continue
        pairs = [
            (frame, block_mean(runs["md", frame], args.settled))
            for frame in good
            if ("md", frame) in runs and not runs["md", frame].failed
        ]
        gaps = [good[frame][0] - md[0] for frame, md in pairs]
        errors = [np.hypot(good[frame][1], md[1]) for frame, md in pairs]
        gap = float(np.mean(gaps)) if gaps else None
        error = float(np.sqrt(np.sum(np.square(errors))) / len(errors)) if errors else 0.0
        mean = float(np.mean([value for value, _ in good.values()]))
        own_error = float(np.sqrt(np.sum([e**2 for _, e in good.values()])) / len(good))
        volumes = [own[frame].volume[own[frame].times > args.settled].mean() for frame in good]
        first = float(np.mean([own[frame].potential[1] for frame in good]))
        ratio = abs(gap) / error if gap is not None and error > 0 else None
        density = mass * 1.66053907e-3 / float(np.mean(volumes))
        rows.append(Row(subset, start, len(good), mean, own_error, gap, ratio, first, density, failed))
    return rows


def judge(rows: Sequence[Row], name: str) -> list[Verdict]:
    """The model's own starts must end where the all-atom start does."""
    found = []
    for row in rows:
        if not row.start.startswith(f"{name}, "):
            continue
        text = f"{row.set}: from {row.start}: mean energy beside the all-atom start"
        if row.failed or row.gap is None:
            found.append(Verdict(text, "runs to its end", "; ".join(row.failed) or "not finished", False))
        elif row.errors is not None:
            said = f"{row.gap:+.0f} kJ/mol, {row.errors:.1f} errors"
            found.append(Verdict(text, f"within {ERRORS:g} block errors", said, row.errors <= ERRORS))
    return found


def markdown(rows: Sequence[Row], judged: Sequence[Verdict], args: argparse.Namespace) -> str:
    """The table as text."""
    lines = ["# MD from backmapped structures: results", ""]
    if judged:
        lines += ["| what | bar | found | |", "|---|---|---|---|"]
        lines += [f"| {v.text} | {v.bar} | {v.found} | {'✓' if v.passed else '✗'} |" for v in judged]
    head = f"mean of {args.settled:g}-{args.ps:g} ps, kJ/mol"
    lines += ["", f"| set | start | frames | at first | {head} | gap from AA | in errors | g/cm³ | |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        if row.mean is None:
            lines.append(f"| {row.set} | {row.start} | 0 | | | | | | {'; '.join(row.failed)} |")
            continue
        gap = "" if row.gap is None else f"{row.gap:+.0f}"
        errors = "" if row.errors is None or row.start == "md" else f"{row.errors:.1f}"
        cells = (row.set, row.start, row.frames, f"{row.first:.0f}", f"{row.mean:.0f} ± {row.error:.0f}", gap)
        told = "; ".join(row.failed)
        lines.append(f"| {' | '.join(map(str, cells))} | {errors} | {row.density:.3f} | {told} |")
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> int:
    """Run, compare, judge, write."""
    args = parse(words)
    warnings.filterwarnings("ignore", message=".*left out. posres.itp")  # never published
    entrant = Entrant.of(args.any_backmapper or args.model, polish=not args.smoke)
    melt = Melt(args.data)
    subsets = SUBSETS if args.set == "all" else (args.set,)
    if not args.table:
        make(args, entrant, melt, subsets)
    mass = float(melt.topology.masses.sum())
    starts = [*args.starts, *(f"{entrant.name}, {c}" for c in entrant.columns if c != "minimised")]
    rows = [row for subset in subsets for row in rows_of(args, starts, subset, mass)]
    judged = judge(rows, entrant.name)
    text = markdown(rows, judged, args)
    print(text)
    folder = args.out or (None if args.smoke else OUT)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        verdicts = [asdict(v) for v in judged]
        atomic_write_json(folder / "results.json", {"rows": [asdict(r) for r in rows], "verdicts": verdicts})
        atomic_write_text(folder / "TABLE.md", text)
    if args.smoke:
        print("a tenth of a picosecond: too short to judge")
        return 0
    passed = sum(v.passed for v in judged)
    print(f"{passed} of {len(judged)} bars met")
    return 0 if judged and passed == len(judged) else 1


def parse(words: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "sps_md", help="the runs")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--model", default="sps", help="bundle: folder, or name of a shipped one")
    parser.add_argument("--any-backmapper", metavar="NAME", help="bundle or method instead of --model")
    parser.add_argument("--set", choices=(*SUBSETS, "all"), default="all")
    parser.add_argument("--frames", type=int, nargs="+", default=list(FRAMES))
    parser.add_argument("--ps", type=float, default=PS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--engine", choices=("openmm", "gromacs"), default="gromacs", help="of the dynamics, not of the start"
    )
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--smoke", action="store_true", help="0.1 ps at 568 K, no verdict, no out/")
    args = parser.parse_args(words)
    args.settled, args.every, args.starts = SETTLED, EVERY, STARTS
    if args.smoke:
        args.ps, args.settled, args.every, args.set, args.starts = 0.1, 0.0, 0.02, "t568", ("md",)
    return args


if __name__ == "__main__":
    raise SystemExit(main())
