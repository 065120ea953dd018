"""The interactions of a System, family by family, in a form that does not care where its atoms are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from msb.energy import Energy
from msb.energy.bonded import HarmonicAngle, HarmonicBond, PeriodicTorsion
from msb.energy.custom import CustomBonded
from msb.energy.parameters import plain
from msb.energy.system import WITHOUT_ENERGY

__all__ = ["PAIR_FORCES", "Family", "bonded_families", "rigid_bonds"]

#: Forces between all pairs of atoms: they are not families.
PAIR_FORCES = ("NonbondedForce", "CustomNonbondedForce")

Columns = dict[str, NDArray[Any]]
Values = Callable[[Sequence[Tensor], dict[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Family:
    """Interactions of one kind between tuples of atoms.

    Attributes
    ----------
    name : str
        Of the force, for messages.
    atoms : int array (R, k)
    columns : dict of str to array (R, ...)
        Parameters of each interaction.
    values : callable
        Of k - 1 vectors (..., T, 3) from atom to atom, nm, and parameters (..., T, ...), to energies
        (..., T) by kind ("bond", "angle", "dihedral", "lj", "coulomb"), kJ/mol.
    """

    name: str
    atoms: NDArray[np.int64]
    columns: Columns
    values: Values

    def keep(self, rows: NDArray[np.bool_]) -> Family:
        """The same with some of its interactions."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Family(self.name, self.atoms[rows], columns, self.values)


def bonded_families(system: Any, exclude: Collection[str] = ()) -> list[Family]:
    """Families of all forces that are not between all pairs of atoms.

    Parameters
    ----------
    system : openmm.System
    exclude : collection of str
        Names or classes of forces to leave out where they are.

    Raises
    ------
    EnergyError
        If a force is unknown; the sentence names it and says how to leave it out.
    """
    names = [{force.getName(), type(force).__name__} for force in system.getForces()]
    if not any(not own & {*PAIR_FORCES, *WITHOUT_ENERGY, *exclude} for own in names):
        return []
    left_out = set.union(*names) & {*PAIR_FORCES, *exclude}
    energy = Energy.from_openmm(system, exclude=sorted(left_out))
    return [_family(name, energy[name]) for name in energy.groups]


def rigid_bonds(system: Any, families: list[Family], stiffness: float | None) -> list[Family]:
    """Exchange what acts along constrained pairs for springs, or for nothing.

    Parameters
    ----------
    system : openmm.System
        Its constraints are looked at.
    families : list of Family
    stiffness : float, optional
        kJ/mol/nm^2; None leaves the pairs without an energy.
    """
    rows = [system.getConstraintParameters(k) for k in range(system.getNumConstraints())]
    if not rows:
        return families
    pairs = np.array([sorted(row[:2]) for row in rows], dtype=np.int64)
    lengths = np.array([plain(row[2]) for row in rows], dtype=np.float64)
    codes = pairs[:, 0] * system.getNumParticles() + pairs[:, 1]
    kept = []
    for family in families:
        if family.atoms.shape[1] != 2:
            kept.append(family)
            continue
        ends = np.sort(family.atoms, axis=1)
        kept.append(family.keep(~np.isin(ends[:, 0] * system.getNumParticles() + ends[:, 1], codes)))
    if stiffness is not None:
        columns = {"length": lengths, "k": np.full(len(lengths), stiffness)}
        kept.append(Family("constraints", pairs, columns, _named("bond", HarmonicBond(pairs).of_vectors)))
    return kept


def _family(name: str, term: Any) -> Family:
    """Family of a bonded term; several cosines about one bond become interactions of their own."""
    columns = {key: column.numpy() for key, column in term.parameters.items()}
    atoms = term.atoms
    if isinstance(term, PeriodicTorsion):
        atoms = atoms[columns.pop("which")]
    return Family(name, atoms.reshape(-1, term.atoms.shape[1]), columns, _named(_kind(term), term.of_vectors))


def _kind(term: Any) -> str:
    if isinstance(term, CustomBonded):
        return {"Bond": "bond", "Angle": "angle", "Torsion": "dihedral"}[term.kind]
    kinds: dict[type, str] = {HarmonicBond: "bond", HarmonicAngle: "angle"}
    return kinds.get(type(term), "dihedral")


def _named(kind: str, of_vectors: Callable[[Sequence[Tensor], dict[str, Tensor]], Tensor]) -> Values:
    return lambda vectors, parameters: {kind: of_vectors(vectors, parameters)}
