"""Atoms moved from rough places to ones with the right bonds, angles, planes and hands, beads at hand.

All molecules of a frame are moved at once, by descent with Adam's step sizes on a sum of squares: distances
from their values at rest, volumes from theirs, beads from where they are wanted, atoms that are too near each
other, and bonds that are too near the middle of a ring.  The descent begins in four dimensions, where atoms
can go past each other and a centre can turn over; the fourth is then pressed to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.analysis.structure.pairs import NonbondedPairs, near_pairs
from msb.classical.rest import RestGeometry, least_distances
from msb.core.box import minimum_image
from msb.core.mapping import Mapping
from msb.core.topology import Topology

__all__ = ["Embedder", "Schedule"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ADAM = (0.9, 0.99, 1e-9)
_VOLUME_EDGE = 0.12  # nm; makes a volume comparable to a length
_RING_RADIUS = 0.21  # nm; how near the middle of a bond may come to the middle of a ring
_RING_SIZE = 7
_SKIN = 0.08  # nm
_REFRESH = 25  # steps between searches for near pairs


@dataclass(frozen=True)
class Schedule:
    """How the descent goes.

    Attributes
    ----------
    turning : int
        Steps in four dimensions.
    settling : int
        Steps in three, with atoms keeping apart.
    step : float
        Largest move of a coordinate in one step at the start, nm; a tenth at the end.
    beads : float
        Weight of a bead's square distance from its place; a bond's is 1.
    apart : float
        Weight of atoms that are too near.
    """

    turning: int = 120
    settling: int = 180
    step: float = 0.012
    beads: float = 5.0
    apart: float = 0.4


class Embedder:
    """Moves the atoms of one system.

    Parameters
    ----------
    topology : Topology
    rest : sequence of sequence of RestGeometry
        For each block of the topology, the geometries of its molecules one after another; one for all copies
        where there is only one.
    mapping : Mapping, optional
        Without one there are no beads to keep to.
    schedule : Schedule, optional
    """

    def __init__(
        self,
        topology: Topology,
        rest: Sequence[Sequence[RestGeometry]],
        mapping: Mapping | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self.schedule = schedule or Schedule()
        self._topology = topology
        self._weights = None if mapping is None else _bead_table(mapping)
        self._terms = _Terms.of(topology, rest, self._weights)
        self._least = least_distances(topology.elements)
        self._search = NonbondedPairs(topology, exclude_bonds=3)
        self._n_beads = 0 if mapping is None else mapping.n_beads
        self._rings = _ring_table(topology)
        self._bonds = topology.bonds.reshape(-1, 2)
        self._middles = _long(self._bonds)

    def run(
        self,
        start: FloatArray,
        fourth: FloatArray,
        beads: FloatArray | None = None,
        box: FloatArray | None = None,
        only: NDArray[np.bool_] | None = None,
    ) -> FloatArray:
        """Move the atoms of a frame.

        Parameters
        ----------
        start : ndarray (N, 3)
            Rough places, molecules whole, nm; no two atoms at one point.
        fourth : ndarray (N,)
            Places in the fourth dimension at the start, nm.
        beads : ndarray (M, 3), optional
            nm; in the images of the molecules.
        box : ndarray (3, 3), optional
            nm.
        only : bool array (N,), optional
            The others stay where they are.

        Returns
        -------
        ndarray (N, 3)
            nm.
        """
        x = torch.cat([_real(start), _real(fourth)[:, None]], dim=1)
        terms, free = self._terms, None
        if only is not None:
            free = torch.as_tensor(only)[:, None].float()
            x[:, 3:] *= free
            terms = terms.touching(np.asarray(only))
        goal = None if beads is None else _real(beads)
        plan = self.schedule
        total = max(plan.turning + plan.settling, 1)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        apart: Callable[[Tensor], Tensor] | None = None
        for k in range(plan.turning + plan.settling):
            settled = k >= plan.turning
            if settled and (k - plan.turning) % _REFRESH == 0:
                apart = self._apart(x[:, :3].numpy().astype(np.float64), box, only)
            flatness = None if settled else 0.02 + 0.98 * k / plan.turning
            slope = self._slope(terms, x, goal, flatness, apart)
            if free is not None:
                slope *= free
            first.mul_(_ADAM[0]).add_(slope, alpha=1 - _ADAM[0])
            second.mul_(_ADAM[1]).addcmul_(slope, slope, value=1 - _ADAM[1])
            rate = plan.step * 0.1 ** (k / total) / (1 - _ADAM[0] ** (k + 1))
            x -= rate * first / ((second / (1 - _ADAM[1] ** (k + 1))).sqrt() + _ADAM[2])
            if k + 1 >= plan.turning:
                x[:, 3] = 0.0
        return x[:, :3].numpy().astype(np.float64)

    def strained(self, positions: FloatArray, limit: float = 0.05) -> IntArray:
        """Atoms of distances further than `limit` (nm) from rest, and of centres with the wrong hand."""
        x, terms = _real(positions), self._terms
        distance = (x[terms.pairs[:, 0]] - x[terms.pairs[:, 1]]).norm(dim=1)
        far = (distance - terms.lengths).abs() > limit
        wrong = terms.volumes * terms.volume_of(x) < 0
        atoms = torch.cat([terms.pairs[far].ravel(), terms.corners[wrong].ravel()])
        return np.unique(np.asarray(atoms.numpy(), dtype=np.int64))

    def _slope(
        self,
        terms: _Terms,
        x: Tensor,
        beads: Tensor | None,
        flatness: float | None,
        apart: Callable[[Tensor], Tensor] | None,
    ) -> Tensor:
        """Gradient of the sum of squares."""
        x = x.detach().requires_grad_()
        vectors = x[terms.pairs[:, 0]] - x[terms.pairs[:, 1]]
        distance = (vectors.square().sum(-1) + 1e-10).sqrt()
        total = (terms.weights * (distance - terms.lengths).square()).sum()
        flat = x[:, :3]
        if len(terms.corners):
            total = total + (terms.volume_of(flat) - terms.volumes).square().sum()
        if beads is not None and terms.entries is not None:
            row, column, weight = terms.entries
            now = torch.zeros(self._n_beads, 3).index_add(0, row, weight[:, None] * flat[column])
            used = torch.zeros(self._n_beads, 1).index_fill(0, row, 1.0)
            total = total + self.schedule.beads * (used * (now - beads)).square().sum()
        if flatness is not None:
            total = total + flatness * x[:, 3].square().sum()
        if apart is not None:
            total = total + self.schedule.apart * apart(flat)
        (slope,) = torch.autograd.grad(total, x)
        return slope

    def _apart(
        self, x: FloatArray, box: FloatArray | None, only: NDArray[np.bool_] | None
    ) -> Callable[[Tensor], Tensor]:
        """What keeps atoms that are near now from one another, and bonds from rings."""
        near = self._search.find(x, box, 2 * float(self._least.max(initial=0.0)) + _SKIN)
        least = self._least[near.first] + self._least[near.second]
        rows = near.distances < least + _SKIN
        if only is not None:
            rows &= only[near.first] | only[near.second]
        atoms = _Contacts.of(x, near.first[rows], near.second[rows], least[rows], box)
        rings = self._near_rings(x, box)

        def energy(flat: Tensor) -> Tensor:
            total = atoms.energy(flat)
            if rings is not None:
                middles = 0.5 * (flat[self._middles[:, 0]] + flat[self._middles[:, 1]])
                total = total + 2.0 * rings.energy(torch.cat([self._ring_middles(flat), middles]))
            return total

        return energy

    def _ring_middles(self, flat: Tensor) -> Tensor:
        table, share = self._rings
        return (flat[table] * share[..., None]).sum(1)

    def _near_rings(self, x: FloatArray, box: FloatArray | None) -> _Contacts | None:
        """Middles of bonds near the middles of rings that they are no part of."""
        table, _ = self._rings
        if not len(table):
            return None
        flat = _real(x)
        bonds = self._middles
        points = np.concatenate(
            [self._ring_middles(flat).numpy(), (0.5 * (flat[bonds[:, 0]] + flat[bonds[:, 1]])).numpy()]
        ).astype(np.float64)
        near = near_pairs(points, box, _RING_RADIUS + _SKIN)
        n = len(table)
        first, second = np.minimum(near.first, near.second), np.maximum(near.first, near.second)
        rows = (first < n) & (second >= n)
        first, second = first[rows], second[rows]
        own = (self._bonds[second - n][:, :, None] == table.numpy()[first][:, None, :]).any((1, 2))
        first, second = first[~own], second[~own]
        return _Contacts.of(points, first, second, np.full(len(first), _RING_RADIUS), box)


@dataclass(frozen=True)
class _Terms:
    """Everything that is at rest somewhere, and the beads' atoms."""

    pairs: Tensor
    lengths: Tensor
    weights: Tensor
    corners: Tensor
    volumes: Tensor
    entries: tuple[Tensor, Tensor, Tensor] | None

    @classmethod
    def of(
        cls,
        topology: Topology,
        rest: Sequence[Sequence[RestGeometry]],
        entries: tuple[Tensor, Tensor, Tensor] | None,
    ) -> _Terms:
        """Of all copies of all molecules."""
        pairs, lengths, weights, corners, volumes = [], [], [], [], []
        for (template, first, count), geometries in zip(topology.blocks(), rest, strict=True):
            for copy in range(count):
                geometry = geometries[copy if len(geometries) > 1 else 0]
                start = first + copy * template.n_atoms
                pairs.append(geometry.pairs + start)
                corners.append(geometry.corners + start)
                lengths.append(geometry.lengths)
                weights.append(geometry.weights)
                volumes.append(geometry.volumes / _VOLUME_EDGE**2)
        return cls(
            *(_long(np.concatenate(pairs)), _real(np.concatenate(lengths)), _real(np.concatenate(weights))),
            *(_long(np.concatenate(corners)), _real(np.concatenate(volumes)), entries),
        )

    def touching(self, only: NDArray[np.bool_]) -> _Terms:
        """Those of some atoms, and all atoms of their beads."""
        free = torch.as_tensor(only)
        near, flat = free[self.pairs].any(1), free[self.corners].any(1)
        entries = self.entries
        if entries is not None:
            row, column, weight = entries
            used = torch.isin(row, row[free[column]])
            entries = row[used], column[used], weight[used]
        pairs, lengths, weights = self.pairs[near], self.lengths[near], self.weights[near]
        return _Terms(pairs, lengths, weights, self.corners[flat], self.volumes[flat], entries)

    def volume_of(self, flat: Tensor) -> Tensor:
        """Volumes of the corners in units of a cube's face times length."""
        a, b, c, d = (flat[self.corners[:, k]] for k in range(4))
        volumes: Tensor = ((a - d) * torch.linalg.cross(b - d, c - d)).sum(-1) / _VOLUME_EDGE**2
        return volumes


