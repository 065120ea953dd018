"""Bases of a periodic box: reduced ones, in which the nearest image is next door.

Source: P. Q. Nguyen and D. Stehle, "Low-dimensional lattice basis reduction revisited", ACM Trans. Algorithms
5, 46 (2009): the greedy algorithm gives a Minkowski-reduced basis in three dimensions.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from msb.core.arrays import BoolArray, FloatArray, IntArray
from msb.errors import MsbError

__all__ = ["NEIGHBOURS", "check_boxes", "reduce_basis"]

NEIGHBOURS: IntArray = np.array([step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)])
"""Half of the 26 cells around a cell, (13, 3); the others are opposite."""

_ROUNDS = 200
_FLAT = 1e-9  # of the volume that right angles would give
_SLACK = 1e-9  # a step must shorten a vector by more than this share, so that ties end


def reduce_basis(boxes: FloatArray) -> IntArray:
    """Return integer matrices T such that the rows of T @ box are a Minkowski-reduced basis of its lattice.

    Parameters
    ----------
    boxes : ndarray (K, 3, 3)
        Row vectors, nm, not singular.

    Returns
    -------
    ndarray (K, 3, 3), int64
        Unimodular; the identity (up to order) where the box is reduced already.
    """
    cells: FloatArray = np.array(boxes, dtype=np.float64)
    steps = np.broadcast_to(np.eye(3, dtype=np.int64), cells.shape).copy()
    running = np.arange(len(cells))
    for _ in range(_ROUNDS):
        if not len(running):
            break
        cell, step = _sorted(cells[running], steps[running])
        cell, step = _shorten_second(cell, step)
        cell, step = _sorted(cell, step)
        shorter, cell, step = _shorten_third(cell, step)
        cells[running], steps[running] = cell, step
        running = running[shorter]
    return steps


def _sorted(cell: FloatArray, step: IntArray) -> tuple[FloatArray, IntArray]:
    order = np.argsort(np.sum(cell * cell, axis=-1), axis=-1, kind="stable")[..., None]
    return np.take_along_axis(cell, order, axis=1), np.take_along_axis(step, order, axis=1)


def _shorten_second(cell: FloatArray, step: IntArray) -> tuple[FloatArray, IntArray]:
    """Reduce the two shorter vectors against each other (Lagrange and Gauss)."""
    for _ in range(_ROUNDS):
        times = _rounded(_dot(cell[:, 0], cell[:, 1]) / _dot(cell[:, 0], cell[:, 0]))
        if not times.any():
            break
        cell[:, 1] -= times[:, None] * cell[:, 0]
        step[:, 1] -= times[:, None] * step[:, 0]
        swap = _dot(cell[:, 1], cell[:, 1]) < _dot(cell[:, 0], cell[:, 0])
        cell[swap, :2], step[swap, :2] = cell[swap, 1::-1], step[swap, 1::-1]
    return cell, step


def _shorten_third(cell: FloatArray, step: IntArray) -> tuple[BoolArray, FloatArray, IntArray]:
    """Take from the longest vector the nearest point of the plane that the other two span."""
    one, two, three = cell[:, 0], cell[:, 1], cell[:, 2]
    gram = cell[:, :2] @ cell[:, :2].transpose(0, 2, 1)
    sides = np.stack([_dot(one, three), _dot(two, three)], axis=-1)
    start = _rounded(np.linalg.solve(gram, sides[..., None])[..., 0])
    best, best_times = _dot(three, three) * (1 - _SLACK), np.zeros_like(start)
    for i, j in product((-1, 0, 1), repeat=2):
        times = start + np.array([i, j])
        left = three - times[:, :1] * one - times[:, 1:] * two
        size = _dot(left, left)
        nearer = size < best
        best, best_times = np.where(nearer, size, best), np.where(nearer[:, None], times, best_times)
    cell[:, 2] -= np.einsum("ki,kij->kj", best_times, cell[:, :2])
    step[:, 2] -= np.einsum("ki,kij->kj", best_times, step[:, :2])
    return np.asarray(best_times.any(axis=1)), cell, step


def _rounded(values: FloatArray) -> IntArray:
    """Round to the nearest integer, but leave ties at zero so that they end."""
    return np.where(np.abs(values) <= 0.5 + _SLACK, 0, np.rint(values)).astype(np.int64)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.sum(a * b, axis=-1))


def check_boxes(boxes: FloatArray) -> BoolArray:
    """Tell periodic boxes from absent ones (all zero), and refuse what is neither.

    Parameters
    ----------
    boxes : ndarray (K, 3, 3)
        Row vectors, nm.

    Returns
    -------
    ndarray (K,)
        True where the box is periodic.

    Raises
    ------
    MsbError
        A box is not finite or has no volume; the message names it.
    """
    periodic = np.asarray(np.abs(boxes).sum(axis=(-2, -1)) > 0)
    finite = np.asarray(np.isfinite(boxes).all(axis=(-2, -1)))
    cells = np.where(finite[:, None, None], boxes, 0.0)
    flat = np.abs(np.linalg.det(cells)) <= _FLAT * np.linalg.norm(cells, axis=-1).prod(axis=-1)
    bad = ~finite | (periodic & flat)
    if bad.any():
        which = int(np.flatnonzero(bad)[0])
        raise MsbError(f"box {which} has no volume or is not finite: {boxes[which].tolist()} nm")
    return periodic
