"""What it takes to make one frame of atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameTask", "Placed"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """Atoms (N, 3) and their beads (M, 3) of a frame that the next one starts from, nm."""

    atoms: Floats
    beads: Floats


@dataclass(frozen=True)
class FrameTask:
    """What to make.

    Attributes
    ----------
    number : int
        Absolute number of the frame, the key of all noise.
    beads : float32 array (M, 3)
        nm, wrapped or not.
    box : float32 array (3, 3) or None
        nm.
    seed : int
    previous : Placed or None
        The frame before, where frames are to be coherent.
    """

    number: int
    beads: Floats
    box: Floats | None
    seed: int
    previous: Placed | None = None
