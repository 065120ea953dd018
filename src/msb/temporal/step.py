"""A batch of consecutive frames."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Step"]


@dataclass
class Step:
    """One frame, and the U frames after it to be generated; nm.

    Attributes
    ----------
    previous : Tensor (B, N, 3)
        Atoms of the frame before.
    previous_beads : Tensor (B, M, 3)
        Its beads.
    targets : Tensor (B, U, N, 3)
        Atoms of the frames to generate.
    beads, following : Tensor (B, U, M, 3)
        Their beads, and the beads one frame later.
    """

    previous: Tensor
    previous_beads: Tensor
    targets: Tensor
    beads: Tensor
    following: Tensor
