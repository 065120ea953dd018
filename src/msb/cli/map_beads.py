"""`msb map`: atoms to beads."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.output import progress_bar, report
from msb.cli.parser import add_json, add_structure, natural

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser("map", help="atoms to beads", description="Write the beads of atoms.")
    add_structure(parser, "the atoms")
    parser.add_argument(
        "--mapping",
        required=True,
        metavar="MAPPING",
        help="mapping file (yaml, xml, map), or a model, whose mapping is then used",
    )
    parser.add_argument("-o", "--output", required=True, metavar="BEADS", help="xtc, trr, dcd, gro, pdb")
    parser.add_argument(
        "--chunk", type=natural, default=256, metavar="N", help="frames in memory (default 256)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Map the trajectory and say what was written."""
    from msb.jobs.map_trajectory import map_trajectory

    with progress_bar(what="map") as advance:
        result = map_trajectory(
            args.structure, args.trajectory, args.mapping, args.output, chunk=args.chunk, progress=advance
        )
    report(
        vars(result),
        [f"{result.output}: {result.n_frames} frames of {result.n_beads} beads, from {result.n_atoms} atoms"],
        args.json,
    )
    return 0
