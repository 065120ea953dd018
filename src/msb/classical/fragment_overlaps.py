"""How much candidates overlap with what is around them: a soft repulsion, cheap enough to try them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure import near_pairs
from msb.classical.fragment_plan import Kind, Plan
from msb.core.box import minimum_image
from msb.core.topology import Topology

__all__ = ["Overlaps", "Surroundings"]

Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

_RADII = {"H": 0.120, "C": 0.170, "N": 0.155, "O": 0.150, "F": 0.147, "P": 0.180, "S": 0.180, "Cl": 0.175}
_OTHER_RADIUS = 0.18  # nm; van der Waals radii of Bondi, J. Phys. Chem. 68, 441 (1964)
_REACH = 0.55  # nm; atoms that a unit may come to touch are at most so far from where it is now
_BONDS = 3  # pairs up to this many bonds apart do not repel
_STRENGTH = 12.0  # cost of two atoms on top of each other
_CHUNK = 2**20  # distances at once: what fits into a core's cache
_AT_ONCE = 2048  # units, which bounds the memory
_FAR = 1e6  # nm^-2; a pair that does not repel is taken to be so many radii apart


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What is around each unit of a frame.

    Attributes
    ----------
    atoms : int array (U, e)
        Atoms of other units, padded with -1.
    bonded : int array (B, 3)
        Pairs that do not repel: unit, atom of the unit, column of `atoms`; sorted by unit.
    box : float32 array (3, 3) or None
        nm.
    """

    atoms: IntArray
    bonded: IntArray
    box: Array | None


class Overlaps:
    """Soft repulsion between a unit's candidates and the atoms of other units.

    Parameters
    ----------
    plan : Plan
    topology : Topology
    """

    def __init__(self, plan: Plan, topology: Topology) -> None:
        self.plan, self.n_atoms = plan, topology.n_atoms
        radii = [_RADII.get(str(e), _OTHER_RADIUS) for e in topology.elements]
        self.radii = np.array(radii, dtype=np.float32)
        pairs = topology.expand(lambda template: template.exclusions(_BONDS))
        unit = plan.unit_of_atom
        pairs = pairs[unit[pairs[:, 0]] != unit[pairs[:, 1]]]
        both = np.concatenate([pairs, pairs[:, ::-1]])
        self.bonded = both[np.argsort(unit[both[:, 0]], kind="stable")]

    def surroundings(self, positions: Array, box: Array | None) -> Surroundings:
        """What is around each unit in a frame (N, 3), nm."""
        pairs = near_pairs(positions, box, _REACH)
        unit, n = self.plan.unit_of_atom, self.n_atoms
        apart = unit[pairs.first] != unit[pairs.second]
        first, second = pairs.first[apart], pairs.second[apart]
        codes = np.unique(np.concatenate([unit[first] * n + second, unit[second] * n + first]))
        units, atoms = np.divmod(codes, n)
        counts = np.bincount(units, minlength=self.plan.n_units)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        table = np.full((self.plan.n_units, int(counts.max(initial=0))), -1, dtype=np.int64)
        table[units, np.arange(len(units)) - starts[units]] = atoms
        of = unit[self.bonded[:, 0]]
        wanted = of * n + self.bonded[:, 1]
        place = np.searchsorted(codes, wanted).clip(max=max(len(codes) - 1, 0))
        there = codes[place] == wanted if len(codes) else np.zeros(len(wanted), dtype=bool)
        rows = of[there], self.bonded[there, 0], (place - starts[of])[there]
        return Surroundings(table, np.stack(rows, axis=1), box)

    def cost(
        self, kind: Kind, candidates: Array, rows: IntArray, around: Surroundings, positions: Array
    ) -> Array:
        """Overlaps (R, k) of candidates (R, k, a, 3) of some units of a kind with a frame (N, 3), nm."""
        parts = [slice(i, i + _AT_ONCE) for i in range(0, len(rows), _AT_ONCE)]
        return np.concatenate([self._cost(kind, candidates[p], rows[p], around, positions) for p in parts])

    def _cost(
        self, kind: Kind, candidates: Array, rows: IntArray, around: Surroundings, positions: Array
    ) -> Array:
        units = kind.units[rows]
        near = around.atoms[units]
        near = near[:, : int((near >= 0).sum(axis=1).max(initial=0))]
        own = kind.atoms[rows]
        inverse = (self.radii[own][:, :, None] + self.radii[near][:, None]) ** -2  # (R, a, e)
        np.copyto(inverse, np.float32(_FAR), where=(near < 0)[:, None])
        first, last = (np.searchsorted(around.bonded[:, 0], units, side=side) for side in ("left", "right"))
        counts = last - first
        row = np.repeat(np.arange(len(units)), counts)
        bonded = around.bonded[np.arange(len(row)) + np.repeat(first - np.cumsum(counts) + counts, counts)]
        atom = (own[row] == bonded[:, 1:2]).argmax(axis=1)
        inverse[row, atom, bonded[:, 2]] = _FAR
        centre = candidates[:, 0].mean(axis=1, keepdims=True)  # (R, 1, 3)
        others = minimum_image(positions[near] - centre, around.box).astype(np.float32)
        local = candidates - centre[:, None]
        step = max(1, _CHUNK // max(1, candidates.shape[1] * own.shape[1] * near.shape[1]))
        parts = [slice(i, i + step) for i in range(0, len(rows), step)]
        return np.concatenate([_soft(local[p], others[p], inverse[p]) for p in parts])


def _soft(local: Array, others: Array, inverse: Array) -> Array:
    """Sum of (1 - r^2 / s^2)^2 over pairs closer than s, for R units with k candidates (R, k)."""
    value = (-2 * local) @ others[:, None].swapaxes(-1, -2)  # (R, k, a, e)
    value += np.square(local).sum(-1)[..., None]
    value += np.square(others).sum(-1)[:, None, None]
    value *= inverse[:, None]
    np.subtract(1, value, out=value)
    np.maximum(value, 0, out=value)
    flat = value.reshape(*value.shape[:2], -1)
    cost: Array = np.float32(_STRENGTH) * np.einsum("rkx,rkx->rk", flat, flat)
    return cost
