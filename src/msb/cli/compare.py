"""`msb compare`: ensembles beside a reference, as a page, as JSON, as an exit code."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report, say
from msb.cli.parser import add_json, positive, whole

if TYPE_CHECKING:
    from msb.jobs.compare.run import ComparisonReport

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "compare",
        help="ensembles beside a reference: a page and its numbers",
        description="Compare trajectories of one system with a reference: bonds, angles, dihedrals, pair "
        "distances, energies, free energies and timescales, with the floor of finite samples taken off.",
    )
    parser.add_argument("structure", metavar="STRUCTURE", help="names and residues of all (pdb, gro, …)")
    parser.add_argument("reference", metavar="REF", help="trajectory to compare with")
    parser.add_argument("tests", metavar="TEST", nargs="+", help="trajectories to judge")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="index.html, compare.json")
    field = parser.add_mutually_exclusive_group()
    field.add_argument(
        "--top", type=Path, metavar="TOP", help="GROMACS topology: types to group by, and energies"
    )
    field.add_argument("--ff", metavar="NAME", help="OpenMM's force field for the energies, as in amber96")
    parser.add_argument(
        "--kinetics",
        metavar="FEATURES",
        help="timescales and free energies on phi-psi, ca-distances, or a FILE of atom numbers",
    )
    parser.add_argument("--lag", type=positive, metavar="PS", help="longest lag of the Markov models")
    parser.add_argument(
        "--timestep", type=positive, metavar="PS", help="frame spacing, for files that do not know theirs"
    )
    parser.add_argument(
        "--temperature", type=positive, default=300.0, metavar="K", help="of free energies (default 300)"
    )
    parser.add_argument(
        "--fail-above", type=positive, metavar="X", help="exit with 2 if an excess divergence is above X nats"
    )
    parser.add_argument("--seed", type=whole, default=0, help="of bootstrap and clustering (default 0)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, write the page and the numbers, and judge."""
    from msb.io.atomic import atomic_write_json
    from msb.jobs.compare.run import CompareSettings, compare_ensembles
    from msb.report.compare import verdict

    settings = CompareSettings(
        args.top, args.ff, args.kinetics, args.lag, args.timestep, args.temperature, args.seed
    )
    with progress_bar(what="compare") as advance:
        result = compare_ensembles(args.structure, args.reference, args.tests, settings, advance)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    page, numbers = folder / "index.html", folder / "compare.json"
    _write_page(page, result, args)
    worst = result.worst()
    crossed = args.fail_above is not None and worst[2] > args.fail_above
    told = {"verdict": verdict(result.tests, args.fail_above), "fail_above": args.fail_above}
    summary = {**told, "crossed": crossed, "page": str(page), **result.summary()}
    atomic_write_json(numbers, summary)
    report(summary, [*told["verdict"], f"{page}: open it in a browser", f"{numbers}: the numbers"], args.json)
    if crossed:
        say(f"quality: {worst[0]}, {worst[1]}: excess {worst[2]:.4f} is above {args.fail_above:g}")
    return 2 if crossed else 0


def _write_page(path: Path, result: ComparisonReport, args: argparse.Namespace) -> None:
    from msb.report.compare import compare_page
    from msb.report.page import write_page

    facts = {
        "structure": str(result.structure),
        "reference": str(result.reference),
        "tests": ", ".join(map(str, result.files)),
        "system": f"{result.n_atoms:,} atoms in {result.n_molecules:,} molecules",
        "frames": f"{result.tests[0].n_frames:,} of each",
    }
    words = [word for word in sys.argv[1:] if word] if sys.argv[1:2] == ["compare"] else []
    commands = [f"msb {shlex.join(words)}"] if words else []
    names = " and ".join(test.label for test in result.tests)
    title = f"{names} beside {result.reference.name}"
    write_page(compare_page(result.tests, title, facts, commands, args.fail_above), path)
