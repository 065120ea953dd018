"""Best places of points on a map whose landmarks stay: a grid, then damped Gauss-Newton, all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis.maps.transforms import Transform

__all__ = ["Targets", "place"]

FloatArray = NDArray[np.float64]
GRID, MARGIN, STEPS = 21, 0.1, 60


@dataclass(frozen=True)
class Targets:
    """The landmarks of a map: places (L, d), weights (L,) and the transform of distances on it."""

    places: FloatArray
    weights: FloatArray
    low: Transform


def place(wanted: FloatArray, starts: FloatArray, targets: Targets) -> tuple[FloatArray, FloatArray]:
    """Places where transformed distances to the landmarks are nearest to those wanted.

    Parameters
    ----------
    wanted : ndarray (P, L)
        Transformed distances in the space of features.
    starts : ndarray (P, d)
        A first guess each; a grid over the map (two dimensions) offers others.
    targets : Targets

    Returns
    -------
    (ndarray (P, d), ndarray (P,))
        Places, and what is left of the cost.
    """
    begun, cost = _refine(wanted, starts, targets)
    if targets.places.shape[1] != 2:
        return begun, cost
    other, lower = _refine(wanted, _best_on_grid(wanted, targets), targets)
    better = lower < cost * (1 - 1e-9) - 1e-14
    return np.where(better[:, None], other, begun), np.where(better, lower, cost)


def _best_on_grid(wanted: FloatArray, targets: Targets) -> FloatArray:
    low, high = targets.places.min(0), targets.places.max(0)
    margin = MARGIN * (high - low).max()
    axes = [np.linspace(a - margin, b + margin, GRID) for a, b in zip(low, high, strict=True)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    values = targets.low(np.linalg.norm(nodes[:, None] - targets.places, axis=-1))  # [node, landmark]
    # the part of the cost that depends on the node: sum w f^2 - 2 sum w f F
    cost = (values**2) @ targets.weights - 2.0 * (wanted * targets.weights) @ values.T
    return np.asarray(nodes[cost.argmin(1)])


def _refine(wanted: FloatArray, starts: FloatArray, targets: Targets) -> tuple[FloatArray, FloatArray]:
    """Damped Gauss-Newton steps, each point with its own damping, while any cost falls."""
    places = starts.copy()
    damping = np.full(len(places), 1e-3)
    gradient, curvature, cost = _terms(wanted, places, targets)
    identity = np.eye(places.shape[1])
    moving = np.arange(len(places))
    for _ in range(STEPS):
        if not moving.size:
            break
        scale = np.trace(curvature[moving], axis1=1, axis2=2)[:, None, None] + 1e-30
        system = curvature[moving] + damping[moving, None, None] * scale * identity
        tried = places[moving] - np.linalg.solve(system, gradient[moving][..., None])[..., 0]
        found = _terms(wanted[moving], tried, targets)
        fell = found[2] < cost[moving]
        gained = np.where(fell, cost[moving] - found[2], np.inf)
        done = (gained <= 1e-15 + 1e-13 * cost[moving]) | (damping[moving] > 1e8)
        accepted = moving[fell]
        places[accepted] = tried[fell]
        gradient[accepted], curvature[accepted], cost[accepted] = (part[fell] for part in found)
        damping[moving] *= np.where(fell, 0.2, 8.0)
        moving = moving[~done]
    return places, cost


def _terms(
    wanted: FloatArray, places: FloatArray, targets: Targets
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Half gradient (P, d), Gauss-Newton curvature (P, d, d) and cost (P,)."""
    steps = places[:, None] - targets.places
    distances = np.linalg.norm(steps, axis=-1)
    left = targets.low(distances) - wanted
    directions = steps / np.maximum(distances, 1e-300)[..., None]
    slopes = (targets.low.slope(distances) * (distances > 0))[..., None] * directions
    weighted = targets.weights[:, None] * slopes
    gradient = (weighted * left[..., None]).sum(1)
    curvature = np.einsum("pli,plj->pij", weighted, slopes)
    return gradient, curvature, np.asarray((left**2) @ targets.weights)
