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
_REACH = 0.45  # nm; atoms that a unit may come to touch are at most as far from where it is now
_BONDS = 3  # pairs up to this many bonds apart do not repel
_STRENGTH = 12.0  # cost of two atoms on top of each other
_CHUNK = 2**22  # distances at once


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What is around each unit of a frame.

    Attributes
    ----------
    atoms : int array (U, e)
        Atoms of other units, padded with -1.
    box : float32 array (3, 3) or None
        nm.
    positions : float32 array (N, 3)
        The frame as it is being changed, nm.
    """

    atoms: IntArray
    box: Array | None
    positions: Array


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
        codes = np.concatenate([pairs @ [self.n_atoms, 1], pairs @ [1, self.n_atoms]])
        self.bonded = np.sort(codes)

    def surroundings(self, positions: Array, box: Array | None) -> Surroundings:
        """What is around each unit in a frame."""
        pairs = near_pairs(positions, box, _REACH)
        unit = self.plan.unit_of_atom
        both = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.second, pairs.first])
        keep = unit[both[0]] != unit[both[1]]
        codes = np.unique(unit[both[0][keep]] * self.n_atoms + both[1][keep])
        units, atoms = np.divmod(codes, self.n_atoms)
        counts = np.bincount(units, minlength=self.plan.n_units)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        table = np.full((self.plan.n_units, int(counts.max(initial=0))), -1, dtype=np.int64)
        table[units, np.arange(len(units)) - starts[units]] = atoms
        return Surroundings(table, box, positions)

    def cost(self, kind: Kind, candidates: Array, rows: IntArray, around: Surroundings) -> Array:
        """Overlaps (R, k) of the candidates (R, k, a, 3) of some units of a kind."""
        near = around.atoms[kind.units[rows]]
        near = near[:, : int((near >= 0).sum(axis=1).max(initial=0))]
        own = kind.atoms[rows]
        step = max(1, _CHUNK // max(1, candidates.shape[1] * own.shape[1] * near.shape[1]))
        parts = [
            self._cost(own[i : i + step], candidates[i : i + step], near[i : i + step], around)
            for i in range(0, len(rows), step)
        ]
        return np.concatenate(parts)

    def _cost(self, own: IntArray, candidates: Array, near: IntArray, around: Surroundings) -> Array:
        centre = candidates[:, 0].mean(axis=1, keepdims=True)  # (R, 1, 3)
        others = minimum_image(around.positions[near] - centre, around.box).astype(np.float32)
        squares = (self.radii[own][:, :, None] + self.radii[near][:, None]) ** 2  # (R, a, e)
        codes = own[:, :, None] * self.n_atoms + near[:, None]
        place = np.searchsorted(self.bonded, codes).clip(max=max(len(self.bonded) - 1, 0))
        bonded = self.bonded[place] == codes if len(self.bonded) else np.zeros(codes.shape, dtype=bool)
        inverse = np.where(bonded | (near < 0)[:, None], np.float32(1e6), 1 / squares)
        x = candidates - centre[:, None]
        distance = np.square(x).sum(-1)[..., None] - 2 * x @ others[:, None].swapaxes(-1, -2)
        distance += np.square(others).sum(-1)[:, None, None]
        distance *= inverse[:, None]
        deep = np.clip(1 - distance, 0, None)
        cost: Array = np.float32(_STRENGTH) * np.einsum("rkae,rkae->rk", deep, deep)
        return cost
