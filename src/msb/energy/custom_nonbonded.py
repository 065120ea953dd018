"""OpenMM's CustomNonbondedForce: any expression of a distance and the parameters of two atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.energy.custom import global_parameters
from msb.energy.expressions import Expression
from msb.energy.pairs import Partners
from msb.energy.parameters import Table, plain
from msb.energy.tabulated import tabulated_functions
from msb.energy.tails import switch, tail_integral, volumes
from msb.energy.terms import Configuration, Term
from msb.errors import EnergyError

__all__ = ["CustomNonbonded"]

Group = tuple[Sequence[int], Sequence[int]]


class CustomNonbonded(Term):
    """An expression summed over pairs of atoms.

    Parameters
    ----------
    expression : Expression
        Of ``r``, the constants, and each parameter with 1 or 2 appended, kJ/mol; symmetric in the atoms.
    parameters : dict of str to float array (N,)
    constants : mapping of str to float
    n_atoms : int
    excluded : int array (X, 2)
        Pairs left out.
    cutoff, switching : float, optional
        nm; without a cutoff all pairs count.
    periodic : bool
        Take minimum images (only with a cutoff).
    groups : sequence of pairs of int sequences
        Interaction groups; where given, only pairs between the two sets of a group count, once a group.
    tail : bool
        Add the mean energy beyond the cutoff (only where periodic).
    """

    def __init__(
        self,
        expression: Expression,
        parameters: dict[str, NDArray[np.float64]],
        constants: Mapping[str, float],
        n_atoms: int,
        excluded: NDArray[np.int64],
        cutoff: float | None = None,
        switching: float | None = None,
        periodic: bool = False,
        groups: Sequence[Group] = (),
        tail: bool = False,
    ) -> None:
        super().__init__()
        if groups and tail and periodic:
            raise EnergyError(
                "a CustomNonbondedForce with interaction groups and a long-range correction has no torch "
                "form here"
            )
        self.expression, self.constants = expression, dict(constants)
        self.cutoff, self.switching, self.periodic = cutoff, switching, periodic
        self._atoms = Table(**{name: np.asarray(v, dtype=np.float64) for name, v in parameters.items()})
        self._names = tuple(parameters)
        self._partners = Partners(n_atoms, excluded, cutoff, periodic, groups)
        self.tail = 0.0
        if tail and periodic and cutoff is not None:
            atoms = np.stack([np.zeros(n_atoms), *parameters.values()], axis=1)
            self.tail = tail_integral(atoms, self._kind_energy, cutoff, switching)

    @classmethod
    def from_openmm(cls, force: Any) -> CustomNonbonded:
        """Read an OpenMM CustomNonbondedForce."""
        if force.getNumComputedValues():
            raise EnergyError("a CustomNonbondedForce with computed values has no torch form here")
        n_atoms, method = force.getNumParticles(), force.getNonbondedMethod()
        names = [force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())]
        rows = [plain(force.getParticleParameters(k)) for k in range(n_atoms)]
        table = np.array(rows, dtype=np.float64).reshape(n_atoms, len(names))
        excluded = [force.getExclusionParticles(k) for k in range(force.getNumExclusions())]
        return cls(
            Expression(force.getEnergyFunction(), tabulated_functions(force)),
            dict(zip(names, table.T, strict=True)),
            global_parameters(force),
            n_atoms,
            np.array(excluded, dtype=np.int64).reshape(-1, 2),
            None if method == force.NoCutoff else plain(force.getCutoffDistance()),
            plain(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else None,
            method == force.CutoffPeriodic,
            [force.getInteractionGroupParameters(k) for k in range(force.getNumInteractionGroups())],
            force.getUseLongRangeCorrection(),
        )

    def energy(self, configuration: Configuration) -> Tensor:
        """Energy of each configuration, kJ/mol, shape (B,)."""
        total = self._partners.sum(configuration, self._pair_energy)
        return total + self.tail / volumes(configuration) if self.tail else total

    def _pair_energy(self, vectors: Tensor, first: Tensor, second: Tensor) -> Tensor:
        atoms = self._atoms.on(vectors)
        sides = {
            f"{name}{k}": atoms[name][rows] for name in self._names for k, rows in ((1, first), (2, second))
        }
        r = vectors.square().sum(-1).sqrt()
        value = self.expression({"r": r, **sides, **self.constants})
        if self.switching is not None and self.cutoff is not None:
            value = value * switch(r, self.switching, self.cutoff)
        return torch.broadcast_to(value, r.shape)

    def _kind_energy(self, r: Tensor, first: NDArray[np.float64], second: NDArray[np.float64]) -> Tensor:
        """Energy of two atoms given by their parameters, a leading zero first."""
        sides = {
            f"{name}{k}": torch.tensor(side[column + 1], dtype=r.dtype)
            for column, name in enumerate(self._names)
            for k, side in ((1, first), (2, second))
        }
        return torch.broadcast_to(self.expression({"r": r, **sides, **self.constants}), r.shape)
