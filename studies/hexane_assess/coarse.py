"""Coarse-grained hexane: potentials that are what their distributions say, and dynamics of the beads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.topology import Topology

__all__ = [
    "CUTOFF",
    "GAP",
    "KT",
    "TYPES",
    "Mixture",
    "Potentials",
    "bead_system",
    "dynamics",
    "kind_of",
    "own_forces",
]

FloatArray = NDArray[np.float64]
KT = 0.0083144626 * 300.0  # kJ/mol
CUTOFF, SPACING = 1.0, 0.01  # nm, of the tables between molecules
TYPES = ("A-A", "A-B", "B-B")
STEP = 0.008  # ps
GAP = 0.3  # nm, between tables that are joined
FRICTION = 5.0  # 1/ps
WALL, WALL_SHARE = 12.0, 1e-6  # a wide normal that keeps the logarithm finite far from all others


@dataclass(frozen=True)
class Mixture:
    """A density as a sum of normals, whose logarithm is the potential (direct Boltzmann inversion).

    Attributes
    ----------
    shares, means, widths : tuple of float
        Of the normals; nm or radians.
    """

    shares: tuple[float, ...]
    means: tuple[float, ...]
    widths: tuple[float, ...]

    @classmethod
    def fit(cls, values: FloatArray, weights: FloatArray, count: int, rounds: int = 200) -> Mixture:
        """Fit by expectation maximisation.

        Parameters
        ----------
        values, weights : ndarray (R,)
            Samples and what each counts (one over the Jacobian).
        count : int
            Normals.
        rounds : int
        """
        w = weights / weights.sum()
        means = np.quantile(values, (np.arange(count) + 0.5) / count)
        widths, shares = np.full(count, values.std() / count), np.full(count, 1.0 / count)
        for _ in range(rounds):
            density = shares * np.exp(-0.5 * ((values[:, None] - means) / widths) ** 2) / widths + 1e-300
            belongs = density / density.sum(axis=1, keepdims=True) * w[:, None]
            shares = belongs.sum(axis=0)
            means = (belongs * values[:, None]).sum(axis=0) / shares
            spread = (belongs * (values[:, None] - means) ** 2).sum(axis=0) / shares
            widths = np.sqrt(np.maximum(spread, 1e-8))
        return cls(tuple(shares.tolist()), tuple(means.tolist()), tuple(widths.tolist()))

    def density(self, values: FloatArray) -> FloatArray:
        """Density (R,) up to what the wide normal adds."""
        s, m, w = (np.array(part) for part in (self.shares, self.means, self.widths))
        return (
            np.asarray((s / w * np.exp(-0.5 * ((values[:, None] - m) / w) ** 2)).sum(axis=1))
            / (2 * np.pi) ** 0.5
        )

    def expression(self, variable: str) -> str:
        """Return the potential in OpenMM's words, kJ/mol."""
        height = max(s / w for s, w in zip(self.shares, self.widths, strict=True))
        middle = sum(s * m for s, m in zip(self.shares, self.means, strict=True))
        parts = list(zip(self.shares, self.means, self.widths, strict=True))
        parts.append((WALL_SHARE * max(self.widths) * WALL, middle, WALL * max(self.widths)))
        terms = [f"{s / w / height:.8g}*exp(-({variable}-{m:.8g})^2/{2 * w * w:.8g})" for s, m, w in parts]
        return f"-{KT:.8g}*log({'+'.join(terms)})"


