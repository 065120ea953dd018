"""`msb backmap-traj`: beads to atoms, along a trajectory."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.output import progress_bar, report, say
from msb.cli.parser import (
    add_device,
    add_json,
    add_model,
    add_resume,
    add_seed,
    add_structure,
    natural,
    positive,
)

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "backmap-traj",
        help="beads to atoms, along a trajectory",
        description="Put the atoms back into every frame of a bead trajectory, coherent in time.",
    )
    add_structure(parser, "the beads")
    add_model(parser, required=True)
    parser.add_argument("-o", "--output", required=True, metavar="ATOMS", help="xtc, trr, dcd, gro, pdb")
    add_seed(parser, "the noise")
    parser.add_argument(
        "--samples", type=natural, default=1, metavar="N", help="draw N trajectories: OUTPUT_s1 to OUTPUT_sN"
    )
    parser.add_argument(
        "--segments",
        type=natural,
        default=1,
        metavar="K",
        help="cut into K pieces that start anew and advance side by side: faster, and part of the result",
    )
    parser.add_argument(
        "--chunk", type=natural, default=1000, metavar="N", help="frames in memory; never changes the result"
    )
    parser.add_argument(
        "--lag",
        type=positive,
        metavar="PS",
        help="what one frame is in all-atom time (default: the file's clock)",
    )
    parser.add_argument(
        "--temperature", type=positive, metavar="K", help="default: the temperature the model was trained at"
    )
    add_resume(parser)
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Backmap the trajectory and say what was written."""
    from msb.backmapper import load_model
    from msb.jobs.backmap.trajectory import BackmapSettings, backmap_trajectory
    from msb.jobs.describe_model import model_identity
    from msb.quality.words import headline

    settings = BackmapSettings(
        seed=args.seed,
        samples=args.samples,
        segments=args.segments,
        chunk=args.chunk,
        lag=args.lag,
        temperature=args.temperature,
        resume=args.resume,
    )
    model = load_model(args.model, args.device)
    with progress_bar(what="backmap") as advance:
        result = backmap_trajectory(
            model,
            args.structure,
            args.trajectory,
            args.output,
            settings,
            advance,
            identity=model_identity(args.model),
        )
    lines = [f"{path}: {result.n_frames} frames of {result.n_atoms} atoms" for path in result.outputs]
    whose = "" if args.temperature else " (the model's training temperature)"
    lines.append(
        f"{result.temperature:g} K{whose}, {result.frames_per_second:.0f} frames/s, seed {args.seed}"
    )
    quality = {**result.quality.to_json(), "seconds": round(result.check_seconds, 4)}
    report({**vars(result), "quality": quality}, lines, args.json)
    say(f"check: {headline(result.quality)}")
    return 0
