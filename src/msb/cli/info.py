"""`msb info`: what a model is."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.output import report
from msb.cli.parser import add_json

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "info", help="what a model is", description="Say what a model places, and what it was made from."
    )
    parser.add_argument("model", metavar="MODEL", help="a model's folder, or the name of a shipped one")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the bundle says; the network is not loaded."""
    from msb.jobs.describe_model import describe_model

    told = describe_model(args.model)
    rows = [f"{name:<12} {value}" for name, value in told.headline.items()]
    report(told.details, [*rows, "", told.card.strip()], args.json)
    return 0
