r"""Energies that are zero wherever the target is, and rise beyond (thesis, eqs. 7.2 and 7.3).

.. math::
    U(\phi) = a\,(\phi - \phi_{min})^2 \ (\phi < \phi_{min}), \quad
              a\,(\phi - \phi_{max})^2 \ (\phi > \phi_{max}), \quad 0 \ \text{else}; \qquad
    U(d) = a\,(1 - d / d_{min})^2 \ (d < d_{min}).
"""

from __future__ import annotations

from typing import Any

from msb.core.topology import Topology
from msb.morph.statistics import EXCLUDED, Ranges

__all__ = ["flat_bottom_system"]

_A = 1000.0  # kJ/mol; of a bond that is off by the whole mean bond, of an angle off by 1 rad, of d = 0


def flat_bottom_system(topology: Topology, ranges: Ranges, bond: float) -> Any:
    """Return the walls around a target's range as an OpenMM System of all beads of a system.

    Parameters
    ----------
    topology : Topology
        Of chains of beads.
    ranges : Ranges
        Of the target.
    bond : float
        Its mean bond, nm, which makes the constant of bonds.

    Returns
    -------
    openmm.System
        Without a box; pair energies end at the target's shortest non-bonded distance.
    """
    import openmm

    system = openmm.System()
    for mass in topology.masses:
        system.addParticle(float(mass))
    bonds = topology.expand(lambda molecule: molecule.bonds)
    stretch = openmm.CustomBondForce(_walls("r", _A / bond**2, ranges.bond))
    for one, other in bonds.tolist():
        stretch.addBond(one, other)
    bend = openmm.CustomAngleForce(_walls("theta", _A, ranges.angle))
    for corner in topology.expand(lambda molecule: molecule.angles).tolist():
        bend.addAngle(*corner)
    forces = [stretch, bend]
    if 0 < ranges.nearest < float("inf"):
        d = ranges.nearest
        apart = openmm.CustomNonbondedForce(f"{_A!r}*step({d!r}-r)*(1-r/{d!r})^2")
        for _ in range(topology.n_atoms):
            apart.addParticle()
        apart.createExclusionsFromBonds(bonds.tolist(), EXCLUDED)
        apart.setNonbondedMethod(apart.CutoffNonPeriodic)
        apart.setCutoffDistance(d)
        forces.append(apart)
    for force in forces:
        system.addForce(force)
    return system


def _walls(x: str, a: float, ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{a!r}*(step({low!r}-{x})*({low!r}-{x})^2+step({x}-{high!r})*({x}-{high!r})^2)"
