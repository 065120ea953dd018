"""The energy of a molecular system in torch, from any OpenMM System it knows all forces of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from msb.energy.bonded import HarmonicAngle, HarmonicBond, PeriodicTorsion, RBTorsion
from msb.energy.cmap import CMAPTorsion
from msb.energy.custom import CustomBonded
from msb.energy.custom_nonbonded import CustomNonbonded
from msb.energy.nonbonded import Nonbonded
from msb.energy.terms import BondedTerm, Configuration, Term
from msb.errors import EnergyError

__all__ = ["WITHOUT_ENERGY", "Energy"]

#: Parts of a System that OpenMM counts among its forces and that have no energy.
WITHOUT_ENERGY = (
    "AndersenThermostat",
    "CMMotionRemover",
    "MonteCarloAnisotropicBarostat",
    "MonteCarloBarostat",
    "MonteCarloFlexibleBarostat",
    "MonteCarloMembraneBarostat",
)
_IMPLICIT = ("CustomGBForce", "GBSAOBCForce")


class Energy:
    """Potential energy, term by term, batched and differentiable.

    Parameters
    ----------
    terms : sequence of Term
        With distinct names.
    n_atoms : int

    Examples
    --------
    >>> energy = Energy.from_openmm(system)  # doctest: +SKIP
    >>> energy(positions)  # (B, N, 3) nm -> (B,) kJ/mol  # doctest: +SKIP
    """

    def __init__(self, terms: Sequence[Term], n_atoms: int) -> None:
        self._terms = {term.name: term for term in terms}
        self.n_atoms = n_atoms
        if len(self._terms) != len(terms):
            raise EnergyError("two terms of an energy have the same name: give them distinct names")

    @classmethod
    def from_openmm(
        cls,
        system: Any,
        include: Collection[str] | None = None,
        reaction_field_for_pme: bool = False,
        exclude: Collection[str] = (),
        periodic_bonded: bool | None = None,
    ) -> Energy:
        """Translate the forces of an OpenMM System.

        Parameters
        ----------
        system : openmm.System
        include : collection of str, optional
            Names or classes of the forces to take; default: all.
        reaction_field_for_pme : bool
            Take Ewald and PME electrostatics as a reaction field with the force's dielectric constant.
        exclude : collection of str
            Names or classes of forces to leave out, ``("GBSAOBCForce",)`` for a vacuum energy.
        periodic_bonded : bool, optional
            Whether bonded terms take minimum images; default: as each force says (OpenMM's default: no).

        Returns
        -------
        Energy

        Raises
        ------
        EnergyError
            If a force is unknown, is implicit solvent, uses Ewald sums, or a name matches no force.
        """
        forces = _select(system, include, exclude)
        if not forces:
            raise EnergyError("none of the system's forces has an energy, or all are left out")
        terms = []
        for name, force in forces.items():
            term = _translate(name, force, reaction_field_for_pme)
            if periodic_bonded is not None:
                _set_periodic(term, periodic_bonded)
            term.name, term.group = name, force.getForceGroup()
            terms.append(term)
        return cls(terms, system.getNumParticles())

    def __call__(self, positions: Tensor, box: Tensor | None = None) -> Tensor:
        """Total potential energy.

        Parameters
        ----------
        positions : Tensor (..., N, 3)
            nm.
        box : Tensor (3, 3) or (..., 3, 3), optional
            Row vectors, nm.

        Returns
        -------
        Tensor (...)
            kJ/mol, in the dtype of the positions.

        Raises
        ------
        EnergyError
            If shapes do not fit, or a periodic force has no box.
        """
        return torch.stack(list(self.terms(positions, box).values())).sum(0)

    def terms(self, positions: Tensor, box: Tensor | None = None) -> dict[str, Tensor]:
        """Energy of each force; arguments as for the total.

        Returns
        -------
        dict of str to Tensor (...)
            kJ/mol; the key is the force's name, numbered from the second of a name on.
        """
        configuration, leading = self._configuration(positions, box)
        with torch.autocast(
            positions.device.type, enabled=False
        ):  # energies are differences of large numbers
            return {name: term.energy(configuration).reshape(leading) for name, term in self._terms.items()}

    def forces(self, positions: Tensor, box: Tensor | None = None) -> Tensor:
        """Minus the gradient of the total energy; arguments as for the total.

        Returns
        -------
        Tensor (..., N, 3)
            kJ/mol/nm, detached.
        """
        leaf = positions.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(self(leaf, box).sum(), leaf)
        return -gradient

    @property
    def groups(self) -> dict[str, int]:
        """OpenMM's force group of each term."""
        return {name: term.group for name, term in self._terms.items()}

    def __getitem__(self, name: str) -> Term:
        """One term."""
        return self._terms[name]

    def _configuration(self, positions: Tensor, box: Tensor | None) -> tuple[Configuration, torch.Size]:
        """Positions and boxes with one leading axis, and the leading shape they had."""
        if positions.shape[-2:] != (self.n_atoms, 3) or positions.dtype not in (torch.float32, torch.float64):
            raise EnergyError(
                f"the energy is of {self.n_atoms} atoms: positions must be float32 or float64 and have shape "
                f"(..., {self.n_atoms}, 3), got {tuple(positions.shape)} of {positions.dtype}"
            )
        leading = positions.shape[:-2]
        if box is not None:
            if box.shape[-2:] != (3, 3):
                raise EnergyError(f"a box must have shape (..., 3, 3), got {tuple(box.shape)}")
            box = box.to(positions).expand(*leading, 3, 3).reshape(-1, 3, 3)
        return Configuration(positions.reshape(-1, self.n_atoms, 3), box), leading


def _select(system: Any, include: Collection[str] | None, exclude: Collection[str]) -> dict[str, Any]:
    """Pick the forces that have an energy and are asked for, by distinct name."""
    chosen: dict[str, Any] = {}
    unmatched = {*(include or ()), *exclude}
    for force in system.getForces():
        names = {force.getName(), type(force).__name__}
        unmatched -= names
        skipped = names & set(exclude) or (include is not None and not names & set(include))
        if skipped or type(force).__name__ in WITHOUT_ENERGY:
            continue
        name, k = force.getName(), 2
        while name in chosen:
            name, k = f"{force.getName()} {k}", k + 1
        chosen[name] = force
    if unmatched:
        present = ", ".join(sorted({force.getName() for force in system.getForces()}))
        raise EnergyError(f"the system has no force named {', '.join(sorted(unmatched))}; it has {present}")
    return chosen


def _set_periodic(term: Term, periodic: bool) -> None:
    """Make a bonded term, or the exceptions of a nonbonded one, take minimum images or not."""
    bonded = term.exceptions if isinstance(term, Nonbonded) else term
    if isinstance(bonded, (BondedTerm, CMAPTorsion)):
        bonded.periodic = periodic


def _translate(name: str, force: Any, reaction_field_for_pme: bool) -> Term:
    """Term of a force; an unknown force is refused by name."""
    kind = type(force).__name__
    if kind in _IMPLICIT:
        raise EnergyError(
            f"force {name} is implicit solvent ({kind}), which has no torch form here; "
            f"leave it out with exclude=({kind!r},) for the energy without solvent"
        )
    if kind == "NonbondedForce":
        return _nonbonded(name, force, reaction_field_for_pme)
    if kind not in _BUILDERS:
        raise EnergyError(
            f"force {name} is a {kind}, which has no torch form here; known are "
            f"{', '.join(sorted(_BUILDERS))} and NonbondedForce; leave it out with exclude=({kind!r},)"
        )
    return _BUILDERS[kind](force)


def _nonbonded(name: str, force: Any, reaction_field_for_pme: bool) -> Term:
    """Term of a NonbondedForce; Ewald sums are refused unless a reaction field may stand for them."""
    plain_methods = (force.NoCutoff, force.CutoffNonPeriodic, force.CutoffPeriodic)
    if force.getNonbondedMethod() not in plain_methods and not reaction_field_for_pme:
        raise EnergyError(
            f"force {name} sums electrostatics by Ewald or PME, which has no torch form here; "
            "reaction_field_for_pme=True takes a reaction field in its place"
        )
    return Nonbonded.from_openmm(force)


_BUILDERS: dict[str, Callable[[Any], Term]] = {
    "CMAPTorsionForce": CMAPTorsion.from_openmm,
    "CustomAngleForce": CustomBonded.from_openmm,
    "CustomBondForce": CustomBonded.from_openmm,
    "CustomNonbondedForce": CustomNonbonded.from_openmm,
    "CustomTorsionForce": CustomBonded.from_openmm,
    "HarmonicAngleForce": HarmonicAngle.from_openmm,
    "HarmonicBondForce": HarmonicBond.from_openmm,
    "PeriodicTorsionForce": PeriodicTorsion.from_openmm,
    "RBTorsionForce": RBTorsion.from_openmm,
}
