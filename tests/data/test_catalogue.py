"""The catalogue and where its files are: `$MSB_DATA`, the cache, the published origin."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from msb import data
from msb.data import catalogue, download
from msb.errors import MsbError
from msb.io import file_sha256


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither reference data nor a cache."""
    monkeypatch.delenv("MSB_DATA", raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setattr(catalogue, "cache_folder", lambda: folder)
    monkeypatch.setattr(download, "cache_folder", lambda: folder)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A local server that publishes `set/a.txt` of a catalogue of its own."""
    folder = tmp_path / "origin"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        entries = {
            name: catalogue.Entry(name, 5, file_sha256(folder / "a.txt"), f"{url}/{file}")
            for name, file in {"set/a.txt": "a.txt", "set/gone.txt": "gone.txt"}.items()
        }
        monkeypatch.setattr(catalogue, "_catalogue", lambda: entries)
        yield folder
        server.shutdown()


def test_every_file_of_the_reference_data(msb_data: Path) -> None:
    """Same names, sizes and checksums as the folder's own list, and an origin or a recipe for each."""
    known = json.loads((msb_data / "catalog.json").read_text())
    entries = {entry.name: entry for entry in data.list_entries()}
    assert set(entries) == set(known)
    for name, entry in entries.items():
        assert (entry.bytes, entry.sha256) == (known[name]["bytes"], known[name]["sha256"])
        upstream = known[name].get("upstream")
        if upstream:
            repository = upstream["repository"].removeprefix("github.com/")
            assert entry.url is not None
            assert entry.url.endswith(f"/{repository}/{upstream['commit']}/{upstream['path']}")
    assert data.path("adp/adp.pdb") == msb_data / "adp" / "adp.pdb"
    assert data.find_data("sps/PS1.map") == msb_data / "sps" / "PS1.map"


def test_entries_are_sound() -> None:
    entries = data.list_entries()
    assert len(entries) == len(data.entry_names()) == 199
    for entry in entries:
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert entry.bytes > 0
        assert (entry.url is None) != (entry.made_by is None)
        assert entry.url is None or re.match(
            r"https://raw\.githubusercontent\.com/.+/[0-9a-f]{40}/", entry.url
        )
    assert {e.name.split("/")[0] for e in entries if e.made_by} == {"adp", "cln"}


def test_patterns() -> None:
    assert len(data.list_entries("sps/train")) == 26
    assert [entry.name for entry in data.list_entries("adp/adp.pdb")] == ["adp/adp.pdb"]
    assert len(data.list_entries("adp/*.dcd", "adp/adp_300K.dcd")) == 2
    with pytest.raises(MsbError, match=r"no data file 'adp/apd.pdb'; did you mean 'adp/adp.pdb'\?"):
        data.list_entries("adp/apd.pdb")
    with pytest.raises(MsbError, match="`msb data list` shows all names"):
        data.path("xxxxxxxxxxxxxxxx")


def test_unpublished_files_say_how_they_are_made(cache: Path) -> None:
    assert data.find_data("adp/adp.pdb") is None
    with pytest.raises(MsbError, match=r"python studies/adp_backmapping/simulate\.py"):
        data.path("adp/adp.pdb")


def test_the_folder_of_the_variable_comes_first(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: Path
) -> None:
    mine = tmp_path / "mine"
    (mine / "set").mkdir(parents=True)
    (mine / "set" / "a.txt").write_text("hello")
    monkeypatch.setenv("MSB_DATA", str(mine))
    assert data.path("set/a.txt") == mine / "set" / "a.txt"
    assert not cache.exists()
    for wrong in ("hallo", "hello!"):
        (mine / "set" / "a.txt").write_text(wrong)
        with pytest.raises(MsbError, match=r"a\.txt is not the file the catalogue knows as 'set/a\.txt'"):
            data.path("set/a.txt")


def test_downloads_once(cache: Path, origin: Path) -> None:
    assert data.fetch("set/a.txt") == [cache / "set" / "a.txt"]
    assert (cache / "set" / "a.txt").read_text() == "hello"
    (origin / "a.txt").unlink()
    assert data.path("set/a.txt") == cache / "set" / "a.txt"


def test_a_wrong_download_is_not_kept(cache: Path, origin: Path) -> None:
    (origin / "a.txt").write_text("hallo")
    with pytest.raises(MsbError, match="has the wrong checksum, so it was not kept"):
        data.path("set/a.txt")
    assert data.find_data("set/a.txt") is None


def test_no_network(cache: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MsbError, match=r"could not be downloaded from .* \(HTTPError\); check the network"):
        data.path("set/gone.txt")
    entry = catalogue.Entry("set/a.txt", 5, "0" * 64, "http://127.0.0.1:9/a.txt")
    monkeypatch.setattr(catalogue, "_catalogue", lambda: {"set/a.txt": entry})
    with pytest.raises(MsbError, match=r"\(ConnectionError\); check the network, or point MSB_DATA"):
        data.path("set/a.txt")


def test_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in data.list_samples():
        assert data.sample(name).exists()
    from msb.data import samples

    monkeypatch.setattr(samples, "_folder", lambda: tmp_path)
    (tmp_path / "adp.pdb").touch()
    assert data.sample("adp.pdb") == tmp_path / "adp.pdb"
    with pytest.raises(MsbError, match=r"no bundled sample 'apd\.pdb'; did you mean 'adp\.pdb'"):
        data.sample("apd.pdb")
    with pytest.raises(MsbError, match="there are: adp"):
        data.sample("zzz")
