"""Landmarks: a few points that cover all, each as far as possible from those before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.errors import ConfigError, TrajectoryError

__all__ = ["Landmarks", "farthest_points", "finite_points"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Landmarks:
    """Chosen points.

    Attributes
    ----------
    indices : ndarray (L,)
        Which points they are, in the order of their choice.
    radii : ndarray (L,)
        Distance of each from those chosen before it; infinite for the first.  Never ascends.
    weights : ndarray (L,)
        Share of all points that are nearest to each; their sum is one.
    covering : float
        Distance of the worst covered point from its landmark.
    """

    indices: IntArray
    radii: FloatArray
    weights: FloatArray
    covering: float


def farthest_points(points: ArrayLike, n_landmarks: int, start: int = 0) -> Landmarks:
    """Farthest-point choice: each landmark is the point farthest from all before it.

    Parameters
    ----------
    points : array_like (N, D)
        Features; for structures, :func:`msb.analysis.maps.structure_vectors`.
    n_landmarks : int
        How many; fewer come back where all other points coincide with a landmark.
    start : int
        The first landmark.  Of equally far points the first is taken.

    Returns
    -------
    Landmarks

    Raises
    ------
    ConfigError
        If there are fewer points than landmarks, or the start does not exist.
    TrajectoryError
        If the points are not finite or not (N, D).

    References
    ----------
    Ceriotti, Tribello, Parrinello, J. Chem. Theory Comput. 9, 1521 (2013), section 2.3.
    """
    array = finite_points(points)
    if not 1 <= n_landmarks <= len(array):
        raise ConfigError(
            f"`n_landmarks` must be 1 to {len(array)} (the points there are), got {n_landmarks}"
        )
    if not 0 <= start < len(array):
        raise ConfigError(f"`start` must be 0 to {len(array) - 1}, got {start}")
    nearest = np.zeros(len(array), dtype=np.int64)
    distance = np.linalg.norm(array - array[start], axis=1)
    chosen, radii = [start], [np.inf]
    while len(chosen) < n_landmarks:
        index = int(distance.argmax())
        if distance[index] == 0:
            break
        radii.append(float(distance[index]))
        fresh = np.linalg.norm(array - array[index], axis=1)
        nearest[fresh < distance] = len(chosen)
        distance = np.minimum(distance, fresh)
        chosen.append(index)
    weights = np.bincount(nearest, minlength=len(chosen)) / len(array)
    return Landmarks(np.asarray(chosen), np.asarray(radii), weights, float(distance.max()))


def finite_points(points: ArrayLike, name: str = "points") -> FloatArray:
    """Points (N, D) as float64, or a sentence.

    Parameters
    ----------
    points : array_like (N, D)
    name : str
        What the sentence calls them.

    Returns
    -------
    ndarray (N, D)

    Raises
    ------
    TrajectoryError
        If the rank is wrong, there are none, or one is not finite (named).
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise TrajectoryError(f"the {name} must be (points, features), got {array.shape}")
    broken = np.flatnonzero(~np.isfinite(array).all(1))
    if broken.size:
        raise TrajectoryError(f"point {broken[0]} (counted from 0) of the {name} is not finite")
    return array
