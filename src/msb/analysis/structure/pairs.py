"""Pairs of atoms closer than a cutoff, with distances, in any box: tilted, or smaller than the cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from msb.core.lattice import check_boxes, reduce_basis
from msb.core.topology import Topology
from msb.errors import ConfigError

__all__ = ["NearPairs", "NonbondedPairs", "near_pairs", "uniform_bins"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NearPairs:
    """Pairs of one frame, every pair (and every pair of images) once.

    Attributes
    ----------
    first, second : ndarray (P,)
        Atoms; equal where an atom sees its own image.
    distances : ndarray (P,)
        nm.
    """

    first: IntArray
    second: IntArray
    distances: FloatArray

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: NDArray[np.bool_] | IntArray) -> NearPairs:
        """Take some of the pairs."""
        return NearPairs(self.first[rows], self.second[rows], self.distances[rows])


def near_pairs(positions: ArrayLike, box: ArrayLike | None, cutoff: float) -> NearPairs:
    """Return all pairs of atoms or images closer than a cutoff.

    The atoms are wrapped into a reduced cell, which is surrounded by the images that the cutoff reaches
    (several shells where the box is smaller than twice the cutoff); of every pair of opposite images one is
    taken, so that each pair is found once.

    Parameters
    ----------
    positions : array_like (N, 3)
        nm.
    box : array_like (3, 3) or None
        Row vectors, nm; None or zeros for none.
    cutoff : float
        nm.

    Returns
    -------
    NearPairs

    Raises
    ------
    ConfigError
        The cutoff is not a positive number.
    MsbError
        The box has no volume.
    """
    if not 0 < cutoff < np.inf:
        raise ConfigError(f"the cutoff must be a positive number of nm, got {cutoff}")
    x = np.ascontiguousarray(positions, dtype=np.float64)
    cell = None if box is None else np.asarray(box, dtype=np.float64)
    if cell is None or not check_boxes(cell[None])[0]:
        return _inside(cKDTree(x), x, cutoff)
    reduced = reduce_basis(cell[None])[0] @ cell
    inverse = np.linalg.inv(reduced)
    fractions = x @ inverse
    fractions -= np.floor(fractions)
    fractions[fractions >= 1.0] = 0.0  # a tiny negative number rounds to one
    x = fractions @ reduced
    tree = cKDTree(x)
    owners, ghosts = _images(fractions, cutoff * np.linalg.norm(inverse, axis=0))
    near = _inside(tree, x, cutoff)
    if not len(owners):
        return near
    found = tree.sparse_distance_matrix(cKDTree(ghosts @ reduced), cutoff, output_type="ndarray")
    return NearPairs(
        np.concatenate([near.first, found["i"]]),
        np.concatenate([near.second, owners[found["j"]]]),
        np.concatenate([near.distances, found["v"]]),
    )


def _inside(tree: cKDTree, x: FloatArray, cutoff: float) -> NearPairs:
    rows = tree.query_pairs(cutoff, output_type="ndarray").astype(np.int64, copy=False)
    first, second = np.ascontiguousarray(rows.T)
    vectors = x[second]
    vectors -= x[first]
    return NearPairs(first, second, np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))


def _images(fractions: FloatArray, reach: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return whose images (half of them) the cell's atoms may see, and where, in fractions."""
    low, high = fractions.min(axis=0) - reach, fractions.max(axis=0) + reach
    shells = [range(-n, n + 1) for n in np.ceil(reach).astype(int)]
    owners, places = [np.empty(0, dtype=np.int64)], [np.empty((0, 3))]
    for shift in product(*shells):
        if shift <= (0, 0, 0):
            continue
        moved = fractions + np.array(shift)
        chosen = np.flatnonzero(((moved >= low) & (moved <= high)).all(axis=1))
        owners.append(chosen)
        places.append(moved[chosen])
    return np.concatenate(owners), np.concatenate(places)


class NonbondedPairs:
    """Finds the pairs of a system that are more than some bonds apart.

    Parameters
    ----------
    topology : Topology
        The system.
    exclude_bonds : int
        Pairs up to this many bonds apart are left out: 3 leaves out 1-2, 1-3 and 1-4; 0 none.
    """

    def __init__(self, topology: Topology, exclude_bonds: int = 3) -> None:
        if exclude_bonds < 0:
            raise ConfigError(f"`exclude_bonds` must not be negative, got {exclude_bonds}")
        self.n_atoms, self.exclude_bonds = topology.n_atoms, exclude_bonds
        self._molecule = topology.molecule_index
        self.excluded = topology.expand(lambda template: template.exclusions(exclude_bonds))
        self._keys = np.sort(self.excluded[:, 0] * self.n_atoms + self.excluded[:, 1])

    def find(self, positions: ArrayLike, box: ArrayLike | None, cutoff: float) -> NearPairs:
        """Return the non-bonded pairs of one frame closer than a cutoff.

        Of two bonded atoms that see each other in several images only the nearest image is left out.

        Parameters
        ----------
        positions, box, cutoff
            As `near_pairs`.

        Returns
        -------
        NearPairs

        Raises
        ------
        ConfigError, MsbError
            As `near_pairs`.
        """
        pairs = near_pairs(positions, box, cutoff)
        inside = np.flatnonzero(self._molecule[pairs.first] == self._molecule[pairs.second])
        if not len(self._keys) or not len(inside):
            return pairs
        one, other = pairs.first[inside], pairs.second[inside]
        keys = np.minimum(one, other) * self.n_atoms + np.maximum(one, other)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        bonded = self._keys[place] == keys
        rows, keys = inside[bonded], keys[bonded]
        order = np.lexsort((pairs.distances[rows], keys))
        nearest = np.concatenate([[True], np.diff(keys[order]) != 0]) if len(rows) else order.astype(bool)
        keep = np.ones(len(pairs), dtype=bool)
        keep[rows[order[nearest]]] = False
        return pairs[keep]


def uniform_bins(values: FloatArray, edges: FloatArray) -> IntArray:
    """Return the bin of every value as `numpy.histogram` counts it, quickly where the bins are equal.

    Parameters
    ----------
    values : ndarray (...)
        Finite.
    edges : ndarray (B + 1,)
        Ascending.

    Returns
    -------
    ndarray (...)
        -1 below the first edge, B above the last.
    """
    bins = len(edges) - 1
    width = (edges[-1] - edges[0]) / bins
    if not np.allclose(np.diff(edges), width, rtol=1e-6, atol=0.0):
        found = np.searchsorted(edges, values, side="right") - 1
        return np.asarray(np.where(values == edges[-1], bins - 1, found))
    places = np.clip(np.floor((values - edges[0]) / width), -1, bins)  # before whole numbers overflow
    number: IntArray = places.astype(np.int64)
    guarded = np.concatenate([[-np.inf], edges, [np.inf]])
    number += values >= guarded[number + 2]
    number -= values < guarded[number + 1]
    number[values == edges[-1]] = bins - 1
    return number


def atom_mask(atoms: ArrayLike, n_atoms: int, name: str) -> NDArray[np.bool_]:
    """Return a mask (N,) of atoms given as a mask or as indices.

    Raises
    ------
    ConfigError
        There are none, or they are not of this system; `name` says whose.
    """
    mask = np.zeros(n_atoms, dtype=bool)
    try:
        mask[np.asarray(atoms)] = True
    except IndexError:
        raise ConfigError(f"group {name!r}: its atoms do not fit a system of {n_atoms} atoms") from None
    if not mask.any():
        raise ConfigError(f"group {name!r} has no atoms: choose some")
    return mask
