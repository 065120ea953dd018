r"""Sketch-map: a plane in which near and far keep their meaning, and the way onto it for new points.

Distances :math:`R` between landmarks and :math:`r` between their places on the map both pass a sigmoid
(:class:`msb.analysis.maps.Sigmoid`); the places minimise the weighted mean over pairs of
:math:`(f(r_{ij}) - F(R_{ij}))^2` (thesis eq. 3.12).  A new point goes where
:math:`\sum_i w_i (f(|z - z_i|) - F(|x - x_i|))^2` is least (3.15).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.maps.landmarks import finite_points
from msb.analysis.maps.layout import classical_scaling, lay_out, on_principal_axes
from msb.analysis.maps.placement import Targets, place
from msb.analysis.maps.transforms import Identity, Sigmoid, Transform
from msb.errors import ConfigError, TrajectoryError

__all__ = ["SketchMap", "fit_sketch_map"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SketchMap:
    """A fitted map.

    Attributes
    ----------
    landmarks : ndarray (L, D)
        Features of the landmarks.
    places : ndarray (L, d)
        Where they lie on the map; centred, along the principal axes, in the unit of the distances.
    weights : ndarray (L,)
        Their weights; the sum is one.
    high, low : Transform
        Of distances between features, and on the map.
    stress : float
        Weighted mean over pairs of the squared difference of transformed distances.
    """

    landmarks: FloatArray
    places: FloatArray
    weights: FloatArray
    high: Transform
    low: Transform
    stress: float

    def transform(self, points: ArrayLike) -> FloatArray:
        """Project points onto the map; a landmark comes back to its own place.

        Parameters
        ----------
        points : array_like (N, D)
            The same features as the landmarks.

        Returns
        -------
        ndarray (N, d)

        Raises
        ------
        TrajectoryError
            If the points are not finite or have another number of features.
        """
        array = finite_points(points)
        if array.shape[1] != self.landmarks.shape[1]:
            raise TrajectoryError(
                f"the map was fitted to {self.landmarks.shape[1]} features, the points have {array.shape[1]}"
            )
        targets = Targets(self.places, self.weights, self.low)
        parts = [array[i : i + 256] for i in range(0, len(array), 256)]
        return np.concatenate([self._project(part, targets) for part in parts])

    def _project(self, points: FloatArray, targets: Targets) -> FloatArray:
        from scipy.spatial.distance import cdist

        distances = cdist(points, self.landmarks)
        return place(self.high(distances), self.places[distances.argmin(1)], targets)[0]


def fit_sketch_map(
    landmarks: ArrayLike,
    *,
    high: Transform | None = None,
    low: Transform | None = None,
    weights: ArrayLike | None = None,
    dimensions: int = 2,
    sweeps: int = 5,
) -> SketchMap:
    """Lay landmarks out on a map.

    Classical scaling of the distances is the start; then the plain and the transformed stress are
    minimised by their gradients (L-BFGS), and landmarks that lie better elsewhere, found on a grid over
    the map, are moved there until none is left.  No random number is drawn.

    Parameters
    ----------
    landmarks : array_like (L, D)
        Features, some hundreds of points: see :func:`msb.analysis.maps.farthest_points`.
    high, low : Transform, optional
        Default: a :class:`msb.analysis.maps.Sigmoid` with sigma the median distance, a = b = 4 for
        features and a = b = 2 on the map.
    weights : array_like (L,), optional
        Not negative; how much each landmark stands for.  Equal by default.
    dimensions : int
        Of the map; landmarks are moved in two dimensions only.
    sweeps : int
        At most as many rounds of moving.

    Returns
    -------
    SketchMap

    Raises
    ------
    ConfigError
        If there are too few landmarks, or weights that are negative, not finite or all zero.
    TrajectoryError
        If the landmarks are not finite or all the same.
    """
    points = finite_points(landmarks, "landmarks")
    if not 1 <= dimensions < len(points):
        raise ConfigError(
            f"a map of {dimensions} dimensions needs at least {dimensions + 1} landmarks, got {len(points)}"
        )
    shares = _shares(weights, len(points))
    distances = _distances(points)
    sigma = float(np.median(distances[np.triu_indices(len(points), 1)])) or float(distances.max())
    upper = Sigmoid(sigma, 4.0, 4.0) if high is None else high
    lower = Sigmoid(sigma) if low is None else low
    start = classical_scaling(distances, dimensions)
    start = lay_out(start, distances, shares, Identity(), 0)[0]
    places, stress = lay_out(start, upper(distances), shares, lower, sweeps)
    return SketchMap(points, on_principal_axes(places, shares), shares, upper, lower, stress)


def _distances(points: FloatArray) -> FloatArray:
    from scipy.spatial.distance import pdist, squareform

    distances = np.asarray(squareform(pdist(points)))
    if not distances.max() > 0:
        raise TrajectoryError("all landmarks are the same point: there is nothing to map")
    return distances


def _shares(weights: ArrayLike | None, number: int) -> FloatArray:
    if weights is None:
        return np.full(number, 1.0 / number)
    array = np.asarray(weights, dtype=np.float64)
    usable = array.shape == (number,) and np.isfinite(array).all() and (array >= 0).all()
    if not usable or np.count_nonzero(array) < 2:
        raise ConfigError(
            f"`weights` must be {number} numbers, not negative, finite, and at least two above zero"
        )
    return np.asarray(array / array.sum())
