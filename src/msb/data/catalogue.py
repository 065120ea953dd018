"""Reference data by name: every file's size, SHA-256 and origin, and where it is on this machine.

A file is looked for in `$MSB_DATA`, then in the user's cache; else it is downloaded from its origin.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from pathlib import Path

from msb.data.download import cache_folder, download
from msb.errors import MsbError
from msb.io.atomic import file_sha256

__all__ = ["Entry", "data_path", "entry_names", "fetch", "find_data", "list_entries", "lookup"]

_VARIABLE = "MSB_DATA"


@dataclass(frozen=True)
class Entry:
    """One file of the reference data.

    Attributes
    ----------
    name : str
        `folder/file`, as below `$MSB_DATA`.
    bytes : int
        Size.
    sha256 : str
        Checksum, 64 hexadecimal digits.
    url : str or None
        Its published origin.
    made_by : str or None
        For files that are not published: the script of the project's repository that makes them.
    """

    name: str
    bytes: int
    sha256: str
    url: str | None = None
    made_by: str | None = None


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, Entry]:
    text = (resources.files("msb.data") / "catalogue.json").read_text(encoding="utf-8")
    return {name: Entry(name, **fields) for name, fields in json.loads(text).items()}


def list_entries(*patterns: str) -> list[Entry]:
    """Return the entries, by name, that match one of the patterns; all of them without a pattern.

    Parameters
    ----------
    *patterns : str
        Names, folders (`sps`, `sps/train`), or patterns with `*` and `?`.

    Raises
    ------
    MsbError
        If a pattern matches nothing; with the nearest name.
    """
    catalogue = _catalogue()
    if not patterns:
        return list(catalogue.values())
    names: set[str] = set()
    for pattern in patterns:
        folder = pattern.rstrip("/") + "/"
        found = {name for name in catalogue if name.startswith(folder) or fnmatchcase(name, pattern)}
        if not found:
            raise _unknown(pattern)
        names |= found
    return [catalogue[name] for name in sorted(names)]


def entry_names() -> list[str]:
    """Return the names of all files."""
    return list(_catalogue())


def lookup(name: str) -> Entry:
    """Return the entry of that name.

    Raises
    ------
    MsbError
        If there is none; with the nearest name.
    """
    try:
        return _catalogue()[name]
    except KeyError:
        raise _unknown(name) from None


def _unknown(name: str) -> MsbError:
    catalogue = _catalogue()
    folders = {entry.rpartition("/")[0] for entry in catalogue}
    near = difflib.get_close_matches(name, [*catalogue, *folders], n=1)
    hint = f"did you mean '{near[0]}'?" if near else "`msb data list` shows all names."
    return MsbError(f"there is no data file '{name}'; {hint}")


def find_data(name: str) -> Path | None:
    """Return where a data file is on this machine, or None; nothing is downloaded.

    Parameters
    ----------
    name : str
        As in `msb data list`.

    Raises
    ------
    MsbError
        If the name is unknown, or the file there has the wrong checksum.
    """
    entry = lookup(name)
    folder = os.environ.get(_VARIABLE)
    places = [Path(folder)] if folder else []
    for place in (*places, cache_folder()):
        file = place / name
        if file.is_file():
            _verify(file, entry)
            return file
    return None


def data_path(name: str) -> Path:
    """Return a data file's path, downloading it to the cache if this machine does not have it.

    Parameters
    ----------
    name : str
        As in `msb data list`.

    Raises
    ------
    MsbError
        If the name is unknown, a checksum is wrong, the file is not published, or it cannot be downloaded.
    """
    found = find_data(name)
    if found is not None:
        return found
    entry = lookup(name)
    if entry.url is None:
        raise MsbError(
            f"'{name}' is neither in ${_VARIABLE} nor in {cache_folder()}, and is not published: "
            f"`python {entry.made_by}` in the project's repository makes it anew."
        )
    return download(name, entry.url, entry.sha256)


def fetch(*patterns: str) -> list[Path]:
    """Return the paths of all files that match, downloading those this machine does not have."""
    return [data_path(entry.name) for entry in list_entries(*patterns)]


def _verify(file: Path, entry: Entry) -> None:
    status = file.stat()
    if status.st_size != entry.bytes or _digest(file, status.st_mtime_ns) != entry.sha256:
        raise MsbError(
            f"{file} is not the file the catalogue knows as '{entry.name}' (wrong checksum); remove it, and "
            f"`msb data get {entry.name}` fetches it again."
        )


@lru_cache(maxsize=512)
def _digest(file: Path, changed: int) -> str:
    """SHA-256 of a file, computed once as long as it does not change."""
    return file_sha256(file)
