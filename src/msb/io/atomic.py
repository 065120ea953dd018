"""Writes that are whole or not there: a temporary name in the same folder, fsync, rename."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from msb.errors import MsbError

__all__ = [
    "atomic_folder",
    "atomic_path",
    "atomic_write_bytes",
    "atomic_write_json",
    "atomic_write_text",
    "file_sha256",
    "sync_folder",
    "writing",
]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BROKEN = {errno.EIO, errno.EROFS}


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what the system says when `path` cannot be written into one sentence.

    Only errors about this file, and errors that a read cannot have (disk full, quota, read-only, device
    failure), are translated; anything else passes through unchanged.

    Parameters
    ----------
    path : str or Path
        The file or folder being written.

    Raises
    ------
    MsbError
        If the disk is full, the quota or the file size limit is reached, or the place cannot be written to.
    """
    path = Path(path)
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise MsbError(f"{path} could not be written: {_full(path, error)}") from error
        if error.errno in _BROKEN or _is_about(error, path):
            raise MsbError(f"{path} could not be written: {error.strerror}.") from error
        raise


def _full(path: Path, error: OSError) -> str:
    """Say which limit was reached, and how much room there is."""
    advice = "make room and run the same command again (with --resume where it was given)."
    if error.errno == errno.EDQUOT:
        return f"your disk quota is used up; {advice}"
    if error.errno == errno.EFBIG:
        return f"the largest allowed file size is reached (see `ulimit -f`); {advice}"
    try:
        free = f" ({shutil.disk_usage(path.parent).free / 1e6:.1f} MB free in {path.parent})"
    except OSError:
        free = ""
    return f"the disk is full{free}; {advice}"


def _is_about(error: OSError, path: Path) -> bool:
    """Whether the system's message names this file, its temporary sibling, or something inside it."""
    if error.filename is None:
        return False
    named = Path(os.fsdecode(error.filename))
    return named.parent == path.parent or path in named.parents


def _temporary(path: Path) -> Path:
    """Name of the temporary sibling; it keeps the extension, by which libraries choose the format."""
    return path.with_name(f".{path.stem}.tmp{os.getpid()}{path.suffix}")


def _require_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise MsbError(
            f"{path} cannot be written: the folder {path.parent} does not exist; make it first, "
            "or choose another place."
        )


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; on success it is synced and renamed, on failure removed.

    Parameters
    ----------
    path : str or Path
        The file to make or replace.

    Yields
    ------
    Path
        Where to write; same folder and extension as `path`.

    Raises
    ------
    MsbError
        If the folder is missing or the disk is full (see `writing`).
    """
    path = Path(path)
    _require_parent(path)
    temporary = _temporary(path)
    try:
        with writing(path):
            yield temporary
            with open(temporary, "rb+") as handle:
                os.fsync(handle.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of `path`.

    Parameters
    ----------
    path : str or Path
        The folder to make; one that is there already is replaced as a whole.

    Yields
    ------
    Path
        The empty folder to fill.

    Raises
    ------
    MsbError
        If the parent folder is missing or the disk is full (see `writing`).
    """
    path = Path(path)
    _require_parent(path)
    temporary, old = _temporary(path), path.with_name(f".{path.name}.old{os.getpid()}")
    try:
        with writing(path):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with open(file, "rb+") as handle:
                        os.fsync(handle.fileno())
            sync_folder(temporary)
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
            sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all (see `atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all (see `atomic_path`)."""
    atomic_write_bytes(path, text.encode())


def atomic_write_json(path: str | Path, value: Any, *, indent: int | None = 1) -> None:
    """Write `value` to `path` as JSON with a final newline, whole or not at all (see `atomic_path`)."""
    atomic_write_text(path, json.dumps(value, indent=indent) + "\n")


def sync_folder(folder: str | Path) -> None:
    """Make the folder's entries (a rename) survive a power cut, where the system offers that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, reading it in blocks."""
    digest = sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
