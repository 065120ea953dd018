"""The frame around every command: exit codes, one sentence an error, each warning once."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import msb as package
from msb.cli import info
from msb.cli.main import COMMANDS
from msb.errors import MsbError, MsbWarning


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_version_and_help(msb: Callable) -> None:
    assert msb("--version").out.strip() == f"msb {package.__version__}"
    help_text = msb("--help")
    assert help_text.code == 0
    assert all(command in help_text.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(msb: Callable, command: str) -> None:
    said = msb(command, "--help")
    assert said.code == 0
    assert f"usage: msb {command}" in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bakmap-traj"], "there is no command 'bakmap-traj'; did you mean 'backmap-traj'?"),
        (["xyzzy"], "there is no command 'xyzzy'; there are: backmap, backmap-traj, map, "),
        (["info"], "the following arguments are required: MODEL (see `msb info --help`)"),
        (["info", "a", "--jsn"], "unrecognized arguments: --jsn"),
        (["backmap-traj", "a", "-m", "b", "-o", "c", "--chunk", "0"], "'0' must be 1 or more"),
        (["backmap-traj", "a", "-m", "b", "-o", "c", "--seed", "-1"], "must be 0 or more"),
        (["backmap-traj", "a", "-m", "b", "-o", "c", "--seed", "1.5"], "'1.5' is not a whole number"),
        (["backmap-traj", "a", "-m", "b", "-o", "c", "--lag", "nan"], "must be a finite number above 0"),
        (["backmap-traj", "a", "-m", "b", "-o", "c", "--lag", "x"], "'x' is not a number"),
    ],
)
def test_usage_errors_exit_1_with_a_sentence(refused: Callable, words: list[str], sentence: str) -> None:
    assert sentence in refused(*words)


def test_without_a_command_the_help_goes_to_standard_error(msb: Callable) -> None:
    said = msb()
    assert (said.code, said.out) == (1, "")
    assert "usage: msb" in said.err


def test_an_msb_error_is_one_line(msb: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "run", raising(MsbError("the file is\n   empty: make another")))
    said = msb("info", "x")
    assert (said.code, said.err) == (1, "error: the file is empty: make another\n")


def test_an_interrupt_exits_130(msb: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "run", raising(KeyboardInterrupt()))
    assert msb("info", "x").code == 130


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "Permission denied", "a.xtc"), "Permission denied: a.xtc"),
        (OSError(28, "No space left on device", "a.xtc"), "make room, then run again with --resume"),
        (MemoryError(), "a smaller --chunk"),
    ],
)
def test_what_the_system_refuses(
    refused: Callable, monkeypatch: pytest.MonkeyPatch, error: BaseException, sentence: str
) -> None:
    monkeypatch.setattr(info, "run", raising(error))
    assert sentence in refused("info", "x")


def test_a_fault_of_our_own_leaves_its_traceback_in_a_file(
    refused: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(info, "run", raising(ZeroDivisionError("by accident")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sentence = refused("info", "x")
    assert "ZeroDivisionError: by accident" in sentence
    log = Path(sentence.rsplit(" ", 1)[-1])
    assert log.parent == tmp_path
    assert "Traceback" in log.read_text()


def test_warnings_are_shown_once_and_counted(msb: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: argparse.Namespace) -> int:
        for _ in (1, 2, 3):
            warnings.warn("column shifted", MsbWarning, stacklevel=1)
            warnings.warn("old name", DeprecationWarning, stacklevel=1)
        warnings.warn("only\n once", MsbWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(info, "run", run)
    said = msb("info", "x")
    assert said.code == 0
    assert said.err.splitlines() == [
        "warning: column shifted",
        "warning: only once",
        "warning: 3 times: column shifted",
    ]


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m msb data list | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MSB_DATA": ""},
    )
    assert done.stderr == ""
    assert done.stdout


def test_json_is_all_of_standard_output(msb: Callable, model: Path) -> None:
    said = msb("info", model, "--json")
    assert said.code == 0
    assert json.loads(said.out)["n_beads"] == 6
