"""The contexts of a relaxation: each form of the system made once, given the frame's box and beads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msb.energy.contexts import Snapshot, make_context, place_box, snapshot
from msb.energy.descent import descend
from msb.energy.dynamics import Langevin
from msb.energy.held_frame import HeldFrame
from msb.energy.restraints import Hands, RestrainedSystem, bead_masses, bead_springs, hold_beads

__all__ = ["Bench", "Form"]

_STRIDE = 0.7  # largest time step times frequency of a bead on its spring

Floats = NDArray[np.float64]


class Form(NamedTuple):
    """A form of the system to minimise in.

    Parameters
    ----------
    terms : {"all", "bonded", "angles"}
        All forces; those along bonds; bonds and angles alone.
    shrink : float
        Scale of the Lennard-Jones spheres; charges are left out below 1.
    stiff : bool
        Whether soft bonds, placeholders of constraints, get stiff springs.
    held : bool
        Whether the beads are held.
    handed : bool
        Whether centres are kept from turning over.
    """

    terms: str = "all"
    shrink: float = 1.0
    stiff: bool = False
    held: bool = True
    handed: bool = False


class Bench:
    """Where frames of one system are relaxed.

    Parameters
    ----------
    prepared : RestrainedSystem
    force_constant : float
        Of the springs on the beads, kJ/mol/nm^2.
    hands : Hands, optional
        Of the centres.
    platform, threads : optional
        As for :func:`msb.energy.contexts.make_context`.
    """

    def __init__(
        self,
        prepared: RestrainedSystem,
        force_constant: float,
        hands: Hands | None = None,
        platform: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.prepared, self.hands = prepared, hands
        self._constants = np.full(prepared.weights.shape[0], float(force_constant))
        self._platform, self._threads = platform, threads
        self._contexts: dict[Form, tuple[Any, Any, Any]] = {}
        self._baths: dict[tuple[float, float, str], tuple[Langevin, Any]] = {}

    def context(self, frame: HeldFrame, form: Form) -> Any:
        """Context of a form at a frame's box and beads."""
        if form not in self._contexts:
            system = self.prepared.form(form.terms, form.shrink, form.stiff)
            springs = centres = None
            if form.held:
                springs = bead_springs(self.prepared.weights, frame.beads, self._constants)
                system.addForce(springs)
            if form.handed and self.hands is not None and len(self.hands.corners):
                centres = self.hands.force()
                system.addForce(centres)
            made = make_context(system, None, frame.box, self._platform, self._threads)
            self._contexts[form] = made, springs, centres
        context, springs, centres = self._contexts[form]
        place_box(context, frame.box)
        if springs is not None:
            hold_beads(context, springs, frame.beads)
        if centres is not None and self.hands is not None:
            self.hands.update(context, centres)
        return context

    def descend(
        self,
        frame: HeldFrame,
        positions: Floats,
        form: Form,
        max_steps: int,
        tolerance: float,
        seed: int = 0,
    ) -> tuple[Floats, int]:
        """Minimise in one form; positions stay where they are if nothing finite is found."""
        state, steps = descend(self.context(frame, form), positions, max_steps, tolerance, seed)
        return (state.positions if state.finite else positions), steps

    def state(self, frame: HeldFrame, positions: Floats, form: Form) -> Snapshot:
        """Energy and forces of a form."""
        return snapshot(self.context(frame, form), positions)

    def field_energy(self, frame: HeldFrame, positions: Floats, form: Form) -> float:
        """Energy of a form's force field alone, kJ/mol."""
        context = self.context(frame, form)
        context.setPositions(positions)
        context.computeVirtualSites()
        return float(context.getState(energy=True, groups={0}).getPotentialEnergy()._value)

    def run(
        self,
        frame: HeldFrame,
        positions: Floats,
        schedule: Sequence[tuple[float, int]],
        timestep: float,
        friction: float,
        bonds: str,
        seed: int,
    ) -> tuple[Snapshot, int, Snapshot]:
        """Dynamics with the beads held; see :meth:`Langevin.run`.

        Bonds are "constrained", all "stiff", or as the system has them ("own").  The spring on a light
        bead is lowered to what the time step can follow.
        """
        key = (timestep, friction, bonds)
        if key not in self._baths:
            prepared = self.prepared
            system = _moving(prepared, bonds)
            inertia = bead_masses(prepared.weights, prepared.masses)
            constants = np.minimum(self._constants, inertia * (_STRIDE / timestep) ** 2)
            springs = bead_springs(prepared.weights, frame.beads, constants)
            system.addForce(springs)
            bath = Langevin(system, timestep, friction, frame.box, self._platform, self._threads)
            self._baths[key] = bath, springs
        bath, springs = self._baths[key]
        hold_beads(bath.context, springs, frame.beads)
        return bath.run(positions, schedule, seed, frame.box)


def _moving(prepared: RestrainedSystem, bonds: str) -> Any:
    """System for dynamics."""
    if bonds == "constrained":
        return prepared.constrained()
    return prepared.stiff(all_bonds=True) if bonds == "stiff" else prepared.unchanged()
