"""Short runs of Langevin dynamics that stop before they go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.energy.contexts import Snapshot, make_context, snapshot
from msb.units import BOLTZMANN

__all__ = ["langevin"]

_CHUNK = 25  # steps between checks
_CONSTRAINTS = 1e-6  # relative error of constrained lengths

Floats = NDArray[np.float64]


def langevin(
    system: Any,
    positions: Floats,
    temperature: float,
    steps: int,
    timestep: float,
    friction: float,
    seed: int,
    box: Floats | None = None,
    platform: str | None = None,
) -> tuple[Snapshot, int, Snapshot]:
    """Run at constant temperature, from velocities drawn at that temperature.

    Every 25 steps the state must be finite and its potential energy at most 3 kT per atom above the
    start; else the run ends and the last good state is kept.

    Parameters
    ----------
    system : openmm.System
    positions : float array (N, 3)
        nm.
    temperature : float
        K.
    steps : int
    timestep, friction : float
        ps, 1/ps.
    seed : int
        Same seed, same run.
    box : float array (3, 3), optional
        nm.
    platform : str, optional

    Returns
    -------
    good : Snapshot
        Last good state.
    done : int
        Steps up to it.
    last : Snapshot
        Last state looked at: `good`, unless the run failed.
    """
    import openmm

    integrator = openmm.LangevinMiddleIntegrator(temperature, friction, timestep)
    integrator.setRandomNumberSeed(1 + seed % (2**31 - 2))  # 0 would mean: from the clock
    integrator.setConstraintTolerance(_CONSTRAINTS)
    context = make_context(system, integrator, box, platform)
    good = last = snapshot(context, positions)
    allowed = good.energy + 3 * BOLTZMANN * temperature * len(positions)
    done = 0
    try:
        context.applyConstraints(_CONSTRAINTS)
        context.setVelocitiesToTemperature(temperature, 1 + (seed + 1) % (2**31 - 2))
        while done < steps:
            chunk = min(_CHUNK, steps - done)
            integrator.step(chunk)
            last = snapshot(context)
            if not (last.finite and last.energy <= allowed):
                break
            good, done = last, done + chunk
    except openmm.OpenMMException:  # a coordinate is NaN, or constraints cannot be satisfied
        last = snapshot(context)
    return good, done, last
