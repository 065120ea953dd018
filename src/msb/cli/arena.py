"""`msb arena`: methods over the same frames, as a page and as JSON."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from msb.cli.output import progress_bar, report
from msb.cli.parser import UsageError, add_device, add_json, natural, whole

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "arena",
        help="methods over the same frames: cost, divergences, defects",
        description="Let backmapping methods place the same bead frames, raw, minimised and polished, and "
        "compare, check and time them: a page, and its numbers as JSON.",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="NAME",
        help="sps, octane, dodecane, adp, adp-sample, or a .yaml file",
    )
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="index.html, arena.json, …")
    parser.add_argument(
        "--methods", nargs="+", action="extend", metavar="NAME", help="methods that need no training"
    )
    parser.add_argument(
        "-m",
        "--model",
        dest="models",
        action="append",
        metavar="MODEL",
        help="a trained model, by name or folder; may be given several times",
    )
    parser.add_argument("--tests", nargs="+", action="extend", metavar="TEST", help="some of the set's tests")
    parser.add_argument("--frames", type=natural, metavar="N", help="frames of each test")
    parser.add_argument(
        "--relax", default="staged", metavar="PROTOCOL", help="of the minimised structures (default staged)"
    )
    parser.add_argument("--no-polish", action="store_true", help="no polished structures")
    parser.add_argument("--seed", type=whole, default=0, help="of placement and polish (default 0)")
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Hold the arena, write the page and the numbers."""
    from msb.energy.protocols import PROTOCOLS
    from msb.io.atomic import atomic_write_json
    from msb.jobs.arena.run import ArenaSettings, run_arena
    from msb.report.arena import arena_page, told
    from msb.report.page import write_page

    if args.relax not in PROTOCOLS:
        raise UsageError(f"there is no relaxation '{args.relax}'; there are: {', '.join(PROTOCOLS)}")
    names = [word for item in args.methods or () for word in item.split(",") if word]
    settings = ArenaSettings(
        data=args.data,
        tests=tuple(args.tests or ()),
        methods=tuple(names) if args.methods else None,
        models=tuple(args.models) if args.models else None,
        frames=args.frames,
        relax=args.relax,
        polish=not args.no_polish,
        seed=args.seed,
        device=args.device,
    )
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    with progress_bar(what="arena") as advance:
        found = run_arena(settings, folder, advance)
    page, numbers = folder / "index.html", folder / "arena.json"
    facts = {"data set": args.data, "seed": str(args.seed), "relaxation": args.relax}
    for contest in found.contests:
        facts[f"frames of {contest.name}"] = _listed(contest.numbers.tolist())
    words = sys.argv[1:] if sys.argv[1:2] == ["arena"] else []
    write_page(arena_page(found, facts, [f"msb {shlex.join(words)}"] if words else []), page)
    summary = {"page": str(page), **found.summary()}
    atomic_write_json(numbers, summary)
    lines = [line for contest in found.contests for line in told(contest)]
    report(summary, [*lines, f"{page}: open it in a browser", f"{numbers}: the numbers"], args.json)
    return 0


def _listed(numbers: list[int]) -> str:
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
