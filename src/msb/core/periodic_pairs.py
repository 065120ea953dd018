"""All pairs of points within a distance, with every periodic image: several of a point in a small box."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from msb.core.arrays import FloatArray, IntArray

__all__ = ["PeriodicPairs", "periodic_pairs"]


@dataclass(frozen=True, eq=False)
class PeriodicPairs:
    """Ordered pairs (first, second + shift), sorted by first, then second, then distance.

    Attributes
    ----------
    first, second : int array (P,)
    shifts : ndarray (P, 3)
        Lattice vector that brings the second next to the first, nm; both as they were given, not wrapped.
    """

    first: IntArray
    second: IntArray
    shifts: FloatArray


def periodic_pairs(points: FloatArray, box: FloatArray | None, reach: float) -> PeriodicPairs:
    """Return every ordered pair of points nearer than `reach`, with every image that is.

    Parameters
    ----------
    points : ndarray (M, 3)
        nm, anywhere.
    box : ndarray (3, 3) or None
        Row vectors, nm; any shape, also with edges shorter than `reach`.
    reach : float
        nm.

    Returns
    -------
    PeriodicPairs
        A point is paired with its own images, not with itself.
    """
    x = np.asarray(points, dtype=np.float64)
    if box is None:
        found = cKDTree(x).query_pairs(reach, output_type="ndarray").astype(np.int64)
        first = np.concatenate([found[:, 0], found[:, 1]])
        second = np.concatenate([found[:, 1], found[:, 0]])
        cells = np.zeros((len(first), 3))
        return _sorted(x, first, second, cells)
    h = np.asarray(box, dtype=np.float64)
    inverse = np.linalg.inv(h)
    cell = np.floor(x @ inverse)
    inside = x - cell @ h
    margin = reach * np.linalg.norm(inverse, axis=0)  # in fractions of the three heights
    images, owner, steps = [inside], [np.arange(len(x))], [np.zeros((len(x), 3))]
    fraction = inside @ inverse
    reached = np.ceil(margin).astype(int)
    for step in product(*(range(-n, n + 1) for n in reached)):
        if step == (0, 0, 0):
            continue
        moved = fraction + np.array(step)
        near = ((moved > -margin) & (moved < 1 + margin)).all(-1)
        images.append(inside[near] + np.array(step) @ h)
        owner.append(np.flatnonzero(near))
        steps.append(np.broadcast_to(np.array(step, dtype=float), (int(near.sum()), 3)))
    every, source, offset = np.concatenate(images), np.concatenate(owner), np.concatenate(steps)
    found_ = cKDTree(inside).sparse_distance_matrix(cKDTree(every), reach, output_type="ndarray")
    i, k = found_["i"].astype(np.int64), found_["j"].astype(np.int64)
    rows = k != i  # the first M images are the points themselves
    i, k = i[rows], k[rows]
    j = source[k]
    return _sorted(x, i, j, (offset[k] + cell[i] - cell[j]) @ h)


def _sorted(x: FloatArray, first: IntArray, second: IntArray, shifts: FloatArray) -> PeriodicPairs:
    order = np.argsort(first * len(x) + second, kind="stable")
    first, second, shifts = first[order], second[order], shifts[order]
    same = np.zeros(len(first), dtype=bool)
    same[1:] = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
    same[:-1] |= same[1:]
    rows = np.flatnonzero(same)  # several images of one point: by distance, then by shift
    if len(rows):
        distance = np.linalg.norm(x[second[rows]] + shifts[rows] - x[first[rows]], axis=-1).round(6)
        keys = (*(shifts[rows].T[::-1]), distance, second[rows], first[rows])
        turn = rows[np.lexsort(keys)]
        shifts[rows] = shifts[turn]
    return PeriodicPairs(first, second, shifts)
