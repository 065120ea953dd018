"""A write is whole or not there."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from msb.errors import MsbError
from msb.io.atomic import (
    atomic_folder,
    atomic_path,
    atomic_write_json,
    atomic_write_text,
    file_sha256,
    writing,
)


def test_writes_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    atomic_write_text(target, "old")
    atomic_write_text(target, "né")
    assert target.read_text(encoding="utf-8") == "né"
    atomic_write_json(tmp_path / "b.json", {"a": [1, 2.5]})
    assert json.loads((tmp_path / "b.json").read_text()) == {"a": [1, 2.5]}
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.json"]


def test_temporary_name_keeps_folder_and_extension(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.xtc") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".xtc"
        temporary.write_bytes(b"x")
        assert not (tmp_path / "a.xtc").exists()
    assert (tmp_path / "a.xtc").read_bytes() == b"x"


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_failure_keeps_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("new")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for name in ("one", "two"):
        with atomic_folder(target) as temporary:
            (temporary / name).write_text(name)
    assert os.listdir(target) == ["two"]

    def fail() -> None:
        with atomic_folder(target) as temporary:
            (temporary / "three").write_text("three")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert os.listdir(target) == ["two"]
    assert os.listdir(tmp_path) == ["model"]


def test_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MsbError, match=r"the folder .*nowhere does not exist; make it"):
        atomic_write_text(tmp_path / "nowhere" / "a.txt", "")


def test_a_folder_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(MsbError, match=r"a\.txt could not be written: Is a directory"):
        atomic_write_text(tmp_path / "a.txt", "")
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, r"the disk is full \(.* MB free"),
        (errno.EDQUOT, "your disk quota is used up"),
        (errno.EROFS, "could not be written"),
    ],
)
def test_what_the_system_says_becomes_a_sentence(tmp_path: Path, number: int, text: str) -> None:
    with pytest.raises(MsbError, match=text), writing(tmp_path / "a"):
        raise OSError(number, os.strerror(number))


def test_other_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing(tmp_path / "a"):
        (Path("/") / "not" / "there").read_text()


_LIMITED = """
import resource, sys
from pathlib import Path
from msb.errors import MsbError
from msb.io.atomic import atomic_write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
target = Path(sys.argv[1])
atomic_write_bytes(target, bytes(100_000))
try:
    atomic_write_bytes(target, bytes(100_001))
except MsbError as error:
    print(error)
"""


def test_a_real_limit(tmp_path: Path) -> None:
    target = tmp_path / "a"
    command = [sys.executable, "-c", _LIMITED, str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a could not be written: the largest allowed file size is reached" in result.stdout
    assert target.stat().st_size == 100_000
    assert os.listdir(tmp_path) == ["a"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "abc") == known
