"""Stereocentres: how large they are at rest, and how to turn one over like an umbrella."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["mirrored", "volumes_at_rest"]

_USUAL = 0.15  # nm, of a bond whose length nobody knows
_BRANCH = 8  # atoms; a larger branch stays where it is
_DETERMINANT = 4 / (3 * np.sqrt(3))  # of three unit vectors to the corners of a tetrahedron

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def volumes_at_rest(centres: Ints, bonds: Ints, lengths: Floats) -> Floats:
    """Volumes that the neighbours of ideal tetrahedral centres span, as `signed_volumes` counts them.

    Parameters
    ----------
    centres : int array (C, 5)
        Centre and its four neighbours.
    bonds : int array (K, 2)
        i < j.
    lengths : float array (K,)
        nm.

    Returns
    -------
    float array (C,)
        nm^3.
    """
    known = dict(zip(map(tuple, bonds.tolist()), lengths.tolist(), strict=True))
    arms = np.array(
        [[known.get((min(c, a), max(c, a)), _USUAL) for a in rest] for c, *rest in centres.tolist()]
    ).reshape(-1, 4)
    triples = sum(np.prod(np.delete(arms, k, axis=1), axis=1) for k in range(4))
    return np.asarray(_DETERMINANT * triples, dtype=np.float64)


def mirrored(positions: Floats, centres: Ints, masses: Floats, neighbours: Sequence[Sequence[int]]) -> Floats:
    """Turn centres over: each goes, with its lightest branch, through the plane of the other three.

    Parameters
    ----------
    positions : float array (N, 3)
        nm, whole molecules.
    centres : int array (C, 5)
        Centres to turn, and their four neighbours.
    masses : float array (N,)
    neighbours : sequence of sequence of int
        Bonded neighbours of all atoms.

    Returns
    -------
    float array (N, 3)
    """
    turned = positions.copy()
    for centre, *around in centres.tolist():
        branches = {a: _branch(a, centre, neighbours) for a in around}
        light = min(around, key=lambda a: (float(masses[branches[a]].sum()), a))
        a, b, c = (turned[atom] for atom in around if atom != light)
        normal = np.cross(b - a, c - a)
        size = np.linalg.norm(normal)
        if not size > 0:
            continue
        moving = [centre, *(branches[light] if len(branches[light]) <= _BRANCH else [light])]
        normal /= size
        turned[moving] -= 2 * np.outer((turned[moving] - a) @ normal, normal)
    return turned


def _branch(start: int, without: int, neighbours: Sequence[Sequence[int]]) -> list[int]:
    """Atoms reached from one without passing another."""
    seen, queue = {without, start}, [start]
    for atom in queue:
        fresh = [other for other in neighbours[atom] if other not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return queue
