"""How a cutoff ends: the switching function, and the mean energy of what lies beyond."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.energy.terms import Configuration

__all__ = ["switch", "tail_integral", "volumes"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)


def switch(r: Tensor, start: float, end: float) -> Tensor:
    r"""OpenMM's switching function, :math:`1 - 10 x^3 + 15 x^4 - 6 x^5`, x from 0 at start to 1 at end.

    Parameters
    ----------
    r : Tensor (...)
        nm.
    start, end : float
        nm.

    Returns
    -------
    Tensor (...)
    """
    x = ((r - start) / (end - start)).clamp(0, 1)
    value: Tensor = 1 + x * x * x * (-10 + x * (15 - 6 * x))
    return value


def volumes(configuration: Configuration) -> Tensor:
    """Volumes of the boxes of a batch, nm^3, shape (B,)."""
    size: Tensor = torch.linalg.det(configuration.boxes()).abs()
    return size


def tail_integral(
    atoms: NDArray[np.float64],
    energy: Callable[[Tensor, NDArray[np.float64], NDArray[np.float64]], Tensor],
    cutoff: float,
    switching: float | None,
) -> float:
    r"""Mean pair energy beyond a cutoff, :math:`2 \pi N^2 \langle \int r^2 u(r) dr \rangle`, times volume.

    Parameters
    ----------
    atoms : float array (N, k)
        Parameters of each atom; atoms alike are counted, not repeated.
    energy : callable
        Of distances (R,) nm and the parameters of two atoms, kJ/mol.
    cutoff : float
        nm.
    switching : float, optional
        Where switching begins: what it takes away is added back.

    Returns
    -------
    float
        kJ/mol nm^3; the mean runs over all pairs, each atom with itself too, as in OpenMM.
    """
    kinds, counts = np.unique(atoms, axis=0, return_counts=True)
    # beyond the cutoff in x = 1/r, where a power law is a polynomial
    x = 0.5 / cutoff * (_NODES + 1)
    far, far_weights = 1 / x, 0.5 / cutoff * _WEIGHTS / x**4
    if switching is not None:
        near = switching + 0.5 * (cutoff - switching) * (_NODES + 1)
        lost = 1 - switch(torch.from_numpy(near), switching, cutoff).numpy()
        far = np.concatenate([near, far])
        near_weights = 0.5 * (cutoff - switching) * _WEIGHTS * near**2 * lost
        far_weights = np.concatenate([near_weights, far_weights])
    r, total = torch.from_numpy(far), 0.0
    for a in range(len(kinds)):
        for b in range(a + 1):
            number = counts[a] * counts[b] if b < a else counts[a] * (counts[a] + 1) / 2
            total += number * float(np.dot(far_weights, energy(r, kinds[a], kinds[b]).numpy()))
    n = len(atoms)
    return 2 * math.pi * n**2 * total / (n * (n + 1) / 2)
