"""Where the whole frames of an XTC, TRR or DCD file begin, and at which times, from the headers alone.

The libraries that decode these formats stop without a word, or crash, at a cut file; the index says how many
whole frames there are and how many bytes are left over.
Formats: GROMACS reference manual, "File formats" (xtc, trr); CHARMM and X-PLOR DCD as in VMD's dcdplugin.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError

__all__ = ["DcdIndex", "FrameIndex", "index_dcd", "index_trr", "index_xtc"]

_XTC_HEAD = struct.Struct(">iiif")
_XTC_MAGIC, _XTC_MAGIC_LONG = 1995, 2023
_XTC_RAW = 9  # up to so many atoms are stored as plain floats
_XTC_INDEX = (9, 73)  # range of the index into the table of compressed sizes
_TRR_MAGIC = 1993
_TRR_INTS = struct.Struct(">13i")


@dataclass(frozen=True)
class FrameIndex:
    """The whole frames of a file.

    Attributes
    ----------
    n_atoms : int
        Atoms in every frame.
    offsets : ndarray (F,), int64
        First byte of each whole frame.
    times : ndarray (F,), float64, or None
        In ps; None where the format is not trusted for them.
    leftover : int
        Bytes after the last whole frame: 0 unless the file is cut.
    """

    n_atoms: int
    offsets: NDArray[np.int64]
    times: NDArray[np.float64] | None
    leftover: int


def index_xtc(path: str | Path) -> FrameIndex:
    """Index an XTC file.

    Raises
    ------
    TrajectoryError
        If the file is empty, is not XTC, is damaged in the middle, or changes its number of atoms.
    """
    return _scan(Path(path), "XTC", _xtc_frames)


def index_trr(path: str | Path) -> FrameIndex:
    """Index a TRR file; frames without positions (velocities or forces alone) are left out.

    Raises
    ------
    TrajectoryError
        If the file is empty, is not TRR, is damaged in the middle, or changes its number of atoms.
    """
    return _scan(Path(path), "TRR", _trr_frames)


class _Damaged(Exception):
    """The bytes at this place are not the beginning of a frame."""


# (first byte, byte after the last, atoms, time in ps, has positions)
_Frame = tuple[int, int, int, float, bool]


def _scan(path: Path, kind: str, frames: Callable[[mmap.mmap, int], Iterator[_Frame]]) -> FrameIndex:
    """Collect the whole frames that `frames` finds."""
    size = path.stat().st_size
    if size == 0:
        raise TrajectoryError(f"{path} is empty (0 bytes): there is no frame to read.")
    offsets: list[int] = []
    times: list[float] = []
    n_atoms, end, number = 0, 0, 0
    with open(path, "rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            for first, after, atoms, time, has_positions in frames(data, size):
                if number == 0:
                    n_atoms = atoms
                elif atoms != n_atoms:
                    raise TrajectoryError(
                        f"{path}: frame {number} has {atoms} atoms, the frames before it have {n_atoms}."
                    )
                if has_positions:
                    offsets.append(first)
                    times.append(time)
                end, number = after, number + 1
        except _Damaged:
            _raise_damaged(path, kind, number, end)
    return FrameIndex(n_atoms, np.array(offsets, np.int64), np.array(times, np.float64), size - end)


def _raise_damaged(path: Path, kind: str, number: int, end: int) -> None:
    if number == 0:
        raise TrajectoryError(f"{path} is not {kind}: its first bytes are not those of a {kind} frame.")
    raise TrajectoryError(
        f"{path} is damaged: after {number} whole frames, byte {end} is not the beginning of a {kind} frame; "
        "copy or write the file again."
    )


def _xtc_frames(data: mmap.mmap, size: int) -> Iterator[_Frame]:
    """Walk over the frames: 16 bytes header, 36 box, 4 count, then floats or one compressed block."""
    position = 0
    while position + 4 <= size:
        magic = int.from_bytes(data[position : position + 4], "big")
        if magic not in (_XTC_MAGIC, _XTC_MAGIC_LONG):
            raise _Damaged
        if position + 56 > size:
            return
        _, n_atoms, _, time = _XTC_HEAD.unpack_from(data, position)
        if n_atoms <= _XTC_RAW:
            end = position + 56 + 12 * n_atoms
        else:
            if position + 88 > size:
                return
            count, smallidx = (
                int.from_bytes(data[position + at : position + at + 4], "big") for at in (52, 84)
            )
            if count != n_atoms or not _XTC_INDEX[0] <= smallidx < _XTC_INDEX[1]:
                raise _Damaged  # the library would divide by zero
            width = 8 if magic == _XTC_MAGIC_LONG else 4
            block = position + 88  # 4 precision, 24 bounds, 4 smallidx after the count
            if block + width > size:
                return
            length = int.from_bytes(data[block : block + width], "big")
            end = block + width + (length + 3) // 4 * 4
        if end > size:
            return
        yield position, end, n_atoms, time, True
        position = end


def _trr_frames(data: mmap.mmap, size: int) -> Iterator[_Frame]:
    """Walk over the frames: magic, version, 13 integers, time, lambda, then the blocks announced."""
    position = 0
    while position + 4 <= size:
        if int.from_bytes(data[position : position + 4], "big") != _TRR_MAGIC:
            raise _Damaged
        if position + 12 > size:
            return
        ints = position + 12 + (int.from_bytes(data[position + 8 : position + 12], "big") + 3) // 4 * 4
        if ints + _TRR_INTS.size > size:
            return
        *blocks, n_atoms, _, _ = _TRR_INTS.unpack_from(data, ints)
        box, positions = blocks[2], blocks[7]
        double = box == 72 or positions == 24 * n_atoms > 0
        head = ints + _TRR_INTS.size
        end = head + (16 if double else 8) + sum(blocks)
        if end > size:
            return
        (time,) = struct.unpack_from(">d" if double else ">f", data, head)
        yield position, end, n_atoms, time, positions > 0
        position = end


@dataclass(frozen=True)
class DcdIndex(FrameIndex):
    """The whole frames of a DCD file, and how a frame is laid out.

    Attributes
    ----------
    order : str
        Byte order, `<` or `>`.
    mark : int
        Bytes of the record mark before and after each record, 4 or 8.
    cell : bool
        Whether each frame begins with a record of six float64 for the unit cell.
    n_fixed : int
        Atoms whose positions stand in the first frame only.
    frame_size : int
        Bytes of the first frame, and of every frame if no atom is fixed.
    """

    order: str
    mark: int
    cell: bool
    n_fixed: int
    frame_size: int


def index_dcd(path: str | Path) -> DcdIndex:
    """Index a DCD file; its times are not trusted (None).

    Raises
    ------
    TrajectoryError
        If the file is empty, is not DCD, or is cut inside its header.
    """
    path = Path(path)
    size = path.stat().st_size
    if size == 0:
        raise TrajectoryError(f"{path} is empty (0 bytes): there is no frame to read.")
    with open(path, "rb") as handle:
        try:
            order, wide = _dcd_flavour(handle.read(16))
            handle.seek(0)
            first = _dcd_record(handle, order, wide)
            control = np.frombuffer(first[4:84], order + "i4").tolist()
            _skip_titles(handle, order, wide)
            n_atoms = int(np.frombuffer(_dcd_record(handle, order, wide), order + "i4")[0])
            fixed = control[8]
            if fixed:
                _dcd_record(handle, order, wide)  # the list of the free atoms
        except (_Damaged, IndexError):
            raise TrajectoryError(f"{path} is not DCD, or is cut inside its header.") from None
        begin = handle.tell()
    mark = 8 if wide else 4
    charmm = control[19] != 0
    cell = bool(charmm and control[10])
    dimensions = 4 if charmm and control[11] else 3
    first_size = cell * (2 * mark + 48) + dimensions * (2 * mark + 4 * n_atoms)
    later_size = first_size - dimensions * 4 * fixed
    room = size - begin
    count = 0 if room < first_size else 1 + (room - first_size) // later_size
    numbers = np.arange(count, dtype=np.int64)
    offsets = begin + later_size * numbers + (first_size - later_size) * (numbers > 0)
    used = 0 if count == 0 else first_size + later_size * (count - 1)
    return DcdIndex(n_atoms, offsets, None, room - used, order, mark, cell, fixed, first_size)


def _dcd_flavour(start: bytes) -> tuple[str, bool]:
    """Byte order and width of the record marks, from the first record's length, 84."""
    for order in "<>":
        if np.frombuffer(start[:4], order + "i4").tolist() == [84]:
            if start[4:8] == b"CORD":
                return order, False
            if start[8:12] == b"CORD":
                return order, True
    raise _Damaged


def _dcd_record(handle: BinaryIO, order: str, wide: bool) -> bytes:
    """Read one Fortran record."""
    kind = np.dtype(order + ("i8" if wide else "i4"))
    mark = handle.read(kind.itemsize)
    if len(mark) < kind.itemsize:
        raise _Damaged
    length = int(np.frombuffer(mark, kind)[0])
    data = handle.read(max(length, 0))
    if len(data) < length or handle.read(kind.itemsize) != mark:
        raise _Damaged
    return data


def _skip_titles(handle: BinaryIO, order: str, wide: bool) -> None:
    """Pass over the titles by their count: in some files the record length is wrong."""
    width = 8 if wide else 4
    head = handle.read(width + 4)
    if len(head) < width + 4:
        raise _Damaged
    count = int(np.frombuffer(head[width:], order + "i4")[0])
    handle.seek(80 * max(count, 0) + width, os.SEEK_CUR)
