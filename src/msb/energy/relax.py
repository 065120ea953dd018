"""Relaxation with the beads held: minimisation in stages, and short runs at constant temperature."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.energy.contexts import Snapshot, worst_atoms
from msb.energy.held_frame import HeldFrame
from msb.energy.restraints import RestrainedSystem
from msb.energy.stages import Bench, Form
from msb.errors import EnergyError, MsbWarning

__all__ = ["SHRINKING", "RelaxOptions", "Relaxed", "Relaxer", "minimise", "thermal"]

FORCE_CONSTANT = 3e6  # kJ/mol/nm^2
SHRINKING = (0.5, 0.7, 0.85, 1.0)  # scale of the Lennard-Jones spheres in each stage
_ROUGH = 1e5  # kJ/mol/nm; starts with a larger force are minimised in stages
_STEPS = 330  # of a minimisation in stages

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RelaxOptions:
    """How to relax; minimisation and dynamics each read what concerns them.

    Parameters
    ----------
    stages : sequence of float, optional
        Scales of the Lennard-Jones spheres, the last one 1.  Default: 0.5, 0.7, 0.85, 1 where an atom
        feels more than 1e5 kJ/mol/nm, 1 alone elsewhere.
    max_steps : int
        Of a minimisation, shared among its stages.
    tolerance : float
        Root mean square force at which a stage stops, kJ/mol/nm.
    all_bonds : bool
        Take stiff springs on bonds softer than 1e5 kJ/mol/nm^2, which stand for constrained bonds in
        topologies made for them.
    steps : int
        Of dynamics.
    timestep, friction : float
        ps, 1/ps.
    minimise_steps : int
        Steps of minimisation before dynamics; 0 for none.
    seed : int
        Same seed, same result (on the same machine and number of threads).
    constrain : bool
        In dynamics, constrain every bond to its length at rest, except between atoms that are beads
        themselves.
    force_constant : float
        Of the springs on the beads, kJ/mol/nm^2.  In dynamics that of a light bead is lowered to what
        the time step can follow.
    names : sequence of str, optional
        Of the atoms, for messages.
    platform : str, optional
        Of OpenMM; default: Reference for less than 200 atoms, CPU else.
    threads : int, optional
        Of the CPU platform.
    """

    stages: Sequence[float] | None = None
    max_steps: int = _STEPS
    tolerance: float = 10.0
    all_bonds: bool = False
    steps: int = 500
    timestep: float = 0.001
    friction: float = 10.0
    minimise_steps: int = 15
    seed: int = 0
    constrain: bool = True
    force_constant: float = FORCE_CONSTANT
    names: Sequence[str] | None = None
    platform: str | None = None
    threads: int | None = None


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
    options : RelaxOptions, optional
        What every frame starts from.
    **changes
        Single options, by name.

    Raises
    ------
    EnergyError
        If the mapping does not fit the System, or an option is unknown.
    """

    def __init__(
        self, system: Any, mapping: Any, options: RelaxOptions | None = None, **changes: Any
    ) -> None:
        self.options = _with(options or RelaxOptions(), changes)
        self._prepared = RestrainedSystem(system, mapping)
        own = self.options
        self._bench = Bench(self._prepared, own.force_constant, None, own.platform, own.threads)

    def minimise(
        self, positions: ArrayLike, beads: ArrayLike, box: ArrayLike | None = None, **changes: Any
    ) -> Relaxed:
        """Minimise one frame; arguments as for :func:`minimise`."""
        options = _with(self.options, changes)
        frame = HeldFrame(self._prepared, positions, beads, box)
        after, steps, improved = self._descend(frame, frame.start, options, options.all_bonds)
        return self._result(frame, after, steps, improved, options.all_bonds)

    def thermal(
        self,
        positions: ArrayLike,
        beads: ArrayLike,
        temperature: float,
        box: ArrayLike | None = None,
        **changes: Any,
    ) -> Relaxed:
        """Run one frame at constant temperature; arguments as for :func:`thermal`."""
        options = _with(self.options, changes)
        frame = HeldFrame(self._prepared, positions, beads, box)
        current, taken, stiff = frame.start, 0, options.constrain
        first = _with(options, {"stages": (1.0,), "max_steps": options.minimise_steps, "tolerance": 10.0})
        again = _with(first, {"stages": None, "max_steps": _STEPS})
        for plan in (first, again):  # the second one only if the first run fails
            if plan.max_steps:
                current, more, _ = self._descend(frame, current, plan, stiff)
                taken += more
            schedule, bonds = [(temperature, options.steps)], "constrained" if stiff else "own"
            good, done, last = self._bench.run(
                frame, current, schedule, options.timestep, options.friction, bonds, options.seed
            )
            if done == options.steps:
                return self._result(frame, good.positions, taken + done, True, stiff)
        self._warn(
            f"dynamics failed after {done} of {options.steps} steps; the last good state is kept", last
        )
        return self._result(frame, good.positions if done else current, taken + done, False, stiff)

    def _descend(
        self, frame: HeldFrame, positions: Floats, options: RelaxOptions, stiff: bool
    ) -> tuple[Floats, int, bool]:
        """Minimise in stages; the input is kept where nothing lower is found."""
        full = Form(stiff=stiff)
        start = self._bench.state(frame, positions, full)
        stages = options.stages
        if stages is None:
            stages = SHRINKING if start.strongest > _ROUGH else (1.0,)
        current, steps = positions, 0
        for k, factor in enumerate(stages):
            limit = (options.max_steps - steps) // (len(stages) - k)
            form = Form(shrink=factor, stiff=stiff)
            current, taken = self._bench.descend(frame, current, form, limit, options.tolerance)
            steps += taken
        end = self._bench.state(frame, current, full)
        if end.finite and not end.energy > start.energy:
            return current, steps, True
        self._warn("minimisation found nothing better than its input, which is kept", end)
        return positions, steps, False

    def _result(
        self, frame: HeldFrame, positions: Floats, steps: int, succeeded: bool, stiff: bool
    ) -> Relaxed:
        before, after = (
            self._bench.field_energy(frame, x, Form(stiff=stiff)) for x in (frame.start, positions)
        )
        return Relaxed(frame.given(positions), before, after, *frame.away(positions), steps, succeeded)

    def _warn(self, message: str, state: Snapshot) -> None:
        what = "largest forces on" if state.finite else "not finite; worst are"
        names = worst_atoms(state, self.options.names)
        warnings.warn(f"{message} ({what} {names})", MsbWarning, stacklevel=4)


