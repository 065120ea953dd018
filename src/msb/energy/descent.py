"""Minimisation: capped steepest descent out of overlaps, then L-BFGS with a stop rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.energy.contexts import Snapshot, snapshot

__all__ = ["descend", "separate"]

_ROUGH = 1e5  # kJ/mol/nm; above, L-BFGS would make leaps
_LEAP = 0.01  # nm, the farthest an atom goes in one step of the capped descent
_WINDOW = 20  # L-BFGS steps over which progress is judged
_GAIN = 1e-3  # kJ/mol per atom: less than this over a window is no progress

Floats = NDArray[np.float64]


def descend(
    context: Any, positions: Floats, max_steps: int, tolerance: float, seed: int = 0
) -> tuple[Snapshot, int]:
    """Go downhill; the best finite state is kept.

    While an atom feels more than 1e5 kJ/mol/nm, atoms move along their forces, at most 0.01 nm a step.
    L-BFGS then stops at the tolerance, after the given number of steps, or when 20 steps have gained
    less than 0.001 kJ/mol per atom.

    Parameters
    ----------
    context : openmm.Context
        Without constraints.
    positions : float array (N, 3)
        nm.
    max_steps : int
        Of both kinds together.
    tolerance : float
        Root mean square force at which to stop, kJ/mol/nm.
    seed : int
        Of the directions in which coinciding atoms are moved apart.

    Returns
    -------
    state : Snapshot
        The lowest finite one met at the ends; the start if it is the lowest (or nothing is finite).
    steps : int
        Steps taken.
    """
    start = snapshot(context, positions)
    if not start.finite:
        start = snapshot(context, separate(start, positions, seed))
    best, steps = _steepest(context, start, max_steps)
    if steps < max_steps and best.finite:
        after, more = _lbfgs(context, best, max_steps - steps, tolerance)
        steps += more
        best = after if after.finite and after.energy < best.energy else best
    return best, steps


def separate(state: Snapshot, positions: Floats, seed: int = 0) -> Floats:
    """Move atoms whose force is not finite (they coincide with another) apart, each by 0.01 nm.

    Parameters
    ----------
    state : Snapshot
    positions : float array (N, 3)
        nm.
    seed : int

    Returns
    -------
    float array (N, 3)
        The same for the same seed.
    """
    stuck = np.logical_not(np.isfinite(state.forces).all(axis=1, keepdims=True))
    directions = np.random.default_rng(seed).standard_normal(positions.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.where(stuck, positions + _LEAP * directions, positions)


def _steepest(context: Any, state: Snapshot, max_steps: int) -> tuple[Snapshot, int]:
    """Move along the forces, the strongest one by `leap`, until no force is rough."""
    best, leap, steps = state, _LEAP, 0
    while steps < max_steps and best.strongest > _ROUGH and best.finite and leap > 1e-6:
        sizes = np.linalg.norm(best.forces, axis=1, keepdims=True)
        # each atom by what its own force deserves, so that one overlap does not freeze all others
        moves = best.forces * (leap / np.maximum(sizes, _ROUGH))
        trial = snapshot(context, best.positions + moves)
        steps += 1
        if trial.finite and trial.energy < best.energy:
            best, leap = trial, min(1.2 * leap, _LEAP)
        else:
            leap *= 0.5
    return best, steps


def _lbfgs(context: Any, state: Snapshot, max_steps: int, tolerance: float) -> tuple[Snapshot, int]:
    """OpenMM's own minimiser, stopped when it makes no progress; its last finite positions on failure."""
    import openmm

    context.setPositions(state.positions)
    n_atoms = len(state.positions)

    class StopRule(openmm.MinimizationReporter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.energies: list[float] = []
            self.positions = state.positions

        def report(self, iteration: int, x: Any, grad: Any, args: Any) -> bool:
            energy = float(args["system energy"])
            if not np.isfinite(energy):
                return True
            if not self.energies or energy < min(self.energies):
                self.positions = np.array(x, dtype=np.float64).reshape(-1, 3)
            self.energies.append(energy)
            earlier = self.energies[:-_WINDOW]
            return bool(earlier) and min(earlier) - min(self.energies) < _GAIN * n_atoms

    rule = StopRule()
    try:
        openmm.LocalEnergyMinimizer.minimize(context, tolerance, max_steps, rule)
    except openmm.OpenMMException:  # NaN on the way: the last finite positions are in the rule
        return snapshot(context, rule.positions), len(rule.energies)
    after = snapshot(context)
    return (after if after.finite else snapshot(context, rule.positions)), len(rule.energies)
