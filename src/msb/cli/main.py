"""`msb`: find the command, run it, and turn whatever goes wrong into one sentence and an exit code."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module

import msb
from msb.cli.output import collected_warnings, say
from msb.cli.parser import Parser
from msb.errors import MsbError

__all__ = ["COMMANDS", "build_parser", "main"]

#: Command and the module that adds its parser and runs it; nothing heavy is imported before `run`.
COMMANDS = {
    "backmap": "msb.cli.backmap",
    "backmap-traj": "msb.cli.backmap_traj",
    "map": "msb.cli.map_beads",
    "new-config": "msb.cli.new_config",
    "train": "msb.cli.train",
    "check": "msb.cli.check",
    "morph": "msb.cli.morph",
    "compare": "msb.cli.compare",
    "arena": "msb.cli.arena",
    "assess-cg": "msb.cli.assess_cg",
    "msm": "msb.cli.msm",
    "tica": "msb.cli.tica",
    "rdf": "msb.cli.rdf",
    "fes": "msb.cli.fes",
    "info": "msb.cli.info",
    "data": "msb.cli.data",
    "demo": "msb.cli.demo",
}

_DESCRIPTION = "Move molecular systems between resolutions: beads in, Boltzmann-distributed atoms out."
_EPILOG = "exit codes: 0 fine, 1 error, 2 quality below a threshold that was asked for"


def build_parser() -> Parser:
    """Return the parser of `msb` with every command in it."""
    parser = Parser(prog="msb", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"msb {msb.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for module in COMMANDS.values():
        import_module(module).add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after `msb`; those of the process by default.

    Returns
    -------
    int
        Exit code: 0 fine, 1 error (usage errors too), 2 quality below a threshold, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except SystemExit as stop:  # argparse after --help and --version
        return int(stop.code or 0)
    except MsbError as error:
        say(f"error: {_one_line(error)}")
    except KeyboardInterrupt:
        say("interrupted; a command that has --resume goes on from here with it")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # its reader left: nothing more to say
    except OSError as error:
        say(f"error: {_system_error(error)}")
    except MemoryError:
        say("error: out of memory; a smaller --chunk needs less")
    except Exception as error:
        say(
            f"error: msb stopped on a fault of its own, {_one_line(error)}; "
            f"what happened is in {_traceback_file()}"
        )
    return 1


def _dispatch(words: list[str]) -> int:
    parser = build_parser()
    if not words:
        parser.print_help(sys.stderr)
        return 1
    parser.check_command(words[0], list(COMMANDS))
    args: argparse.Namespace = parser.parse_args(words)
    with collected_warnings():
        return int(import_module(COMMANDS[args.command]).run(args))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, MsbError) else f"{type(error).__name__}: {text}"


def _system_error(error: OSError) -> str:
    reason = error.strerror or _one_line(error)
    place = f": {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{reason}{place}; nothing that was complete is lost: make room, then run again with --resume"
    return f"{reason}{place}"


def _traceback_file() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="msb-", suffix=".log", delete=False) as file:
        file.write(traceback.format_exc())
    return file.name
