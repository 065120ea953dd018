"""Frames as the bytes of a trajectory format; making files is up to `writers` and `segments`.

A file is header, frames one after the other, footer. Only the header of DCD knows how many frames follow; so
pieces written apart can be joined, and the bytes never depend on the clock or on how frames were grouped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.errors import FileFormatError, MsbError, TrajectoryError
from msb.io.atoms import AtomTable
from msb.io.frame_index import index_dcd
from msb.io.frames import Frames

__all__ = ["DcdEncoder", "Encoder", "TrrEncoder", "XtcEncoder"]

_AKMA_TIME = 0.04888821  # ps, the unit of time in a DCD header (CHARMM)
_ANGSTROM_PER_NM = np.float32(10)
_LARGEST_INT = 2**31 - 2


class Encoder(ABC):
    """One format.

    Parameters
    ----------
    path : Path
        The output, for messages.
    atoms : AtomTable
        Names of the particles.
    precision : int, optional
        Decimals (in nm) where the format rounds; each format has its own default.
    timestep : float, optional
        Frame spacing in ps, for the header of DCD.
    """

    decimals: int | None = None
    companion = False  # whether the format leaves the names to a PDB beside it

    def __init__(
        self, path: Path, atoms: AtomTable, precision: int | None = None, timestep: float | None = None
    ) -> None:
        self.path, self.atoms, self.timestep = path, atoms, timestep
        if precision is not None and not 1 <= precision <= 6:
            raise FileFormatError(path, f"the precision must be 1 to 6 decimals in nm, not {precision}.")
        self.precision = self.decimals if precision is None else precision

    def header(self, n_frames: int) -> bytes:
        """Return what comes before the frames."""
        return b""

    def footer(self) -> bytes:
        """Return what comes after the frames."""
        return b""

    @abstractmethod
    def frames(self, frames: Frames, scratch: Path) -> bytes:
        """Return the frames' bytes; `scratch` may be used for a temporary file."""

    def encode(self, frames: Frames, scratch: Path) -> bytes:
        """Check the frames and return their bytes.

        Raises
        ------
        TrajectoryError
            If the number of atoms is wrong or a coordinate is not finite.
        """
        if frames.n_atoms != len(self.atoms):
            raise TrajectoryError(
                f"{self.path} is for {len(self.atoms)} atoms a frame, not {frames.n_atoms}."
            )
        if not np.isfinite(frames.positions).all():
            place, atom, _ = np.argwhere(~np.isfinite(frames.positions))[0]
            raise TrajectoryError(
                f"{self.path}: frame {frames.numbers[place]} (counted from 0) has a coordinate that is not a "
                f"finite number, at {self.atoms.describe(int(atom))}; it is not written."
            )
        return self.frames(frames, scratch) if len(frames) else b""

    @staticmethod
    def body(path: Path) -> tuple[int, int, int]:
        """Find the frames in a file: first byte, byte after the last, and their number (0 if not needed)."""
        return 0, path.stat().st_size, 0


def _boxes(frames: Frames) -> NDArray[np.float32]:
    """Return boxes (F, 3, 3), zeros without one."""
    return np.zeros((len(frames), 3, 3), np.float32) if frames.boxes is None else frames.boxes


def _times(frames: Frames) -> NDArray[np.float64]:
    """Return times (F,); zeros, which readers take for unknown, where there are none."""
    return np.zeros(len(frames)) if frames.times is None else frames.times


class XtcEncoder(Encoder):
    """GROMACS compressed trajectory; 5 decimals in nm by default, up to 9 atoms in full float32."""

    decimals = 5
    companion = True

    def frames(self, frames: Frames, scratch: Path) -> bytes:
        """See `Encoder.frames`; the compression is the library's, which writes to files only."""
        from MDAnalysis.lib.formats.libmdaxdr import XTCFile

        scale = 10.0 ** (self.precision or 5)
        if np.abs(frames.positions).max() * scale > _LARGEST_INT:
            raise TrajectoryError(
                f"{self.path}: coordinates beyond {_LARGEST_INT / scale:.0f} nm do not fit into XTC with "
                f"{self.precision} decimals; choose fewer."
            )
        try:
            with XTCFile(str(scratch), "w") as file:
                rows = zip(frames.positions, _boxes(frames), frames.numbers, _times(frames), strict=True)
                for positions, box, number, time in rows:
                    file.write(positions, box, number, time, scale)
            return scratch.read_bytes()
        except OSError as error:
            raise _explain_xtc(self.path, scratch, error) from error
        finally:
            scratch.unlink(missing_ok=True)


