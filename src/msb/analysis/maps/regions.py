"""Regions of a map, who lives in them, and how far two ensembles on one map are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.divergence import Excess, excess_of_bins, js
from msb.analysis.free_energy import free_energy
from msb.analysis.histograms import bin_edges, bin_numbers
from msb.analysis.maps.landmarks import finite_points
from msb.analysis.timescales import assign
from msb.errors import ConfigError, TrajectoryError

__all__ = [
    "MapDivergence",
    "RegionComparison",
    "Regions",
    "compare_on_map",
    "compare_regions",
    "find_regions",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Regions:
    """A map cut into regions around centres.

    Attributes
    ----------
    centres : ndarray (S, d)
        Most populated first.
    reach : ndarray (S,)
        Distance from its centre beyond which a point is an outlier; infinite where none is.
    """

    centres: FloatArray
    reach: FloatArray

    def assign(self, places: ArrayLike) -> IntArray:
        """Region of each place, -1 for outliers.

        Parameters
        ----------
        places : array_like (N, d)

        Returns
        -------
        ndarray (N,)

        Raises
        ------
        TrajectoryError
            If a place is not finite, or has another number of coordinates than the centres.
        """
        array = finite_points(places, "places on the map")
        if array.shape[1] != self.centres.shape[1]:
            raise TrajectoryError(
                f"the regions lie in {self.centres.shape[1]} dimensions, the places in {array.shape[1]}"
            )
        nearest = assign(array, self.centres)
        far = np.linalg.norm(array - self.centres[nearest], axis=1) > self.reach[nearest]
        return np.where(far, -1, nearest)


@dataclass(frozen=True)
class RegionComparison:
    """Where a test puts what the reference puts into each region; outliers are the last row and column.

    Attributes
    ----------
    confusion : ndarray (S + 1, S + 1)
        Counts; rows are regions of the reference, columns of the test.
    reference, test : ndarray (S + 1,)
        Populations; their sums are one.
    js : float
        Divergence of the populations, nats.
    kept : float
        Share of points that stay in their region.
    """

    confusion: IntArray
    reference: FloatArray
    test: FloatArray
    js: float
    kept: float


@dataclass(frozen=True)
class MapDivergence:
    """Two ensembles on one map.

    Attributes
    ----------
    js : float
        Divergence of the populations of the bins over all frames, nats.
    excess : Excess
        The divergence above that of a perfect test of as many frames, with interval.
    edges : tuple of ndarray (B + 1,)
        Of the bins along each axis.
    reference, test : MaskedArray (B, B)
        Free energies, kJ/mol.
    """

    js: float
    excess: Excess
    edges: tuple[FloatArray, FloatArray]
    reference: np.ma.MaskedArray[Any, Any]
    test: np.ma.MaskedArray[Any, Any]


def find_regions(places: ArrayLike, n_regions: int, *, seed: int = 0, outliers: float = 0.0) -> Regions:
    """Regions by k-means (scikit-learn, the best of ten starts), the same for the same seed.

    Parameters
    ----------
    places : array_like (N, d)
        Of the reference on the map.
    n_regions : int
    seed : int
    outliers : float
        Share of each region's points, the farthest ones, that its reach leaves out, 0 to 1.  With zero
        no point is ever an outlier.  A test that leaves the map is only seen with a share above zero.

    Returns
    -------
    Regions

    Raises
    ------
    ConfigError
        If there are fewer different places than regions, or `outliers` is out of range.
    TrajectoryError
        If a place is not finite.
    """
    from sklearn.cluster import KMeans

    array = finite_points(places, "places on the map")
    different = len(np.unique(array, axis=0))
    if not 1 <= n_regions <= different:
        raise ConfigError(f"`n_regions` must be 1 to {different} (the different places), got {n_regions}")
    if not 0 <= outliers < 1:
        raise ConfigError(f"`outliers` is a share, at least 0 and below 1, got {outliers}")
    centres = np.asarray(KMeans(n_regions, n_init=10, random_state=seed).fit(array).cluster_centers_)
    order = np.argsort(-np.bincount(assign(array, centres), minlength=n_regions), kind="stable")
    centres = centres[order]
    reach = np.full(n_regions, np.inf)
    if outliers > 0:
        nearest = assign(array, centres)
        apart = np.linalg.norm(array - centres[nearest], axis=1)
        reach = np.array([np.quantile(apart[nearest == k], 1 - outliers) for k in range(n_regions)])
    return Regions(centres, reach)


def compare_regions(regions: Regions, reference: ArrayLike, test: ArrayLike) -> RegionComparison:
    """Confusion matrix and populations of two ensembles whose points belong together.

    Off-diagonal counts are not errors by themselves: many structures share one set of beads.  The
    populations must agree (thesis section 5.4.2).

    Parameters
    ----------
    regions : Regions
    reference, test : array_like (N, d)
        Places on the map; point i of the test was made from the beads of point i of the reference.

    Returns
    -------
    RegionComparison

    Raises
    ------
    TrajectoryError
        If the numbers of points differ, or as :meth:`Regions.assign`.
    """
    first, second = regions.assign(reference), regions.assign(test)
    if len(first) != len(second):
        raise TrajectoryError(
            f"the reference has {len(first)} points on the map and the test {len(second)}: compare "
            "the same frames"
        )
    number = len(regions.centres) + 1
    rows, columns = first % number, second % number  # -1 is the last one
    confusion = np.bincount(rows * number + columns, minlength=number**2).reshape(number, number)
    populations = confusion.sum(1) / len(first), confusion.sum(0) / len(first)
    return RegionComparison(
        confusion.astype(np.int64),
        *populations,
        float(js(*populations)),
        float(np.trace(confusion) / len(first)),
    )


def compare_on_map(
    reference: ArrayLike,
    test: ArrayLike,
    temperature: float,
    *,
    bins: int = 50,
    edges: tuple[ArrayLike, ArrayLike] | None = None,
    second: ArrayLike | None = None,
    blocks: int = 50,
    replicates: int = 200,
    seed: int = 0,
) -> MapDivergence:
    """Free energies of two ensembles on one two-dimensional map, and their divergence above its floor.

    Points beyond the edges count in the outermost bins: a test that leaves the map pays for it.

    Parameters
    ----------
    reference, test : array_like (F, 2) or (F, K, 2)
        Places of K points a frame, of the same frames in the order of time.
    temperature : float
        K.
    bins : int
        Along each axis, over the range of the reference widened by a fifth on both sides.
    edges : (array_like (A + 1,), array_like (B + 1,)), optional
        Instead of `bins`.
    second : array_like (F, 2) or (F, K, 2), optional
        Another reference set of as many frames; without it even and odd frames take its place.
    blocks, replicates, seed : int
        Of the block bootstrap over frames.

    Returns
    -------
    MapDivergence

    Raises
    ------
    TrajectoryError
        If places are not finite or not on a plane, or the sets have different numbers of frames.
    ConfigError
        If the temperature is not positive.

    References
    ----------
    Thesis section 7.3.3, eq. 7.10 (whose divergence is not normalised: compare ranks, not values).
    """
    sets = [
        _on_plane(places) for places in ((reference, test) if second is None else (reference, test, second))
    ]
    used = tuple(
        bin_edges(sets[0][..., axis], bins, (0.0, 100.0))
        if edges is None
        else np.asarray(edges[axis], dtype=np.float64)
        for axis in range(2)
    )
    shape = (len(used[0]) - 1, len(used[1]) - 1)
    numbers = [bin_numbers(s[..., 0], used[0]) * shape[1] + bin_numbers(s[..., 1], used[1]) for s in sets]
    total = shape[0] * shape[1]
    found = excess_of_bins(
        numbers[1], numbers[0], total, *numbers[2:], blocks=blocks, replicates=replicates, seed=seed
    )
    counts = [np.bincount(n.ravel(), minlength=total) for n in numbers[:2]]
    surfaces = [free_energy(c.reshape(shape), temperature) for c in counts]
    return MapDivergence(float(js(*counts)), found, (used[0], used[1]), *surfaces)


def _on_plane(places: ArrayLike) -> FloatArray:
    array = np.asarray(places, dtype=np.float64)
    if array.ndim not in (2, 3) or array.shape[-1] != 2 or not array.size:
        raise TrajectoryError(
            f"places on the map must be (frames, 2) or (frames, points, 2), got {array.shape}"
        )
    return array
