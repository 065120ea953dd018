"""Reference frames as the environments that training and validation place beads in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msb.core.arrays import FloatArray
from msb.core.order import VisitingOrder, colours, visiting_order
from msb.core.scene import Phase, Scene, Tables

__all__ = ["ReferenceScene"]


@dataclass(eq=False)
class ReferenceScene(Scene):
    """A scene whose atoms are all there; forward phases see of them what would be placed by then.

    In a forward phase over heavy atoms a bead sees the heavy atoms of the beads before it in the visiting
    order; over hydrogens, all heavy atoms and the hydrogens of the beads before it; over all atoms at once,
    all atoms of the beads before it.  Gibbs phases are those of :class:`~msb.core.scene.Scene`.

    Attributes
    ----------
    turn : Tensor (F, M)
        Place of every bead in the visiting order of its frame.
    """

    turn: Tensor

    @classmethod
    def make(
        cls,
        tables: Tables,
        positions: Tensor | FloatArray | Any,
        beads: Tensor | FloatArray | Any,
        boxes: Tensor | FloatArray | Any = None,
        *,
        reach: float = 1.2,
        how: VisitingOrder = "rank",
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> ReferenceScene:
        """Take frames of a simulation as they are.

        Parameters
        ----------
        tables : Tables
        positions : (F, N, 3)
            nm, molecules whole.
        beads : (F, M, 3)
            nm, of these molecules.
        boxes : (F, 3, 3), optional
        reach : float
            nm, the placer's.
        how : {'rank', 'molecule', 'colour', 'random'}
            Visiting order of the forward phases; the sampler's.
        seed : int
            Of the random order.
        dtype : torch.dtype
            Of positions.
        """
        scene = Scene.of(tables, beads, boxes, reach, dtype, positions)
        turn = torch.empty(scene.beads.shape[:2], dtype=torch.int64)
        ranks, molecule = tables.ranks.numpy(), tables.molecule.numpy()
        for f in range(len(turn)):
            colour = colours(scene.pairs(f), tables.n_beads)
            order = visiting_order(ranks, molecule, colour, how, seed + f)
            turn[f, torch.from_numpy(np.ascontiguousarray(order))] = torch.arange(tables.n_beads)
        return cls(**vars(scene), turn=turn)

    def visible(self, frame: Tensor, bead: Tensor, phase: Phase) -> tuple[Tensor, Tensor]:
        """Atoms (B, J + 1, A) of a bead and of those near it, and whether each is seen in a phase."""
        atoms, seen = super().visible(frame, bead, phase)
        if phase.gibbs:
            return atoms, seen
        there = atoms.clamp(min=0)
        turn = self.turn[frame[:, None, None], self.tables.owner[there]]
        earlier = turn < self.turn[frame, bead][:, None, None]
        hydrogen = self.tables.hydrogen[there]
        if phase.atoms == "heavy":
            return atoms, seen & earlier & ~hydrogen
        if phase.atoms == "hydrogens":
            return atoms, seen & (earlier | ~hydrogen)
        return atoms, seen & earlier
