"""`msb data`: names, places, and what it says when a file is not to be had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from msb.data import list_entries


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_list(msb: Callable, tmp_path: Path) -> None:
    (tmp_path / "data" / "adp").mkdir(parents=True)
    (tmp_path / "data" / "adp" / "adp.pdb").write_text("not what the catalogue knows")
    said = msb("data", "list", "--json")
    told = json.loads(said.out)
    assert set(told) == {entry.name for entry in list_entries()}
    assert told["adp/adp.pdb"]["state"] == "here, with the wrong checksum"
    assert told["adp/adp_300K.dcd"]["state"] == "not here"
    lines = msb("data", "list", "adp").out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:2] == ["adp/adp.pdb", "1,218"]


def test_unknown_names_get_a_suggestion(refused: Callable) -> None:
    assert "did you mean 'adp/adp.pdb'?" in refused("data", "path", "adp/apd.pdb")
    assert "did you mean" in refused("data", "get", "adp/adp_300.dcd")
    assert "required: ACTION" in refused("data")


def test_what_is_not_published_says_how_it_is_made(refused: Callable) -> None:
    assert "makes it anew" in refused("data", "path", "adp/adp.pdb")


def test_path_of_what_is_there(msb: Callable, msb_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSB_DATA", str(msb_data))
    assert msb("data", "path", "adp/adp.pdb").out.strip() == str(msb_data / "adp" / "adp.pdb")
    assert str(msb_data) in msb("data", "get", "adp/adp.pdb").out
