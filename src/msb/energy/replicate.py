"""OpenMM Systems of any numbers of molecules, from the Systems of single molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike

from msb.core.topology import Topology
from msb.energy.parameters import plain
from msb.energy.systems import make_bonded_periodic
from msb.errors import EnergyError

__all__ = ["split_system", "system_of"]

_TUPLES = {  # name of an interaction in OpenMM's methods, and its number of atoms
    "HarmonicBondForce": ("Bond", 2),
    "CustomBondForce": ("Bond", 2),
    "HarmonicAngleForce": ("Angle", 3),
    "CustomAngleForce": ("Angle", 3),
    "PeriodicTorsionForce": ("Torsion", 4),
    "RBTorsionForce": ("Torsion", 4),
    "CustomTorsionForce": ("Torsion", 4),
    "CMAPTorsionForce": ("Torsion", 8),
}
_PARTICLES = ("NonbondedForce", "CustomNonbondedForce", "GBSAOBCForce")
_LISTS = ("Bonds", "Angles", "Torsions", "Particles", "Exceptions", "Exclusions")
_LEFT_OUT = ("CMMotionRemover",)
_SITES = {
    "TwoParticleAverageSite": 2,
    "ThreeParticleAverageSite": 3,
}


def system_of(
    topology: Topology,
    force_fields: Mapping[str, Any],
    box: ArrayLike | None = None,
    *,
    method: str | None = None,
    cutoff: float | None = None,
    dielectric: float | None = None,
    dispersion_correction: bool | None = None,
) -> Any:
    """System of all molecules of a topology.

    Parameters
    ----------
    topology : Topology
    force_fields : mapping of str to openmm.System
        Of one molecule of each kind, by its template's name.
    box : array_like (3, 3), optional
        Row vectors, nm.  Without one there are no periodic images.
    method : {"reaction-field", "none", "PME"}, optional
        Electrostatics; default: as the force fields have it, made periodic where there is a box.
    cutoff, dielectric : float, optional
        nm, and of the reaction field; default: as the force fields have them.
    dispersion_correction : bool, optional
        Default: as the force fields have it.

    Returns
    -------
    openmm.System

    Raises
    ------
    EnergyError
        A molecule has no force field or one of other atoms, or the force fields do not go together.
    """
    import openmm
    from openmm import unit
    from openmm.app.internal.unitcell import reducePeriodicBoxVectors

    _check_known(topology, force_fields)
    settings = (method, cutoff, dielectric, dispersion_correction, box is not None)
    molecules = {
        t.name: _Molecule(t.name, force_fields[t.name], settings) for t in dict.fromkeys(topology.templates)
    }
    for template in topology.templates:
        molecules[template.name].check(template.n_atoms, template.atom_names)
    _check_together(list(molecules.values()))
    system, made = openmm.System(), {}
    for molecule in molecules.values():
        for shell in molecule.shells:
            if shell not in made:
                made[shell] = openmm.XmlSerializer.deserialize(shell)
                system.addForce(made[shell])
    for template, first, count in topology.blocks():
        for copy in range(count):
            molecules[template.name].add(system, made, first + copy * template.n_atoms)
    if box is not None:
        vectors = np.asarray(box, dtype=np.float64) * unit.nanometer
        system.setDefaultPeriodicBoxVectors(*reducePeriodicBoxVectors(vectors))
    make_bonded_periodic(system, box is not None)
    return system


def split_system(system: Any, topology: Topology) -> dict[str, Any]:
    """Systems of single molecules, cut out of one that holds at least one of each kind.

    Parameters
    ----------
    system : openmm.System
        Of the topology's atoms, in their order; molecules of a kind must be alike, the first is taken.
    topology : Topology

    Returns
    -------
    dict of str to openmm.System
        By template name.

    Raises
    ------
    EnergyError
        The System has other atoms, a force ties molecules together, or a force cannot be copied.
    """
    import openmm

    if system.getNumParticles() != topology.n_atoms:
        raise EnergyError(
            f"the force field has {system.getNumParticles()} atoms, the topology {topology.n_atoms}: both "
            "must describe the same system"
        )
    whole = _Molecule("the system", system, (None, None, None, None, None))
    parts = {}
    for template, first, count in topology.blocks():
        if template.name not in parts and count:
            part = openmm.System()
            made = {shell: openmm.XmlSerializer.deserialize(shell) for shell in whole.shells}
            for shell in made:
                part.addForce(made[shell])
            whole.add(part, made, -first, range(first, first + template.n_atoms))
            parts[template.name] = part
    return parts


def _check_known(topology: Topology, force_fields: Mapping[str, Any]) -> None:
    unknown = sorted({t.name for t in topology.templates} - set(force_fields))
    if unknown:
        near = get_close_matches(unknown[0], list(force_fields), n=3)
        raise EnergyError(
            f"no force field for molecules {', '.join(unknown)}; there are force fields for "
            f"{', '.join(sorted(force_fields)) or 'none'}"
            + (f" (nearest: {', '.join(near)})" if near else "")
        )


def _check_together(molecules: Sequence[_Molecule]) -> None:
    """Pair forces must be set up alike, and exist for all molecules."""
    for first, other in pairwise(molecules):
        if first.pair_shells != other.pair_shells:
            raise EnergyError(
                f"the force fields of {first.name} and {other.name} treat pairs differently (cutoff, "
                "electrostatics, combination rule or tables): read both from one topology"
            )


class _Molecule:
    """Particles, constraints, sites and interactions of a System as plain rows."""

    def __init__(self, name: str, system: Any, settings: tuple[Any, ...]) -> None:
        self.name, self.n_atoms = name, system.getNumParticles()
        self._masses = [plain(system.getParticleMass(k)) for k in range(self.n_atoms)]
        rows = (system.getConstraintParameters(k) for k in range(system.getNumConstraints()))
        self._constraints = [(i, j, plain(length)) for i, j, length in rows]
        self._sites = [
            (k, _site(name, system.getVirtualSite(k))) for k in range(self.n_atoms) if system.isVirtualSite(k)
        ]
        self.shells: list[str] = []
        self.pair_shells: list[str] = []
        self._rows: list[tuple[str, str, list[Any], list[Any]]] = []
        for force in system.getForces():
            if type(force).__name__ not in _LEFT_OUT:
                self._read(force, settings)

    def _read(self, force: Any, settings: tuple[Any, ...]) -> None:
        import openmm

        kind = type(force).__name__
        if kind not in _TUPLES and kind not in _PARTICLES:
            raise EnergyError(f"the force field of {self.name} has a {kind}, which cannot be copied here")
        for what in ("ParticleParameterOffsets", "ExceptionParameterOffsets", "InteractionGroups"):
            if getattr(force, f"getNum{what}", int)():
                raise EnergyError(f"the {kind} of {self.name} has {what}, which cannot be copied here")
        force = openmm.XmlSerializer.clone(force)
        if kind in _PARTICLES:
            _set_up(force, kind, *settings)
        shell = _shell(force)
        self.shells.append(shell)
        if kind in _PARTICLES:
            if shell in self.pair_shells:
                raise EnergyError(f"the force field of {self.name} has two equal {kind}s: join them first")
            self.pair_shells.append(shell)
        self._rows.append((kind, shell, *_rows(force, kind)))

    def check(self, n_atoms: int, names: Sequence[str]) -> None:
        """Refuse a template of another number of atoms."""
        if n_atoms != self.n_atoms:
            raise EnergyError(
                f"the force field of {self.name} has {self.n_atoms} atoms, the topology's molecule {n_atoms} "
                f"({', '.join(names[:3])} ...)"
            )

    def add(self, system: Any, made: Mapping[str, Any], shift: int, window: range | None = None) -> None:
        """Add the molecule, or the atoms of a window, with atom numbers shifted."""
        inside = range(self.n_atoms) if window is None else window
        for k in inside:
            system.addParticle(self._masses[k])
        for i, j, length in self._constraints:
            if i in inside:
                system.addConstraint(i + shift, j + shift, length)
        for k, (kind, atoms, weights) in self._sites:
            if k in inside:
                import openmm

                site = getattr(openmm, kind)(*(a + shift for a in atoms), *weights)
                system.setVirtualSite(k + shift, site)
        for kind, shell, particles, interactions in self._rows:
            force = made[shell]
            for row in particles[inside.start : inside.stop]:
                force.addParticle(*row)
            _add_interactions(force, kind, interactions, shift, inside, self.name)


def _add_interactions(
    force: Any, kind: str, interactions: list[Any], shift: int, inside: range, name: str
) -> None:
    method = {"NonbondedForce": "addException", "CustomNonbondedForce": "addExclusion"}.get(kind)
    adder = getattr(force, method or f"add{_TUPLES[kind][0]}") if interactions else None
    for before, atoms, parameters in interactions:
        if atoms[0] not in inside:
            continue
        if not all(a in inside for a in atoms):
            raise EnergyError(f"a {kind} of {name} ties two molecules together: atoms {list(atoms)}")
        adder(*before, *(a + shift for a in atoms), *parameters)  # type: ignore[misc]


def _rows(force: Any, kind: str) -> tuple[list[Any], list[Any]]:
    """Particles, and interactions as (what comes before the atoms, atoms, parameters)."""
    particles: list[Any] = []
    if kind in _PARTICLES:
        number = range(force.getNumParticles())
        found = [plain(force.getParticleParameters(k)) for k in number]
        custom = kind.startswith("Custom")
        particles = [[list(row)] if custom else [plain(v) for v in row] for row in found]
    if kind == "NonbondedForce":
        exceptions = [force.getExceptionParameters(k) for k in range(force.getNumExceptions())]
        return particles, [((), row[:2], [plain(v) for v in row[2:]]) for row in exceptions]
    if kind == "CustomNonbondedForce":
        exclusions = [force.getExclusionParticles(k) for k in range(force.getNumExclusions())]
        return particles, [((), row, ()) for row in exclusions]
    if kind not in _TUPLES:
        return particles, []
    name, n = _TUPLES[kind]
    getter = getattr(force, f"get{name}Parameters")
    table = [getter(k) for k in range(getattr(force, f"getNum{name}s")())]
    first = 1 if kind == "CMAPTorsionForce" else 0  # the number of the map comes before the atoms
    return particles, [
        (row[:first], row[first : first + n], [plain(v) for v in row[first + n :]]) for row in table
    ]


def _set_up(
    force: Any,
    kind: str,
    method: str | None,
    cutoff: float | None,
    dielectric: float | None,
    dispersion_correction: bool | None,
    periodic: bool | None,
) -> None:
    """Make a pair force periodic or not, with the cutoff asked for."""
    if periodic is None:
        return
    methods = {"reaction-field": "CutoffPeriodic", "none": "NoCutoff", "PME": "PME"}
    if method is not None and method not in methods:
        raise EnergyError(f"`method` must be one of {', '.join(methods)}, got {method!r}")
    cutoffs = [getattr(force, n) for n in ("CutoffPeriodic", "Ewald", "PME", "LJPME") if hasattr(force, n)]
    if not periodic:
        force.setNonbondedMethod(force.NoCutoff)
    elif method is not None and hasattr(force, methods[method]):
        force.setNonbondedMethod(getattr(force, methods[method]))
    elif force.getNonbondedMethod() not in cutoffs or method is not None:
        force.setNonbondedMethod(force.CutoffPeriodic)
    if cutoff is not None:
        force.setCutoffDistance(cutoff)
    if kind == "NonbondedForce":
        if dielectric is not None:
            force.setReactionFieldDielectric(dielectric)
        if dispersion_correction is not None:
            force.setUseDispersionCorrection(dispersion_correction)
    elif kind == "CustomNonbondedForce" and dispersion_correction is not None:
        force.setUseLongRangeCorrection(dispersion_correction)


def _shell(force: Any) -> str:
    """A force without its particles and interactions, as XML: forces with the same shell are merged."""
    from openmm import XmlSerializer

    tree = ElementTree.fromstring(XmlSerializer.serialize(force))
    for name in _LISTS:
        for child in tree.findall(name):
            child.clear()
    return ElementTree.tostring(tree, encoding="unicode")


def _site(name: str, site: Any) -> tuple[str, list[int], list[float]]:
    """A virtual site as its kind, atoms and numbers."""
    kind = type(site).__name__
    atoms = [site.getParticle(k) for k in range(site.getNumParticles())]
    if kind in _SITES:
        return kind, atoms, [site.getWeight(k) for k in range(_SITES[kind])]
    if kind == "OutOfPlaneSite":
        return kind, atoms, [site.getWeight12(), site.getWeight13(), site.getWeightCross()]
    raise EnergyError(f"the force field of {name} has a {kind}, which cannot be copied here")
