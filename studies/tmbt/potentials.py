"""Coarse-grained TMBT: terms of the paper's three models, their OpenMM System, and dynamics of the beads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pairs import PairTables

from msb.core.topology import Topology

sys.path.append(str(Path(__file__).resolve().parents[1] / "hexane_assess"))  # studies are no package
from coarse import GAP, SPACING, Mixture, _one_table, kind_of

__all__ = [
    "CUTOFF",
    "KT",
    "MODELS",
    "TERMS",
    "Fields",
    "bead_system",
    "dynamics",
    "openmm_tables",
    "python_tables",
    "values",
]

FloatArray = NDArray[np.float64]
TEMPERATURE = 450.0  # K
BOLTZMANN = 0.0083144626  # kJ/mol/K
KT = BOLTZMANN * TEMPERATURE
CUTOFF = 1.3  # nm, as in the paper
STEP, FRICTION = 0.006, 5.0  # ps, 1/ps
BAR = 16.605391  # of one kJ/mol/nm^3
STRETCH = 5e-4  # of the box, for its pressure
BEADS = 7
#: Beads of a molecule (0 the triazine, 1 3 5 inner, 2 4 6 outer phenyls) in every term.
TERMS = {
    "A-B": ((0, 1), (0, 3), (0, 5)),
    "B-B": ((1, 2), (3, 4), (5, 6)),
    "A-B-B": ((0, 1, 2), (0, 3, 4), (0, 5, 6)),
    "B-A-B": ((1, 0, 3), (1, 0, 5), (3, 0, 5)),
    "B-A-B-B": ((3, 0, 1, 2), (5, 0, 1, 2), (1, 0, 3, 4), (5, 0, 3, 4), (1, 0, 5, 6), (3, 0, 5, 6)),
    "A-B-B-B": ((0, 1, 3, 5),),
}
PROPER, IMPROPER = "B-A-B-B", "A-B-B-B"
#: Terms of every model; A holds its bonds rigid.
MODELS = {
    "A": ("A-B-B", "B-A-B", PROPER, IMPROPER),
    "B": tuple(TERMS),
    "C": ("A-B", "B-B", "A-B-B", "B-A-B"),
}


@dataclass(frozen=True)
class Fields:
    """Everything that the models are made of.

    Attributes
    ----------
    curves : dict of str to tuple
        By term: bonds and angles as Mixture, the proper torsion as six Ryckaert-Bellemans coefficients
        (kJ/mol), the improper as its constant (kJ/mol/rad^2).
    lengths : dict of str to float
        Mean bond lengths, nm.
    scales : dict of str to float
        What every term is multiplied by.
    pairs : dict of str to tuple of float
        Tables between beads, kJ/mol on 0, SPACING ... CUTOFF.
    """

    curves: dict[str, Any]
    lengths: dict[str, float]
    scales: dict[str, float]
    pairs: dict[str, tuple[float, ...]]

    def energy(self, term: str, at: FloatArray) -> FloatArray:
        """Energy (R,) of a term, not scaled, up to a constant, kJ/mol."""
        curve = self.curves[term]
        if term == PROPER:
            return np.asarray(np.polynomial.polynomial.polyval(np.cos(at - np.pi), curve))
        if term == IMPROPER:
            return np.asarray(0.5 * curve[0] * at**2)
        return np.asarray(-KT * np.log(curve.density(at) + 1e-12))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        curves = {
            term: [c.shares, c.means, c.widths] if isinstance(c, Mixture) else list(c)
            for term, c in self.curves.items()
        }
        return {"curves": curves, "lengths": self.lengths, "scales": self.scales, "pairs": self.pairs}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Fields:
        """Read what `to_dict` gave."""
        curves = {
            term: tuple(c) if term in (PROPER, IMPROPER) else Mixture(*(tuple(part) for part in c))
            for term, c in plain["curves"].items()
        }
        pairs = {kind: tuple(table) for kind, table in plain["pairs"].items()}
        return cls(curves, plain["lengths"], plain["scales"], pairs)

    def scaled(self, factors: dict[str, float]) -> Fields:
        """Return the same with its terms multiplied by factors."""
        return replace(self, scales={k: v * factors.get(k, 1.0) for k, v in self.scales.items()})


def values(term: str, beads: FloatArray) -> FloatArray:
    """Lengths (nm), angles or torsions (radians) of a term, (R,), in whole molecules (F, M, 3)."""
    x = beads.reshape(-1, BEADS, 3)[:, np.array(TERMS[term])]
    edges = np.diff(x, axis=-2)
    if x.shape[-2] == 2:
        return np.linalg.norm(edges[..., 0, :], axis=-1).ravel()
    one, two = edges[..., 0, :], edges[..., 1, :]
    if x.shape[-2] == 3:
        lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1)
        return np.arccos(np.clip(-(one * two).sum(-1) / lengths, -1, 1)).ravel()
    n, m = np.cross(one, two), np.cross(two, edges[..., 2, :])
    across = (np.cross(n, m) * two).sum(-1) / np.linalg.norm(two, axis=-1)
    return np.arctan2(across, (n * m).sum(-1)).ravel()


def bead_system(fields: Fields, model: str, beads: Topology, edge: float) -> Any:
    """Return the OpenMM System of one of the models in a cubic box.

    Parameters
    ----------
    fields : Fields
    model : str
        A, B or C.
    beads : Topology
        Of the beads.
    edge : float
        nm.

    Returns
    -------
    openmm.System
    """
    import openmm

    system = openmm.System()
    for mass in beads.masses.tolist():
        system.addParticle(mass)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge).tolist())
    firsts = range(0, beads.n_atoms, BEADS)
    for term, members in TERMS.items():
        places = [[first + k for k in atoms] for first in firsts for atoms in members]
        if term in MODELS[model]:
            system.addForce(_force(fields, term, places))
        elif len(members[0]) == 2 and model == "A":
            for i, j in places:
                system.addConstraint(i, j, fields.lengths[term])
    between = python_tables if hasattr(openmm, "PythonForce") else openmm_tables
    system.addForce(between(fields, beads))
    return system


def python_tables(fields: Fields, beads: Topology) -> Any:
    """Return the tables between beads as a force of OpenMM's that numpy evaluates."""
    import openmm

    tables = np.array([[fields.pairs[kind_of(one, other)] for other in "AB"] for one in "AB"])
    kinds = np.array(["AB".index(kind) for kind in beads.atom_types])
    force = openmm.PythonForce(
        PairTables(tables, SPACING, kinds, beads.expand(lambda one: one.exclusions(3)))
    )
    force.setUsesPeriodicBoundaryConditions(True)
    return force