def _with(options: RelaxOptions, changes: dict[str, Any]) -> RelaxOptions:
    try:
        return dataclasses.replace(options, **changes)
    except TypeError:
        known = {field.name for field in dataclasses.fields(RelaxOptions)}
        unknown = ", ".join(f"`{name}`" for name in sorted(changes.keys() - known))
        raise EnergyError(f"relaxation has no option {unknown}; it has {', '.join(sorted(known))}") from None


def minimise(
    system: Any,
    mapping: Any,
    positions: ArrayLike,
    beads: ArrayLike,
    *,
    box: ArrayLike | None = None,
    options: RelaxOptions | None = None,
    **changes: Any,
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
    options : RelaxOptions, optional
    **changes
        Single options, by name.

    Returns
    -------
    Relaxed

    Raises
    ------
    EnergyError
        If shapes do not fit, a coordinate is not finite, or an option is unknown.

    Warns
    -----
    MsbWarning
        If the input is kept; names the atoms with the largest forces.
    """
    return Relaxer(system, mapping, options, **changes).minimise(positions, beads, box)


def thermal(
    system: Any,
    mapping: Any,
    positions: ArrayLike,
    beads: ArrayLike,
    temperature: float,
    *,
    box: ArrayLike | None = None,
    options: RelaxOptions | None = None,
    **changes: Any,
) -> Relaxed:
    """Run Langevin dynamics with the beads held: the force field samples what the beads leave free.

    A few steps of minimisation come first.  A run that fails is tried once more after a minimisation in
    stages; if it fails again, its last good state is kept.

    Parameters
    ----------
    system, mapping, positions, beads, box, options
        As for :func:`minimise`.
    temperature : float
        K.
    **changes
        Single options, by name.

    Returns
    -------
    Relaxed

    Raises
    ------
    EnergyError
        If shapes do not fit, a coordinate is not finite, or an option is unknown.

    Warns
    -----
    MsbWarning
        If the run fails; names the worst atoms.
    """
    return Relaxer(system, mapping, options, **changes).thermal(positions, beads, temperature, box)
