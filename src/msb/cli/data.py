"""`msb data`: reference data by name."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.output import progress_bar, report
from msb.cli.parser import add_json
from msb.errors import MsbError

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command and its three actions to the parser of `msb`."""
    parser = subparsers.add_parser(
        "data",
        help="reference data by name",
        description="Reference data: from $MSB_DATA, else the user's cache, else where it is published.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    listing = actions.add_parser("list", help="names, sizes, and whether they are on this machine")
    listing.add_argument("patterns", nargs="*", metavar="PATTERN", help="a folder, or a name with * and ?")
    add_json(listing)
    where = actions.add_parser("path", help="print where a file is, getting it first if need be")
    where.add_argument("name", metavar="NAME")
    get = actions.add_parser("get", help="get files that are not on this machine")
    get.add_argument(
        "patterns", nargs="+", metavar="PATTERN", help="a name, a folder, or a name with * and ?"
    )
    add_json(get)


def run(args: argparse.Namespace) -> int:
    """List, find or get data files."""
    actions = {"list": _list, "path": _path, "get": _get}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from msb.data import find_data, list_entries

    entries = list_entries(*args.patterns)
    width = max(len(entry.name) for entry in entries)
    lines, told = [], {}
    for entry in entries:
        state, place = "not here", None
        try:
            place = find_data(entry.name)
            state = "here" if place else "not here"
        except MsbError:
            state = "here, with the wrong checksum"
        lines.append(f"{entry.name:<{width}}  {entry.bytes:>11,}  {state}")
        told[entry.name] = {**vars(entry), "state": state, "path": place}
    report(told, lines, args.json)
    return 0


def _path(args: argparse.Namespace) -> int:
    from msb.data import data_path

    print(data_path(args.name))
    return 0


def _get(args: argparse.Namespace) -> int:
    from msb.data import data_path, list_entries

    found = {}
    with progress_bar("files", "get") as advance:
        entries = list_entries(*args.patterns)
        for entry in entries:
            found[entry.name] = data_path(entry.name)
            advance(1, len(entries))
    report(found, [str(place) for place in found.values()], args.json)
    return 0