def _explain_xtc(path: Path, scratch: Path, error: OSError) -> BaseException:
    """Find out why the XTC library, which does not pass on the system's reason, failed."""
    if error.errno is not None:
        return error
    try:  # write the same amount again: the system then says what is wrong
        with open(scratch, "ab") as handle:
            handle.write(bytes(1 << 20))
            handle.flush()
    except OSError as reason:
        return reason
    return MsbError(f"{path} could not be written: {error}.")


class TrrEncoder(Encoder):
    """GROMACS full-precision trajectory, positions only (float32, big-endian; GROMACS manual, "trr")."""

    companion = True

    def frames(self, frames: Frames, scratch: Path) -> bytes:
        """See `Encoder.frames`."""
        n_atoms = len(self.atoms)
        kind = np.dtype(
            [
                ("magic", ">i4", 3),
                ("version", "S12"),
                ("sizes", ">i4", 10),
                ("counts", ">i4", 3),
                ("time", ">f4", 2),
                ("box", ">f4", (3, 3)),
                ("positions", ">f4", (n_atoms, 3)),
            ]
        )
        data = np.zeros(len(frames), kind)
        data["magic"] = (1993, 13, 12)
        data["version"] = b"GMX_trn_file"
        data["sizes"][:, 2], data["sizes"][:, 7] = 36, 12 * n_atoms
        data["counts"][:, 0], data["counts"][:, 1] = n_atoms, frames.numbers % (_LARGEST_INT + 1)
        data["time"][:, 0] = _times(frames)
        data["box"] = _boxes(frames)
        data["positions"] = frames.positions
        return data.tobytes()


class DcdEncoder(Encoder):
    """CHARMM binary trajectory in ångström, with a unit cell in every frame (zeros without a box)."""

    companion = True

    def header(self, n_frames: int) -> bytes:
        """See `Encoder.header`; the version 24 announces CHARMM's unit cell."""
        control = np.zeros(20, "<i4")
        control[0], control[1], control[2], control[3] = n_frames, 0, 1, n_frames
        control[10], control[19] = 1, 24
        control[9:10] = np.array([(self.timestep or _AKMA_TIME) / _AKMA_TIME], "<f4").view("<i4")
        title = b"positions written by msb".ljust(80)
        records = (b"CORD" + control.tobytes(), _int(1) + title, _int(len(self.atoms)))
        return b"".join(_int(len(record)) + record + _int(len(record)) for record in records)

    def frames(self, frames: Frames, scratch: Path) -> bytes:
        """See `Encoder.frames`."""
        n_atoms = len(self.atoms)
        marks = [("a", "<i4"), ("b", "<i4")]
        axes = [(axis, [marks[0], ("x", "<f4", n_atoms), marks[1]]) for axis in "xyz"]
        data = np.zeros(len(frames), [("cell", [marks[0], ("x", "<f8", 6), marks[1]]), *axes])
        data["cell"]["a"] = data["cell"]["b"] = 48
        data["cell"]["x"] = _cells(_boxes(frames))
        for number, axis in enumerate("xyz"):
            data[axis]["a"] = data[axis]["b"] = 4 * n_atoms
            data[axis]["x"] = frames.positions[:, :, number] * _ANGSTROM_PER_NM
        return data.tobytes()

    @staticmethod
    def body(path: Path) -> tuple[int, int, int]:
        """See `Encoder.body`."""
        index = index_dcd(path)
        size = path.stat().st_size
        first = int(index.offsets[0]) if len(index.offsets) else size
        return first, size - index.leftover, len(index.offsets)


def _int(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _cells(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """DCD cells (F, 6) `A, gamma, B, beta, alpha, C` in ångström and degrees."""
    vectors = boxes.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=2)
    cells = np.zeros((len(boxes), 6))
    cells[:, [0, 2, 5]] = 10 * lengths
    for place, (i, j) in {1: (0, 1), 3: (0, 2), 4: (1, 2)}.items():
        product = lengths[:, i] * lengths[:, j]
        cosine = np.einsum("fk,fk->f", vectors[:, i], vectors[:, j]) / np.where(product > 0, product, 1)
        cells[:, place] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return cells
