r"""The target's own statistics as an energy: what a choice among candidates is weighted by.

.. math::
    U = -k_B T \left[\sum_{bonds} \ln \frac{p(b)}{b^2} + \sum_{angles} \ln \frac{p(\theta)}{\sin\theta}
        + \sum_{pairs} \ln g(d)\right]

(direct Boltzmann inversion of bond lengths, angles and non-bonded distances). The network proposes beads as
the target has them; what it knows least, how near strangers come, the choice puts right, and what the choice
leaves, short dynamics in the same field (`msb.morph.polish`). Centres that are not where the target's would
be bend the outcome; `corrected` bends the statistics that the dynamics aim at the other way, as iterative
Boltzmann inversion does (Reith, Pütz, Müller-Plathe, J. Comput. Chem. 24, 1624, 2003).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, chebyshev
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.errors import TrajectoryError
from msb.morph.statistics import EXCLUDED, QUANTITIES, LocalStatistics
from msb.units import BOLTZMANN

__all__ = ["corrected", "target_field"]

Floats = NDArray[np.float64]

_FEW = 3  # values in a bin; with fewer it counts as empty
_TAIL = 10  # bins at the far end, where pairs no longer know of each other
_REACH = 1.6  # mean bonds, of the energy of pairs
_RISE = 2.0  # kT a bin, where the target has no pairs
_DEGREE = 10
_STEEP = 4000.0  # kT, of a bond that is off by the whole mean bond, of an angle off by 1 rad
_MOST = 3.0  # factor by which one correction changes a bin
_SMOOTH = 2.0  # bins over which a correction is averaged


def target_field(topology: Topology, target: LocalStatistics, temperature: float) -> Any:
    """Return the energy that a target's statistics make, as an OpenMM System of all beads of a system.

    Beyond what the target has, walls rise (thesis, eqs. 7.2 and 7.3).

    Parameters
    ----------
    topology : Topology
        Of chains of beads.
    target : LocalStatistics
        Of the snapshots that train.
    temperature : float
        K; the unit of the energy.

    Returns
    -------
    openmm.System
        Without a box.

    Raises
    ------
    TrajectoryError
        The statistics are too poor: not even a few bins with more than a few values.
    """
    import openmm

    kt = BOLTZMANN * temperature
    system = openmm.System()
    for mass in topology.masses:
        system.addParticle(float(mass))
    bonds = topology.bonds.tolist()
    angles = topology.expand(lambda molecule: molecule.angles).tolist()
    if bonds:
        steep = _STEEP / target.mean_bond**2
        stretch = openmm.CustomBondForce(_inverted(target, "bond", "r", kt, steep))
        for pair in bonds:
            stretch.addBond(*pair)
        system.addForce(stretch)
    if angles:
        bend = openmm.CustomAngleForce(_inverted(target, "angle", "theta", kt, _STEEP))
        for corner in angles:
            bend.addAngle(*corner)
        system.addForce(bend)
    system.addForce(_pairs(topology, target, kt))
    return system


def corrected(aim: LocalStatistics, target: LocalStatistics, found: LocalStatistics) -> LocalStatistics:
    r"""Return what to aim at next, so that what comes out gets nearer to the target.

    .. math:: p_{aim}' = p_{aim} \, p_{target} / p_{found}

    by at most a factor of 3, where both have more than a few values: one step of iterative Boltzmann
    inversion, :math:`U' = U + k_B T \ln (p_{found} / p_{target})`.  The logarithm is that of a straight line
    through neighbouring bins, each by the inverse of its variance, so that slopes are undone and the noise of
    few frames is not learnt.

    Parameters
    ----------
    aim : LocalStatistics
        Whose field `found` came from; the target at first.
    target : LocalStatistics
    found : LocalStatistics
        In the target's bins.
    """
    counts = {}
    for quantity in QUANTITIES:
        wanted, made = (np.asarray(own.counts[quantity], dtype=np.float64) for own in (target, found))
        both = (wanted > _FEW) & (made > _FEW)
        factors = np.ones(len(wanted))
        if both.any():
            logs = np.log((wanted[both] / wanted.sum()) / (made[both] / made.sum()))
            sure = 1 / (1 / wanted[both] + 1 / made[both])
            place = np.flatnonzero(both)
            factors[both] = np.clip(np.exp(_smoothed(place, logs, sure)), 1 / _MOST, _MOST)
        counts[quantity] = aim.counts[quantity] * factors
    return replace(aim, counts=counts)


def _smoothed(place: NDArray[np.int64], values: Floats, sure: Floats) -> Floats:
    """Return at each place (B,) the value of the line that fits its neighbours best (local regression)."""
    away = (place - place[:, None]).astype(np.float64)
    near = sure * np.exp(-0.5 * (away / _SMOOTH) ** 2)
    n, mean, spread = near.sum(1), (near * away).sum(1), (near * away**2).sum(1)
    level, slope = near @ values, (near * away) @ values
    known = n * spread - mean**2
    line = known > 1e-6 * n * spread  # a single bin has no slope
    fitted = (spread * level - mean * slope) / np.where(line, known, 1.0)
    return np.asarray(np.where(line, fitted, level / n))


def _inverted(target: LocalStatistics, quantity: str, x: str, kt: float, steep: float) -> str:
    """Return a smooth -kT ln p over the range that the target has, and steep walls beyond."""
    edges, counts = target.edges[quantity], target.counts[quantity].astype(np.float64)
    middles = 0.5 * (edges[1:] + edges[:-1])
    measure = middles**2 if quantity == "bond" else np.sin(middles)
    known = counts > _FEW
    if known.sum() < 3:
        raise TrajectoryError(
            f"the target has too few values of the {quantity} for a field of its statistics: give more "
            "snapshots, or, where candidates are not weighed by it, --polish none"
        )
    values = -np.log(counts[known] / measure[known])
    low, high = float(middles[known][0]), float(middles[known][-1])
    degree = min(_DEGREE, int(known.sum()) - 1)
    weights = np.sqrt(counts[known])
    fit = Chebyshev.fit(middles[known], values - values.min(), degree, [low, high], w=weights)
    powers = kt * np.asarray(chebyshev.cheb2poly(fit.coef))
    z = f"((2*min(max({x},{low!r}),{high!r})-{low + high!r})/{high - low!r})"
    smooth = f"{float(powers[-1])!r}"
    for power in powers[-2::-1]:
        smooth = f"({smooth})*{z}+({float(power)!r})"
    wall = kt * steep
    return f"{smooth}+{wall!r}*(step({low!r}-{x})*({low!r}-{x})^2+step({x}-{high!r})*({x}-{high!r})^2)"


def _pairs(topology: Topology, target: LocalStatistics, kt: float) -> Any:
    """Return -kT ln g of non-bonded pairs, tabulated, rising where the target has none."""
    import openmm

    middles, energies = _pair_energies(target)
    first, last = float(middles[0]), float(middles[-1])
    force = openmm.CustomNonbondedForce(f"u(max(r,{first!r}))")
    force.addTabulatedFunction("u", openmm.Continuous1DFunction((kt * energies).tolist(), first, last))
    for _ in range(topology.n_atoms):
        force.addParticle()
    force.createExclusionsFromBonds(topology.bonds.tolist(), EXCLUDED)
    force.setNonbondedMethod(force.CutoffNonPeriodic)
    force.setCutoffDistance(last)
    return force


def _pair_energies(target: LocalStatistics) -> tuple[Floats, Floats]:
    """Middles of bins up to the reach, nm, and -ln g there, which ends at zero, kT."""
    edges = target.edges["rdf"]
    middles = 0.5 * (edges[1:] + edges[:-1])
    counts = target.counts["rdf"].astype(np.float64)
    density = counts / np.diff(edges**3)
    known = counts > _FEW
    if not known.any() or not density[-_TAIL:].any():
        raise TrajectoryError(
            "the target has no non-bonded pairs for a field of its statistics: its box is too small or empty"
        )
    energies = np.zeros(len(middles))
    energies[known] = -np.log(density[known] / density[-_TAIL:].mean())
    first = int(known.argmax())
    energies[:first] = energies[first] + _RISE * np.arange(first, 0, -1)
    reach = _REACH * target.mean_bond if np.isfinite(target.mean_bond) else float(middles[-1])
    inside = middles <= max(reach, float(middles[min(first + 2, len(middles) - 1)]))
    return middles[inside], energies[inside] - energies[inside][-1]
