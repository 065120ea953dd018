"""Relaxation with the beads held: minimisation in stages, and short runs at constant temperature."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.energy.contexts import Snapshot, make_context, snapshot, worst_atoms
from msb.energy.descent import descend
from msb.energy.dynamics import langevin
from msb.energy.restraints import RestrainedSystem, bead_masses, bead_springs, hold_beads
from msb.errors import EnergyError, MsbWarning

__all__ = ["SHRINKING", "Relaxed", "Relaxer", "minimise", "thermal"]

FORCE_CONSTANT = 3e6  # kJ/mol/nm^2
SHRINKING = (0.5, 0.7, 0.85, 1.0)  # scale of the Lennard-Jones spheres in each stage
_ROUGH = 1e5  # kJ/mol/nm; starts with a larger force are minimised in stages
_STEPS = 330  # of a minimisation in stages
_STRIDE = 0.7  # largest time step times frequency of a bead on its spring

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Relaxed:
    """Outcome of a relaxation.

    Parameters
    ----------
    positions : float array (N, 3)
        nm, in the periodic images and the dtype of the input.
    energy_before, energy : float
        Potential energy of the System without what holds beads and bonds, kJ/mol.
    bead_rms, bead_max : float
        Distances of the beads from the given ones, nm.
    steps : int
        Of minimisation and dynamics.
    succeeded : bool
        False where the input, or the last good state before a failure, was kept; a warning has said why.
    """

    positions: NDArray[Any]
    energy_before: float
    energy: float
    bead_rms: float
    bead_max: float
    steps: int
    succeeded: bool


class Relaxer:
    """Relaxes many frames of one system.

    Parameters
    ----------
    system : openmm.System
        Not changed.
    mapping : sparse matrix (M, N)
        Beads = mapping @ atoms, rows sum to 1.
    names : sequence of str, optional
        Of the atoms, for messages.
    force_constant : float
        Of the springs on the beads, kJ/mol/nm^2.  In dynamics that of a light bead is lowered to what
        the time step can follow.
    platform : str, optional
        Of OpenMM; default: Reference for less than 200 atoms, CPU else.
    """

    def __init__(
        self,
        system: Any,
        mapping: Any,
        names: Sequence[str] | None = None,
        force_constant: float = FORCE_CONSTANT,
        platform: str | None = None,
    ) -> None:
        self._prepared = RestrainedSystem(system, mapping)
        self._names, self._platform = names, platform
        self._constants = np.full(self._prepared.weights.shape[0], float(force_constant))
        self._contexts: dict[tuple[float, bool], tuple[Any, Any]] = {}

    def minimise(
        self,
        positions: ArrayLike,
        beads: ArrayLike,
        box: ArrayLike | None = None,
        stages: Sequence[float] | None = None,
        max_steps: int = _STEPS,
        tolerance: float = 10.0,
        all_bonds: bool = False,
    ) -> Relaxed:
        """Minimise one frame; arguments as for :func:`minimise`."""
        frame = _Frame(self._prepared, positions, beads, box)
        state, steps, improved = self._descend(frame, frame.start, stages, max_steps, tolerance, all_bonds)
        return self._result(frame, state.positions, steps, improved, all_bonds)

    def thermal(
        self,
        positions: ArrayLike,
        beads: ArrayLike,
        temperature: float,
        box: ArrayLike | None = None,
        steps: int = 500,
        timestep: float = 0.001,
        friction: float = 10.0,
        minimise_steps: int = 15,
        seed: int = 0,
        constrain: bool = True,
    ) -> Relaxed:
        """Run one frame at constant temperature; arguments as for :func:`thermal`."""
        frame = _Frame(self._prepared, positions, beads, box)
        current, taken = frame.start, 0
        system = self._dynamic(frame, timestep, constrain)
        plans: list[tuple[Sequence[float] | None, int]] = [((1.0,), minimise_steps), (None, _STEPS)]
        for stages, limit in plans:  # the second one only if the first run fails
            if limit:
                state, more, _ = self._descend(frame, current, stages, limit, 10.0, constrain)
                current, taken = state.positions, taken + more
            good, done, last = langevin(
                system, current, temperature, steps, timestep, friction, seed, frame.box, self._platform
            )
            if done == steps:
                return self._result(frame, good.positions, taken + done, True, constrain)
        self._warn(f"dynamics failed after {done} of {steps} steps; the last good state is kept", last)
        return self._result(frame, good.positions if done else current, taken + done, False, constrain)

    def _descend(
        self,
        frame: _Frame,
        positions: Floats,
        stages: Sequence[float] | None,
        max_steps: int,
        tolerance: float,
        all_bonds: bool,
    ) -> tuple[Snapshot, int, bool]:
        """Minimise in stages; the input is kept where nothing lower is found."""
        start = snapshot(self._context(frame, 1.0, all_bonds), positions)
        if stages is None:
            stages = SHRINKING if start.strongest > _ROUGH else (1.0,)
        current, steps = positions, 0
        for k, factor in enumerate(stages):
            context = self._context(frame, factor, all_bonds)
            state, taken = descend(context, current, (max_steps - steps) // (len(stages) - k), tolerance)
            current, steps = (state.positions if state.finite else current), steps + taken
        end = snapshot(self._context(frame, 1.0, all_bonds), current)
        if end.finite and not end.energy > start.energy:
            return end, steps, True
        self._warn("minimisation found nothing better than its input, which is kept", end)
        return Snapshot(positions, start.forces, start.energy), steps, False

    def _context(self, frame: _Frame, factor: float, all_bonds: bool) -> Any:
        """Context for minimisation at the frame's box and beads; made once for many frames."""
        key = (factor, all_bonds)
        if key not in self._contexts:
            system = self._prepared.stiff(factor, all_bonds)
            springs = bead_springs(self._prepared.weights, frame.beads, self._constants)
            system.addForce(springs)
            self._contexts[key] = make_context(system, None, frame.box, self._platform), springs
        context, springs = self._contexts[key]
        frame.place(context)
        hold_beads(context, springs, frame.beads)
        return context

    def _dynamic(self, frame: _Frame, timestep: float, constrain: bool) -> Any:
        """System for dynamics with the frame's beads held."""
        system = self._prepared.constrained() if constrain else self._prepared.unchanged()
        inertia = bead_masses(self._prepared.weights, self._prepared.masses)
        constants = np.minimum(self._constants, inertia * (_STRIDE / timestep) ** 2)
        system.addForce(bead_springs(self._prepared.weights, frame.beads, constants))
        return system

    def _result(
        self, frame: _Frame, positions: Floats, steps: int, succeeded: bool, all_bonds: bool
    ) -> Relaxed:
        context = self._context(frame, 1.0, all_bonds)
        before, after = (_field_energy(context, state) for state in (frame.start, positions))
        away = np.linalg.norm(self._prepared.weights @ positions - frame.beads, axis=1)
        rms, most = float(np.sqrt(np.mean(away**2))), float(away.max(initial=0.0))
        return Relaxed(frame.given(positions), before, after, rms, most, steps, succeeded)

    def _warn(self, message: str, state: Snapshot) -> None:
        what = "largest forces on" if state.finite else "not finite; worst are"
        names = worst_atoms(state, self._names)
        warnings.warn(f"{message} ({what} {names})", MsbWarning, stacklevel=4)


