"""Beads that are wrong in a known way, and a backmapper that adds nothing of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from msb.core.mapping import Mapping
from msb.core.noise import normal_block
from msb.core.periodic_pairs import periodic_pairs
from msb.core.topology import Topology
from msb.errors import MsbError, TrajectoryError
from msb.frame_method import FrameMethod, Request

__all__ = ["Exact", "Pushed", "noisy", "push", "push_all"]

Floats = NDArray[np.float32]
REACH = 1.2  # nm; within which the nearest beads of two molecules are looked for


def noisy(beads: Floats, sigma: float, seed: int, numbers: Sequence[int]) -> Floats:
    """Beads with Gaussian noise: the same draw at every size, so that sizes differ in nothing else.

    Parameters
    ----------
    beads : float32 array (F, M, 3)
        nm.
    sigma : float
        Standard deviation of a coordinate, nm.
    seed : int
    numbers : sequence of int (F,)
        Of the frames, keys of the noise.

    Returns
    -------
    float32 array (F, M, 3)
    """
    draw = normal_block(seed, np.asarray(numbers), beads[0].size).reshape(beads.shape)
    return np.asarray(beads + np.float32(sigma) * draw, dtype=np.float32)


@dataclass(frozen=True)
class Pushed:
    """A frame (M, 3), nm, in which two beads of different molecules were pushed together, and which."""

    beads: Floats
    pair: tuple[int, int]
    before: float


def push(beads: Floats, box: NDArray[Any], chains: Topology, distance: float, width: float = 1.5) -> Pushed:
    """Push the two nearest beads of different molecules together, both chains bending to follow.

    Parameters
    ----------
    beads : float32 array (M, 3)
        nm, chains whole.
    box : float array (3, 3)
        nm.
    chains : Topology
        Of the beads.
    distance : float
        Between the two afterwards, nm; they stay as they are where they are nearer.
    width : float
        How far along the chain, in bonds, beads follow: by exp(-n² / (2 width²)) of the way.

    Returns
    -------
    Pushed

    Raises
    ------
    MsbError
        If no two molecules are near each other.
    """
    x, cell = np.asarray(beads, dtype=np.float64), np.asarray(box, dtype=np.float64)
    found = periodic_pairs(x, cell, REACH)
    molecule = np.asarray(chains.molecule_index)
    apart = np.flatnonzero((molecule[found.first] != molecule[found.second]) & (found.first < found.second))
    if not len(apart):
        raise MsbError(f"no two molecules of the frame are within {REACH} nm: there is nothing to push")
    way = x[found.second[apart]] + found.shifts[apart] - x[found.first[apart]]
    lengths = np.linalg.norm(way, axis=-1)
    nearest = int(lengths.argmin())
    i, j = int(found.first[apart[nearest]]), int(found.second[apart[nearest]])
    step = max(lengths[nearest] - distance, 0.0) / 2 * way[nearest] / lengths[nearest]
    bonds = np.asarray(chains.bonds)
    graph = coo_matrix((np.ones(len(bonds)), tuple(bonds.T)), shape=(len(x), len(x)))
    steps = dijkstra(graph.tocsr(), directed=False, indices=[i, j], unweighted=True)
    share = np.exp(-(steps**2) / (2 * width**2))  # 0 in every other molecule
    moved = x + share[0][:, None] * step - share[1][:, None] * step
    return Pushed(moved.astype(np.float32), (i, j), float(lengths[nearest]))


def push_all(beads: Floats, boxes: Floats, chains: Topology, distance: float) -> list[Pushed]:
    """Push one pair together in every frame (F, M, 3); see :func:`push`."""
    return [push(x, box, chains, distance) for x, box in zip(beads, boxes, strict=True)]


@dataclass
class Exact(FrameMethod):
    """The reference's own atoms, moved as little as possible so that the beads are the wanted ones.

    What it shows is the beads' fault alone.  With the reference's beads it gives the reference.

    Attributes
    ----------
    atoms : dict of int to float32 array (N, 3)
        Of the reference by frame number, molecules whole, nm.
    """

    method: ClassVar[str] = "exact"
    atoms: dict[int, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, mapping: Mapping, numbers: Sequence[int], positions: Floats, temperature: float) -> Exact:
        """Make one from frames (F, N, 3) by their numbers."""
        atoms = {int(k): np.asarray(x, dtype=np.float32) for k, x in zip(numbers, positions, strict=True)}
        own = {"method": cls.method, "name": cls.method}
        return cls(cls.method, mapping.topology, mapping, temperature, own, atoms=atoms)

    def place(self, request: Request) -> Floats:
        """Atoms (F, N, 3) of frames, nm, chains beside the given beads.

        Raises
        ------
        TrajectoryError
            If a frame is not of the reference.
        """
        unknown = [int(k) for k in request.numbers if int(k) not in self.atoms]
        if unknown:
            raise TrajectoryError(f"frame {unknown[0]} is not one of the reference's that are known")
        x = np.stack([self.atoms[int(k)] for k in request.numbers])
        if request.boxes is not None:
            x = x + self._images(x, request.beads, request.boxes)
        return np.asarray(self.mapping.project(x, request.beads).positions, dtype=np.float32)

    def _images(self, x: Floats, beads: Floats, boxes: Floats) -> Floats:
        """Lattice vectors (F, N, 3) that bring whole molecules next to their beads, nm."""
        away = beads - np.asarray(self.mapping.beads(x), dtype=np.float32)
        molecule = np.asarray(self.mapping.bead_topology().molecule_index)
        first = np.flatnonzero(np.diff(molecule, prepend=-1))
        steps = np.rint(away[:, first] @ np.linalg.inv(boxes)) @ boxes
        return np.asarray(steps[:, np.asarray(self.topology.molecule_index)], dtype=np.float32)

    def onto(self, topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None = None) -> Exact:
        """The same: it knows its own system only.

        Raises
        ------
        TrajectoryError
            If the system is another one.
        """
        if topology.n_atoms != self.topology.n_atoms or mapping.n_beads != self.mapping.n_beads:
            raise TrajectoryError("the reference's own atoms are of the reference's system only")
        return self
