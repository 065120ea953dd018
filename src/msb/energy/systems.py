"""OpenMM Systems made fit for use: XML text, periodic bonded forces, constrained bonds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.energy.parameters import plain
from msb.errors import EnergyError

__all__ = [
    "bond_lengths",
    "constrain_bonds",
    "constrain_pairs",
    "make_bonded_periodic",
    "system_from_xml",
    "system_to_xml",
]


def system_to_xml(system: Any) -> str:
    """Write an OpenMM System as XML text, all forces and constraints included.

    Parameters
    ----------
    system : openmm.System

    Returns
    -------
    str
    """
    from openmm import XmlSerializer

    return str(XmlSerializer.serialize(system))


def system_from_xml(text: str) -> Any:
    """Read an OpenMM System back from XML text.

    Parameters
    ----------
    text : str
        As :func:`system_to_xml` writes it.

    Returns
    -------
    openmm.System

    Raises
    ------
    EnergyError
        If the text is no System, or comes from an OpenMM too new for the installed one.
    """
    import openmm

    try:
        system = openmm.XmlSerializer.deserialize(text)
    except (openmm.OpenMMException, ValueError) as error:
        raise EnergyError(f"the force-field XML cannot be read: {error}") from error
    if not isinstance(system, openmm.System):
        raise EnergyError(f"the force-field XML describes a {type(system).__name__}, not a System")
    return system


def make_bonded_periodic(system: Any, periodic: bool = True) -> None:
    """Let bonded forces, and the exceptions of the nonbonded force, take minimum images, in place.

    OpenMM's bonded forces ignore the box unless told, so that a molecule straddling it is torn apart.

    Parameters
    ----------
    system : openmm.System
    periodic : bool
    """
    for force in system.getForces():
        if hasattr(force, "setUsesPeriodicBoundaryConditions"):
            force.setUsesPeriodicBoundaryConditions(periodic)
        if hasattr(force, "setExceptionsUsePeriodicBoundaryConditions"):
            force.setExceptionsUsePeriodicBoundaryConditions(periodic)


def bond_lengths(system: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bonds of a System and their lengths at rest.

    Parameters
    ----------
    system : openmm.System
        Its bonds are its HarmonicBondForces and CustomBondForces with a parameter ``r0``, except springs
        across an angle (Urey-Bradley), and its constraints.

    Returns
    -------
    pairs : int array (K, 2)
        Each bond once, smaller index first.
    lengths : float array (K,)
        nm.
    """
    springs: dict[tuple[int, int], float] = {}
    ends: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for force in system.getForces():
        kind = type(force).__name__
        if kind in ("HarmonicBondForce", "CustomBondForce"):
            springs.update(_springs(force))
        elif kind in ("HarmonicAngleForce", "CustomAngleForce"):
            for k in range(force.getNumAngles()):
                i, j, end = force.getAngleParameters(k)[:3]
                ends.setdefault(_ordered(i, end), []).append((i, j, end))
    across = [
        pair
        for pair in springs
        if any(
            all(leg in springs and leg not in ends for leg in (_ordered(i, j), _ordered(j, k)))
            for i, j, k in ends.get(pair, ())
        )
    ]
    for pair in across:
        del springs[pair]
    springs.update(_constraints(system))
    pairs = np.array(sorted(springs), dtype=np.int64).reshape(-1, 2)
    return pairs, np.array([springs[i, j] for i, j in sorted(springs)], dtype=np.float64)


def constrain_bonds(system: Any) -> int:
    """Constrain every bond to its length at rest, in place; constraints already there stay.

    Parameters
    ----------
    system : openmm.System

    Returns
    -------
    int
        How many constraints were added.
    """
    return constrain_pairs(system, *bond_lengths(system))


def constrain_pairs(system: Any, pairs: NDArray[np.int64], lengths: NDArray[np.float64]) -> int:
    """Constrain pairs (K, 2) to lengths (K,), nm, in place; constraints already there stay.

    Returns
    -------
    int
        How many constraints were added.
    """
    present = _constraints(system)
    added = 0
    for (i, j), length in zip(np.asarray(pairs).tolist(), np.asarray(lengths).tolist(), strict=True):
        if _ordered(i, j) not in present:
            system.addConstraint(i, j, length)
            added += 1
    return added


def _ordered(i: int, j: int) -> tuple[int, int]:
    return (i, j) if i < j else (j, i)


def _constraints(system: Any) -> dict[tuple[int, int], float]:
    """Constrained pairs and their lengths."""
    rows = (system.getConstraintParameters(k) for k in range(system.getNumConstraints()))
    return {_ordered(i, j): float(plain(length)) for i, j, length in rows}


def _springs(force: Any) -> dict[tuple[int, int], float]:
    """Pairs and lengths at rest of a force over pairs; none where it knows no such length."""
    column = None
    if type(force).__name__ == "CustomBondForce":
        names = [force.getPerBondParameterName(k) for k in range(force.getNumPerBondParameters())]
        if "r0" not in names:
            return {}
        column = names.index("r0")
    rows = (force.getBondParameters(k) for k in range(force.getNumBonds()))
    return {
        _ordered(i, j): float(plain(parameters[0]) if column is None else parameters[0][column])
        for i, j, *parameters in rows
    }
