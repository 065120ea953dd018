"""How far candidates are off their bead, and how they are moved onto it before they are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msb.backmap.placer import Candidates
from msb.core.mapping import Mapping
from msb.core.scene import Scene

__all__ = ["OntoBead"]

_SHARE = 0.5  # of a bead that its own atoms must make up, so that it is theirs to be met


@dataclass(frozen=True, eq=False)
class OntoBead:
    """Moves the atoms of a bead, each in proportion to what the bead holds of it, until the bead is met.

    This is the smallest move by mass (see `Mapping.project`) for one bead alone: for a bead of whole atoms it
    shifts them together.  A bead that needs atoms that are not there yet stays as it is.

    Attributes
    ----------
    atoms : Tensor (M, W)
        Atoms that make up each bead, -1 filling up.
    weights : Tensor (M, W)
        Their weights, which sum to 1.
    share : Tensor (M, W)
        Their weights by mass, 1/amu.
    """

    atoms: Tensor
    weights: Tensor
    share: Tensor

    @classmethod
    def of(cls, mapping: Mapping, dtype: torch.dtype = torch.float32) -> OntoBead:
        """Tables of a system."""
        width = max(int(np.diff(block.template.weights.indptr).max(initial=1)) for block in mapping.blocks)
        atoms, weights, share = [], [], []
        for block in mapping.blocks:
            rows, n = block.template.weights, block.template.n_atoms
            filled = np.arange(width) < np.diff(rows.indptr)[:, None]
            local, values, light = (np.zeros(filled.shape) for _ in range(3))
            local[filled], values[filled] = rows.indices, rows.data
            light[filled] = rows.data / np.maximum(block.masses[rows.indices], 1e-6)
            first = block.first_atom + n * np.arange(block.count)[:, None, None]
            atoms.append(np.where(filled, local + first, -1).reshape(-1, width))
            weights.append(np.tile(values, (block.count, 1)))
            share.append(np.tile(light, (block.count, 1)))
        index = torch.from_numpy(np.concatenate(atoms).astype(np.int64))
        return cls(index, *(torch.from_numpy(np.concatenate(part)).to(dtype) for part in (weights, share)))

    def __call__(
        self, scene: Scene, frame: Tensor, bead: Tensor, proposed: Candidates, moving: Tensor
    ) -> Tensor:
        """Positions (B, K, A, 3) of the candidates on their beads, nm.

        Parameters
        ----------
        scene : Scene
        frame, bead : Tensor (B,)
        proposed : Candidates
        moving : bool Tensor (B, A)
            Which of their atoms may move.
        """
        places = self._places(scene, frame, bead, proposed)
        weight, chosen = self.weights[bead], places.same.to(self.weights.dtype)
        own = (weight[..., None] * chosen).sum(1)  # (B, A)
        step = torch.where(moving, (self.share[bead][..., None] * chosen).sum(1), 0.0)
        gain = (own * step).sum(1)
        fit = places.known & (torch.where(moving, own, 0.0).sum(1) >= _SHARE) & (gain > 0)
        scale = torch.where(fit, 1.0 / gain.clamp(min=1e-12), 0.0)[:, None] * step
        return proposed.positions + scale[:, None, :, None] * places.away[:, :, None]

    def away(self, scene: Scene, frame: Tensor, bead: Tensor, proposed: Candidates) -> Tensor:
        """Vectors (B, K, 3) by which candidates miss their bead, nm; 0 where not all of it is there."""
        places = self._places(scene, frame, bead, proposed)
        return torch.where(places.known[:, None, None], places.away, 0.0)

    def _places(self, scene: Scene, frame: Tensor, bead: Tensor, proposed: Candidates) -> _Places:
        row = self.atoms[bead]
        same = (row[:, :, None] == proposed.atoms[:, None, :]) & (row >= 0)[:, :, None]  # (B, W, A)
        there = row.clamp(min=0)
        new = same.any(2)
        known = new | (row < 0) | scene.placed[frame[:, None], there]
        weight = self.weights[bead]
        fixed = torch.where((new | (row < 0))[..., None], 0.0, scene.positions[frame[:, None], there])
        rest = (weight[..., None] * fixed).sum(1)
        own = (weight[..., None] * same.to(weight.dtype)).sum(1)
        now = rest[:, None] + (own[:, None, :, None] * proposed.positions).sum(2)
        return _Places(same, known.all(1), scene.beads[frame, bead][:, None] - now)


@dataclass(frozen=True, eq=False)
class _Places:
    """Which of a bead's atoms are which of a candidate's, whether all are there, and what is missing, nm."""

    same: Tensor
    known: Tensor
    away: Tensor
