"""What the commands on one ensemble share: their features, and a folder with numbers, table and picture."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msb.cli.output import report
from msb.cli.parser import add_json, add_structure, positive

__all__ = ["add_ensemble", "add_features", "write_results"]


def add_ensemble(parser: argparse.ArgumentParser) -> None:
    """Add STRUCTURE [TRAJECTORY], `-o` and `--json`."""
    add_structure(parser, "the ensemble")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="write the numbers (json, csv) and a picture (png) there"
    )
    add_json(parser)


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add `--features` and `--timestep`."""
    parser.add_argument(
        "--features",
        default="phi-psi",
        metavar="FEATURES",
        help="phi-psi (default), ca-distances, or a file with the numbers of 2, 3 or 4 atoms on each line",
    )
    parser.add_argument(
        "--timestep", type=positive, metavar="PS", help="frame spacing, for files that do not know theirs"
    )


def write_results(
    args: argparse.Namespace,
    name: str,
    numbers: Mapping[str, Any],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    picture: bytes,
    lines: Sequence[str] = (),
    shown: Sequence[Sequence[str]] | None = None,
) -> None:
    """Print a table, or JSON, and write what `-o` asks for.

    Parameters
    ----------
    args : Namespace
        With `output` and `json`.
    name : str
        Of the files.
    numbers : mapping
        JSON-able.
    columns : sequence of str
        Of the table.
    rows : sequence of (sequence of str)
        What is written as CSV, and printed unless `shown` is given.
    picture : bytes
        PNG.
    lines : sequence of str
        Printed after the table.
    shown : sequence of (sequence of str), optional
        What to print instead, column titles first.
    """
    from msb.io.atomic import atomic_write_bytes, atomic_write_json, atomic_write_text

    said = _aligned([columns, *rows] if shown is None else shown)
    if args.output is not None:
        folder = Path(args.output)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_json(folder / f"{name}.json", dict(numbers))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([columns, *rows])
        atomic_write_text(folder / f"{name}.csv", text.getvalue())
        atomic_write_bytes(folder / f"{name}.png", picture)
        lines = [*lines, f"{folder}: {name}.json, {name}.csv, {name}.png"]
    report(numbers, [*said, *lines], args.json)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
