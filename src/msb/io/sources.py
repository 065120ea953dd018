"""Readers of frames by number, one class a format; each opens its file anew, so that workers can copy it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError
from msb.io.atoms import quiet
from msb.io.frame_index import FrameIndex, index_dcd, index_trr, index_xtc
from msb.io.gro import index_gro, read_gro
from msb.units import NM_PER_ANGSTROM

__all__ = ["DcdSource", "GroSource", "MdtrajSource", "Source", "TrrSource", "UniverseSource", "XtcSource"]

Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]  # positions (F, N, 3), boxes (F, 3, 3), in nm


class Source(Protocol):
    """Frames of one file.

    Attributes
    ----------
    n_frames, n_atoms : int
        How many.
    times : ndarray (F,), float64, or None
        In ps; None where the format is not trusted for them.
    """

    n_frames: int
    n_atoms: int
    times: NDArray[np.float64] | None

    def read(self, frames: range) -> Arrays:
        """Return positions (F, N, 3) and boxes (F, 3, 3), float32, in nm; no box is zeros."""
        ...


class _Indexed(ABC):
    """A file whose whole frames are counted before anything is decoded."""

    def __init__(self, path: Path, index: FrameIndex, allow_truncated: bool) -> None:
        if index.leftover and not allow_truncated:
            raise TrajectoryError(
                f"{path} is truncated: {len(index.offsets)} whole frames, then {index.leftover} bytes of a "
                "broken one; copy or write the file again, or allow truncated files to use the whole frames."
            )
        self.path, self.index = path, index
        self.n_frames, self.n_atoms, self.times = len(index.offsets), index.n_atoms, index.times

    @abstractmethod
    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""

    def _arrays(self, frames: range) -> Arrays:
        return (
            np.empty((len(frames), self.n_atoms, 3), np.float32),
            np.zeros((len(frames), 3, 3), np.float32),
        )


class XtcSource(_Indexed):
    """GROMACS compressed trajectory."""

    def __init__(self, path: Path, allow_truncated: bool = False) -> None:
        super().__init__(path, index_xtc(path), allow_truncated)

    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""
        from MDAnalysis.lib.formats.libmdaxdr import XTCFile

        positions, boxes = self._arrays(frames)
        with XTCFile(str(self.path)) as file:
            file.set_offsets(self.index.offsets)
            for place, number in enumerate(frames):
                if place == 0 or frames.step != 1:
                    file.seek(number)
                boxes[place] = file.read_direct_x(positions[place]).box
        return positions, boxes


class TrrSource(_Indexed):
    """GROMACS full-precision trajectory; frames without positions are passed over."""

    def __init__(self, path: Path, allow_truncated: bool = False) -> None:
        super().__init__(path, index_trr(path), allow_truncated)

    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""
        from MDAnalysis.lib.formats.libmdaxdr import TRRFile

        positions, boxes = self._arrays(frames)
        velocities, forces = np.empty((2, self.n_atoms, 3), np.float32)
        with TRRFile(str(self.path)) as file:
            file.set_offsets(self.index.offsets)
            for place, number in enumerate(frames):
                file.seek(number)
                boxes[place] = file.read_direct_xvf(positions[place], velocities, forces).box
        return positions, boxes


class DcdSource(_Indexed):
    """CHARMM, NAMD, X-PLOR, LAMMPS or OpenMM binary trajectory, in ångström; its clock is not trusted."""

    def __init__(self, path: Path, allow_truncated: bool = False) -> None:
        self.layout = index_dcd(path)
        super().__init__(path, self.layout, allow_truncated)

    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""
        positions, boxes = self._arrays(frames)
        if self.layout.n_fixed:
            return self._read_with_fixed_atoms(frames, positions, boxes)
        layout, offsets = self.layout, self.layout.offsets
        length = (frames[-1] - frames[0] + 1) * layout.frame_size
        raw = np.fromfile(self.path, np.uint8, length, offset=int(offsets[frames[0]]))
        raw = raw.reshape(-1, layout.frame_size)[:: frames.step]
        start = layout.mark
        if layout.cell:
            cells = np.ascontiguousarray(raw[:, start : start + 48]).view(layout.order + "f8")
            boxes = _dcd_boxes(cells.astype(np.float64))
            start += 48 + 2 * layout.mark
        for axis in range(3):
            block = np.ascontiguousarray(raw[:, start : start + 4 * self.n_atoms])
            np.multiply(block.view(layout.order + "f4"), NM_PER_ANGSTROM, out=positions[:, :, axis])
            start += 4 * self.n_atoms + 2 * layout.mark
        return positions, boxes

    def _read_with_fixed_atoms(
        self, frames: range, positions: NDArray[np.float32], boxes: NDArray[np.float32]
    ) -> Arrays:
        """Let MDAnalysis put in the atoms that only the first frame holds."""
        from MDAnalysis.lib.formats.libdcd import DCDFile

        with DCDFile(str(self.path)) as file:
            file.read()
            for place, number in enumerate(frames):
                file.seek(number)
                frame = file.read()
                positions[place] = frame.xyz * np.float32(NM_PER_ANGSTROM)
                boxes[place] = _dcd_boxes(frame.unitcell[None])[0]
        return positions, boxes


def _dcd_boxes(cells: NDArray[np.float64]) -> NDArray[np.float32]:
    """Boxes (F, 3, 3) in nm from the three conventions of DCD cells (F, 6): cosines, degrees, or a matrix."""
    from MDAnalysis.lib.mdamath import triclinic_box, triclinic_vectors

    boxes = np.zeros((len(cells), 3, 3), np.float32)
    known, which = np.unique(cells, axis=0, return_inverse=True)
    for number, cell in enumerate(known):
        a, gamma, b, beta, alpha, c = cell
        angles = np.array([alpha, beta, gamma])
        if (abs(angles) <= 1).all():
            dimensions = np.array([a, b, c, *(90.0 - np.degrees(np.arcsin(angles)))])
        elif (angles > 180).any() or (cell < 0).any():
            dimensions = triclinic_box(cell[[0, 1, 3]], cell[[1, 2, 4]], cell[[3, 4, 5]])
        else:
            dimensions = np.array([a, b, c, *angles])
        if (dimensions[:3] > 0).all():
            boxes[which.reshape(-1) == number] = triclinic_vectors(dimensions) * NM_PER_ANGSTROM
    return boxes


class GroSource:
    """One or more GRO frames, read tolerantly (see `msb.io.gro`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets, self.lines, self.n_atoms = index_gro(path)
        self.n_frames = len(self.offsets)
        self.times: NDArray[np.float64] | None = None

    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""
        positions = np.empty((len(frames), self.n_atoms, 3), np.float32)
        boxes = np.zeros((len(frames), 3, 3), np.float32)
        for place, number in enumerate(frames):
            frame = read_gro(self.path, int(self.offsets[number]), int(self.lines[number]), warn=False)
            positions[place] = frame.positions
            if frame.box is not None:
                boxes[place] = frame.box
        return positions, boxes


class UniverseSource:
    """Any other format that MDAnalysis reads, frame by frame."""

    def __init__(self, path: Path, n_atoms: int) -> None:
        self.path, self._reader = path, None
        self.n_atoms = n_atoms
        self.times: NDArray[np.float64] | None = None
        reader = self._open()
        self.n_atoms, self.n_frames = int(reader.n_atoms), len(reader)

    def _open(self) -> Any:
        if self._reader is None:
            from MDAnalysis.coordinates.core import reader

            with quiet():
                self._reader = reader(str(self.path), n_atoms=self.n_atoms)
        return self._reader

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}

    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""
        positions = np.empty((len(frames), self.n_atoms, 3), np.float32)
        boxes = np.zeros((len(frames), 3, 3), np.float32)
        with quiet():
            steps = self._open()[frames.start : frames.stop : frames.step]
            for place, step in enumerate(steps):
                positions[place] = step.positions * np.float32(NM_PER_ANGSTROM)
                if step.dimensions is not None:
                    boxes[place] = step.triclinic_dimensions * NM_PER_ANGSTROM
        return positions, boxes


