"""Lennard-Jones and Coulomb energies: all pairs, or a cutoff with switching, reaction field and tail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from msb.energy.nonbonded_parameters import NonbondedParameters
from msb.energy.pairs import Partners
from msb.energy.parameters import Table, plain
from msb.energy.tails import switch, tail_integral, volumes
from msb.energy.terms import BondedTerm, Configuration, Term
from msb.units import COULOMB

__all__ = ["ExceptedPairs", "Nonbonded"]


class ExceptedPairs(BondedTerm):
    r"""Pairs with parameters of their own, :math:`4 \epsilon ((\sigma/r)^{12} - (\sigma/r)^6) + q/r`.

    Parameters
    ----------
    parameters : NonbondedParameters
        Its excepted pairs; those without energy are dropped.
    periodic : bool
        Take the minimum image.
    """

    def __init__(self, parameters: NonbondedParameters, periodic: bool = False) -> None:
        p = parameters
        active = (p.pair_epsilon != 0) | (p.charge_product != 0)
        sixth = p.pair_sigma[active] ** 6
        c6 = 4 * p.pair_epsilon[active] * sixth
        charges = COULOMB * p.charge_product[active]
        super().__init__(p.pairs[active], periodic, c12=c6 * sixth, c6=c6, charges=charges)

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each pair, kJ/mol, shape (..., P)."""
        (vector,) = vectors
        inverse = vector.square().sum(-1).reciprocal()
        sixth = inverse * inverse * inverse
        value = (parameters["c12"] * sixth - parameters["c6"]) * sixth
        return value + parameters["charges"] * inverse.sqrt()


class Nonbonded(Term):
    r"""OpenMM's NonbondedForce: all pairs by Lorentz-Berthelot rules, exceptions in place of their pairs.

    With a cutoff Coulomb is a reaction field, :math:`q (1/r + k r^2 - c)` with
    :math:`k = r_c^{-3} (\epsilon - 1) / (2 \epsilon + 1)` and
    :math:`c = 3 \epsilon / (r_c (2 \epsilon + 1))`, over pairs that are not excepted; exceptions take
    no cutoff and no reaction field.  (GROMACS adds the field of excluded pairs and of each charge itself:
    its Coulomb energy differs by what depends on charges and on distances within molecules.)

    Parameters
    ----------
    parameters : NonbondedParameters
    cutoff : float, optional
        nm; without one all pairs count.
    dielectric : float
        Of the reaction field.
    switching : float, optional
        Where Lennard-Jones begins to be switched off, nm.
    periodic : bool
        Take minimum images (only with a cutoff).
    exceptions_periodic : bool
        Take minimum images for the exceptions.
    dispersion_correction : bool
        Add the mean energy beyond the cutoff (only where periodic).

    References
    ----------
    OpenMM user guide, "NonbondedForce"; Tironi et al., J. Chem. Phys. 102, 5451 (1995).
    """

    def __init__(
        self,
        parameters: NonbondedParameters,
        cutoff: float | None = None,
        dielectric: float = 78.3,
        switching: float | None = None,
        periodic: bool = False,
        exceptions_periodic: bool = False,
        dispersion_correction: bool = False,
    ) -> None:
        super().__init__()
        p = parameters
        self.cutoff, self.switching, self.periodic = cutoff, switching, periodic
        self.krf = self.crf = self.tail = 0.0
        if cutoff is not None:
            self.krf = (dielectric - 1) / (2 * dielectric + 1) / cutoff**3
            self.crf = 3 * dielectric / (2 * dielectric + 1) / cutoff
            self.tail = self._tail(p, cutoff) if dispersion_correction and periodic else 0.0
        self.exceptions = ExceptedPairs(p, exceptions_periodic)
        self._atoms = Table(charge=p.charge * math.sqrt(COULOMB), sigma=p.sigma, root=np.sqrt(p.epsilon))
        self._partners = Partners(p.n_atoms, p.pairs, cutoff, periodic)

    @classmethod
    def from_openmm(cls, force: Any) -> Nonbonded:
        """Read an OpenMM NonbondedForce; Ewald methods become a reaction field."""
        method = force.getNonbondedMethod()
        return cls(
            NonbondedParameters.from_openmm(force),
            None if method == force.NoCutoff else plain(force.getCutoffDistance()),
            force.getReactionFieldDielectric(),
            plain(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else None,
            method not in (force.NoCutoff, force.CutoffNonPeriodic),
            force.getExceptionsUsePeriodicBoundaryConditions(),
            force.getUseDispersionCorrection(),
        )

    def energy(self, configuration: Configuration) -> Tensor:
        """Energy of each configuration, kJ/mol, shape (B,)."""
        total = self._partners.sum(configuration, self._pair_energy) + self.exceptions.energy(configuration)
        return total + self.tail / volumes(configuration) if self.tail else total

    def _pair_energy(self, vectors: Tensor, first: Tensor, second: Tensor) -> Tensor:
        atoms = self._atoms.on(vectors)
        sigma = 0.5 * (atoms["sigma"][first] + atoms["sigma"][second])
        epsilon = atoms["root"][first] * atoms["root"][second]
        square = vectors.square().sum(-1)
        inverse = square.reciprocal()
        ratio = sigma.square() * inverse
        sixth = ratio * ratio * ratio
        value: Tensor = 4 * epsilon * (sixth - 1) * sixth
        if self.switching is not None and self.cutoff is not None:
            value = value * switch(square.sqrt(), self.switching, self.cutoff)
        charges = atoms["charge"][first] * atoms["charge"][second]
        coulomb = inverse.sqrt()
        if self.cutoff is not None:
            coulomb = coulomb + self.krf * square - self.crf
        return value + charges * coulomb

    def _tail(self, p: NonbondedParameters, cutoff: float) -> float:
        """Dispersion energy beyond the cutoff, times the volume, kJ/mol nm^3."""

        def energy(r: Tensor, first: NDArray[np.float64], second: NDArray[np.float64]) -> Tensor:
            sixth = ((first[0] + second[0]) / (2 * r)).pow(6)
            value: Tensor = 4 * math.sqrt(first[1] * second[1]) * (sixth - 1) * sixth
            return value

        return tail_integral(np.stack([p.sigma, p.epsilon], axis=1), energy, cutoff, self.switching)
