"""A few consecutive frames of a trajectory, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError

__all__ = ["Frames"]


@dataclass(frozen=True)
class Frames:
    """Positions, boxes and times of F frames of N particles.

    Attributes
    ----------
    positions : ndarray (F, N, 3), float32
        In nm.
    boxes : ndarray (F, 3, 3), float32, or None
        Row vectors in nm; None without a box.
    times : ndarray (F,), float64, or None
        In ps; None where the format does not know them.
    index : int
        Absolute number of the first frame, counted from 0.
    step : int
        Frames of the trajectory from one of these to the next.

    Raises
    ------
    TrajectoryError
        If the arrays' shapes do not fit together.
    """

    positions: NDArray[np.float32]
    boxes: NDArray[np.float32] | None = None
    times: NDArray[np.float64] | None = None
    index: int = 0
    step: int = 1

    def __post_init__(self) -> None:
        if self.positions.ndim != 3 or self.positions.shape[-1] != 3:
            raise TrajectoryError(
                f"frames need positions of shape (frames, atoms, 3), not {self.positions.shape}."
            )
        n_frames = len(self.positions)
        if self.boxes is not None and self.boxes.shape != (n_frames, 3, 3):
            raise TrajectoryError(
                f"{n_frames} frames need boxes of shape ({n_frames}, 3, 3), not {self.boxes.shape}."
            )
        if self.times is not None and self.times.shape != (n_frames,):
            raise TrajectoryError(f"{n_frames} frames need {n_frames} times, not {self.times.shape}.")

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def n_atoms(self) -> int:
        """Number of particles in a frame."""
        return int(self.positions.shape[1])

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Absolute frame numbers (F,), counted from 0."""
        return self.index + self.step * np.arange(len(self), dtype=np.int64)

    def __getitem__(self, item: slice) -> Frames:
        """Return some of the frames (a forward slice) with the right absolute numbers; arrays are views."""
        start, stop, step = item.indices(len(self))
        if step < 1:
            raise TrajectoryError("frames can be sliced forwards only.")
        part = slice(start, stop, step)
        return Frames(
            self.positions[part],
            None if self.boxes is None else self.boxes[part],
            None if self.times is None else self.times[part],
            self.index + self.step * start,
            self.step * step,
        )
