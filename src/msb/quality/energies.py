"""Energy of a frame, from OpenMM or from this project's terms, for the check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EnergyFunction", "energy_function"]

FloatArray = NDArray[np.float64]
EnergyFunction = Callable[[FloatArray, FloatArray | None], FloatArray]
"""Energies (F,) in kJ/mol of whole molecules (F, N, 3) in boxes (F, 3, 3) or None, nm."""


def energy_function(source: Any) -> EnergyFunction:
    """Return energies as a function of positions and boxes.

    Parameters
    ----------
    source : openmm.System, Energy, or EnergyFunction
        The force field. A System makes its context when it is first asked.

    Returns
    -------
    EnergyFunction
    """
    if hasattr(source, "getForces"):
        return _OfSystem(source)
    if hasattr(source, "terms"):
        return _of_terms(source)
    function: EnergyFunction = source
    return function


def _of_terms(energy: Any) -> EnergyFunction:
    import torch

    def energies(x: FloatArray, boxes: FloatArray | None) -> FloatArray:
        with torch.no_grad():
            cells = None if boxes is None else torch.from_numpy(np.ascontiguousarray(boxes))
            values = energy(torch.from_numpy(np.ascontiguousarray(x)), cells)
        return np.asarray(values.double().numpy())

    return energies


class _OfSystem:
    """Energies of an OpenMM System."""

    def __init__(self, system: Any) -> None:
        self._system: Any = system
        self._context: Any = None

    def __call__(self, x: FloatArray, boxes: FloatArray | None) -> FloatArray:
        from msb.energy.contexts import make_context, place_box, snapshot

        if self._context is None:
            self._context = make_context(self._system)
        values = np.empty(len(x))
        for f, frame in enumerate(x):
            if boxes is not None and boxes[f].any():
                place_box(self._context, boxes[f])
            values[f] = snapshot(self._context, frame).energy
        return values