class MdtrajSource:
    """Formats that only mdtraj reads, HDF5 above all."""

    def __init__(self, path: Path, topology: Any) -> None:
        self.path, self.topology = path, topology
        times = [chunk.time for chunk in self._chunks(0, 1, 1000)]
        self.n_frames = sum(map(len, times))
        self.n_atoms = int(topology.n_atoms)
        trusted = path.suffix.lower() in (".h5", ".hdf5") and times
        self.times = np.concatenate(times).astype(np.float64) if trusted else None

    def _chunks(self, skip: int, stride: int, chunk: int) -> Any:
        import mdtraj

        topology = {} if self.path.suffix.lower() in (".h5", ".hdf5") else {"top": self.topology}
        return mdtraj.iterload(str(self.path), chunk=chunk, skip=skip, stride=stride, **topology)

    def read(self, frames: range) -> Arrays:
        """See `Source.read`."""
        chunk = next(iter(self._chunks(frames.start, frames.step, len(frames) * frames.step)))
        positions = np.ascontiguousarray(chunk.xyz[: len(frames)], np.float32)
        boxes = np.zeros((len(frames), 3, 3), np.float32)
        if chunk.unitcell_vectors is not None:
            boxes[:] = chunk.unitcell_vectors[: len(frames)]
        return positions, boxes
