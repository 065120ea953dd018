"""A GRO reader that takes any precision, and repairs shifted columns where there is one way to read them.

A GRO line is `%5d%-5s%5s%5d` followed by three coordinates of width p + 5 with p decimals, so that the first
decimal point stands in column 25 whatever the precision (GROMACS reference manual, "gro file format").
Where it stands elsewhere, a field before it is too narrow or too wide. Every way to lay out the fields that
makes sense is tried: when all give the same names and numbers, they are taken and counted in one warning;
otherwise the file is refused with line and column.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from msb.errors import FileFormatError, MsbWarning, TrajectoryError

__all__ = ["GroFrame", "index_gro", "read_gro"]

_POINT = 24  # column (from 0) of the first decimal point in a well-formed line
_FIELDS = ("residue number", "residue name", "atom name", "atom number")
_MAX_SHIFT = 4  # columns; a field is 5 wide


@dataclass(frozen=True)
class GroFrame:
    """One frame of a GRO file.

    Attributes
    ----------
    title : str
        The first line.
    resids : ndarray (N,), int64
        Residue numbers as written (they wrap at 100,000).
    resnames, names : ndarray (N,) of str
        Residue and atom names.
    positions : ndarray (N, 3), float32
        In nm.
    velocities : ndarray (N, 3), float32, or None
        In nm/ps; None where the file gives none, or zeros.
    box : ndarray (3, 3), float32, or None
        Row vectors in nm; None where the file gives zeros.
    precision : int
        Decimals of the coordinates.
    repaired : int
        Lines whose columns were shifted.
    """

    title: str
    resids: NDArray[np.int64]
    resnames: NDArray[np.str_]
    names: NDArray[np.str_]
    positions: NDArray[np.float32]
    velocities: NDArray[np.float32] | None
    box: NDArray[np.float32] | None
    precision: int
    repaired: int


def index_gro(path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Find the frames of a GRO file.

    Returns
    -------
    offsets : ndarray (F,), int64
        First byte of each whole frame.
    lines : ndarray (F,), int64
        Number, from 1, of each frame's first line.
    n_atoms : int
        Atoms in every frame.

    Raises
    ------
    FileFormatError
        If a count is not a number.
    TrajectoryError
        If the file is empty, ends inside a frame, or changes its number of atoms.
    """
    path = Path(path)
    offsets: list[int] = []
    lines: list[int] = []
    n_atoms, line = -1, 1
    with open(path, "rb") as handle:
        while True:
            offset = handle.tell()
            title = handle.readline()
            count_line = handle.readline()
            if not (title + count_line).strip():
                break
            count = _atom_count(path, count_line, line + 1)
            if n_atoms not in (-1, count):
                raise TrajectoryError(
                    f"{path}: frame {len(lines)} has {count} atoms, the first has {n_atoms}."
                )
            n_atoms = count
            last = b""
            found = -1
            for found in range(count + 1):  # noqa: B007 - the value after the loop says where the file ended
                last = handle.readline()
                if not last:
                    break
            if not last.strip():
                raise TrajectoryError(
                    f"{path} is truncated: it announces {count} atoms and a box in line {line + 1}, but ends "
                    f"after {found} of these {count + 1} lines; it holds {len(lines)} whole frames."
                )
            offsets.append(offset)
            lines.append(line)
            line += count + 3
    if not offsets:
        raise TrajectoryError(f"{path} is empty: there is no frame to read.")
    return np.array(offsets, np.int64), np.array(lines, np.int64), n_atoms


def _atom_count(path: Path, text: bytes, line: int) -> int:
    try:
        count = int(text)
    except ValueError:
        raise FileFormatError(
            path, f"expected the number of atoms, found {_show(text)}.", line=line
        ) from None
    if count < 1:
        raise FileFormatError(path, f"the number of atoms is {count}; at least one is needed.", line=line)
    return count


