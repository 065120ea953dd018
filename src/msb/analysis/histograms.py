"""Histograms over given edges, with a stated policy for what lies outside them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.errors import ConfigError, TrajectoryError

__all__ = ["Outliers", "bin_edges", "bin_numbers", "histogram"]

Outliers = Literal["clip", "drop", "refuse"]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def bin_edges(
    reference: ArrayLike,
    bins: int,
    percentiles: tuple[float, float] = (0.05, 99.95),
    margin: float = 0.2,
) -> FloatArray:
    """Equal bins over the range between two percentiles of a reference, widened on both sides.

    Parameters
    ----------
    reference : array_like
        Values of any shape.
    bins : int
        Number of bins.
    percentiles : (float, float)
        Lower and upper end, in percent.
    margin : float
        Share of the range added on both sides.

    Returns
    -------
    ndarray (bins + 1,)
        Ascending edges in the unit of `reference`.

    Raises
    ------
    TrajectoryError
        If the reference is empty, not finite, or has no spread.
    """
    values = _finite(reference, "the reference")
    low, high = np.percentile(values, percentiles)
    if not high > low:
        raise TrajectoryError(
            f"the reference has no spread (its percentiles {percentiles[0]} and {percentiles[1]} are both "
            f"{low:.6g}): give the bin edges yourself"
        )
    extra = margin * (high - low)
    return np.linspace(low - extra, high + extra, bins + 1)


def bin_numbers(values: ArrayLike, edges: ArrayLike, outliers: Outliers = "clip") -> IntArray:
    """Bin of each value, as ``numpy.histogram`` counts: half-open bins, the last one closed.

    Parameters
    ----------
    values : array_like (...)
    edges : array_like (B + 1,)
        Ascending.
    outliers : {"clip", "drop", "refuse"}
        Values outside the edges count in the first or last bin, get the number -1, or are an error.

    Returns
    -------
    ndarray (...)
        From 0 to B - 1, or -1.

    Raises
    ------
    TrajectoryError
        If there are no values, a value is not finite, or one is outside and `outliers` is "refuse".
    ConfigError
        If the edges do not ascend or `outliers` is unknown.
    """
    array, borders = _finite(values, "the values"), np.asarray(edges, dtype=np.float64)
    if borders.ndim != 1 or len(borders) < 2 or not (np.diff(borders) > 0).all():
        raise ConfigError("`edges` must be at least two ascending numbers")
    if outliers not in ("clip", "drop", "refuse"):
        raise ConfigError(f"`outliers` must be one of 'clip', 'drop', 'refuse', got {outliers!r}")
    numbers = np.searchsorted(borders, array, side="right") - 1
    numbers[array == borders[-1]] = len(borders) - 2
    outside = (numbers < 0) | (numbers > len(borders) - 2)
    if outliers == "refuse" and outside.any():
        raise TrajectoryError(
            f"{int(outside.sum())} of {array.size} values lie outside the edges {borders[0]:.6g} to "
            f"{borders[-1]:.6g} (they reach from {array.min():.6g} to {array.max():.6g}): widen the edges, "
            "or clip or drop what is outside"
        )
    if outliers == "drop":
        numbers[outside] = -1
    return np.clip(numbers, -1 if outliers == "drop" else 0, len(borders) - 2).astype(np.int64)


def histogram(values: ArrayLike, edges: ArrayLike, outliers: Outliers = "clip") -> IntArray:
    """Count values in bins; no smoothing.

    Parameters
    ----------
    values : array_like (...)
        All axes are counted together.
    edges : array_like (B + 1,)
        Ascending.
    outliers : {"clip", "drop", "refuse"}
        What happens to values outside the edges, see :func:`bin_numbers`.

    Returns
    -------
    ndarray (B,)
        Counts.

    Raises
    ------
    TrajectoryError, ConfigError
        As :func:`bin_numbers`.
    """
    numbers = bin_numbers(values, edges, outliers).ravel()
    counts: IntArray = np.bincount(numbers[numbers >= 0], minlength=len(np.asarray(edges)) - 1)
    return counts


def _finite(values: ArrayLike, what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise TrajectoryError(f"{what} are empty: there is nothing to count")
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(np.argwhere(bad)[0][0]) if array.ndim else 0
        raise TrajectoryError(
            f"{int(bad.sum())} of {array.size} numbers of {what} are not finite, the first in frame {first}"
        )
    return array
