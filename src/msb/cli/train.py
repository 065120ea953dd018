"""`msb train`: from a configuration to a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report
from msb.cli.parser import add_device, add_json

if TYPE_CHECKING:
    from msb.train.loop import Progress

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "train",
        help="train a model from a configuration",
        description="Train a model; the configuration says how.",
    )
    parser.add_argument("config", metavar="CONFIG", help="YAML file; configs/ has one for each shipped model")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="log, checkpoint and model/ (default: runs/NAME OF CONFIG)"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a setting of the configuration, as in --set training.steps=500; may be repeated",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the folder's last checkpoint")
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Train, save the bundle and say how good it is."""
    from msb.jobs.train_model import train_model

    with progress_bar("steps", "train") as advance:
        done = 0

        def follow(progress: Progress) -> None:
            nonlocal done
            advance(progress.step - done, progress.steps)
            done = progress.step

        result = train_model(
            args.config,
            args.output,
            overrides=args.overrides,
            resume=args.resume,
            device=args.device,
            progress=follow,
        )
    figures = [f"  {name} = {value:.6g}" for name, value in sorted(result.metrics.items())]
    report(vars(result), [f"{result.bundle}: a model of the method '{result.method}'", *figures], args.json)
    return 0
