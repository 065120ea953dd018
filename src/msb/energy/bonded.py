"""Harmonic bonds and angles, periodic and Ryckaert-Bellemans torsions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from msb.core.geometry import norms, vector_angles, vector_dihedrals
from msb.energy.parameters import plain
from msb.energy.terms import BondedTerm

__all__ = ["HarmonicAngle", "HarmonicBond", "PeriodicTorsion", "RBTorsion"]


class HarmonicBond(BondedTerm):
    r"""Springs between two atoms, :math:`\tfrac12 k (r - r_0)^2`."""

    @classmethod
    def from_openmm(cls, force: Any) -> HarmonicBond:
        """Read an OpenMM HarmonicBondForce."""
        rows = _rows(force.getBondParameters, force.getNumBonds(), 4)
        return cls(rows[:, :2], force.usesPeriodicBoundaryConditions(), length=rows[:, 2], k=rows[:, 3])

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each bond, kJ/mol, shape (..., T)."""
        (bond,) = vectors
        return 0.5 * parameters["k"] * (norms(bond) - parameters["length"]).square()


class HarmonicAngle(BondedTerm):
    r"""Springs on angles, :math:`\tfrac12 k (\theta - \theta_0)^2`."""

    @classmethod
    def from_openmm(cls, force: Any) -> HarmonicAngle:
        """Read an OpenMM HarmonicAngleForce."""
        rows = _rows(force.getAngleParameters, force.getNumAngles(), 5)
        return cls(rows[:, :3], force.usesPeriodicBoundaryConditions(), angle=rows[:, 3], k=rows[:, 4])

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each angle, kJ/mol, shape (..., T)."""
        first, second = vectors
        theta = vector_angles(-first, second)
        return 0.5 * parameters["k"] * (theta - parameters["angle"]).square()


class PeriodicTorsion(BondedTerm):
    r"""Cosine torsions, :math:`k (1 + \cos(n \phi - \delta))`, several of them on one dihedral or not."""

    @classmethod
    def from_openmm(cls, force: Any) -> PeriodicTorsion:
        """Read an OpenMM PeriodicTorsionForce."""
        rows = _rows(force.getTorsionParameters, force.getNumTorsions(), 7)
        atoms, which = np.unique(rows[:, :4].astype(np.int64), axis=0, return_inverse=True)
        return cls(
            atoms,
            force.usesPeriodicBoundaryConditions(),
            which=which.reshape(-1).astype(np.int64),
            n=rows[:, 4],
            phase=rows[:, 5],
            k=rows[:, 6],
        )

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each cosine, kJ/mol, shape (..., number of cosines)."""
        phi = vector_dihedrals(*vectors)
        if "which" in parameters:  # else every cosine comes with a dihedral of its own
            phi = phi.index_select(-1, parameters["which"])
        return parameters["k"] * (1 + (parameters["n"] * phi - parameters["phase"]).cos())


class RBTorsion(BondedTerm):
    r"""Ryckaert-Bellemans torsions, :math:`\sum_{n=0}^{5} c_n \cos^n(\phi - \pi)`."""

    @classmethod
    def from_openmm(cls, force: Any) -> RBTorsion:
        """Read an OpenMM RBTorsionForce."""
        rows = _rows(force.getTorsionParameters, force.getNumTorsions(), 10)
        return cls(rows[:, :4], force.usesPeriodicBoundaryConditions(), coefficients=rows[:, 4:])

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each torsion, kJ/mol, shape (..., T)."""
        cosine = (vector_dihedrals(*vectors) - math.pi).cos()
        value = cosine.new_zeros(())
        for coefficient in reversed(parameters["coefficients"].unbind(-1)):  # Horner
            value = value * cosine + coefficient
        return value


def _rows(getter: Any, n: int, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Parameters of all interactions of a force as one float64 table, atoms first."""
    rows = [[plain(value) for value in getter(k)] for k in range(n)]
    return np.array(rows, dtype=np.float64).reshape(n, width)
