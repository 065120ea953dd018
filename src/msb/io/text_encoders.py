"""GRO and PDB frames as bytes: everything but the numbers is laid out once."""

from __future__ import annotations

import mmap
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.errors import MsbWarning, TrajectoryError
from msb.io.atoms import AtomTable
from msb.io.encoders import Encoder
from msb.io.frames import Frames

__all__ = ["PDB_REMARK", "GroEncoder", "PdbEncoder"]

PDB_REMARK = "REMARK  99 written by msb\n"
_END = b"END\n"
_END_MODEL = b"ENDMDL\n"
_MOST_CONECT = 99_999  # atoms: beyond, a PDB has no numbers left for its bonds


class GroEncoder(Encoder):
    """GROMACS text format; 3 decimals in nm by default, which every program reads."""

    decimals = 3

    def __init__(
        self, path: Path, atoms: AtomTable, precision: int | None = None, timestep: float | None = None
    ) -> None:
        super().__init__(path, atoms, precision, timestep)
        names = _fit(path, atoms.names, 5, "atom names")
        resnames = _fit(path, atoms.resnames, 5, "residue names")
        decimals = self.precision or 3
        number = f"%{decimals + 5}.{decimals}f"
        rows = zip(atoms.resids.tolist(), resnames, names, strict=True)
        self._atoms = "".join(
            f"{resid % 100_000:>5}{_plain(resname):<5}{_plain(name):>5}{(place + 1) % 100_000:>5}"
            + 3 * number
            + "\n"
            for place, (resid, resname, name) in enumerate(rows)
        )

    def frames(self, frames: Frames, scratch: Path) -> bytes:
        """See `Encoder.frames`; title lines carry time and frame number as GROMACS writes them."""
        parts = []
        for place, number in enumerate(frames.numbers):
            time = "" if frames.times is None else f" t= {frames.times[place]:.5f} step= {number}"
            parts.append(f"written by msb{time}\n{len(self.atoms)}\n")
            parts.append(self._atoms % tuple(frames.positions[place].ravel().tolist()))
            box = np.zeros((3, 3)) if frames.boxes is None else frames.boxes[place]
            numbers = [box[0, 0], box[1, 1], box[2, 2]]
            rest = [box[0, 1], box[0, 2], box[1, 0], box[1, 2], box[2, 0], box[2, 1]]
            parts.append("".join(f"{x:10.5f}" for x in numbers + (rest if np.any(rest) else [])) + "\n")
        return "".join(parts).encode()


class PdbEncoder(Encoder):
    """PDB with one MODEL a frame; ångström with 3 decimals, so 10⁻⁴ nm."""

    def __init__(
        self, path: Path, atoms: AtomTable, precision: int | None = None, timestep: float | None = None
    ) -> None:
        super().__init__(path, atoms, precision, timestep)
        self._atoms = "".join(
            _pdb_row(place, fields) for place, fields in enumerate(_pdb_fields(path, atoms))
        )

    def header(self, n_frames: int) -> bytes:
        """See `Encoder.header`."""
        return PDB_REMARK.encode()

    def footer(self) -> bytes:
        """See `Encoder.footer`; bonds as CONECT records where they are known."""
        if len(self.atoms) > _MOST_CONECT:
            return _END
        bonds = self.atoms.bonds + 1
        return "".join(f"CONECT{a:5d}{b:5d}\n" for a, b in bonds.tolist()).encode() + _END

    def frames(self, frames: Frames, scratch: Path) -> bytes:
        """See `Encoder.frames`."""
        angstrom = frames.positions * np.float32(10)
        if angstrom.max() > 9999.999 or angstrom.min() < -999.999:
            raise TrajectoryError(
                f"{self.path}: coordinates below -100 or above 1000 nm do not fit into PDB; "
                "wrap the molecules into the box or choose another format."
            )
        parts = []
        for place, number in enumerate(frames.numbers):
            if frames.boxes is not None:
                parts.append(_cryst1(frames.boxes[place]))
            parts.append(f"MODEL     {number + 1:>4d}\n")
            parts.append(self._atoms % tuple(angstrom[place].ravel().tolist()))
            parts.append("ENDMDL\n")
        return "".join(parts).encode()

    @staticmethod
    def body(path: Path) -> tuple[int, int, int]:
        """See `Encoder.body`."""
        with open(path, "rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            first = len(PDB_REMARK) if data[: len(PDB_REMARK)] == PDB_REMARK.encode() else 0
            last = data.rfind(_END_MODEL)
            return first, last + len(_END_MODEL) if last >= 0 else len(data), 0


def _plain(text: str) -> str:
    """Guard a name against the `%` formatting to come."""
    return text.replace("%", "%%")


def _fit(path: Path, texts: NDArray[np.str_], width: int, what: str) -> list[str]:
    """Cut names that are too long for the format, and say how many."""
    long = int((np.char.str_len(texts) > width).sum())
    if long:
        warnings.warn(
            f"{path}: {long} {what} are longer than the format's {width} characters and were cut.",
            MsbWarning,
            stacklevel=4,
        )
    return [str(text)[:width] for text in texts]


def _pdb_fields(path: Path, atoms: AtomTable) -> zip[tuple[str, str, str, int, str]]:
    names = _fit(path, atoms.names, 4, "atom names")
    resnames = _fit(path, atoms.resnames, 4, "residue names")
    chains = (str(chain)[:1] for chain in atoms.chains)
    elements = (str(element).upper()[:2] for element in atoms.elements)
    return zip(names, resnames, chains, atoms.resids.tolist(), elements, strict=True)


def _pdb_row(place: int, fields: tuple[str, str, str, int, str]) -> str:
    """Lay out one ATOM record; one-letter elements leave the name's first column free."""
    name, resname, chain, resid, element = map(str, fields)
    if len(name) < 4 and len(element) < 2:
        name = " " + name
    return (
        f"ATOM  {(place + 1) % 100_000:5d} {_plain(f'{name:<4}')} {_plain(f'{resname:<4}')}{chain:1}"
        f"{int(resid) % 10_000:4d}    %8.3f%8.3f%8.3f  1.00  0.00          {element:>2}  \n"
    )


def _cryst1(box: NDArray[np.float32]) -> str:
    """Return the unit cell record, or nothing for a zero box."""
    if not box.any():
        return ""
    from MDAnalysis.lib.mdamath import triclinic_box

    a, b, c, alpha, beta, gamma = triclinic_box(*(10 * box.astype(np.float64)))
    return f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{alpha:7.2f}{beta:7.2f}{gamma:7.2f} P 1           1\n"