def read_gro(path: str | Path, offset: int = 0, line: int = 1, *, warn: bool = True) -> GroFrame:
    """Read one frame, the first by default.

    Parameters
    ----------
    path : str or Path
        The GRO file.
    offset, line : int
        First byte and line number (from 1) of the frame, as `index_gro` gives them.
    warn : bool
        Whether a repair is reported as a `MsbWarning`.

    Raises
    ------
    FileFormatError
        If a line cannot be read in exactly one way; names line and column.
    """
    path = Path(path)
    with open(path, "rb") as handle:
        handle.seek(offset)
        title = handle.readline().decode("utf-8", "replace").rstrip("\r\n")
        n_atoms = _atom_count(path, handle.readline(), line + 1)
        rows = [handle.readline().rstrip(b"\r\n") for _ in range(n_atoms)]
        box = _read_box(path, handle.readline(), line + n_atoms + 2)
    width, fields, repaired = _split(path, rows, line + 2)
    numbers = _numbers(path, rows, width, line + 2)
    if repaired and warn:
        warnings.warn(
            f"{path}: the columns of {repaired} of {n_atoms} lines are shifted (decimal points not in "
            "column 25); there is one way to read them, and it was taken.",
            MsbWarning,
            stacklevel=2,
        )
    moving = numbers.shape[1] == 6 and numbers[:, 3:].any()
    return GroFrame(
        title=title,
        resids=fields[0].astype(np.int64),
        resnames=fields[1],
        names=fields[2],
        positions=numbers[:, :3].astype(np.float32),
        velocities=numbers[:, 3:].astype(np.float32) if moving else None,
        box=box,
        precision=width - 5,
        repaired=repaired,
    )


def _show(text: bytes) -> str:
    shown = text.decode("utf-8", "replace").strip()
    return f"'{shown[:60]}'" if shown else "an empty line"


def _split(path: Path, rows: list[bytes], first_line: int) -> tuple[int, tuple[NDArray[np.str_], ...], int]:
    """Find the coordinates' width, bring shifted rows into line (in place), cut the leading fields."""
    width = _coordinate_width(path, rows, first_line)
    shifted: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if row[_POINT : _POINT + 1] == row[_POINT + width : _POINT + width + 1] == b".":
            continue
        shift = _shift(row, width)
        if shift is None:
            if _has_no_numbers(row[20 : 20 + 3 * width]):
                continue
            _refuse_row(path, row, width, first_line + number)
        if shift:
            shifted.setdefault(shift, []).append(number)
    for shift, numbers in shifted.items():
        _realign(path, rows, numbers, shift, first_line)
    table = np.array([row[:20] for row in rows], "S20").view("S5").reshape(-1, 4)
    texts = tuple(np.char.strip(np.char.decode(table[:, column], "utf-8", "replace")) for column in range(3))
    bad = [number for number, text in enumerate(texts[0]) if not re.fullmatch(r"-?\d+", text)]
    if bad:
        raise FileFormatError(
            path,
            f"expected a residue number in columns 1-5, found {_show(rows[bad[0]][:5])}.",
            line=first_line + bad[0],
            column=1,
        )
    return width, texts, sum(map(len, shifted.values()))


def _coordinate_width(path: Path, rows: list[bytes], first_line: int) -> int:
    """Distance of the first two decimal points that stand equally far apart, in the first row with some."""
    for number, row in enumerate(rows):
        points = [column for column in range(15, len(row)) if row[column : column + 1] == b"."]
        for first, second in pairwise(points):
            if second - first > 5 and 2 * second - first in points:
                return second - first
        if not _has_no_numbers(row[20:]):
            _refuse_row(path, row, 8, first_line + number)
    return 8


def _has_no_numbers(text: bytes) -> bool:
    """Whether the text is nan or inf: left for the reader to name frame and atom."""
    return bool(re.fullmatch(rb"(\s*[+-]?(nan|inf(inity)?)\s*)+", text, re.IGNORECASE))


def _shift(row: bytes, width: int) -> int | None:
    """Columns by which the row's decimal points are off; None if they are not `width` apart."""
    for shift in sorted(range(-_MAX_SHIFT, _MAX_SHIFT + 1), key=abs):
        start = _POINT + shift
        if all(row[start + k * width : start + k * width + 1] == b"." for k in range(3)):
            return shift
    return None


def _refuse_row(path: Path, row: bytes, width: int, line: int) -> NoReturn:
    """Raise the error for a row whose coordinates are not where they should be."""
    column = 21
    for k in range(3):
        field = row[20 + k * width : 20 + (k + 1) * width]
        if not re.fullmatch(rb"\s*-?\d+\.\d{%d}" % (width - 5), field):
            column = 21 + k * width
            break
    raise FileFormatError(
        path,
        f"expected three coordinates of {width} columns with {width - 5} decimals from column 21 on, "
        f"found {_show(row[20:])}.",
        line=line,
        column=column,
    )


