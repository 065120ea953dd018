"""Bonds, angles and dihedrals of a system, grouped by the types of their atoms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from msb.core.geometry import angles, dihedrals, distances
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import ConfigError, TopologyError

__all__ = ["KINDS", "Kind", "Term", "bonded_terms", "fold_improper", "term_values"]

Kind = Literal["bond", "angle", "dihedral", "improper"]
KINDS: tuple[Kind, ...] = ("bond", "angle", "dihedral", "improper")
_FILE_IMPROPERS = frozenset({2, 4})  # GROMACS' function numbers
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Term:
    """All bonds, angles or dihedrals of a system between atoms of the same types.

    Attributes
    ----------
    kind : {"bond", "angle", "dihedral", "improper"}
        Of what it is.
    types : tuple of str
        Atom types, read in the direction that comes first in the alphabet.
    atoms : ndarray (K, 2), (K, 3) or (K, 4)
        In the system's numbering.
    """

    kind: Kind
    types: tuple[str, ...]
    atoms: IntArray

    @property
    def name(self) -> str:
        """Kind and types, "angle C-C-H" for instance."""
        return f"{self.kind} {'-'.join(self.types)}"

    def __repr__(self) -> str:
        return f"<Term {self.name}: {len(self.atoms)}>"


def bonded_terms(
    topology: Topology, kinds: Sequence[Kind] = KINDS, labels: ArrayLike | None = None
) -> tuple[Term, ...]:
    """Return every bond, angle, proper and improper dihedral of a system, grouped by atom types.

    Bonds, angles and proper dihedrals follow from the bonds. Impropers are those that the topology file lists
    (GROMACS' dihedral functions 2 and 4); where a molecule's file lists none, its planar centres with their
    three neighbours, centre first.

    Parameters
    ----------
    topology : Topology
        The system.
    kinds : sequence of str
        What is wanted.
    labels : array_like of str (N,), optional
        In place of the atom types: elements, names.

    Returns
    -------
    tuple of Term
        By kind, then by types.

    Raises
    ------
    ConfigError
        A kind is not known.
    TopologyError
        There are not as many labels as atoms.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise ConfigError(f"{', '.join(sorted(unknown))}: kinds of terms are {', '.join(KINDS)}")
    names = np.asarray(topology.atom_types if labels is None else labels).astype(str)
    if names.shape != (topology.n_atoms,):
        raise TopologyError(f"{names.shape} labels do not fit {topology.n_atoms} atoms: give one an atom")
    found: list[Term] = []
    for kind in kinds:
        atoms = topology.expand(_SOURCES[kind])
        if len(atoms):
            found += _grouped(kind, atoms, names)
    return tuple(found)


def _grouped(kind: Kind, atoms: IntArray, names: NDArray[np.str_]) -> list[Term]:
    """Split rows of atoms by their types, in either direction."""
    known, codes = np.unique(names, return_inverse=True)
    rows, inverse = np.unique(codes[atoms], axis=0, return_inverse=True)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        types = tuple(str(known[code]) for code in row)
        groups[min(types, types[::-1])].append(number)
    flat = inverse.ravel()
    return [Term(kind, types, atoms[np.isin(flat, groups[types])]) for types in sorted(groups)]


def _impropers(template: MoleculeTemplate) -> IntArray:
    listed = [
        e.atoms
        for e in template.interactions
        if (e.kind == "dihedrals" and e.function in _FILE_IMPROPERS) or e.kind == "impropers"
    ]
    if not listed:
        return template.impropers
    return np.array(list(dict.fromkeys(listed)), dtype=np.int64).reshape(-1, 4)


_SOURCES = {
    "bond": lambda template: template.bonds,
    "angle": lambda template: template.angles,
    "dihedral": lambda template: template.dihedrals,
    "improper": _impropers,
}


def term_values(positions: ArrayLike, kind: Kind, atoms: ArrayLike) -> FloatArray:
    """Return lengths, angles or signed dihedrals in whole molecules.

    Parameters
    ----------
    positions : array_like (..., N, 3)
        nm; molecules whole (`msb.core.make_whole`).
    kind : {"bond", "angle", "dihedral", "improper"}
        What the atoms span.
    atoms : array_like (K, 2), (K, 3) or (K, 4)
        As in `Term`.

    Returns
    -------
    ndarray (..., K)
        nm, or radians: angles in [0, pi], dihedrals in (-pi, pi] with IUPAC's sign, impropers folded
        into [-pi/2, pi/2].
    """
    x = torch.from_numpy(np.ascontiguousarray(positions, dtype=np.float64))
    rows = torch.from_numpy(np.array(atoms, dtype=np.int64))
    function = {"bond": distances, "angle": angles}.get(kind, dihedrals)
    values: FloatArray = function(x, rows).numpy()
    return fold_improper(values) if kind == "improper" else values


def fold_improper(values: FloatArray) -> FloatArray:
    """Fold dihedrals beyond a right angle by half a turn, so that every planar centre is near zero.

    Parameters
    ----------
    values : ndarray (...)
        Radians, in (-pi, pi].

    Returns
    -------
    ndarray (...)
        Radians, in [-pi/2, pi/2].
    """
    return np.asarray(np.where(np.abs(values) > np.pi / 2, values - np.copysign(np.pi, values), values))
