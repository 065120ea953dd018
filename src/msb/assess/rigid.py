"""Force fields of molecules with rigid bonds: what holds a bond has no energy, and its force is unknown."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.core.mapping import Mapping
from msb.data.rigid import RigidBonds
from msb.data.snapshots import Snapshots
from msb.energy.system import WITHOUT_ENERGY
from msb.energy.systems import make_bonded_periodic, system_from_xml, system_to_xml

__all__ = ["constrained_pairs", "rigid_bonds_of", "without_rigid_terms"]

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
    rigid = {(min(i, j), max(i, j)) for i, j in np.asarray(pairs).tolist()}
    periodic = system.usesPeriodicBoundaryConditions()
    root = ElementTree.fromstring(system_to_xml(system))
    for constraints in root.iter("Constraints"):
        constraints.clear()
    forces = root.find("Forces")
    for force in list(() if forces is None else forces):
        kind = force.get("type", "")
        if kind in WITHOUT_ENERGY and forces is not None:
            forces.remove(force)
        elif kind in ("HarmonicBondForce", "CustomBondForce"):
            _drop(force.find("Bonds"), rigid)
        elif kind in ("HarmonicAngleForce", "CustomAngleForce"):
            _drop(force.find("Angles"), rigid)
    made = system_from_xml(ElementTree.tostring(root, encoding="unicode"))
    if periodic:
        make_bonded_periodic(made)
    return made


def _drop(terms: ElementTree.Element | None, rigid: set[tuple[int, int]]) -> None:
    """Take out the terms all of whose atoms are held together by rigid bonds."""
    for term in list(() if terms is None else terms):
        atoms = sorted(int(term.get(name, -1)) for name in ("p1", "p2", "p3") if term.get(name) is not None)
        sides = {(a, b) for k, a in enumerate(atoms) for b in atoms[k + 1 :]}
        if sides <= rigid and terms is not None:
            terms.remove(term)


def _unique(pairs: Ints) -> Ints:
    return np.asarray(np.unique(np.sort(pairs, axis=1), axis=0), dtype=np.int64)
