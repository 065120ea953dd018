"""From OpenMM: atoms and bonds from its Topology, masses, charges, types and bonded terms from its System."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from msb.core.arrays import FloatArray, IntArray
from msb.core.assemble import AtomTable, assemble
from msb.core.elements import NO_ELEMENT, STANDARD_MASSES, guess_element, normalise_symbol
from msb.core.template import Interaction
from msb.core.topology import Topology
from msb.errors import TopologyError

if TYPE_CHECKING:
    import openmm

__all__ = ["from_openmm"]


def from_openmm(topology: openmm.app.Topology, system: openmm.System | None = None) -> Topology:
    """Make a topology from OpenMM's Topology and, for masses, charges, types and bonded terms, a System.

    A System has no type names: an atom's type is its element and a number for its Lennard-Jones parameters.
    Harmonic bonds and angles, periodic and Ryckaert-Bellemans torsions and constraints are carried over in
    GROMACS' functions and units (1, 1, 9, 3, 1; nm, kJ/mol, degrees). Non-bonded exceptions are not: what
    evaluates an energy takes the System itself.

    Parameters
    ----------
    topology : openmm.app.Topology
        Atoms, residues, bonds.
    system : openmm.System, optional
        Without it masses follow the elements and charges are zero.

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError
        There are no atoms, or the System has another number of particles.
    """
    atoms, residues = list(topology.atoms()), list(topology.residues())
    if not atoms:
        raise TopologyError("the OpenMM topology has no atoms: nothing to make a topology from")
    names = [atom.name for atom in atoms]
    symbols = [normalise_symbol(atom.element.symbol) if atom.element is not None else "" for atom in atoms]
    bonds = np.array([(bond[0].index, bond[1].index) for bond in topology.bonds()], dtype=np.int64)
    masses: FloatArray | None = None
    charges: FloatArray = np.zeros(len(atoms))
    types: list[str] | None = None
    interactions: list[Interaction] = []
    if system is not None:
        if system.getNumParticles() != len(atoms):
            raise TopologyError(
                f"the System has {system.getNumParticles()} particles, the Topology {len(atoms)}"
            )
        masses, charges, lennard_jones = _particles(system)
        interactions = list(_bonded(system))
        if not len(bonds):
            bonds = _bonds_of(interactions)
    elements = [
        s or (NO_ELEMENT if system is not None else guess_element(n))
        for s, n in zip(symbols, names, strict=True)
    ]
    if masses is None:
        masses = np.array([STANDARD_MASSES.get(symbol, 0.0) for symbol in elements])
    else:
        types = _type_names(elements, lennard_jones)
    return assemble(
        AtomTable(
            names,
            elements if types is None else types,
            elements,
            masses,
            charges,
            np.array([atom.residue.index for atom in atoms], dtype=np.int64),
            [residue.name for residue in residues],
            [_number(residue.id, residue.index + 1) for residue in residues],
            bonds.reshape(-1, 2),
            interactions,
        )
    )


def _number(text: str, otherwise: int) -> int:
    try:
        return int(text)
    except ValueError:
        return otherwise


def _particles(system: openmm.System) -> tuple[FloatArray, FloatArray, list[tuple[float, ...]]]:
    """Return masses (amu), charges (e) and (sigma, epsilon) of every particle."""
    import openmm
    from openmm import unit

    n = system.getNumParticles()
    masses = np.array([system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(n)])
    charges = np.zeros(n)
    pairs: list[tuple[float, ...]] = [(0.0, 0.0)] * n
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            for i in range(n):
                charge, sigma, epsilon = force.getParticleParameters(i)
                charges[i] = charge.value_in_unit(unit.elementary_charge)
                depth = epsilon.value_in_unit(unit.kilojoule_per_mole)
                pairs[i] = (sigma.value_in_unit(unit.nanometer) if depth else 0.0, depth)
    return masses, charges, pairs


def _type_names(elements: list[str], pairs: list[tuple[float, ...]]) -> list[str]:
    numbers: dict[str, dict[tuple[float, ...], int]] = defaultdict(dict)
    return [
        f"{element}{numbers[element].setdefault(pair, len(numbers[element]) + 1)}"
        for element, pair in zip(elements, pairs, strict=True)
    ]


def _bonded(system: openmm.System) -> Iterator[Interaction]:
    """Yield the bonded terms in GROMACS' functions and units."""
    import openmm

    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            for n in range(force.getNumBonds()):
                i, j, length, constant = force.getBondParameters(n)
                yield Interaction("bonds", (i, j), 1, (length._value, constant._value))
        elif isinstance(force, openmm.HarmonicAngleForce):
            for n in range(force.getNumAngles()):
                i, j, k, angle, constant = force.getAngleParameters(n)
                yield Interaction("angles", (i, j, k), 1, (math.degrees(angle._value), constant._value))
        elif isinstance(force, openmm.PeriodicTorsionForce):
            for n in range(force.getNumTorsions()):
                *four, times, phase, constant = force.getTorsionParameters(n)
                values = (math.degrees(phase._value), constant._value, float(times))
                yield Interaction("dihedrals", tuple(four), 9, values)
        elif isinstance(force, openmm.RBTorsionForce):
            for n in range(force.getNumTorsions()):
                parameters = force.getTorsionParameters(n)
                values_rb = tuple(c._value for c in parameters[4:])
                yield Interaction("dihedrals", tuple(parameters[:4]), 3, values_rb)
    for n in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(n)
        yield Interaction("constraints", (i, j), 1, (length._value,))


def _bonds_of(interactions: list[Interaction]) -> IntArray:
    pairs = [entry.atoms for entry in interactions if entry.kind in ("bonds", "constraints")]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
