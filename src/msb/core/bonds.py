"""Bonds from distances, for files that hold none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msb.core.arrays import FloatArray, IntArray
from msb.core.elements import COVALENT_RADII
from msb.units import NM_PER_ANGSTROM

__all__ = ["guess_bonds"]

_SHORTEST, _TOLERANCE = 0.04, 0.045  # nm, as Open Babel has them


def guess_bonds(positions: FloatArray, elements: Sequence[str], box: FloatArray | None = None) -> IntArray:
    """Return the pairs closer than the sum of their covalent radii and 0.045 nm.

    A hydrogen keeps its shortest bond only. Elements without a covalent radius (metals, noble gases, beads)
    make no bonds.

    Parameters
    ----------
    positions : ndarray (N, 3)
        nm; molecules may be cut by the box.
    elements : sequence of str
        Symbols.
    box : ndarray (3, 3), optional
        Row vectors, nm.

    Returns
    -------
    ndarray (B, 2)
        i < j, sorted.
    """
    from MDAnalysis.lib.distances import self_capped_distance
    from MDAnalysis.lib.mdamath import triclinic_box

    symbols, code = np.unique(np.asarray(elements, dtype=np.str_), return_inverse=True)
    radii = np.array([COVALENT_RADII.get(symbol, 0.0) for symbol in symbols])[code]
    atoms = np.flatnonzero(radii > 0)
    if len(atoms) < 2:
        return np.empty((0, 2), dtype=np.int64)
    cell = None if box is None else triclinic_box(*(np.asarray(box, dtype=np.float64) / NM_PER_ANGSTROM))
    reach = (2 * radii.max() + _TOLERANCE) / NM_PER_ANGSTROM
    pairs, distances = self_capped_distance(
        np.asarray(positions[atoms] / NM_PER_ANGSTROM, dtype=np.float32),
        max_cutoff=reach,
        min_cutoff=_SHORTEST / NM_PER_ANGSTROM,
        box=cell,
    )
    pairs = np.sort(atoms[pairs.reshape(-1, 2)], axis=1)
    distances = distances * NM_PER_ANGSTROM
    near = distances < radii[pairs].sum(axis=1) + _TOLERANCE
    pairs, distances = pairs[near], distances[near]
    hydrogens = (symbols == "H")[code]
    for side in (0, 1):
        kept = _shortest_of_each(pairs[:, side], hydrogens, distances, pairs)
        pairs, distances = pairs[kept], distances[kept]
    return np.unique(pairs.astype(np.int64), axis=0)


def _shortest_of_each(
    ends: IntArray, hydrogens: IntArray, distances: FloatArray, pairs: IntArray
) -> IntArray:
    """Return the rows to keep so that every hydrogen at `ends` has no shorter bond anywhere."""
    shortest = np.full(len(hydrogens), np.inf)
    for side in (0, 1):
        np.minimum.at(shortest, pairs[:, side], distances)
    return np.flatnonzero(~hydrogens[ends] | (distances <= shortest[ends]))
