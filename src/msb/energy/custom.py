"""OpenMM's custom bonds, angles and torsions: any expression of a distance or an angle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from msb.core.geometry import norms, vector_angles, vector_dihedrals
from msb.energy.expressions import Expression
from msb.energy.parameters import plain
from msb.energy.tabulated import tabulated_functions
from msb.energy.terms import BondedTerm

__all__ = ["CustomBonded", "global_parameters"]


def _bend(first: Tensor, second: Tensor) -> Tensor:
    return vector_angles(-first, second)


_COORDINATES: dict[str, tuple[int, str, Callable[..., Tensor]]] = {
    "Bond": (2, "r", norms),
    "Angle": (3, "theta", _bend),
    "Torsion": (4, "theta", vector_dihedrals),
}


class CustomBonded(BondedTerm):
    """An expression summed over bonds, angles or torsions.

    Parameters
    ----------
    kind : {"Bond", "Angle", "Torsion"}
        The coordinate: a distance ``r``, an angle ``theta``, a torsion ``theta`` in (-pi, pi].
    expression : Expression
        Of the coordinate, the parameters and the constants, kJ/mol.
    atoms : int array (T, k)
    constants : mapping of str to float
        Parameters that all interactions share.
    periodic : bool
        Take minimum images.
    **parameters : float array (T,)
    """

    def __init__(
        self,
        kind: str,
        expression: Expression,
        atoms: ArrayLike,
        constants: Mapping[str, float],
        periodic: bool = False,
        **parameters: ArrayLike,
    ) -> None:
        columns = {name: np.asarray(column, dtype=np.float64) for name, column in parameters.items()}
        super().__init__(atoms, periodic, **columns)
        self.kind, self.expression, self.constants = kind, expression, dict(constants)

    @classmethod
    def from_openmm(cls, force: Any) -> CustomBonded:
        """Read an OpenMM CustomBondForce, CustomAngleForce or CustomTorsionForce."""
        kind = type(force).__name__.removeprefix("Custom").removesuffix("Force")
        width = _COORDINATES[kind][0]
        count = getattr(force, f"getNumPer{kind}Parameters")()
        names = [getattr(force, f"getPer{kind}ParameterName")(k) for k in range(count)]
        rows = [getattr(force, f"get{kind}Parameters")(k) for k in range(getattr(force, f"getNum{kind}s")())]
        table = np.array([[*row[:width], *plain(row[width])] for row in rows], dtype=np.float64)
        table = table.reshape(len(rows), width + count)
        return cls(
            kind,
            Expression(force.getEnergyFunction(), tabulated_functions(force)),
            table[:, :width],
            global_parameters(force),
            force.usesPeriodicBoundaryConditions(),
            **dict(zip(names, table[:, width:].T, strict=True)),
        )

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each interaction, kJ/mol, shape (..., T)."""
        _, variable, coordinate = _COORDINATES[self.kind]
        value = coordinate(*vectors)
        energy = self.expression({variable: value, **parameters, **self.constants})
        return torch.broadcast_to(energy, value.shape)


def global_parameters(force: Any) -> dict[str, float]:
    """Global parameters of a custom force, at their defaults.

    Parameters
    ----------
    force : openmm.Force

    Returns
    -------
    dict of str to float
    """
    return {
        force.getGlobalParameterName(k): float(force.getGlobalParameterDefaultValue(k))
        for k in range(force.getNumGlobalParameters())
    }
