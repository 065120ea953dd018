"""Lennard-Jones and Coulomb energies over all pairs of atoms, no cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from msb.energy.parameters import plain
from msb.energy.terms import BondedTerm, Configuration
from msb.units import COULOMB

__all__ = ["NonbondedParameters", "PairTerm", "lennard_jones_coulomb"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NonbondedParameters:
    """What an OpenMM NonbondedForce says about its particles and exceptions.

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


def lennard_jones_coulomb(vectors: Tensor, c12: Tensor, c6: Tensor, charges: Tensor) -> Tensor:
    r"""Energy of pairs, :math:`C_{12} r^{-12} - C_6 r^{-6} + q r^{-1}`.

    Parameters
    ----------
    vectors : Tensor (..., P, 3)
        nm.
    c12, c6, charges : Tensor (P,)
        kJ/mol nm^12, kJ/mol nm^6, and charge product times the Coulomb constant, kJ/mol nm.

    Returns
    -------
    Tensor (..., P)
        kJ/mol; infinite where two atoms coincide.
    """
    inverse = vectors.square().sum(-1).reciprocal()
    sixth = inverse * inverse * inverse
    return (c12 * sixth - c6) * sixth + charges * inverse.sqrt()


class PairTerm(BondedTerm):
    """Lennard-Jones and Coulomb energies of a fixed list of pairs.

    Parameters
    ----------
    pairs : int array (P, 2)
    sigma, epsilon, charges : float array (P,)
        nm, kJ/mol, e^2.
    periodic : bool
        Take the minimum image.
    """

    def __init__(
        self,
        pairs: NDArray[np.int64],
        sigma: _Floats,
        epsilon: _Floats,
        charges: _Floats,
        periodic: bool = False,
    ) -> None:
        active = (epsilon != 0) | (charges != 0)
        sixth = sigma[active] ** 6
        c6 = 4 * epsilon[active] * sixth
        super().__init__(pairs[active], periodic, c12=c6 * sixth, c6=c6, charges=COULOMB * charges[active])

    @classmethod
    def all_pairs(cls, parameters: NonbondedParameters) -> PairTerm:
        """Take all pairs of a system by Lorentz-Berthelot rules, exceptions in place of their pairs."""
        p = parameters
        first, second = np.triu_indices(p.n_atoms, 1)
        keep = np.ones(len(first), dtype=bool)
        a, b = p.pairs.T
        keep[a * (2 * p.n_atoms - a - 1) // 2 + b - a - 1] = False
        first, second = first[keep], second[keep]
        return cls(
            np.concatenate([np.stack([first, second], axis=1), p.pairs]),
            np.concatenate([0.5 * (p.sigma[first] + p.sigma[second]), p.pair_sigma]),
            np.concatenate([np.sqrt(p.epsilon[first] * p.epsilon[second]), p.pair_epsilon]),
            np.concatenate([p.charge[first] * p.charge[second], p.charge_product]),
        )

    @classmethod
    def exceptions(cls, parameters: NonbondedParameters, periodic: bool) -> PairTerm:
        """Take the excepted pairs alone."""
        p = parameters
        return cls(p.pairs, p.pair_sigma, p.pair_epsilon, p.charge_product, periodic)

    def interactions(self, configuration: Configuration, parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each pair, kJ/mol, shape (B, P)."""
        (vectors,) = self.bond_vectors(configuration)
        return lennard_jones_coulomb(vectors, **parameters)


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
