"""Force fields of molecules with rigid bonds: what holds a bond has no energy, and its force is unknown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.core.mapping import Mapping
from msb.data.rigid import RigidBonds
from msb.data.snapshots import Snapshots
from msb.energy.system import WITHOUT_ENERGY
from msb.energy.systems import make_bonded_periodic

__all__ = ["constrained_pairs", "rigid_bonds_of", "without_rigid_terms"]

_TERMS = ("HarmonicBondForce", "CustomBondForce", "HarmonicAngleForce", "CustomAngleForce")
_ATOMS = re.compile(r'\bp[123]="(\d+)"')
Ints = NDArray[np.int64]


def constrained_pairs(system: Any) -> Ints:
    """Pairs of atoms that a System constrains.

    Parameters
    ----------
    system : openmm.System

    Returns
    -------
    int array (K, 2)
        Smaller index first, ascending, each once.
    """
    rows = [system.getConstraintParameters(k)[:2] for k in range(system.getNumConstraints())]
    return _unique(np.array(rows, dtype=np.int64).reshape(-1, 2))


def rigid_bonds_of(
    positions: ArrayLike, mapping: Mapping, boxes: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Bonds that a simulation held at their lengths, found in its frames.

    Parameters
    ----------
    positions : float array (F, N, 3)
        nm; three decimals are enough.
    mapping : Mapping
        Of the system.
    boxes : float array (F, 3, 3), optional
        nm.

    Returns
    -------
    int array (K, 2)
        Smaller index first, ascending.
    """
    cells = None if boxes is None else np.asarray(boxes, dtype=np.float32)
    snapshots = Snapshots.of(np.asarray(positions, dtype=np.float32), mapping, cells)
    found = RigidBonds.of([snapshots]).constraints(mapping.topology)
    return _unique(np.zeros((0, 2), dtype=np.int64) if found is None else found[0])


def without_rigid_terms(system: Any, pairs: Ints) -> Any:
    """Copy of a System without constraints, and without terms over what is rigid.

    Terms of rigid bonds go, and terms of angles all three sides of which are rigid.  In a periodic System
    bonded terms take minimum images.

    Parameters
    ----------
    system : openmm.System
        Not changed.
    pairs : int array (K, 2)
        Rigid bonds; those that the System constrains count only if they are among them.

    Returns
    -------
    openmm.System
    """
    import openmm

    rigid = {(min(i, j), max(i, j)) for i, j in np.asarray(pairs).tolist()}
    made = openmm.XmlSerializer.clone(system)
    for k in reversed(range(made.getNumConstraints())):
        made.removeConstraint(k)
    for k in reversed(range(made.getNumForces())):
        kind = type(made.getForce(k)).__name__
        if kind in WITHOUT_ENERGY:
            made.removeForce(k)
        elif kind in _TERMS and rigid:
            made.addForce(_flexible(made.getForce(k), rigid))
            made.removeForce(k)
    if system.usesPeriodicBoundaryConditions():
        make_bonded_periodic(made)
    return made


def _flexible(force: Any, rigid: set[tuple[int, int]]) -> Any:
    """Copy of a force without the terms all of whose atoms are held together by rigid bonds."""
    from openmm import XmlSerializer

    kept = []
    for line in XmlSerializer.serialize(force).splitlines():
        atoms = sorted(int(atom) for atom in _ATOMS.findall(line))
        sides = {(a, b) for k, a in enumerate(atoms) for b in atoms[k + 1 :]}
        if not (sides and sides <= rigid):
            kept.append(line)
    return XmlSerializer.deserialize("\n".join(kept))


def _unique(pairs: Ints) -> Ints:
    return np.asarray(np.unique(np.sort(pairs, axis=1), axis=0), dtype=np.int64)
