"""One frame morphed and measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.jobs.morph.measures import FrameMeasures, beyond, length_counts, size_sums
from msb.morph.morpher import Morpher
from msb.morph.statistics import LocalStatistics

__all__ = ["MorphMade", "MorphMaker", "MorphTask", "centres_of"]

Floats = NDArray[np.float32]
Scheme = Literal["A", "B"]


@dataclass(frozen=True)
class MorphTask:
    """What to morph.

    Attributes
    ----------
    number : int
        Absolute number of the frame, the key of all noise.
    positions : float32 array (N, 3)
        nm, chains whole.
    box : float32 array (3, 3) or None
        nm.
    time : float
        ps.
    seed : int
    """

    number: int
    positions: Floats
    box: Floats | None
    time: float
    seed: int


@dataclass(frozen=True, eq=False)
class MorphMade:
    """A morphed frame: `positions` (N, 3) in nm, chains whole, with what was measured on the way."""

    task: MorphTask
    positions: Floats
    measures: FrameMeasures


class MorphMaker:
    """Everything that a frame is morphed with; it can be pickled and sent to workers.

    Parameters
    ----------
    morpher : Morpher
        Onto the system's topology.
    topology : Topology
        Of the system.
    scheme : {"A", "B"}
    sweeps : int, optional
        The model's own by default.
    polish : bool
        Whether short dynamics follow.
    """

    def __init__(
        self,
        morpher: Morpher,
        topology: Topology,
        scheme: Scheme,
        sweeps: int | None = None,
        polish: bool = True,
    ) -> None:
        self.morpher, self.topology = morpher, topology
        self.scheme, self.sweeps, self.polish = scheme, sweeps, polish

    def make(self, task: MorphTask) -> MorphMade:
        """Morph one frame; the same task gives the same frame, whatever was made before.

        Parameters
        ----------
        task : MorphTask

        Returns
        -------
        MorphMade
        """
        began = time.perf_counter()
        boxes = None if task.box is None else task.box[None]
        made = self.morpher.morph(
            task.positions[None],
            boxes,
            scheme=self.scheme,
            seed=task.seed,
            frames=np.array([task.number], dtype=np.int64),
            sweeps=self.sweeps,
            polish=self.polish,
        )
        positions = np.asarray(made[0], dtype=np.float32)
        seconds = time.perf_counter() - began
        return MorphMade(task, positions, self._measured(task, positions, seconds))

    def _measured(self, task: MorphTask, positions: Floats, seconds: float) -> FrameMeasures:
        morpher, mapping = self.morpher, self.morpher.bottleneck
        boxes = None if task.box is None else task.box[None]
        both = task.positions, positions
        before, after = (LocalStatistics.of(x[None], boxes, self.topology, like=morpher.target) for x in both)
        squeezed, kept = (np.asarray(mapping.beads(np.asarray(x, dtype=np.float64))) for x in both)
        return FrameMeasures(
            before,
            after,
            centres_of(morpher, squeezed[None], boxes),
            np.stack([size_sums(x, self.topology) for x in both]),
            np.stack([beyond(x, task.box, self.topology, morpher.target.ranges) for x in both]),
            np.stack([length_counts(x, self.topology, morpher.target.mean_bond) for x in both]),
            float(np.linalg.norm(kept - squeezed, axis=-1).max()),
            seconds,
        )


def centres_of(
    morpher: Morpher, centres: NDArray[np.floating], boxes: NDArray[np.floating] | None
) -> LocalStatistics:
    """Statistics of what is in the bottleneck, in the bins of the target's.

    Parameters
    ----------
    morpher : Morpher
        Onto the system.
    centres : ndarray (F, M, 3)
        nm.
    boxes : ndarray (F, 3, 3) or None
        nm.
    """
    return LocalStatistics.of(centres, boxes, morpher.bottleneck.bead_topology(), like=morpher.centres)
