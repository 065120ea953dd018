"""Choosing among candidates: fit to the beads, junctions that meet, and few overlaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.classical.config import FragmentOptions
from msb.classical.fragment_overlaps import Overlaps, Surroundings
from msb.classical.fragment_plan import Kind, Plan
from msb.core.geometry import rotations_from_uniform
from msb.core.noise import uniform
from msb.core.topology import Topology
from msb.frame_method import Request

__all__ = ["Chooser"]

Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

_FIT = 0.04  # nm; bead distance that costs 1/2
_JUNCTION = 0.02  # nm; distance of an atom from where the next unit wants it that costs 1/2
_KEPT = 12  # candidates that are left after the first look at what is around
_OPEN = 2  # beads that leave the orientation open
_TURNS, _DRAWS, _LOTS = 1, 2, 3  # sweeps of the noise


@dataclass(eq=False)
class _State:
    """One frame while its units choose."""

    positions: Array  # (N, 3)
    links: Array  # (n_links, 3): where each unit wants the atom across each of its junctions


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Candidates of all units of a kind in one frame."""

    atoms: Array  # (Q, k, a, 3)
    halo: Array  # (Q, k, J, 3)
    cost: Array  # (Q, k), without the surroundings


class Chooser:
    """Places the units of a system frame by frame.

    Parameters
    ----------
    plan : Plan
    topology : Topology
    options : FragmentOptions
    """

    def __init__(self, plan: Plan, topology: Topology, options: FragmentOptions) -> None:
        self.plan, self.options = plan, options
        self.overlaps = Overlaps(plan, topology) if options.sweeps else None

    def frame(self, request: Request) -> Array:
        """Atoms (N, 3) of the only frame of a request, nm, before they are moved onto the beads exactly."""
        beads = request.beads[0]
        box = None if request.boxes is None else request.boxes[0]
        free = self._free(request)
        found = [self._candidates(kind, beads, request) for kind in self.plan.kinds]
        state = self._first(found, request, free)
        rows = [np.flatnonzero(free[kind.units]) for kind in self.plan.kinds]
        if all(candidates.cost.shape[1] == 1 for candidates in found) or self.overlaps is None:
            return state.positions
        near: Surroundings | None = None
        for sweep in range(self.options.sweeps):
            costs = [candidates.cost.copy() for candidates in found]
            for colour in (0, 1):
                for kind, candidates, these, cost in zip(self.plan.kinds, found, rows, costs, strict=True):
                    chosen = these[self.plan.colours[kind.units[these]] == colour]
                    if len(chosen):
                        cost[chosen] = self._update(kind, candidates, chosen, state, near)
            if sweep == 0:
                near = self.overlaps.surroundings(state.positions, box)
            elif sweep == 1:
                found = [_best(candidates, cost) for candidates, cost in zip(found, costs, strict=True)]
        return state.positions

    def _free(self, request: Request) -> NDArray[np.bool_]:
        """Units that are placed (n_units,)."""
        free = np.ones(self.plan.n_units, dtype=bool)
        if request.only is not None:
            free[:] = False
            free[self.plan.unit_of_atom[request.only]] = True
        return free

    def _candidates(self, kind: Kind, beads: Array, request: Request) -> _Candidates:
        count = max(self.options.candidates if self.options.sweeps else 1, self.options.best)
        flip = np.concatenate([kind.signs, np.ones_like(kind.signs), np.ones_like(kind.signs)], axis=2)
        turns = lots = None
        if kind.entries.n_beads <= _OPEN:
            turns = self._turns(kind, request, count)
            lots = self._uniform(request, _LOTS, kind.units[:, None] * count + np.arange(count))
        placed = kind.entries.nearest(beads[kind.beads] * flip, count, turns, lots)
        cost = placed.error / np.float32(2 * _FIT**2)
        if self.options.best > 1:
            k = min(self.options.best, cost.shape[1])
            lot = self._uniform(request, _DRAWS, kind.units[:, None] * k + np.arange(k)).astype(np.float32)
            cost = cost[:, :k] - np.log(-np.log(lot))  # Gumbel: a draw with weights exp(-cost)
            placed = placed.first(k)
        flip = flip[:, None]
        return _Candidates(placed.atoms * flip, placed.halo * flip, cost)

    def _turns(self, kind: Kind, request: Request, count: int) -> Array:
        """Random rotations (Q, count, 3, 3)."""
        import torch

        number = (kind.units[:, None, None] * count + np.arange(count)[:, None]) * 3 + np.arange(3)
        return rotations_from_uniform(torch.as_tensor(self._uniform(request, _TURNS, number))).float().numpy()

    def _uniform(self, request: Request, sweep: int, number: IntArray) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = uniform(request.seed, int(request.numbers[0]), sweep, number)
        return drawn

    def _first(self, found: list[_Candidates], request: Request, free: NDArray[np.bool_]) -> _State:
        """The best of each unit by its beads alone."""
        n = len(self.plan.unit_of_atom)
        positions = np.zeros((n, 3), dtype=np.float32) if request.start is None else request.start[0].copy()
        links = np.zeros((self.plan.n_links, 3), dtype=np.float32)
        for kind, candidates in zip(self.plan.kinds, found, strict=True):
            row = np.arange(len(kind.units))
            best = candidates.cost.argmin(axis=1)
            placed = free[kind.units]
            positions[kind.atoms[placed]] = candidates.atoms[row, best][placed]
            links[kind.links] = candidates.halo[row, best]
        for kind in self.plan.kinds:
            kept = ~free[kind.units]
            links[kind.links[kept]] = positions[kind.outer[kept]]
        return _State(positions, links)

    def _update(
        self, kind: Kind, candidates: _Candidates, rows: IntArray, state: _State, near: Surroundings | None
    ) -> Array:
        """Let some units of a kind choose anew, given all others; returns what each choice costs (R, k)."""
        cost = candidates.cost[rows].copy()
        if kind.links.shape[1]:
            ours = candidates.atoms[rows][:, :, kind.inner] - state.links[kind.back[rows]][:, None]
            theirs = candidates.halo[rows] - state.positions[kind.outer[rows]][:, None]
            miss = np.square(ours).sum((-1, -2)) + np.square(theirs).sum((-1, -2))
            cost += miss / np.float32(2 * _JUNCTION**2)
        if near is not None and self.overlaps is not None:
            cost += self.overlaps.cost(kind, candidates.atoms[rows], rows, near, state.positions)
        best = cost.argmin(axis=1)
        row = np.arange(len(rows))
        state.positions[kind.atoms[rows]] = candidates.atoms[rows][row, best]
        state.links[kind.links[rows]] = candidates.halo[rows][row, best]
        return cost


def _best(candidates: _Candidates, cost: Array) -> _Candidates:
    """The few candidates of each unit that cost least where it is."""
    kept = np.argsort(cost, axis=1, kind="stable")[:, :_KEPT]
    row = np.arange(len(cost))[:, None]
    return _Candidates(candidates.atoms[row, kept], candidates.halo[row, kept], candidates.cost[row, kept])
