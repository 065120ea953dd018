"""The grammar all commands share: errors as sentences, and the options that mean the same everywhere."""

from __future__ import annotations

import argparse
import math
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from msb.errors import MsbError

__all__ = [
    "Parser",
    "UsageError",
    "add_device",
    "add_json",
    "add_mapping",
    "add_method",
    "add_model",
    "add_resume",
    "add_seed",
    "add_structure",
    "add_workers",
    "natural",
    "positive",
    "whole",
]

#: A parser, or a group of its options.
Group = argparse._ActionsContainer


class UsageError(MsbError):
    """The command line itself is wrong: an unknown option, a missing argument, a value out of range."""


class Parser(argparse.ArgumentParser):
    """argparse's parser with full option names only, and errors raised instead of printed."""

    def __init__(self, **keywords: object) -> None:
        keywords.setdefault("allow_abbrev", False)
        super().__init__(**keywords)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raise the usage error as a sentence that names the command whose help explains it.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(f"{message} (see `{self.prog} --help`)")

    def check_command(self, name: str, commands: list[str]) -> None:
        """Suggest the nearest command for a mistyped one.

        Raises
        ------
        UsageError
            `name` is neither an option nor one of `commands`.
        """
        if name.startswith("-") or name in commands:
            return
        near = get_close_matches(name, commands, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(commands)}"
        self.error(f"there is no command '{name}'; {hint}")


def whole(text: str) -> int:
    """Integer that is 0 or more, as an argparse type."""
    return _integer(text, 0)


def natural(text: str) -> int:
    """Integer that is 1 or more, as an argparse type."""
    return _integer(text, 1)


def positive(text: str) -> float:
    """Finite number above 0, as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"'{text}' must be a finite number above 0")
    return value


def _or_bundled(name: str) -> str:
    """A file, or where there is none of that name, the bundled one."""
    if Path(name).exists():  # nothing is imported for the usual case
        return name
    from msb.data.samples import file_or_sample

    return str(file_or_sample(name))


def add_structure(parser: argparse.ArgumentParser, what: str, optional: bool = False) -> None:
    """Add the inputs every command takes the same way: STRUCTURE [TRAJECTORY]."""
    parser.add_argument(
        "structure",
        metavar="STRUCTURE",
        nargs="?" if optional else None,
        type=_or_bundled,
        help=f"{what}: names and residues (pdb, gro, …), or the name of a bundled sample",
    )
    parser.add_argument(
        "trajectory",
        metavar="TRAJECTORY",
        nargs="?",
        type=_or_bundled,
        help="its frames (xtc, trr, dcd, h5, …); without it, the frames of STRUCTURE",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`."""
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, … (default: a GPU where there is one, else the CPU)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, for machines")


def add_model(parser: Group, required: bool = False) -> None:
    """Add `-m`."""
    parser.add_argument(
        *("-m", "--model"), required=required, help="a model's folder, or the name of a shipped one"
    )


def add_method(parser: Group, snapshots: str) -> None:
    """Add `--method` and `--from`, whose help is `snapshots`."""
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="fragment, library, linear (these learn from --from); random, geometric (these do not)",
    )
    parser.add_argument("--from", dest="snapshots", nargs="+", default=[], metavar="AA", help=snapshots)


def add_mapping(parser: Group, default: str = "") -> None:
    """Add `--mapping`, several files; `default` says in brackets what is taken without."""
    parser.add_argument(
        "--mapping",
        nargs="+",
        default=[],
        metavar="M",
        help=f"mapping files (yaml, xml, map), or names of bundled ones{default and f' ({default})'}",
    )


def add_seed(parser: Group, what: str = "all noise") -> None:
    """Add `--seed`."""
    parser.add_argument("--seed", type=whole, default=0, help=f"of {what} (default 0)")


def add_workers(parser: Group) -> None:
    """Add `--workers`."""
    parser.add_argument(
        "--workers",
        type=natural,
        metavar="N",
        help="frames made side by side (default: one a core where that is quicker); never changes the result",
    )


def add_resume(parser: Group) -> None:
    """Add `--resume`."""
    parser.add_argument("--resume", action="store_true", help="go on where a run that was killed stopped")


def _integer(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"'{text}' must be {least} or more")
    return value
