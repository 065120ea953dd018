"""A Kremer-Grest melt: what it is made of, a start without overlaps, and how GROMACS is told.

Inside simulations 1 nm is one bead diameter sigma, 1 kJ/mol is kT and 1 amu the mass of a bead, so that 1 ps
is one tau = sigma (m / kT)^1/2 and kT = 1 kJ/mol at 120.27 K. In files 0.1 nm is one sigma.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.morph import chain_topology

__all__ = ["BOND", "CUTOFF", "DENSITY", "KAPPA", "KT_TEMPERATURE", "Melt", "grown"]

FloatArray = NDArray[np.float64]

DENSITY = 0.85  # beads per sigma^3
KAPPA = 0.8815  # thesis, section 7.2.1: between isotactic and atactic polystyrene
BOND = 0.965  # sigma
CUTOFF = 2 ** (1 / 6)  # sigma: the minimum of Lennard-Jones, where WCA ends
SPRING, LONGEST = 30.0, 1.5  # FENE: kT / sigma^2 and sigma
FRICTION = 1.0  # 1/tau
KT_TEMPERATURE = 1 / 8.31446261815324e-3  # K, where kT is 1 kJ/mol
SOFT_STEPS, SOFT_HEIGHT = 40, 60.0  # the push-off: stages, and kT at the end
SETTLING = 2000  # steps of small size once beads have their true potentials


@dataclass(frozen=True)
class Melt:
    """Chains in a cubic box at the Kremer-Grest density.

    Attributes
    ----------
    chains, beads : int
        Chains, and beads of each.
    kappa : float
        Bending stiffness of eq. 2.44, kT (1 - cos) of the angle between bonds.
    """

    chains: int
    beads: int
    kappa: float = KAPPA

    @property
    def name(self) -> str:
        """Such as 24x32."""
        return f"{self.chains}x{self.beads}"

    @property
    def size(self) -> int:
        """Beads in all."""
        return self.chains * self.beads

    @property
    def edge(self) -> float:
        """Of the box, sigma."""
        return float((self.size / DENSITY) ** (1 / 3))

    @property
    def topology(self) -> Topology:
        """Linear chains, every bead called KG."""
        words = ["KG"] * self.size
        return chain_topology([self.beads] * self.chains, words, words, resnames=words)

    def top(self) -> str:
        """Return the ``.top`` of GROMACS: bonded beads repel each other as all do, so nothing is excluded."""
        bonds = [f"{k} {k + 1} 7 {LONGEST} {SPRING}" for k in range(1, self.beads)]
        angles = [f"{k} {k + 1} {k + 2} 8 0 {self.kappa}" for k in range(1, self.beads - 1)]
        lines = ["[ defaults ]", "1 1 no 1 1", "[ atomtypes ]", "KG 1.0 0.0 A 4.0 4.0"]
        lines += ["[ moleculetype ]", "KG 0", "[ atoms ]"]
        lines += [f"{k} KG 1 KG KG {k} 0.0 1.0" for k in range(1, self.beads + 1)]
        lines += ["[ bonds ]", *bonds, "[ angles ]", *angles]
        return "\n".join([*lines, "[ system ]", "Kremer-Grest", "[ molecules ]", f"KG {self.chains}", ""])

    def bending(self) -> str:
        """Return the table of eq. 2.44 over the angle of three beads (180 degrees: straight)."""
        degrees = np.arange(0, 180.01, 0.1)
        angle = np.radians(degrees)
        rows = zip(degrees, 1 + np.cos(angle), np.sin(angle) * np.pi / 180, strict=True)
        return "".join(f"{d:.2f} {u:.10e} {f:.10e}\n" for d, u, f in rows)

    def walks(self, rng: np.random.Generator) -> FloatArray:
        """Return random walks of bonds that do not turn back, (N, 3) in sigma: chains with overlaps."""
        x = np.empty((self.chains, self.beads, 3))
        x[:, 0] = rng.uniform(0, self.edge, (self.chains, 3))
        step = _directions(self.chains, rng)
        for k in range(1, self.beads):
            x[:, k] = x[:, k - 1] + BOND * step
            step = self._turned(step, rng)
        return x.reshape(-1, 3)

    def _turned(self, step: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the next bonds: by the bending potential, and beads two apart not inside each other."""
        out, todo = step.copy(), np.arange(len(step))
        while len(todo):
            trial = _directions(len(todo), rng)
            cosine = (trial * step[todo]).sum(axis=1)
            weight = np.exp(self.kappa * (cosine - 1)) * (BOND * np.sqrt(2 + 2 * cosine) > 1.0)
            taken = rng.random(len(todo)) < weight
            out[todo[taken]] = trial[taken]
            todo = todo[~taken]
        return out


def _directions(n: int, rng: np.random.Generator) -> FloatArray:
    x = rng.normal(size=(n, 3))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def grown(melt: Melt, seed: int) -> FloatArray:
    """Return a start: walks pushed off each other by a slowly growing soft potential, then the true one.

    Parameters
    ----------
    melt : Melt
    seed : int

    Returns
    -------
    ndarray (N, 3)
        sigma, chains whole.
    """
    import openmm

    x = melt.walks(np.random.default_rng(seed))
    context = _context(melt, soft=True, seed=seed)
    context.setPositions(x)
    openmm.LocalEnergyMinimizer.minimize(context, 1.0, 200)
    context.setVelocitiesToTemperature(KT_TEMPERATURE, seed)
    for height in np.linspace(SOFT_HEIGHT / SOFT_STEPS, SOFT_HEIGHT, SOFT_STEPS):
        context.setParameter("height", height)
        context.getIntegrator().step(200)
    x = _positions(context)
    context = _context(melt, soft=False, seed=seed)
    context.setPositions(x)
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 1000)
    context.setVelocitiesToTemperature(KT_TEMPERATURE, seed)
    context.getIntegrator().step(SETTLING)
    return _positions(context)


def _positions(context: Any) -> FloatArray:
    state = context.getState(getPositions=True)
    return np.asarray(state.getPositions(asNumpy=True)._value)


def _context(melt: Melt, *, soft: bool, seed: int) -> Any:
    """Return an OpenMM context of the melt: with harmonic bonds and soft beads, or as it is."""
    import openmm

    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * melt.edge))
    for _ in range(melt.size):
        system.addParticle(1.0)
    fene = f"-{SPRING / 2}*{LONGEST**2}*log(1-(r/{LONGEST})^2)"
    bonds = openmm.CustomBondForce(f"500*(r-{BOND})^2" if soft else fene)
    angles = openmm.CustomAngleForce(f"{melt.kappa}*(1+cos(theta))")
    for first in range(0, melt.size, melt.beads):
        for k in range(first, first + melt.beads - 1):
            bonds.addBond(k, k + 1, [])
        for k in range(first, first + melt.beads - 2):
            angles.addAngle(k, k + 1, k + 2, [])
    pairs = openmm.CustomNonbondedForce(
        f"height*(1+cos({np.pi / CUTOFF:.12f}*r))" if soft else "4*(1/r^12-1/r^6)+1"
    )
    if soft:
        pairs.addGlobalParameter("height", SOFT_HEIGHT / SOFT_STEPS)
    pairs.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    pairs.setCutoffDistance(CUTOFF)
    for _ in range(melt.size):
        pairs.addParticle([])
    for force in (bonds, angles, pairs):
        system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(KT_TEMPERATURE, FRICTION, 0.005)
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    return openmm.Context(system, integrator, platform, {"Threads": "1", "DeterministicForces": "true"})
