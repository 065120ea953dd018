"""Short dynamics of beads in the field of the target's statistics, the centres held."""

from __future__ import annotations

import warnings
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.noise import child_seed
from msb.energy.relax import Relaxed, Relaxer
from msb.errors import MsbWarning
from msb.morph.field import target_field
from msb.morph.statistics import LocalStatistics
from msb.units import BOLTZMANN

__all__ = ["FieldPolish"]

_STEPS, _TRIES = 100, 4
_LARGE = 10_000  # beads that take two threads; by size alone, since sums in another order are another outcome
_STEP, _FRICTION = 0.008, 2.5  # in units of the time in which a bead at thermal speed goes a mean bond

Floats = NDArray[np.float32]


class FieldPolish:
    r"""Lets beads that are out of shape or too near give way, as the target has them.

    Langevin dynamics in :func:`msb.morph.field.target_field` at the target's temperature, the centres held
    by springs and put back exactly at the end.  The time in which a bead at thermal speed goes a mean bond,
    :math:`\tau = b \sqrt{m / k_B T}`, is the unit: 100 steps of 0.008, or of half of that where they fail.

    Parameters
    ----------
    mapping : Mapping
        Onto the centres.
    aim : LocalStatistics
        What the field is made of.
    temperature : float
        K.

    Raises
    ------
    TrajectoryError
        The statistics are too poor for a field.
    """

    def __init__(self, mapping: Mapping, aim: LocalStatistics, temperature: float) -> None:
        self.mapping, self.temperature = mapping, temperature
        self._system = target_field(mapping.topology, aim, temperature)
        lightest = float(np.min(mapping.topology.masses))
        self._unit = aim.mean_bond * np.sqrt(lightest / (BOLTZMANN * temperature))  # ps

    def __call__(
        self,
        positions: Floats,
        centres: NDArray[np.float64],
        boxes: Floats | None,
        seed: int,
        frames: NDArray[np.int64],
    ) -> Floats:
        """Polish frames.

        Parameters
        ----------
        positions : float32 array (F, N, 3)
            nm, chains whole.
        centres : float64 array (F, M, 3)
            nm; where they end.
        boxes : float32 array (F, 3, 3) or None
            nm.
        seed : int
        frames : int array (F,)
            Absolute numbers, which the noise depends on.

        Warns
        -----
        MsbWarning
            Dynamics fails; the last good state is kept.
        """
        relaxer = self._alone if boxes is None else self._periodic
        made = np.empty_like(positions)
        for f, (x, goal, number) in enumerate(zip(positions, centres, frames, strict=True)):
            box = None if boxes is None else boxes[f].astype(np.float64)
            own = child_seed(seed, int(number)) & 0x7FFFFFFF
            found = self._run(relaxer, x.astype(np.float64), goal, box, own)
            made[f] = self.mapping.project(found.positions, goal).positions
        return made

    def _run(
        self,
        relaxer: Relaxer,
        x: NDArray[np.float64],
        goal: NDArray[np.float64],
        box: NDArray[np.float64] | None,
        seed: int,
    ) -> Relaxed:
        """Dynamics that halve their step where they fail: fields of few snapshots are rough."""
        step = relaxer.options.timestep
        for _ in range(_TRIES - 1):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MsbWarning)
                found = relaxer.thermal(x, goal, self.temperature, box, seed=seed, timestep=step)
            if found.succeeded:
                return found
            step /= 2
        return relaxer.thermal(x, goal, self.temperature, box, seed=seed, timestep=step)

    @cached_property
    def _alone(self) -> Relaxer:
        return self._relaxer(periodic=False)

    @cached_property
    def _periodic(self) -> Relaxer:
        return self._relaxer(periodic=True)

    def _relaxer(self, periodic: bool) -> Relaxer:
        import openmm

        system = openmm.XmlSerializer.clone(self._system)
        for force in system.getForces():
            if isinstance(force, openmm.CustomNonbondedForce) and periodic:
                force.setNonbondedMethod(force.CutoffPeriodic)
        return Relaxer(
            system,
            self.mapping.matrix,
            constrain=False,
            steps=_STEPS,
            timestep=_STEP * self._unit,
            friction=_FRICTION / self._unit,
            threads=1 if self.mapping.n_atoms < _LARGE else 2,
        )