class _Frame:
    """One frame in whole molecules, with the beads' images that belong to them."""

    def __init__(
        self, prepared: RestrainedSystem, positions: ArrayLike, beads: ArrayLike, box: ArrayLike | None
    ) -> None:
        self._input = np.asarray(positions)
        shape = (prepared.n_atoms, 3)
        given, wanted = np.asarray(positions, dtype=np.float64), np.asarray(beads, dtype=np.float64)
        if given.shape != shape or wanted.shape != (prepared.weights.shape[0], 3):
            raise EnergyError(
                f"relaxation is of one frame of {shape[0]} atoms and {prepared.weights.shape[0]} beads: "
                f"got positions {given.shape} and beads {wanted.shape}"
            )
        for what, values in (("atom", given), ("bead", wanted)):
            broken = np.flatnonzero(np.logical_not(np.isfinite(values).all(axis=1)))
            if len(broken):
                indices = ", ".join(map(str, broken[:5]))
                raise EnergyError(f"{len(broken)} {what}s to relax have no finite position: {what} {indices}")
        self.box = None if box is None else np.asarray(box, dtype=np.float64)
        self.start = prepared.whole(given, self.box)
        self.beads = prepared.near(self.start, wanted, self.box)
        self._moved = given - self.start

    def place(self, context: Any) -> None:
        """Give a context this frame's box."""
        if self.box is not None:
            from openmm.app.internal.unitcell import reducePeriodicBoxVectors
            from openmm.unit import nanometer

            context.setPeriodicBoxVectors(*reducePeriodicBoxVectors(self.box * nanometer))

    def given(self, positions: Floats) -> NDArray[Any]:
        """Positions in the images and dtype of the input."""
        moved = positions + self._moved
        return moved.astype(self._input.dtype if self._input.dtype.kind == "f" else np.float64)


