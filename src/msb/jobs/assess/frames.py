"""Frames of a reference or of a CG model, read one by one, with molecules whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.box import bonds_across, make_whole
from msb.core.topology import Topology
from msb.errors import MsbWarning, TrajectoryError
from msb.io.sources import TrrSource
from msb.io.trajectory import Trajectory, open_trajectory

__all__ = ["WholeFrames", "chosen_frames", "forces_on_reference"]

Floats = NDArray[np.float32]


def chosen_frames(n_frames: int, most: int | None, stride: int = 1) -> NDArray[np.int64]:
    """Numbers of the frames that are looked at.

    Parameters
    ----------
    n_frames : int
        There are.
    most : int or None
        At most so many, evenly spread; all without.
    stride : int
        Of every how many-th.
    """
    numbers = np.arange(0, n_frames, stride, dtype=np.int64)
    if most is None or most >= len(numbers):
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, most).round().astype(np.int64)]


@dataclass(frozen=True)
class WholeFrames:
    """Frames by number; molecules that the box cuts are put together again.

    Attributes
    ----------
    trajectory : Trajectory
    topology : Topology
        Of the particles that are taken, bonds between them.
    what : str
        In messages.
    order : int array (K,) or None
        Their places in the file; all in the file's order without.
    """

    trajectory: Trajectory
    topology: Topology
    what: str
    order: NDArray[np.int64] | None = None

    def __call__(self, number: int) -> tuple[Floats, Floats | None]:
        """Read a frame.

        Parameters
        ----------
        number : int
            Counted from 0.

        Returns
        -------
        positions : float32 array (K, 3)
            nm.
        box : float32 array (3, 3) or None
            Row vectors, nm.

        Raises
        ------
        TrajectoryError
            It cannot be read, or a molecule is bonded to its own image.
        """
        positions, box = self.raw(number)
        if box is None:
            return positions, None
        whole = np.asarray(make_whole(positions.astype(np.float64), box.astype(np.float64), self.topology))
        if bool(np.any(bonds_across(whole, box, self.topology))):
            raise TrajectoryError(
                f"{self.what}, frame {number}: a molecule is bonded to its own periodic image, so it cannot "
                "be made whole; use a larger box"
            )
        return whole.astype(np.float32), box

    def raw(self, number: int) -> tuple[Floats, Floats | None]:
        """Read a frame as it is in the file; see `__call__`."""
        frame = self.trajectory.read(number, number + 1)
        positions = frame.positions[0] if self.order is None else frame.positions[0][self.order]
        box = None if frame.boxes is None or not frame.boxes.any() else frame.boxes[0]
        return positions, box

    def look(self, number: int = 0, tell: bool = True) -> Floats | None:
        """Look at one frame, before there is any other work; return its box.

        Parameters
        ----------
        number : int
        tell : bool
            Warn of molecules that the box cuts.

        Raises
        ------
        TrajectoryError
            Many molecules without a box.

        Warns
        -----
        MsbWarning
            Molecules are cut by the box.
        """
        positions, box = self.raw(number)
        if box is None:
            if self.topology.n_molecules > 1:
                raise TrajectoryError(
                    f"{self.what} has no box, but {self.topology.n_molecules} molecules: without it nobody "
                    "knows which of them are neighbours; write it with its box (gro, pdb with CRYST1, xtc, "
                    "trr)"
                )
            return None
        cut = int(np.sum(bonds_across(positions, box, self.topology)))
        if cut and tell:
            warnings.warn(
                f"{self.what}: {cut} bonds of frame {number} cross the box; molecules are made whole",
                MsbWarning,
                stacklevel=3,
            )
        return box

    def forces_reader(self) -> Callable[[int], Floats] | None:
        """Return what reads the forces (K, 3) of a frame, kJ/mol/nm; None where the file holds none.

        Only TRR files are looked into.
        """
        if self.trajectory.path.suffix.lower() != ".trr" or _trr_forces(self.trajectory, 0) is None:
            return None
        return self.forces

    def forces(self, number: int) -> Floats:
        """Read the forces (K, 3) of a frame, kJ/mol/nm.

        Raises
        ------
        TrajectoryError
            The frame has none.
        """
        found = _trr_forces(self.trajectory, number)
        if found is None:
            raise TrajectoryError(
                f"{self.what}: frame {number} has no forces, frame 0 has: write forces with every frame"
            )
        return found if self.order is None else found[self.order]


def forces_on_reference(
    beads: WholeFrames, rerun: str | Path, n_beads: int, last: int
) -> Callable[[int], Floats]:
    """Return what reads a model's forces on the reference's beads.

    Parameters
    ----------
    beads : WholeFrames
        The model's, whose order of beads the file has.
    rerun : path
        TRR file.
    n_beads : int
        Of the reference.
    last : int
        Number of the last frame of the reference that is looked at.

    Raises
    ------
    TrajectoryError
        The file is of other beads, has too few frames, or no forces.
    """
    structure = beads.trajectory.structure
    file = open_trajectory(structure, rerun)
    own = WholeFrames(file, beads.topology, f"the forces {rerun}", beads.order)
    if beads.topology.n_atoms != n_beads or file.n_frames <= last:
        raise TrajectoryError(
            f"{rerun} has {file.n_frames} frames of {beads.topology.n_atoms} beads, the reference {n_beads} "
            f"beads and frame {last}: give the model's forces on the reference's own beads, frame by frame"
        )
    read = own.forces_reader()
    if read is None:
        raise TrajectoryError(f"{rerun} holds no forces: evaluate the model on the reference's beads (TRR)")
    return read


def _trr_forces(trajectory: Trajectory, number: int) -> Floats | None:
    """Forces of all particles of a TRR file's frame, or None."""
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    source = trajectory.source
    if not isinstance(source, TrrSource):
        return None
    with TRRFile(str(source.path)) as file:
        file.set_offsets(source.index.offsets)
        file.seek(number)
        frame = file.read()
    return np.asarray(frame.f, dtype=np.float32) if frame.hasf else None
