"""Free energies from counts: F = -kT ln p, zero at the minimum, empty bins masked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.histograms import Outliers, bin_numbers, histogram
from msb.errors import ConfigError, TrajectoryError
from msb.units import BOLTZMANN

__all__ = ["free_energy", "free_energy_profile", "free_energy_surface", "histogram_2d"]

Masked = np.ma.MaskedArray[Any, Any]


def free_energy(counts: ArrayLike, temperature: float) -> Masked:
    r"""Free energy of histogram counts, :math:`F = -kT \ln p`, with its minimum at zero.

    Parameters
    ----------
    counts : array_like (...)
        Not negative; bins of equal size.
    temperature : float
        K.

    Returns
    -------
    MaskedArray (...)
        kJ/mol; masked where nothing was counted.

    Raises
    ------
    TrajectoryError
        If nothing was counted at all, or a count is negative or not finite.
    ConfigError
        If the temperature is not positive.
    """
    if not temperature > 0:
        raise ConfigError(f"`temperature` must be positive, in K, got {temperature}")
    array = np.asarray(counts, dtype=np.float64)
    if not np.isfinite(array).all() or (array < 0).any():
        raise TrajectoryError("the histogram has negative or non-finite counts")
    if not (array > 0).any():
        raise TrajectoryError(
            "the histogram is empty: no value fell into its bins; check the units and the edges"
        )
    occupied = array > 0
    energy = np.zeros_like(array)
    energy[occupied] = BOLTZMANN * temperature * (np.log(array.max()) - np.log(array[occupied]))
    return np.ma.MaskedArray(energy, mask=~occupied)


def free_energy_profile(
    values: ArrayLike, edges: ArrayLike, temperature: float, outliers: Outliers = "drop"
) -> Masked:
    """Free energy along one coordinate.

    Parameters
    ----------
    values : array_like (...)
        Counted together.
    edges : array_like (B + 1,)
        Equal bins, ascending.
    temperature : float
        K.
    outliers : {"drop", "clip", "refuse"}
        What happens to values outside the edges.

    Returns
    -------
    MaskedArray (B,)
        kJ/mol.

    Raises
    ------
    TrajectoryError, ConfigError
        As :func:`free_energy` and :func:`msb.analysis.histograms.bin_numbers`.
    """
    return free_energy(histogram(values, edges, outliers), temperature)


def histogram_2d(
    x: ArrayLike, y: ArrayLike, x_edges: ArrayLike, y_edges: ArrayLike, outliers: Outliers = "drop"
) -> NDArray[np.int64]:
    """Count points on a surface.

    Parameters
    ----------
    x, y : array_like (...)
        Of the same shape.
    x_edges, y_edges : array_like (A + 1,), (B + 1,)
        Ascending.
    outliers : {"drop", "clip", "refuse"}
        What happens to points outside the edges.

    Returns
    -------
    ndarray (A, B)
        Counts.

    Raises
    ------
    TrajectoryError
        If the shapes differ, or as :func:`msb.analysis.histograms.bin_numbers`.
    """
    if np.shape(x) != np.shape(y):
        raise TrajectoryError(
            f"the two coordinates have shapes {np.shape(x)} and {np.shape(y)}: pair them first"
        )
    first, second = bin_numbers(x, x_edges, outliers).ravel(), bin_numbers(y, y_edges, outliers).ravel()
    shape = (len(np.asarray(x_edges)) - 1, len(np.asarray(y_edges)) - 1)
    inside = (first >= 0) & (second >= 0)
    cells = first[inside] * shape[1] + second[inside]
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)


def free_energy_surface(
    x: ArrayLike,
    y: ArrayLike,
    x_edges: ArrayLike,
    y_edges: ArrayLike,
    temperature: float,
    outliers: Outliers = "drop",
) -> Masked:
    """Free energy over two coordinates, (phi, psi) for instance.

    Parameters
    ----------
    x, y : array_like (...)
        Of the same shape.
    x_edges, y_edges : array_like (A + 1,), (B + 1,)
        Equal bins, ascending.
    temperature : float
        K.
    outliers : {"drop", "clip", "refuse"}
        What happens to points outside the edges.

    Returns
    -------
    MaskedArray (A, B)
        kJ/mol; masked where nothing was counted.

    Raises
    ------
    TrajectoryError, ConfigError
        As :func:`free_energy` and :func:`histogram_2d`.
    """
    return free_energy(histogram_2d(x, y, x_edges, y_edges, outliers), temperature)
