"""Classical backmapping of polystyrene against the published model, its baseline, and all-atom MD.

    MSB_DATA=... python studies/sps_classical/run.py                     # all sets and methods, on two cores
    MSB_DATA=... python studies/sps_classical/run.py --set t568 --method fragment --frames 8
    MSB_DATA=... python studies/sps_classical/run.py --table             # only the table of what is there
    MSB_DATA=... python studies/sps_classical/run.py --smoke --runs ...  # four frames a set, raw only

Each frame is kept in a file under ``--runs``; a run that was killed goes on with the frames that are missing.
Writes ``out/results.json`` and ``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from msb.io.atomic import atomic_write_json, atomic_write_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from bars import verdicts
from columns import costs, read_column, rows_of
from frame_files import N_FRAMES, Task, frames_of, make_frames
from result_tables import markdown, told
from verdict import Verdict

SETS = ("t568", "t313")
PLANS: dict[str, tuple[tuple[str, str], ...]] = {
    "fragment": (("minimised", "staged"), ("polished", "thermal")),
    "geometric": (("minimised", "em"),),
    "linear": (),
    "random": (),
    "md": (),
    "deepbackmap": (),
    "baseline": (),
}
"""Method: columns after the raw one, each made of the one before it."""

TITLE = "Classical backmapping of polystyrene"
OUT = Path(__file__).resolve().parent / "out"
SMOKE = 4  # frames of each set: the fewest that have an interval


def tasks_of(args: argparse.Namespace) -> list[Task]:
    """All frames that were asked for, MD and the published trajectories first."""
    subsets = SETS if args.set == "all" else (args.set,)
    methods = args.method or _methods()
    wanted = ["md", "deepbackmap", "baseline", *methods]
    tasks = [
        Task(str(args.data), str(args.runs), method, subset, frame, () if args.smoke else PLANS[method])
        for method in dict.fromkeys(wanted)
        for subset in subsets
        if method != "geometric" or subset == "t568" or args.method
        for frame in frames_of(subset, args.frames)
    ]
    order = {method: k for k, method in enumerate(wanted)}
    return sorted(
        tasks,
        key=lambda task: (order[task.method], SETS.index(task.subset), task.frame * 37 % N_FRAMES),
    )


def _methods() -> list[str]:
    return [method for method in PLANS if method not in ("md", "deepbackmap", "baseline")]


def summarise(runs: Path) -> tuple[dict[str, Any], list[Verdict]]:
    """Read every frame that is there; return all figures and the verdicts."""
    columns = {}
    for subset in SETS:
        for method, plan in PLANS.items():
            for column in ("raw", *(step for step, _ in plan)):
                found = read_column(runs / subset / method, column, frames_of(subset))
                if len(found.frames) >= SMOKE:
                    columns[subset, method, column] = found
    references = {subset: columns[subset, "md", "raw"] for subset in SETS if (subset, "md", "raw") in columns}
    columns = {
        key: column.at([k for k in column.frames if k in references[key[0]].frames])
        for key, column in columns.items()
        if key[0] in references
    }
    table = {key: rows_of(column, references[key[0]]) for key, column in columns.items()}
    cost = {key: costs(column) for key, column in columns.items()}
    judged = verdicts(table, cost, columns, references)
    results = {
        "columns": [
            {
                **dict(zip(("set", "method", "column"), key, strict=True)),
                **cost[key],
                "rows": [asdict(row) for row in rows],
            }
            for key, rows in table.items()
        ],
        "verdicts": [asdict(verdict) for verdict in judged],
    }
    return results, judged


def main(arguments: list[str] | None = None) -> int:
    """Make the frames that are missing, measure, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "sps_classical", help="the frames")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--set", choices=(*SETS, "all"), default="all")
    parser.add_argument("--method", nargs="+", choices=list(PLANS), help="default: all")
    parser.add_argument("--frames", type=int, help="only so many frames of a set, evenly")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--table", action="store_true", help="make no frames")
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE} frames, raw, no verdict, no out/")
    args = parser.parse_args(arguments)
    if args.smoke:
        args.frames = SMOKE
    if not args.table:
        tasks, start = tasks_of(args), perf_counter()
        missing = sum(not task.done for task in tasks)
        print(f"{len(tasks)} frames, {missing} to make", flush=True)
        make_frames(
            tasks,
            args.workers,
            lambda task, meta: print(told(task, meta, perf_counter() - start), flush=True),
        )
    results, judged = summarise(args.runs)
    passed = sum(verdict.passed for verdict in judged)
    text = markdown(results, judged, TITLE)
    print(text)
    out = args.out or (None if args.smoke else OUT)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        atomic_write_json(out / "results.json", results)
        atomic_write_text(out / "TABLE.md", text)
    if args.smoke:
        print(f"{SMOKE} frames of each: too few to judge")
        return 0
    print(f"{passed} of {len(judged)} bars met")
    return 0 if passed == len(judged) else 1


if __name__ == "__main__":
    raise SystemExit(main())