def openmm_tables(fields: Fields, beads: Topology) -> Any:
    """Return the tables between beads as OpenMM's own force."""
    import openmm

    apart = openmm.CustomNonbondedForce(f"table(r+(t1+t2)*{CUTOFF + GAP})")
    apart.addPerParticleParameter("t")
    apart.setNonbondedMethod(apart.CutoffPeriodic)
    apart.setCutoffDistance(CUTOFF)
    table = _one_table(fields)  # type: ignore[arg-type]
    apart.addTabulatedFunction("table", openmm.Continuous1DFunction(table, 0, SPACING * (len(table) - 1)))
    for kind in beads.atom_types:
        apart.addParticle([float(kind == "B")])
    apart.createExclusionsFromBonds([tuple(pair) for pair in beads.bonds.tolist()], 3)
    return apart


def _force(fields: Fields, term: str, places: list[list[int]]) -> Any:
    import openmm

    curve, scale = fields.curves[term], fields.scales[term]
    if term == PROPER:
        force = openmm.RBTorsionForce()
        for atoms in places:
            force.addTorsion(*atoms, *(scale * c for c in curve))
    elif term == IMPROPER:
        force = openmm.CustomTorsionForce(f"{0.5 * scale * curve[0]:.8g}*theta^2")
        for atoms in places:
            force.addTorsion(*atoms, [])
    elif len(places[0]) == 3:
        force = openmm.CustomAngleForce(f"{scale * TEMPERATURE / 300:.8g}*({curve.expression('theta')})")
        for atoms in places:
            force.addAngle(*atoms, [])
    else:
        force = openmm.CustomBondForce(f"{scale * TEMPERATURE / 300:.8g}*({curve.expression('r')})")
        for atoms in places:
            force.addBond(*atoms, [])
    force.setUsesPeriodicBoundaryConditions(True)
    return force


def dynamics(
    system: Any, start: FloatArray, settle: int, frames: int, every: int, seed: int
) -> Iterator[tuple[FloatArray, float]]:
    """Yield beads (M, 3), nm, molecules whole, and the pressure in bar, at 450 K and constant volume.

    Parameters
    ----------
    system : openmm.System
    start : ndarray (M, 3)
        nm.
    settle, frames, every : int
        Steps before the first frame, frames, steps before each.
    seed : int
    """
    import openmm

    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, STEP)
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, integrator, platform, {"Threads": "1"})
    probe = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Threads": "1"})
    context.setPositions(start)
    context.applyConstraints(1e-6)
    openmm.LocalEnergyMinimizer.minimize(context, 100.0, 100)
    context.setVelocitiesToTemperature(TEMPERATURE, seed)
    integrator.step(settle)
    for _ in range(frames):
        integrator.step(every)
        state = context.getState(getPositions=True, enforcePeriodicBox=True)
        x = np.asarray(state.getPositions(asNumpy=True)._value, dtype=np.float64)
        yield x, _pressure(probe, x, float(state.getPeriodicBoxVectors()[0][0]._value))


def _pressure(probe: Any, x: FloatArray, edge: float) -> float:
    """Return what a slightly larger and a slightly smaller box say, molecules moved whole; bar."""
    molecules = x.reshape(-1, BEADS, 3)
    centres = molecules.mean(axis=1, keepdims=True)
    energies = []
    for factor in (1 + STRETCH, 1 - STRETCH):
        probe.setPeriodicBoxVectors(*(np.eye(3) * edge * factor).tolist())
        probe.setPositions((molecules + centres * (factor - 1)).reshape(-1, 3))
        energies.append(probe.getState(getEnergy=True).getPotentialEnergy()._value)
    change = edge**3 * ((1 + STRETCH) ** 3 - (1 - STRETCH) ** 3)
    return float(BAR * (len(molecules) * KT / edge**3 - (energies[0] - energies[1]) / change))
