"""`msb new-config`: from a new system's files to a configuration to start training from."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.output import report
from msb.cli.parser import add_json, positive

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "new-config",
        help="a configuration to train from, for a new system",
        description="Look at a system's files, say what is in them, and write a configuration of the method "
        "backmap: data, beads with their atoms and axes, channels, defaults.",
    )
    parser.add_argument(
        "snapshots",
        nargs="+",
        metavar="AA",
        help="all-atom structures, of one system or of several; a trajectory after its structure",
    )
    parser.add_argument(
        "--top",
        nargs="+",
        default=[],
        metavar="TOP",
        help="GROMACS .top or .itp: atoms, bonds, force field (default: bonds as in the structures)",
    )
    parser.add_argument(
        "--mapping",
        nargs="+",
        required=True,
        metavar="M",
        help="mapping files (yaml, xml, map), or names of bundled ones",
    )
    parser.add_argument(
        "--temperature", type=positive, metavar="K", help="of the simulation (default: 300, to be corrected)"
    )
    parser.add_argument(
        "--network",
        choices=("mixture", "voxel"),
        default="mixture",
        help="mixture (default) or voxel, with its channels written out",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="config.yaml",
        metavar="YAML",
        help="default: config.yaml; never overwritten",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the configuration and say what was found."""
    from msb.jobs.new_config import new_config

    made = new_config(
        args.snapshots,
        args.mapping,
        args.output,
        top=args.top,
        temperature=args.temperature,
        network=args.network,
    )
    molecules = ", ".join(f"{count} {name}" for name, count in made.molecules.items())
    frames = "1 snapshot" if made.n_frames == 1 else f"{made.n_frames} snapshots"
    lines = [
        f"{made.path}: {frames} to train on, with {molecules}",
        f"bead types {' '.join(made.bead_types)}; atom types {' '.join(made.atom_types)}; "
        f"{made.rigid} kinds of rigid bonds; {'a' if made.force_field else 'no'} force field",
        *(f"look at this: {sentence}" for sentence in made.assumed),
        f"then: msb train {made.path}",
    ]
    report({**vars(made), "path": str(made.path)}, lines, args.json)
    return 0
