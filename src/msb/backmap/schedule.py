"""Which beads are placed together: the same result as one after another, in few steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msb.core.arrays import BoolArray, IntArray
from msb.core.noise import child_seed
from msb.core.order import VisitingOrder, colours, stages, visiting_order
from msb.core.scene import Scene

__all__ = ["Schedule"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Steps of one pass over the beads of all frames of a scene.

    Attributes
    ----------
    steps : list of (Tensor (B,), Tensor (B,))
        Frames and beads that are placed together: step s holds the s-th stage of every frame.
    """

    steps: list[tuple[Tensor, Tensor]]

    @classmethod
    def of(
        cls,
        scene: Scene,
        how: VisitingOrder,
        numbers: IntArray,
        seed: int = 0,
        active: BoolArray | None = None,
    ) -> Schedule:
        """Order the beads of every frame and find which can be placed at the same time.

        Parameters
        ----------
        scene : Scene
        how : {'rank', 'molecule', 'colour', 'random'}
            See `msb.core.order.visiting_order`; the order of all beads, whoever is visited.
        numbers : int array (F,)
            Absolute frame numbers; with the seed they settle a random order.
        seed : int
        active : bool array (M,), optional
            Beads that are visited; all where None.
        """
        tables = scene.tables
        visited = np.ones(tables.n_beads, dtype=bool) if active is None else active
        beads, place = np.flatnonzero(visited), np.where(visited, np.cumsum(visited) - 1, -1)
        frames: list[list[IntArray]] = []
        for f, number in enumerate(numbers.tolist()):
            pairs = scene.pairs(f)
            hues = colours(pairs, tables.n_beads)
            order = visiting_order(
                tables.ranks.numpy(), tables.molecule.numpy(), hues, how, child_seed(seed, number)
            )
            levels = stages(place[order[visited[order]]], _among(pairs, place))
            frames.append([beads[level] for level in levels])
        steps = []
        for s in range(max((len(own) for own in frames), default=0)):
            rows = [(f, own[s]) for f, own in enumerate(frames) if s < len(own)]
            frame = np.repeat([f for f, _ in rows], [len(stage) for _, stage in rows])
            steps.append((torch.from_numpy(frame), torch.from_numpy(np.concatenate([x for _, x in rows]))))
        return cls(steps)

    def pieces(self, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Steps in turn, cut to at most so many beads."""
        for frame, bead in self.steps:
            for first in range(0, len(bead), rows):
                yield frame[first : first + rows], bead[first : first + rows]


def _among(pairs: IntArray, place: IntArray) -> IntArray:
    """Pairs (P, 2) by the places of their beads, those left out of which one has none (-1)."""
    local = place[pairs]
    return np.asarray(local[(local >= 0).all(1)])
