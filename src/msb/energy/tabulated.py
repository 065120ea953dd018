"""Tabulated functions of OpenMM's custom forces."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from msb.energy.parameters import Table
from msb.energy.splines import bicubic_coefficients, cubic_coefficients, evaluate_bicubic
from msb.errors import EnergyError

__all__ = ["ContinuousTable", "DiscreteTable", "tabulated_functions"]


class DiscreteTable:
    """A table looked up at integers; arguments are rounded, and the gradient is zero.

    Parameters
    ----------
    values : float array (n1,), (n1, n2) or (n1, n2, n3)
    """

    def __init__(self, values: ArrayLike) -> None:
        array = np.asarray(values, dtype=np.float64)
        self.shape = array.shape
        self._table = Table(values=array.ravel())

    def __call__(self, *arguments: Tensor) -> Tensor:
        """Values at integer places.

        Parameters
        ----------
        *arguments : Tensor (...)
            As many as the table has axes.

        Returns
        -------
        Tensor (...)

        Raises
        ------
        EnergyError
            If a place lies outside the table.
        """
        place = torch.zeros((), dtype=torch.long, device=arguments[0].device)
        for argument, size in zip(arguments, self.shape, strict=True):
            index = argument.detach().round().long()
            if ((index < 0) | (index >= size)).any():
                raise EnergyError(f"a tabulated function of size {self.shape} is asked for a place outside")
            place = place * size + index
        return self._table.on(arguments[0])["values"][place]


class ContinuousTable:
    """A spline through equally spaced values on an interval or a rectangle; 0 outside, unless periodic.

    Parameters
    ----------
    values : float array (n,) or (n, m)
    bounds : sequence of (float, float)
        Ends of each axis.
    periodic : bool
        Continue periodically; first and last values are the same.
    """

    def __init__(self, values: ArrayLike, bounds: list[tuple[float, float]], periodic: bool) -> None:
        array = np.asarray(values, dtype=np.float64)
        self.bounds, self.periodic = bounds, periodic
        self.cells = tuple(n - 1 for n in array.shape)
        make = cubic_coefficients if array.ndim == 1 else bicubic_coefficients
        coefficients = make(array, periodic)
        self._table = Table(coefficients=coefficients.reshape(-1, *coefficients.shape[array.ndim :]))

    def __call__(self, *arguments: Tensor) -> Tensor:
        """Spline values.

        Parameters
        ----------
        *arguments : Tensor (...)
            As many as the table has axes.

        Returns
        -------
        Tensor (...)
        """
        inside = torch.ones((), dtype=torch.bool, device=arguments[0].device)
        place = torch.zeros((), dtype=torch.long, device=arguments[0].device)
        fractions = []
        for argument, (low, high), cells in zip(arguments, self.bounds, self.cells, strict=True):
            scaled = (argument - low) * (cells / (high - low))
            if self.periodic:
                scaled = torch.remainder(scaled, cells)
            inside = inside & (scaled >= 0) & (scaled <= cells)
            cell = scaled.detach().floor().clamp(0, cells - 1)
            fractions.append(scaled - cell)
            place = place * cells + cell.long()
        coefficients = self._table.on(arguments[0])["coefficients"][place]
        if len(fractions) == 2:
            return torch.where(inside, evaluate_bicubic(coefficients, *fractions), 0.0)
        (t,) = fractions
        c0, c1, c2, c3 = coefficients.unbind(-1)
        return torch.where(inside, ((c3 * t + c2) * t + c1) * t + c0, 0.0)


def tabulated_functions(force: Any) -> dict[str, DiscreteTable | ContinuousTable]:
    """Tables of an OpenMM custom force.

    Parameters
    ----------
    force : openmm.Force
        Any custom force.

    Returns
    -------
    dict of str to DiscreteTable or ContinuousTable

    Raises
    ------
    EnergyError
        If a table is of a kind unknown here.
    """
    if not hasattr(force, "getNumTabulatedFunctions"):  # bonds, angles and torsions have none
        return {}
    tables = range(force.getNumTabulatedFunctions())
    names = [force.getTabulatedFunctionName(k) for k in tables]
    return {name: _table(name, force.getTabulatedFunction(k)) for k, name in enumerate(names)}


def _table(name: str, function: Any) -> DiscreteTable | ContinuousTable:
    """One table; OpenMM's values run fastest along the first axis."""
    kind = type(function).__name__
    parameters = function.getFunctionParameters()
    if kind == "Discrete1DFunction":
        return DiscreteTable(parameters)
    if kind in ("Discrete2DFunction", "Discrete3DFunction"):
        *sizes, values = parameters
        return DiscreteTable(np.reshape(values, sizes, order="F"))
    if kind == "Continuous1DFunction":
        values, low, high = parameters
        return ContinuousTable(values, [(low, high)], function.getPeriodic())
    if kind == "Continuous2DFunction":
        n, m, values, x_low, x_high, y_low, y_high = parameters
        grid = np.reshape(values, (n, m), order="F")
        return ContinuousTable(grid, [(x_low, x_high), (y_low, y_high)], function.getPeriodic())
    raise EnergyError(f"tabulated function `{name}` is a {kind}, which has no torch form here")
