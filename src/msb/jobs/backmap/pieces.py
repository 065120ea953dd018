"""Cut a trajectory into pieces that advance side by side, and each piece into chunks of bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError

__all__ = ["Pieces"]


@dataclass(frozen=True)
class Pieces:
    """F frames cut into K consecutive pieces of as equal a length as can be, the longest first.

    Attributes
    ----------
    n_frames : int
        F, 1 or more.
    count : int
        K, from 1 to F.

    Raises
    ------
    TrajectoryError
        More pieces than frames.
    """

    n_frames: int
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.count <= self.n_frames:
            raise TrajectoryError(
                f"{self.n_frames} frames cannot be cut into {self.count} segments: "
                f"--segments goes from 1 to {self.n_frames}"
            )

    @property
    def length(self) -> int:
        """Frames of the longest piece."""
        return -(-self.n_frames // self.count)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """First frame of each piece, and the number of frames at the end (K + 1,)."""
        short, longer = divmod(self.n_frames, self.count)
        lengths = np.full(self.count, short, dtype=np.int64)
        lengths[:longer] += 1
        return np.concatenate([[0], np.cumsum(lengths)])

    def frames(self, first: int, stop: int) -> NDArray[np.int64]:
        """Absolute numbers (K, stop - first) of a chunk's frames; a short piece runs on into the next one.

        What runs on is there to keep the batch rectangular and is thrown away: see :meth:`kept`.  Past the
        end of the trajectory its last frame repeats.
        """
        return np.asarray(np.minimum(self.bounds[:-1, None] + np.arange(first, stop), self.n_frames - 1))

    def kept(self, first: int, stop: int) -> NDArray[np.int64]:
        """How many frames (K,) of a chunk belong to each piece; these are its leading ones."""
        return np.asarray(np.clip(np.diff(self.bounds) - first, 0, stop - first))
