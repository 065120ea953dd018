"""Cubic and bicubic splines on grids, as OpenMM interpolates its tables and correction maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor

__all__ = ["bicubic_coefficients", "cubic_coefficients", "evaluate_bicubic"]

_Floats = NDArray[np.float64]
# Hermite data (f0, f1, f0', f1') of the unit interval to the coefficients of 1, t, t^2, t^3
_HERMITE = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]], dtype=np.float64)


def cubic_coefficients(values: _Floats, periodic: bool) -> _Floats:
    """Cubic spline through equally spaced values.

    Parameters
    ----------
    values : float array (n,)
        With the first one repeated at the end if periodic.
    periodic : bool
        Else the second derivative vanishes at both ends.

    Returns
    -------
    float array (n - 1, 4)
        Coefficients of 1, t, t^2, t^3 with t in [0, 1) in each interval.
    """
    return np.stack([values[:-1], values[1:], *_slopes(values, periodic, 0, both=True)], axis=-1) @ _HERMITE.T


def bicubic_coefficients(values: _Floats, periodic: bool) -> _Floats:
    """Bicubic spline through values on a grid, its cross derivatives from splines of splines.

    Parameters
    ----------
    values : float array (n, m)
        With the first row and column repeated at the end if periodic.
    periodic : bool
        Else the second derivatives vanish at the borders.

    Returns
    -------
    float array (n - 1, m - 1, 4, 4)
        Coefficient of s^i t^j, s along the first axis of the cell and t along the second, both in [0, 1).
    """
    first = _slopes(values, periodic, 0)
    second = _slopes(values, periodic, 1)
    mixed = _slopes(second, periodic, 0)
    data = np.block([[values, second], [first, mixed]]).reshape(2, values.shape[0], 2, values.shape[1])
    n, m = values.shape[0] - 1, values.shape[1] - 1
    corners = np.empty((n, m, 4, 4))  # rows f(0), f(1), f'(0), f'(1) along s, columns the same along t
    for a in range(4):
        for b in range(4):
            block = data[a // 2, :, b // 2, :]
            corners[:, :, a, b] = block[a % 2 : n + a % 2, b % 2 : m + b % 2]
    return np.asarray(_HERMITE @ corners @ _HERMITE.T)


def evaluate_bicubic(coefficients: Tensor, s: Tensor, t: Tensor) -> Tensor:
    """Value of bicubic polynomials.

    Parameters
    ----------
    coefficients : Tensor (..., 4, 4)
        Of s^i t^j.
    s, t : Tensor (...)
        Place in the cell, [0, 1).

    Returns
    -------
    Tensor (...)
    """
    value = s.new_zeros(())
    for i in reversed(range(4)):
        row = s.new_zeros(())
        for j in reversed(range(4)):
            row = row * t + coefficients[..., i, j]
        value = value * s + row
    return value


def _slopes(values: _Floats, periodic: bool, axis: int, both: bool = False) -> Any:
    """Take the derivatives of a spline at its nodes, per spacing; for intervals, at both ends."""
    nodes = np.arange(values.shape[axis], dtype=np.float64)
    if periodic:  # equal to rounding: exactly equal is what scipy asks for
        values = np.moveaxis(values.copy(), axis, 0)
        values[-1] = values[0]
        values = np.moveaxis(values, 0, axis)
    spline = CubicSpline(nodes, values, axis=axis, bc_type="periodic" if periodic else "natural")
    slopes = spline(nodes, 1)
    return (slopes[:-1], slopes[1:]) if both else slopes
