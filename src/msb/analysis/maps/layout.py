"""Laying landmarks out: classical scaling, gradient descent of the stress, and moves out of false minima."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msb.analysis.maps.placement import Targets, place
from msb.analysis.maps.transforms import Transform

__all__ = ["classical_scaling", "lay_out", "on_principal_axes", "stress_and_gradient"]

FloatArray = NDArray[np.float64]


def classical_scaling(distances: FloatArray, dimensions: int) -> FloatArray:
    """Coordinates whose distances are nearest in the sense of Torgerson: leading eigenvectors.

    Parameters
    ----------
    distances : ndarray (L, L)
    dimensions : int

    Returns
    -------
    ndarray (L, dimensions)
        Centred; exact where the distances are those of points in so many dimensions.
    """
    squares = distances**2
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    leading = slice(None, -dimensions - 1, -1)
    return np.asarray(vectors[:, leading] * np.sqrt(np.maximum(values[leading], 0.0)))


def stress_and_gradient(
    places: FloatArray, wanted: FloatArray, weights: FloatArray, low: Transform
) -> tuple[float, FloatArray]:
    """Weighted mean over pairs of the squared difference, and its gradient.

    Parameters
    ----------
    places : ndarray (L, d)
    wanted : ndarray (L, L)
        Transformed distances.
    weights : ndarray (L,)
    low : Transform

    Returns
    -------
    (float, ndarray (L, d))
    """
    steps = places[:, None] - places
    distances = np.linalg.norm(steps, axis=-1)
    pairs = np.outer(weights, weights)
    np.fill_diagonal(pairs, 0.0)
    pairs /= pairs.sum()
    left = low(distances) - wanted
    apart = np.maximum(distances, 1e-300)
    pull = np.where(distances > 0, 4.0 * pairs * left * low.slope(distances) / apart, 0.0)
    gradient = pull.sum(1)[:, None] * places - pull @ places
    return float((pairs * left**2).sum()), np.asarray(gradient)


def lay_out(
    start: FloatArray, wanted: FloatArray, weights: FloatArray, low: Transform, sweeps: int
) -> tuple[FloatArray, float]:
    """Minimise the stress, then move single landmarks that lie better elsewhere and minimise again.

    Parameters
    ----------
    start : ndarray (L, d)
    wanted : ndarray (L, L)
        Transformed distances.
    weights : ndarray (L,)
    low : Transform
    sweeps : int
        At most as many rounds of moving.

    Returns
    -------
    (ndarray (L, d), float)
        Places and their stress.
    """
    places, stress = _descend(start, wanted, weights, low)
    for _ in range(sweeps):
        moved = _move(places, wanted, weights, low)
        if moved is None:
            break
        places, stress = _descend(moved, wanted, weights, low)
    return places, stress


def on_principal_axes(places: FloatArray, weights: FloatArray) -> FloatArray:
    """The same map, centred, widest along its first axis; the farthest landmark of each axis at its plus end.

    Parameters
    ----------
    places : ndarray (L, d)
    weights : ndarray (L,)

    Returns
    -------
    ndarray (L, d)
    """
    centred = places - weights @ places
    axes = np.linalg.eigh((centred.T * weights) @ centred)[1][:, ::-1]
    turned = centred @ axes
    farthest = turned[np.abs(turned).argmax(0), np.arange(turned.shape[1])]
    return np.asarray(turned * np.where(farthest < 0, -1.0, 1.0))


def _descend(
    start: FloatArray, wanted: FloatArray, weights: FloatArray, low: Transform
) -> tuple[FloatArray, float]:
    from scipy.optimize import minimize

    def cost(flat: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = stress_and_gradient(flat.reshape(start.shape), wanted, weights, low)
        return value / unit, gradient.ravel() / unit

    first = stress_and_gradient(start, wanted, weights, low)[0]
    unit = max(first, 1e-30)  # so the tolerances are relative to where it begins
    if first < 1e-24:
        return start, first
    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-10, "maxcor": 20}
    found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x).reshape(start.shape), float(found.fun) * unit


def _move(places: FloatArray, wanted: FloatArray, weights: FloatArray, low: Transform) -> FloatArray | None:
    """Landmarks put where each lies best, the largest gains first; None where no move helps."""

    def own(index: int, where: FloatArray) -> float:
        return float(weights @ (low(np.linalg.norm(where - moved, axis=1)) - wanted[index]) ** 2)

    moved = places.copy()
    offered, left = place(wanted, places, Targets(places, weights, low))
    now = np.array([own(i, places[i]) for i in range(len(places))])
    count = 0
    for index in np.argsort(left - now):
        if now[index] - left[index] <= 1e-6 * now[index] + 1e-12:
            break
        before = own(index, moved[index])
        old = moved[index].copy()
        moved[index] = offered[index]
        if own(index, moved[index]) >= before * (1 - 1e-9):
            moved[index] = old
        else:
            count += 1
    return moved if count else None
