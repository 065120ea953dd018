"""OpenMM Systems prepared for relaxation: beads held, spheres shrunken, bonds stiff or constrained."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from msb.core.box import image_shifts
from msb.core.graph import neighbours_of, spanning_tree
from msb.core.stereo import hands, signed_volumes
from msb.energy.parameters import plain
from msb.energy.systems import bond_lengths
from msb.errors import EnergyError

__all__ = [
    "HOLDING",
    "Hands",
    "RestrainedSystem",
    "bead_masses",
    "bead_springs",
    "hold_beads",
    "shrunken",
    "without_coupling",
]

_COUPLING = re.compile(r"CMMotionRemover|AndersenThermostat|MonteCarlo.*Barostat")
_STIFF = 3e5  # kJ/mol/nm^2, about a C-H bond: stands for constraints while minimising
HOLDING = 1  # force group of what holds beads and bonds; the force field itself is group 0
_SOFT = 1e5  # kJ/mol/nm^2; bonds softer than this are placeholders of constrained bonds

_ANGLES = ("HarmonicBondForce", "CustomBondForce", "HarmonicAngleForce", "CustomAngleForce")
_TORSIONS = (
    *("PeriodicTorsionForce", "RBTorsionForce"),
    *("CustomTorsionForce", "CMAPTorsionForce"),
)
_KINDS = {"angles": _ANGLES, "bonded": _ANGLES + _TORSIONS}
_VOLUME = (
    "k*max(0, v0 - s*v)^2;"
    "v = ax*(by*cz - bz*cy) + ay*(bz*cx - bx*cz) + az*(bx*cy - by*cx);"
    "ax = x1-x4; ay = y1-y4; az = z1-z4; bx = x2-x4; by = y2-y4; bz = z2-z4;"
    "cx = x3-x4; cy = y3-y4; cz = z3-z4"
)
_FLAT = 0.4  # share of a centre's volume at rest below which it is pushed back
_BARRIER = 1000.0  # kJ/mol that an inverted centre costs

Floats = NDArray[np.float64]


class RestrainedSystem:
    """A System with its beads, ready to be copied into the forms that relaxation needs.

    Parameters
    ----------
    system : openmm.System
        Not changed.
    weights : sparse matrix (M, N)
        Beads = weights @ atoms; rows sum to 1.

    Raises
    ------
    EnergyError
        If the weights do not fit the System.
    """

    def __init__(self, system: Any, weights: Any) -> None:
        self.weights = sparse.csr_matrix(weights)
        self.n_atoms = system.getNumParticles()
        if self.weights.shape[1] != self.n_atoms:
            raise EnergyError(
                f"the mapping is of {self.weights.shape[1]} atoms, the system has {self.n_atoms}: "
                "both must describe the same atoms in the same order"
            )
        self.system = without_coupling(system)
        for force in self.system.getForces():
            force.setForceGroup(0)
        self.masses = np.array([plain(system.getParticleMass(k)) for k in range(self.n_atoms)])
        self.bonds, self.lengths = bond_lengths(system)
        self._tree = spanning_tree(neighbours_of(self.n_atoms, self.bonds))

    def whole(self, positions: Floats, box: Floats | None) -> Floats:
        """Positions with every molecule in one piece, nm; first atoms stay where they are."""
        if box is None:
            return positions
        tree = self._tree
        steps = image_shifts(positions - positions[tree.parent], box)
        walk = np.zeros((2 * self.n_atoms, 3))
        walk[tree.enter], walk[tree.leave] = steps, -steps
        return np.asarray(positions - walk.cumsum(axis=0)[tree.enter] @ box)

    def near(self, positions: Floats, beads: Floats, box: Floats | None) -> Floats:
        """Images of the beads nearest to where the (whole) atoms put them, nm."""
        if box is None:
            return beads
        away = beads - self.weights @ positions
        return np.asarray(beads - image_shifts(away, box) @ box)

    def form(self, terms: str, shrink: float = 1.0, all_bonds: bool = False) -> Any:
        """Copy for minimisation with "all" forces, the "bonded" ones, or bonds and "angles" alone."""
        return self.stiff(shrink, all_bonds, () if terms == "all" else _KINDS[terms])

    def stiff(self, shrink: float = 1.0, all_bonds: bool = False, kinds: Collection[str] = ()) -> Any:
        """Copy for minimisation: stiff springs in place of constraints, or on all soft bonds."""
        system = shrunken(self.system, shrink)
        if kinds:
            _keep_kinds(system, kinds)
        held = {
            tuple(sorted(system.getConstraintParameters(k)[:2])) for k in range(system.getNumConstraints())
        }
        for k in reversed(range(system.getNumConstraints())):
            system.removeConstraint(k)
        springs = _spring_constants(system)
        from openmm import HarmonicBondForce

        force = HarmonicBondForce()
        force.setName("stiff bonds")
        force.setForceGroup(HOLDING)
        for (i, j), length in zip(self.bonds.tolist(), self.lengths, strict=True):
            if (all_bonds or (i, j) in held) and springs.get((i, j), 0.0) < _SOFT:
                force.addBond(i, j, float(length), _STIFF)
        if force.getNumBonds():
            system.addForce(force)
        return system

    def unchanged(self) -> Any:
        """Copy for dynamics with the constraints that the System has."""
        return copy.deepcopy(self.system)

    def constrained(self) -> Any:
        """Copy for dynamics: every bond constrained, except between two atoms that are beads themselves."""
        system = copy.deepcopy(self.system)
        single = self.weights.getnnz(axis=1) == 1
        anchors = set(self.weights[single].indices.tolist())
        present = {
            tuple(sorted(system.getConstraintParameters(k)[:2])) for k in range(system.getNumConstraints())
        }
        for (i, j), length in zip(self.bonds.tolist(), self.lengths, strict=True):
            if (i, j) not in present and not {i, j} <= anchors and self.masses[[i, j]].all():
                system.addConstraint(i, j, float(length))
        return system


class Hands:
    """Keeps tetrahedral centres from turning over: a one-sided spring on the volume of their neighbours.

    A centre in shape feels nothing.

    Parameters
    ----------
    corners : int array (C, 4)
        The four neighbours of each centre, in ascending order.
    signs : int array (C,)
        Wanted signs of the volumes of :func:`msb.core.stereo.signed_volumes`; 0 for any.
    volumes : float array (C,)
        Sizes of these volumes at rest, nm^3.
    """

    def __init__(self, corners: NDArray[np.int64], signs: NDArray[np.int8], volumes: Floats) -> None:
        self.corners, self.signs, self.volumes = corners, signs, volumes

    def choose(self, positions: Floats, wanted: NDArray[np.int8] | None) -> None:
        """Want some signs (C,), or those that whole molecules (N, 3) show."""
        if wanted is None:
            wanted = self._found(positions)
        self.signs = np.asarray(wanted, dtype=np.int8)

    def wrong(self, positions: Floats) -> NDArray[np.int64]:
        """Numbers of the centres of another hand than wanted in whole molecules (N, 3), nm."""
        return np.flatnonzero((self._found(positions) != self.signs) & (self.signs != 0))

    def _found(self, positions: Floats) -> NDArray[np.int8]:
        return np.asarray(hands(signed_volumes(positions, self.corners.tolist())), dtype=np.int8)

    def force(self) -> Any:
        """The springs, as an OpenMM CustomCompoundBondForce."""
        from openmm import CustomCompoundBondForce

        force = CustomCompoundBondForce(4, _VOLUME)
        force.setName("hands")
        force.setForceGroup(HOLDING)
        for name in ("k", "v0", "s"):
            force.addPerBondParameter(name)
        for number, corners in enumerate(self.corners.tolist()):
            force.addBond(corners, self._parameters(number))
        return force

    def update(self, context: Any, force: Any) -> None:
        """Make a context, of which the force of :meth:`force` is part, want the present signs."""
        for number, corners in enumerate(self.corners.tolist()):
            force.setBondParameters(number, corners, self._parameters(number))
        force.updateParametersInContext(context)

    def _parameters(self, number: int) -> list[float]:
        volume, sign = float(self.volumes[number]), float(self.signs[number])
        least = _FLAT * volume
        return [_BARRIER / (volume + least) ** 2 * abs(sign), least, sign]


def bead_masses(weights: Any, masses: Floats) -> Floats:
    r"""Inertia of each bead, :math:`1 / \sum_i w_i^2 / m_i`, what a spring on it has to move.

    Parameters
    ----------
    weights : sparse matrix (M, N)
    masses : float array (N,)
        amu; massless atoms do not count.

    Returns
    -------
    float array (M,)
        amu.
    """
    inverse = np.divide(1.0, masses, out=np.zeros_like(masses), where=masses > 0)
    mobility = np.asarray(weights.multiply(weights) @ inverse).ravel()
    inertia: Floats = np.divide(1.0, mobility, out=np.full_like(mobility, np.inf), where=mobility > 0)
    return inertia


def bead_springs(weights: Any, beads: Floats, constants: Floats) -> Any:
    """Force that holds each bead at its place, as an OpenMM CustomCentroidBondForce.

    Parameters
    ----------
    weights : sparse matrix (M, N)
    beads : float array (M, 3)
        Places, nm.
    constants : float array (M,)
        kJ/mol/nm^2.

    Returns
    -------
    openmm.CustomCentroidBondForce
    """
    from openmm import CustomCentroidBondForce

    force = CustomCentroidBondForce(1, "0.5*k*((x1-x0)^2+(y1-y0)^2+(z1-z0)^2)")
    force.setName("beads")
    force.setForceGroup(HOLDING)
    for name in ("x0", "y0", "z0", "k"):
        force.addPerBondParameter(name)
    for m in range(weights.shape[0]):
        row = weights[[m]]
        force.addGroup(row.indices.tolist(), row.data.tolist())
        force.addBond([m], [*map(float, beads[m]), float(constants[m])])
    return force


def hold_beads(context: Any, force: Any, beads: Floats) -> None:
    """Move the places where a context holds its beads.

    Parameters
    ----------
    context : openmm.Context
    force : openmm.CustomCentroidBondForce
        Of :func:`bead_springs`, part of the context.
    beads : float array (M, 3)
        nm.
    """
    for m, place in enumerate(beads.tolist()):
        groups, parameters = force.getBondParameters(m)
        force.setBondParameters(m, groups, [*place, parameters[3]])
    force.updateParametersInContext(context)


def without_coupling(system: Any) -> Any:
    """Copy of a System without thermostats, barostats and centre-of-mass removers.

    Parameters
    ----------
    system : openmm.System

    Returns
    -------
    openmm.System
    """
    system = copy.deepcopy(system)
    for k in reversed(range(system.getNumForces())):
        if _COUPLING.fullmatch(type(system.getForce(k)).__name__):
            system.removeForce(k)
    return system


def shrunken(system: Any, factor: float) -> Any:
    """Copy of a System with Lennard-Jones spheres scaled by a factor and, where it is below 1, no charges.

    Parameters
    ----------
    system : openmm.System
    factor : float
        1 changes nothing.

    Returns
    -------
    openmm.System
    """
    system = copy.deepcopy(system)
    for force in system.getForces() if factor != 1 else ():
        kind = type(force).__name__
        if kind == "NonbondedForce":
            _shrink_nonbonded(force, factor)
        elif kind == "CustomNonbondedForce" or (kind == "CustomBondForce" and not _knows_length(force)):
            formula = re.sub(r"\br\b", "r_scaled", force.getEnergyFunction())
            force.setEnergyFunction(f"{formula}; r_scaled = r*{1 / factor!r}")
    return system


def _keep_kinds(system: Any, kinds: Collection[str]) -> None:
    """Leave out all forces but some kinds, in place; pairs written as bonds go too."""
    for k in reversed(range(system.getNumForces())):
        force = system.getForce(k)
        kind = type(force).__name__
        if kind not in kinds or (kind == "CustomBondForce" and not _knows_length(force)):
            system.removeForce(k)


def _shrink_nonbonded(force: Any, factor: float) -> None:
    for k in range(force.getNumParticles()):
        _, sigma, epsilon = force.getParticleParameters(k)
        force.setParticleParameters(k, 0.0, sigma * factor, epsilon)
    for k in range(force.getNumExceptions()):
        i, j, _, sigma, epsilon = force.getExceptionParameters(k)
        force.setExceptionParameters(k, i, j, 0.0, sigma * factor, epsilon)


def _knows_length(force: Any) -> bool:
    """Whether a CustomBondForce is of bonds (it has a length at rest) rather than of pairs."""
    names = [force.getPerBondParameterName(k) for k in range(force.getNumPerBondParameters())]
    return "r0" in names


def _spring_constants(system: Any) -> dict[tuple[int, int], float]:
    """Spring constants of harmonic bonds; quartic bonds count as stiff."""
    found: dict[tuple[int, int], float] = {}
    for force in system.getForces():
        kind = type(force).__name__
        if kind == "HarmonicBondForce" or (kind == "CustomBondForce" and _knows_length(force)):
            for k in range(force.getNumBonds()):
                i, j, *parameters = force.getBondParameters(k)
                constant = float(plain(parameters[1])) if kind == "HarmonicBondForce" else _STIFF
                found[min(i, j), max(i, j)] = constant
    return found
