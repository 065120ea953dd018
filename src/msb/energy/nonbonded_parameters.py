"""What an OpenMM NonbondedForce says about its particles and exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.energy.parameters import plain

__all__ = ["NonbondedParameters"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NonbondedParameters:
    """Charges and Lennard-Jones parameters of particles and of excepted pairs.

    Parameters
    ----------
    charge, sigma, epsilon : float array (N,)
        e, nm, kJ/mol.
    pairs : int array (X, 2)
        Excepted pairs, smaller index first.
    charge_product, pair_sigma, pair_epsilon : float array (X,)
        e^2, nm, kJ/mol.
    """

    charge: _Floats
    sigma: _Floats
    epsilon: _Floats
    pairs: NDArray[np.int64]
    charge_product: _Floats
    pair_sigma: _Floats
    pair_epsilon: _Floats

    @classmethod
    def from_openmm(cls, force: Any) -> NonbondedParameters:
        """Read an OpenMM NonbondedForce, its parameter offsets at the defaults of their global parameters."""
        particles = [list(map(plain, force.getParticleParameters(k))) for k in range(force.getNumParticles())]
        exceptions = [
            list(map(plain, force.getExceptionParameters(k))) for k in range(force.getNumExceptions())
        ]
        table = np.array(particles, dtype=np.float64).reshape(-1, 3)
        excepted = np.array(exceptions, dtype=np.float64).reshape(-1, 5)
        _add_offsets(force, table, excepted)
        pairs = np.sort(excepted[:, :2].astype(np.int64), axis=1)
        charge, sigma, epsilon = table.T
        product, pair_sigma, pair_epsilon = excepted[:, 2:].T
        return cls(charge, sigma, epsilon, pairs, product, pair_sigma, pair_epsilon)

    @property
    def n_atoms(self) -> int:
        """Number of particles."""
        return len(self.charge)


def _add_offsets(force: Any, particles: _Floats, exceptions: _Floats) -> None:
    """Add parameter offsets, in place, with every global parameter at its default."""
    defaults = {
        force.getGlobalParameterName(k): force.getGlobalParameterDefaultValue(k)
        for k in range(force.getNumGlobalParameters())
    }
    for k in range(force.getNumParticleParameterOffsets()):
        name, particle, *offsets = force.getParticleParameterOffset(k)
        particles[particle] += defaults[name] * np.array(offsets)
    for k in range(force.getNumExceptionParameterOffsets()):
        name, exception, *offsets = force.getExceptionParameterOffset(k)
        exceptions[exception, 2:] += defaults[name] * np.array(offsets)