@dataclass(frozen=True)
class _Contacts:
    """Pairs of points that are to keep a distance, across faces of the box."""

    first: Tensor
    second: Tensor
    least: Tensor
    shift: Tensor

    @classmethod
    def of(
        cls, x: FloatArray, first: IntArray, second: IntArray, least: FloatArray, box: FloatArray | None
    ) -> _Contacts:
        vectors = x[first] - x[second]
        nearest = vectors if box is None else np.asarray(minimum_image(vectors, box))
        return cls(_long(first), _long(second), _real(least), _real(nearest - vectors))

    def energy(self, flat: Tensor) -> Tensor:
        vectors = flat[self.first] - flat[self.second] + self.shift
        distance = (vectors.square().sum(-1) + 1e-8).sqrt()
        return (self.least - distance).clamp(min=0).square().sum()


def _bead_table(mapping: Mapping) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and values of the weights of the whole system."""
    rows, columns, values = [], [], []
    for block in mapping.blocks:
        table = block.template.weights.tocoo()
        copies = np.arange(block.count)[:, None]
        rows.append((block.first_bead + copies * block.template.n_beads + table.row).ravel())
        columns.append((block.first_atom + copies * block.template.n_atoms + table.col).ravel())
        values.append(np.tile(table.data, block.count))
    return _long(np.concatenate(rows)), _long(np.concatenate(columns)), _real(np.concatenate(values))


def _ring_table(topology: Topology) -> tuple[Tensor, Tensor]:
    """Atoms of every small ring (R, 7), the first repeated, and their shares of its middle."""

    def local(template: object) -> IntArray:
        rings = [ring for ring in template.rings if len(ring) <= _RING_SIZE]  # type: ignore[attr-defined]
        rows = [[*ring, *[ring[0]] * (_RING_SIZE - len(ring))] for ring in rings]
        return np.array(rows, dtype=np.int64).reshape(-1, _RING_SIZE)

    if not any(template.rings for template in topology.templates):
        return torch.zeros(0, _RING_SIZE, dtype=torch.long), torch.zeros(0, _RING_SIZE)
    table = topology.expand(local)
    again = table == table[:, :1]
    again[:, 0] = False
    size = (~again).sum(1, keepdims=True)
    return _long(table), _real(~again / size)


def _long(values: IntArray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.int64))


def _real(values: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))
