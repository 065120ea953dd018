"""Short runs of Langevin dynamics that stop before they go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.energy.contexts import Snapshot, make_context, place_box, snapshot
from msb.units import BOLTZMANN

__all__ = ["Langevin"]

_CHUNK = 25  # steps between checks
_FIRST = (1, 4)  # steps before the first checks: a frame that bursts does so at once
_BURST = 1e7  # kJ/mol/nm; a force that throws even a carbon atom a nanometre away in one step
_CONSTRAINTS = 1e-6  # relative error of constrained lengths

Floats = NDArray[np.float64]


class Langevin:
    """Dynamics of one system; its context is made once and serves many runs.

    Parameters
    ----------
    system : openmm.System
    timestep, friction : float
        ps, 1/ps.
    box : float array (3, 3), optional
        nm; of the first run, later ones may have others.
    platform, threads : optional
        As for :func:`msb.energy.contexts.make_context`.
    """

    def __init__(
        self,
        system: Any,
        timestep: float,
        friction: float,
        box: Floats | None = None,
        platform: str | None = None,
        threads: int | None = None,
    ) -> None:
        import openmm

        self._integrator = openmm.LangevinMiddleIntegrator(0.0, friction, timestep)
        self._integrator.setConstraintTolerance(_CONSTRAINTS)
        self.context = make_context(system, self._integrator, box, platform, threads)

    def run(
        self,
        positions: Floats,
        schedule: Sequence[tuple[float, int]],
        seed: int,
        box: Floats | None = None,
    ) -> tuple[Snapshot, int, Snapshot]:
        """Run from velocities drawn at the first temperature.

        Every 25 steps the state must be finite and its potential energy at most 3 kT per atom above the
        start; else the run ends and the last good state is kept.  It ends as well where constraints bring
        atoms into each other, before the first step: OpenMM may crash on atoms that are thrown far away.

        Parameters
        ----------
        positions : float array (N, 3)
            nm.
        schedule : sequence of (float, int)
            Temperatures, K, and for how many steps each.
        seed : int
            Same seed, same run, whatever was run before.
        box : float array (3, 3), optional
            nm.

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

        context, integrator = self.context, self._integrator
        integrator.setRandomNumberSeed(1 + seed % (2**31 - 2))  # 0 would mean: from the clock
        context.reinitialize()  # or the seed would not count
        place_box(context, box)
        good = last = snapshot(context, positions)
        hottest = max((temperature for temperature, _ in schedule), default=0.0)
        allowed = good.energy + 3 * BOLTZMANN * hottest * len(positions)
        done = at = 0
        try:
            context.applyConstraints(_CONSTRAINTS)
            last = snapshot(context)
            if _bursts(last):
                return good, done, last
            for part, (temperature, steps) in enumerate(schedule):
                integrator.setTemperature(temperature)
                if not part:
                    context.setVelocitiesToTemperature(temperature, 1 + (seed + 1) % (2**31 - 2))
                for chunk in _chunks(steps, () if part else _FIRST):
                    integrator.step(chunk)
                    last, at = snapshot(context), at + chunk
                    calm = last.energy <= allowed
                    if _bursts(last) or not (calm or at < min(_CHUNK, steps)):
                        return good, done, last
                    if calm:
                        good, done = last, at
        except openmm.OpenMMException:  # a coordinate is NaN, or constraints cannot be satisfied
            last = snapshot(context)
        return good, done, last


def _bursts(state: Snapshot) -> bool:
    return not state.finite or state.strongest > _BURST


def _chunks(steps: int, first: tuple[int, ...]) -> list[int]:
    """Steps between checks."""
    ends = [*np.cumsum(first).tolist(), *range(_CHUNK, steps, _CHUNK), steps]
    return [later - end for end, later in pairwise([0, *sorted({min(end, steps) for end in ends})])]