_Reading = tuple[int, str, str, int]  # residue number, residue name, atom name, atom number


def _realign(path: Path, rows: list[bytes], numbers: list[int], shift: int, first_line: int) -> None:
    """Rewrite rows that are `shift` columns off, if all sensible layouts say the same."""
    readings: list[list[_Reading]] = []
    heads = [rows[number][: 20 + shift].decode("utf-8", "replace") for number in numbers]
    for field in range(4):
        edges = [5 * column + (shift if column > field else 0) for column in range(5)]
        cut = [_cut(head, edges) for head in heads] if 5 + shift > 0 else []
        whole = [reading for reading in cut if reading is not None]
        if len(whole) == len(numbers):
            readings.append(whole)
    counting = [
        reading
        for reading in readings
        if all(row[3] == (number + 1) % 100_000 for row, number in zip(reading, numbers, strict=True))
    ]
    readings = counting or readings
    if not readings or any(other != readings[0] for other in readings[1:]):
        _refuse_shift(path, rows, numbers, shift, first_line, readings)
    for number, (resid, resname, name, serial) in zip(numbers, readings[0], strict=True):
        head = f"{resid % 100_000:>5}{resname:<5}{name:>5}{serial % 100_000:>5}".encode()
        rows[number] = head + rows[number][20 + shift :]


def _cut(head: str, edges: list[int]) -> _Reading | None:
    """Read the four leading fields between these columns; None where that makes no sense."""
    resid, resname, name, serial = (head[a:b] for a, b in pairwise(edges))
    resname_word, name_word = resname.split(), name.split()
    if not (len(resname_word) == len(name_word) == 1 and max(len(resname_word[0]), len(name_word[0])) <= 5):
        return None
    if not (resid.strip().removeprefix("-").isdecimal() and serial.strip().isdecimal()):
        return None
    if resid[-1].isdecimal() and resname[0].isdecimal():
        return None  # the edge would cut a number in two
    return int(resid), resname_word[0], name_word[0], int(serial)


def _refuse_shift(
    path: Path,
    rows: list[bytes],
    numbers: list[int],
    shift: int,
    first_line: int,
    readings: list[list[_Reading]],
) -> NoReturn:
    """Raise the error for shifted rows that can be read in no way, or in several."""
    side = "left" if shift < 0 else "right"
    place = f"the decimal points are {abs(shift)} column(s) too far to the {side}"
    if not readings:
        number = numbers[0]
        reason = f"{place}, and no layout of {', '.join(_FIELDS)} fits {_show(rows[number][: 20 + shift])}"
    else:
        number, ways = next(
            (number, ways)
            for number, *ways in zip(numbers, *readings, strict=True)
            if any(way != ways[0] for way in ways)
        )
        other = next(way for way in ways if way != ways[0])
        reason = f"{place}, and the line can be read as {ways[0]} or as {other}"
    raise FileFormatError(
        path, f"{reason}; write the columns as GRO has them.", line=first_line + number, column=25 + shift
    )


def _numbers(path: Path, rows: list[bytes], width: int, first_line: int) -> NDArray[np.float64]:
    """Coordinates, and velocities where the rows are long enough, (N, 3 or 6)."""
    count = 6 if len(rows[0].rstrip()) > 20 + 3 * width else 3
    table = np.array([row[20 : 20 + count * width] for row in rows], f"S{count * width}")
    table = table.view(f"S{width}").reshape(-1, count)
    try:
        return table.astype(np.float64)
    except ValueError:
        for number, fields in enumerate(table):
            for column, field in enumerate(fields):
                try:
                    float(field)
                except ValueError:
                    raise FileFormatError(
                        path,
                        f"expected a number, found {_show(field)}.",
                        line=first_line + number,
                        column=21 + column * width,
                    ) from None
        raise


def _read_box(path: Path, text: bytes, line: int) -> NDArray[np.float32] | None:
    """Box (3, 3) from 3 or 9 numbers: v1x v2y v3z v1y v1z v2x v2z v3x v3y."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) not in (3, 9):
        raise FileFormatError(path, f"expected a box of 3 or 9 numbers, found {_show(text)}.", line=line)
    box = np.diag(numbers[:3]).astype(np.float32)
    if len(numbers) == 9:
        box[0, 1], box[0, 2], box[1, 0], box[1, 2], box[2, 0], box[2, 1] = numbers[3:]
    return box if box.any() else None