def _field_energy(context: Any, positions: Floats) -> float:
    """Energy of the force field alone, kJ/mol."""
    context.setPositions(positions)
    return float(context.getState(energy=True, groups={0}).getPotentialEnergy()._value)


def minimise(
    system: Any,
    mapping: Any,
    positions: ArrayLike,
    beads: ArrayLike,
    *,
    box: ArrayLike | None = None,
    stages: Sequence[float] | None = None,
    max_steps: int = _STEPS,
    tolerance: float = 10.0,
    all_bonds: bool = False,
    force_constant: float = FORCE_CONSTANT,
    names: Sequence[str] | None = None,
    platform: str | None = None,
) -> Relaxed:
    """Minimise the energy with the beads held; the result is never worse than the input.

    Each stage scales the Lennard-Jones spheres (and leaves charges out below 1), which lets atoms pass
    out of each other before they repel.  Steps are shared among the stages; a stage stops early at the
    tolerance, or when 20 steps gain less than 0.001 kJ/mol per atom.

    Parameters
    ----------
    system : openmm.System
    mapping : sparse matrix (M, N)
        Beads = mapping @ atoms.
    positions : float array (N, 3)
        nm; molecules may straddle the box.
    beads : float array (M, 3)
        nm, any periodic image.
    box : float array (3, 3), optional
        Row vectors, nm; needed if the system is periodic (else its own default box serves).
    stages : sequence of float, optional
        Scales of the spheres, the last one 1.  Default: 0.5, 0.7, 0.85, 1 where an atom feels more than
        1e5 kJ/mol/nm, 1 alone elsewhere.
    max_steps : int
    tolerance : float
        Root mean square force at which a stage stops, kJ/mol/nm.
    all_bonds : bool
        Take stiff springs on bonds softer than 1e5 kJ/mol/nm^2, which stand for constrained bonds in
        topologies made for them.
    force_constant, names, platform
        As for :class:`Relaxer`.

    Returns
    -------
    Relaxed

    Raises
    ------
    EnergyError
        If shapes do not fit, or a coordinate is not finite.

    Warns
    -----
    MsbWarning
        If the input is kept; names the atoms with the largest forces.
    """
    relaxer = Relaxer(system, mapping, names, force_constant, platform)
    return relaxer.minimise(positions, beads, box, stages, max_steps, tolerance, all_bonds)


def thermal(
    system: Any,
    mapping: Any,
    positions: ArrayLike,
    beads: ArrayLike,
    temperature: float,
    *,
    box: ArrayLike | None = None,
    steps: int = 500,
    timestep: float = 0.001,
    friction: float = 10.0,
    minimise_steps: int = 15,
    seed: int = 0,
    constrain: bool = True,
    force_constant: float = FORCE_CONSTANT,
    names: Sequence[str] | None = None,
    platform: str | None = None,
) -> Relaxed:
    """Run Langevin dynamics with the beads held: the force field samples what the beads leave free.

    A few steps of minimisation come first.  A run that fails is tried once more after a minimisation in
    stages; if it fails again, its last good state is kept.

    Parameters
    ----------
    system, mapping, positions, beads, box
        As for :func:`minimise`.
    temperature : float
        K.
    steps : int
    timestep, friction : float
        ps, 1/ps.
    minimise_steps : int
        Steps of minimisation before; 0 for none.
    seed : int
        Same seed, same result (on the same machine and number of threads).
    constrain : bool
        Constrain every bond to its length at rest, except between atoms that are beads themselves.
    force_constant, names, platform
        As for :class:`Relaxer`.

    Returns
    -------
    Relaxed

    Raises
    ------
    EnergyError
        If shapes do not fit, or a coordinate is not finite.

    Warns
    -----
    MsbWarning
        If the run fails; names the worst atoms.
    """
    relaxer = Relaxer(system, mapping, names, force_constant, platform)
    return relaxer.thermal(
        *(positions, beads, temperature, box, steps, timestep, friction, minimise_steps, seed, constrain)
    )
