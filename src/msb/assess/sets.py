"""What an assessment begins with: all-atom frames, beads of coarse-grained models, and how to go about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.assess.forces import Engine, MapKind
from msb.backmapper import Backmapper
from msb.core.mapping import Mapping
from msb.energy.protocols import Finish
from msb.errors import ConfigError, TrajectoryError

__all__ = ["AssessOptions", "CGSet", "Frame", "Read", "ReferenceSet", "in_memory"]

Floats = NDArray[np.float32]
Frame = tuple[Floats, Floats | None]
Read = Callable[[int], Frame]
"""From a frame's number to positions (K, 3) and box (3, 3) or None, nm."""

REFERENCE, IN_DISTRIBUTION = "reference", "in-distribution"


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """All-atom frames of the ensemble that the models are to have.

    Attributes
    ----------
    mapping : Mapping
        Its topology is the system's.
    numbers : int array (F,)
        Frames to take, ascending.
    read : callable
        From a number to atoms (N, 3) and box, nm; molecules may be cut by the box.
    system : openmm.System
        The force field.
    rigid : int array (K, 2), optional
        Bonds that the reference held at their lengths; those that the System constrains by default.
    hands : int8 array (C,), optional
        Wanted sign of every stereocentre.
    temperature : float, optional
        K.
    raw : callable, optional
        As `read`, with the coordinates as they are in the file: they tell how far these were rounded.
    """

    mapping: Mapping
    numbers: NDArray[np.int64]
    read: Read
    system: Any
    rigid: NDArray[np.int64] | None = None
    hands: NDArray[np.int8] | None = None
    temperature: float | None = None
    raw: Read | None = None

    def __post_init__(self) -> None:
        """Refuse a reference that cannot be split in halves.

        Raises
        ------
        TrajectoryError
            Fewer than two frames.
        """
        if len(self.numbers) < 2:
            raise TrajectoryError(
                f"the reference has {len(self.numbers)} frame: its two halves tell what finite samples "
                "score, so give at least 2 frames, better 20"
            )


@dataclass(frozen=True, eq=False)
class CGSet:
    """Frames of a coarse-grained model.

    Attributes
    ----------
    name : str
    mapping : Mapping
        Of the model's molecules, which may be others in number and length than the reference's.
    numbers : int array (F,)
        Frames to take, ascending.
    read : callable
        From a number to beads (M, 3), in the mapping's order, and box, nm.
    backmapper : Backmapper
        Of this system.
    system : openmm.System
        The force field of this system's atoms.
    forces : callable, optional
        From a number to the model's own forces on the beads (M, 3), kJ/mol/nm.
    reference_forces : callable, optional
        From the number of a frame of the reference to the model's forces on that frame's beads.
    rigid, hands, temperature
        As for :class:`ReferenceSet`.
    """

    name: str
    mapping: Mapping
    numbers: NDArray[np.int64]
    read: Read
    backmapper: Backmapper
    system: Any
    forces: Callable[[int], Floats] | None = None
    reference_forces: Callable[[int], Floats] | None = None
    rigid: NDArray[np.int64] | None = None
    hands: NDArray[np.int8] | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        """Refuse names that are taken, and no frames.

        Raises
        ------
        ConfigError, TrajectoryError
        """
        if not self.name or self.name in (REFERENCE, IN_DISTRIBUTION):
            raise ConfigError(
                f"a CG model cannot be called {self.name!r}: give it a name of its own (--name)"
            )
        if not len(self.numbers):
            raise TrajectoryError(f"the CG model {self.name} has no frames: give at least one, better 20")


@dataclass(frozen=True)
class AssessOptions:
    """How to assess.

    Attributes
    ----------
    seed : int
        Of placing the atoms (sample k has seed + k), the polish, and the bootstrap.
    polish : bool
        Add the column `polished`.
    finish : Finish or None
        What is meant by it: by default the staged relaxation with the beads held and, where the temperature
        is known, the thermal polish.  ``Finish("em")`` is plain energy minimisation.
    temperature : float or None
        K, of the polish; a set's own comes first.
    workers : int or None
        Processes; see :func:`msb.core.pool.in_order`.
    samples : int
        Times that atoms are put back into each frame.
    map : {"consistent", "optimal"}
        Of atomic forces to beads; see :class:`msb.assess.forces.BeadForces`.
    engine : {"openmm", "torch"}
        What evaluates the forces.
    radial : float
        How far radial distributions go, nm; 0 for none.
    keep_positions : bool
        Keep the atoms of every frame in the work folder, to look at.
    bins : int
        Quantiles of the reference.
    blocks, replicates : int
        Of the bootstrap.
    worst : int
        Configurations with the largest forces that are listed, of every set and column.
    force : bool
        Rank although conditions differ.
    """

    seed: int = 0
    polish: bool = False
    finish: Finish | None = None
    temperature: float | None = None
    workers: int | None = None
    samples: int = 1
    map: MapKind = "consistent"
    engine: Engine = "openmm"
    radial: float = 1.0
    keep_positions: bool = True
    bins: int = 100
    blocks: int = 50
    replicates: int = 2000
    worst: int = 10
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises
        ------
        ConfigError
        """
        if self.samples < 1 or self.bins < 1 or self.radial < 0 or self.worst < 0:
            raise ConfigError(
                "an assessment takes at least one sample and one bin, and radial distributions up to 0 nm or "
                f"more; got {self.samples} samples, {self.bins} bins, {self.radial} nm, {self.worst} worst"
            )

    def finish_at(self, temperature: float | None) -> Finish:
        """What is done to a frame of a set of such a temperature, K."""
        if self.finish is not None:
            return self.finish
        kelvin = self.temperature if temperature is None else temperature
        return Finish("staged") if kelvin is None else Finish("staged", "thermal", kelvin)


def in_memory(positions: ArrayLike, boxes: ArrayLike | None = None) -> Read:
    """Frames that are in memory, by number.

    Parameters
    ----------
    positions : array_like (F, K, 3)
        nm.
    boxes : array_like (F, 3, 3) or (3, 3), optional
        nm.
    """
    x = np.asarray(positions, dtype=np.float32)
    cells = None
    if boxes is not None:
        cells = np.broadcast_to(np.asarray(boxes, dtype=np.float32), (len(x), 3, 3))

    def read(number: int) -> Frame:
        return x[number], None if cells is None else cells[number]

    return read
