"""Features of a molecule's beads that do not turn with it, and the conditional mean they give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.core.geometry import local_frames

__all__ = ["LinearMean", "bead_features", "choose_frame"]


def bead_features(beads: Tensor, frame: Sequence[int], of: Tensor | None = None) -> Tensor:
    """Coordinates of points in the canonical frame of the beads.

    Parameters
    ----------
    beads : Tensor (..., M, 3)
        nm.
    frame : (origin, axis, plane)
        Beads that define the frame.
    of : Tensor (..., K, 3), optional
        The points; the beads themselves by default.

    Returns
    -------
    Tensor (..., 3 K)
        nm; unchanged when everything turns or moves together.
    """
    o, a, p = frame
    axes = local_frames(beads[..., o, :], beads[..., a, :], beads[..., p, :])
    points = beads if of is None else of
    return ((points - beads[..., o : o + 1, :]) @ axes.mT).flatten(-2)


def choose_frame(beads: Tensor, bead_bonds: NDArray[np.int64]) -> tuple[int, int, int]:
    """The bonded triple of beads that stays farthest from a line, near the middle of the molecule.

    Parameters
    ----------
    beads : Tensor (F, M, 3)
    bead_bonds : int array (K, 2)
    """
    n_beads = beads.shape[1]
    bonded: list[set[int]] = [set() for _ in range(n_beads)]
    for i, j in np.asarray(bead_bonds).tolist():
        bonded[i].add(j)
        bonded[j].add(i)
    triples = [(o, a, p) for o in range(n_beads) for a in bonded[o] for p in bonded[o] if a != p]
    if not triples:
        every = range(n_beads)
        triples = [(o, a, p) for o in every for a in every for p in every if len({o, a, p}) == 3]
    spread = (beads[:, :, None] - beads[:, None]).norm(dim=-1).mean(0).sum(-1)  # small in the middle

    def score(triple: tuple[int, int, int]) -> float:
        o, a, p = triple
        u, v = beads[:, a] - beads[:, o], beads[:, p] - beads[:, o]
        sine = torch.linalg.cross(u, v).norm(dim=-1) / (u.norm(dim=-1) * v.norm(dim=-1)).clamp_min(1e-12)
        return float(torch.quantile(sine, 0.01)) / float(spread[o])

    return max(triples, key=lambda t: (round(score(t), 6), t))


class LinearMean:
    """The best linear prediction of atoms from beads, both in the beads' canonical frame.

    Parameters
    ----------
    frame : (origin, axis, plane)
        Beads that define the frame.
    weights : Tensor (3 M + 1, 3 N)
        Regression matrix, the constant last; nm.
    """

    def __init__(self, frame: tuple[int, int, int], weights: Tensor) -> None:
        self.frame, self.weights = frame, weights

    @classmethod
    def fit(
        cls, positions: Tensor, beads: Tensor, frame: tuple[int, int, int], ridge: float = 1e-9
    ) -> LinearMean:
        """Least squares over frames.

        Parameters
        ----------
        positions : Tensor (F, N, 3)
            nm.
        beads : Tensor (F, M, 3)
            nm.
        frame : (origin, axis, plane)
        ridge : float
            nm^2 a frame; keeps the coordinates that the frame fixes at zero from being inverted.
        """
        beads, positions = beads.double(), positions.double()
        design = _with_constant(bead_features(beads, frame))
        target = bead_features(beads, frame, positions)
        normal = design.mT @ design / len(design)
        normal = normal + ridge * torch.eye(len(normal), dtype=normal.dtype, device=normal.device)
        return cls(frame, torch.linalg.solve(normal, design.mT @ target / len(design)).float())

    def predict(self, beads: Tensor) -> Tensor:
        """Mean positions (..., N, 3), nm, for beads (..., M, 3), nm."""
        o, a, p = self.frame
        local = _with_constant(bead_features(beads, self.frame)) @ self.weights
        local = local.reshape(*local.shape[:-1], -1, 3)
        axes = local_frames(beads[..., o, :], beads[..., a, :], beads[..., p, :])
        mean: Tensor = local @ axes + beads[..., o : o + 1, :]
        return mean


def _with_constant(features: Tensor) -> Tensor:
    return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)
