"""OpenMM contexts: made on the right platform, asked for finite states, and told which atoms are worst."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.errors import EnergyError

__all__ = ["Snapshot", "make_context", "place_box", "snapshot", "worst_atoms"]

_SMALL = 200  # atoms; below, the Reference platform is quicker than the CPU one

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Snapshot:
    """State of a context.

    Parameters
    ----------
    positions, forces : float array (N, 3)
        nm, kJ/mol/nm.
    energy : float
        kJ/mol.
    """

    positions: Floats
    forces: Floats
    energy: float

    @property
    def finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        return bool(
            np.isfinite(self.energy) and np.isfinite(self.positions).all() and np.isfinite(self.forces).all()
        )

    @property
    def strongest(self) -> float:
        """Largest force on an atom, kJ/mol/nm; infinite where one is not finite."""
        sizes = np.linalg.norm(self.forces, axis=1)
        return float(sizes.max(initial=0.0)) if np.isfinite(sizes).all() else float("inf")


def make_context(
    system: Any,
    integrator: Any = None,
    box: Floats | None = None,
    platform: str | None = None,
    threads: int | None = None,
) -> Any:
    """Context of a System.

    Parameters
    ----------
    system : openmm.System
    integrator : openmm.Integrator, optional
        Default: one that is never stepped.
    box : float array (3, 3), optional
        Row vectors, nm.
    platform : str, optional
        Default: Reference for less than 200 atoms, CPU else.  The CPU platform sums forces in a fixed order.
    threads : int, optional
        Of the CPU platform; default: ``$OPENMM_CPU_THREADS``, else all cores.

    Returns
    -------
    openmm.Context

    Raises
    ------
    EnergyError
        If the platform is not there, or OpenMM refuses the system.
    """
    import openmm
    from openmm import unit
    from openmm.app.internal.unitcell import reducePeriodicBoxVectors

    name = platform or ("Reference" if system.getNumParticles() < _SMALL else "CPU")
    properties = {}
    if name == "CPU":
        properties["DeterministicForces"] = "true"
        wanted = str(threads) if threads else os.environ.get("OPENMM_CPU_THREADS")
        if wanted:
            properties["Threads"] = wanted
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*reducePeriodicBoxVectors(box * unit.nanometer))
    try:
        chosen = openmm.Platform.getPlatformByName(name)
        return openmm.Context(system, integrator or openmm.VerletIntegrator(0.001), chosen, properties)
    except openmm.OpenMMException as error:
        raise EnergyError(f"OpenMM cannot evaluate this system on its {name} platform: {error}") from error


def place_box(context: Any, box: Floats | None) -> None:
    """Give a context another box.

    Parameters
    ----------
    context : openmm.Context
    box : float array (3, 3), optional
        Row vectors, nm; without one the context keeps its own.

    Raises
    ------
    EnergyError
        If the box is no box, or too small for the cutoff.
    """
    if box is None:
        return
    import openmm
    from openmm import unit
    from openmm.app.internal.unitcell import reducePeriodicBoxVectors

    try:
        context.setPeriodicBoxVectors(*reducePeriodicBoxVectors(box * unit.nanometer))
    except openmm.OpenMMException as error:
        raise EnergyError(f"OpenMM refuses the box {np.round(box, 4).tolist()}: {error}") from error


def snapshot(context: Any, positions: Floats | None = None) -> Snapshot:
    """State of a context, at given positions or where it is.

    Parameters
    ----------
    context : openmm.Context
    positions : float array (N, 3), optional
        nm.

    Returns
    -------
    Snapshot
        Its energy is NaN where OpenMM finds a coordinate to be NaN.

    Raises
    ------
    EnergyError
        If OpenMM refuses the frame, its box being too small for the cutoff for instance.
    """
    import openmm

    if positions is not None:
        context.setPositions(positions)
        context.computeVirtualSites()
    try:
        state = context.getState(positions=True, forces=True, energy=True)
    except openmm.OpenMMException as error:
        if "NaN" not in str(error):  # "Particle coordinate is NaN" is told by the snapshot itself
            raise EnergyError(f"OpenMM cannot evaluate this frame: {error}") from error
        nothing = np.full((context.getSystem().getNumParticles(), 3), np.nan)
        return Snapshot(nothing, nothing, float("nan"))
    return Snapshot(
        state.getPositions(asNumpy=True)._value,
        state.getForces(asNumpy=True)._value,
        state.getPotentialEnergy()._value,
    )


def worst_atoms(state: Snapshot, names: Sequence[str] | None = None, number: int = 5) -> str:
    """The atoms with the largest forces, in words.

    Parameters
    ----------
    state : Snapshot
    names : sequence of str, optional
        Of all atoms; default: their indices.
    number : int

    Returns
    -------
    str
        Like ``"ALA2-CB (3.1e+07 kJ/mol/nm), atom 4 (...)"``, the worst first.
    """
    sizes = np.linalg.norm(state.forces, axis=1)
    order = np.argsort(-np.where(np.isnan(sizes), np.inf, sizes), kind="stable")[:number]
    return ", ".join(f"{names[k] if names else f'atom {k}'} ({sizes[k]:.1e} kJ/mol/nm)" for k in order)