@dataclass(frozen=True)
class Potentials:
    """Bonds, the angle (or none) and the tables between molecules.

    Attributes
    ----------
    bond : Mixture
    angle : Mixture or None
    pairs : dict of str to tuple of float
        By types (`TYPES`); kJ/mol on 0, SPACING ... CUTOFF.
    """

    bond: Mixture
    angle: Mixture | None
    pairs: dict[str, tuple[float, ...]]

    def without_angle(self) -> Potentials:
        """Return the same without the angle's term."""
        return replace(self, angle=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Potentials:
        """Read what `to_dict` gave."""
        angle = None if plain["angle"] is None else _mixture(plain["angle"])
        return cls(_mixture(plain["bond"]), angle, {k: tuple(v) for k, v in plain["pairs"].items()})


def _mixture(plain: dict[str, Any]) -> Mixture:
    return Mixture(*(tuple(plain[part]) for part in ("shares", "means", "widths")))


def kind_of(one: str, other: str) -> str:
    """Return the name of a pair of bead types."""
    return "-".join(sorted((one, other)))


def bead_system(potentials: Potentials, beads: Topology, edge: float) -> Any:
    """Return the OpenMM System of the beads in a cubic box.

    Parameters
    ----------
    potentials : Potentials
    beads : Topology
        Of three-bead molecules A B A.
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
    bond = openmm.CustomBondForce(potentials.bond.expression("r"))
    angle = openmm.CustomAngleForce("0" if potentials.angle is None else potentials.angle.expression("theta"))
    apart = openmm.CustomNonbondedForce(f"table(r+(t1+t2)*{CUTOFF + GAP})")
    apart.addPerParticleParameter("t")
    apart.setNonbondedMethod(apart.CutoffPeriodic)
    apart.setCutoffDistance(CUTOFF)
    table = _one_table(potentials)
    apart.addTabulatedFunction("table", openmm.Continuous1DFunction(table, 0, SPACING * (len(table) - 1)))
    for kind in beads.atom_types:
        apart.addParticle([float(kind == "B")])
    for first in range(0, beads.n_atoms, 3):
        bond.addBond(first, first + 1)
        bond.addBond(first + 1, first + 2)
        angle.addAngle(first, first + 1, first + 2)
        for i, j in ((0, 1), (1, 2), (0, 2)):
            apart.addExclusion(first + i, first + j)
    for force in (bond, angle):
        force.setUsesPeriodicBoundaryConditions(True)
    for force in (bond, apart) if potentials.angle is None else (bond, angle, apart):
        system.addForce(force)
    return system


def _one_table(potentials: Potentials) -> FloatArray:
    """Return A-A, A-B and B-B one after another, with gaps so wide that the spline through all is each one's.

    One look-up for a pair of beads is three times as quick as one for each kind of pair.
    """
    half = round(GAP / SPACING / 2)
    parts = []
    for k, kind in enumerate(TYPES):
        own = np.array(potentials.pairs[kind])
        following = potentials.pairs[TYPES[k + 1]][0] if k + 1 < len(TYPES) else 0.0
        parts += [own, np.zeros(half), np.linspace(0, following, half + 1)[1:-1]]
    return np.concatenate(parts)


def dynamics(
    system: Any, start: FloatArray, settle: int, frames: int, every: int, seed: int
) -> Iterator[FloatArray]:
    """Yield positions (M, 3), nm, of Langevin dynamics at constant volume, molecules whole.

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

    integrator = openmm.LangevinMiddleIntegrator(KT / 0.0083144626, FRICTION, STEP)
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, integrator, platform, {"Threads": "1"})
    context.setPositions(start)
    context.setVelocitiesToTemperature(KT / 0.0083144626, seed)
    integrator.step(settle)
    for _ in range(frames):
        integrator.step(every)
        state = context.getState(getPositions=True, enforcePeriodicBox=True)
        yield np.asarray(state.getPositions(asNumpy=True)._value, dtype=np.float64)


def own_forces(system: Any, positions: FloatArray) -> NDArray[np.float32]:
    """Forces of the coarse-grained model itself on its beads.

    Parameters
    ----------
    system : openmm.System
        As `bead_system` makes it.
    positions : ndarray (M, 3)
        nm.

    Returns
    -------
    float32 array (M, 3)
        kJ/mol/nm.
    """
    import openmm

    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Threads": "1"})
    context.setPositions(positions)
    return np.asarray(context.getState(getForces=True).getForces(asNumpy=True)._value, dtype=np.float32)
