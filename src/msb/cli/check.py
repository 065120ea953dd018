"""`msb check`: what is wrong with an all-atom structure, frame by frame; and repairs it."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report, say
from msb.cli.parser import add_device, add_json, add_structure, natural, positive, whole

if TYPE_CHECKING:
    from msb.jobs.check.run import CheckReport

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "check",
        help="what is wrong with an all-atom structure: clashes, inverted centres, speared rings, …",
        description="Look through every frame for bonds and angles off their rest, clashes, inverted "
        "stereocentres, turned double bonds, speared rings, broken molecules, beads out of place and atoms "
        "without a position. Exit code 2 when more is found than --allow tolerates.",
    )
    add_structure(parser, "the atoms")
    parser.add_argument(
        "--top", type=Path, metavar="TOP", help="GROMACS topology: bonds, rest lengths, energy"
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="AA",
        help="a structure with the same molecules in which stereocentres, double bonds and lengths are right",
    )
    parser.add_argument(
        "--cg",
        type=Path,
        nargs="+",
        default=[],
        metavar="CG",
        help="the beads it was made for: CG.gro [CG.xtc]",
    )
    parser.add_argument("--mapping", metavar="M", help="mapping file, or model, that belongs to --cg")
    parser.add_argument(
        "--temperature", type=positive, metavar="K", help="of thermal motion that is no defect (default 600)"
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="write index.html and check.json there")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="KIND=N",
        help="tolerate N findings a frame of this kind, as in clash=0.5; or of all kinds, as in all=2",
    )
    parser.add_argument(
        "--limit", action="append", default=[], metavar="KEY=X", help="another threshold, as in contact=0.7"
    )
    _add_repair(parser)
    add_json(parser)


def _add_repair(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("repair")
    group.add_argument(
        "--repair",
        metavar="FIXED",
        help="write the frames repaired (gro, xtc, …): the atoms around a defect are drawn anew with -m, "
        "relaxed with --top, or both; all others stay where they are",
    )
    group.add_argument("-m", "--model", help="a model's folder, or the name of a shipped one; needs --cg")
    group.add_argument("--tries", type=natural, default=6, metavar="N", help="of each defect (default 6)")
    group.add_argument("--seed", type=whole, default=0, help="of the repair (default 0)")
    add_device(group)  # type: ignore[arg-type]  # a group takes arguments as a parser does


def run(args: argparse.Namespace) -> int:
    """Check, repair if asked to, write page and numbers, and judge."""
    from msb.io.atomic import atomic_write_json
    from msb.jobs.check.run import CheckSettings, allowance, check_files, limits_from
    from msb.quality.words import headline

    settings = CheckSettings(
        args.top, args.reference, tuple(args.cg), args.mapping, limits_from(args.limit, args.temperature)
    )
    allowed = allowance(args.allow)
    with progress_bar(what="check") as advance:
        if args.repair is None:
            result = check_files(args.structure, args.trajectory, settings, advance)
        else:
            result = _repaired(args, settings, advance)
    passed = result.verdict.passed(allowed)
    said = headline(result.verdict, allowed)
    summary = {**result.summary(), "allowed": allowed, "passed": passed, "verdict": said}
    lines = [*_table(result, allowed), said, *_repair_lines(result)]
    if args.output is not None:
        folder = Path(args.output)
        folder.mkdir(parents=True, exist_ok=True)
        _write_page(folder / "index.html", result, allowed)
        atomic_write_json(folder / "check.json", summary)
        lines += [f"{folder / 'index.html'}: open it in a browser", f"{folder / 'check.json'}: the numbers"]
    report(summary, lines, args.json)
    if not passed:
        say(f"quality: {said}")
    return 0 if passed else 2


def _repaired(args: argparse.Namespace, settings: Any, advance: Any) -> CheckReport:
    from msb.jobs.check.repair import RepairSettings
    from msb.jobs.check.repair_files import repair_files

    how = RepairSettings(tries=args.tries, seed=args.seed)
    return repair_files(
        args.structure, args.trajectory, args.repair, settings, how, args.model, args.device, advance
    )


def _table(result: CheckReport, allowed: dict[str, float]) -> list[str]:
    from msb.quality.words import kind_rows

    rows: list[tuple[str, ...]] = [("", "findings", "a frame", "frames", "the worst")]
    rows += [cells for cells, _ in kind_rows(result.verdict, allowed, result.sources)]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in (1, 2, 3)), row[4]]).rstrip()
        for row in rows
    ]


def _repair_lines(result: CheckReport) -> list[str]:
    told = [f"{name}: {value}" for name, value in result.repair.get("told", {}).items()]
    return [*told, *(f"not repaired: {entry}" for entry in result.repair.get("left", ()))]


def _write_page(path: Path, result: CheckReport, allowed: dict[str, float]) -> None:
    from msb.report.check import check_page
    from msb.report.page import write_page

    words = [word for word in sys.argv[1:] if word] if sys.argv[1:2] == ["check"] else []
    facts = {
        "file": str(result.path),
        "system": f"{result.n_atoms:,} atoms in {result.n_molecules:,} molecules",
        **result.sources,
        "thresholds": ", ".join(f"{key} {value:g}" for key, value in result.limits.model_dump().items()),
    }
    commands = (f"msb {shlex.join(words)}",) if words else ()
    title = f"Check of {result.path.name}"
    page = check_page(result.verdict, title, facts, commands, allowed, result.repair.get("told"))
    write_page(page, path)
