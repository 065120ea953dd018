"""From one row an atom and a list of bonds to templates and counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from msb.core.arrays import FloatArray, IntArray
from msb.core.elements import NO_ELEMENT
from msb.core.graph import components_of, sorted_rows
from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["AtomTable", "assemble", "molecule_starts"]

Words = Sequence[str] | npt.NDArray[Any]
_NAMED_RESIDUES = 3  # a molecule is called after its residues where it has at most so many


@dataclass(frozen=True)
class AtomTable:
    """A system's atoms, one entry an atom; residues carry consecutive numbers.

    Attributes
    ----------
    names, types, elements : sequence of str (N,)
        As in `MoleculeTemplate`.
    masses, charges : ndarray (N,)
        amu, e.
    residue_index : ndarray (N,)
        The residue of every atom.
    residue_names, residue_numbers : sequence, one a residue
        Names and numbers.
    bonds : ndarray (B, 2)
        Bonded pairs.
    interactions : sequence of Interaction
        Force-field entries, atoms in the system's numbering.
    molecule_names : sequence of str (N,), optional
        Names of the molecules, where a file gives them.
    links : ndarray (K, 2), optional
        Pairs that belong to one molecule although no bond says so.
    """

    names: Words
    types: Words
    elements: Words
    masses: FloatArray
    charges: FloatArray
    residue_index: IntArray
    residue_names: Sequence[str]
    residue_numbers: Sequence[int]
    bonds: IntArray
    interactions: Sequence[Interaction] = ()
    molecule_names: Words | None = None
    links: IntArray | None = None


def assemble(table: AtomTable) -> Topology:
    """Split a system into molecules by its bonds and let identical ones share a template.

    Molecules are connected pieces; pieces whose atoms are interleaved count as one molecule, since the atoms
    of a molecule are consecutive here. Virtual sites go with their residue. Residue numbers do not make
    molecules different.

    Parameters
    ----------
    table : AtomTable
        The atoms.

    Returns
    -------
    Topology
    """
    bonds = np.unique(np.sort(np.asarray(table.bonds, dtype=np.int64).reshape(-1, 2), axis=1), axis=0)
    links = [bonds, _links_of_sites(table, bonds), *([] if table.links is None else [table.links])]
    starts = molecule_starts(len(table.names), np.concatenate(links))
    codes = _codes(table)
    bond_starts = np.searchsorted(bonds[:, 0], starts).tolist()
    entries = sorted(table.interactions, key=lambda entry: min(entry.atoms))
    firsts = [min(entry.atoms) for entry in entries]
    entry_starts = [bisect_left(firsts, start) for start in starts.tolist()]
    shared: dict[Any, MoleculeTemplate] = {}
    molecules: list[tuple[MoleculeTemplate, int]] = []
    for number, (a, b) in enumerate(pairwise(starts.tolist())):
        local_bonds = bonds[bond_starts[number] : bond_starts[number + 1]] - a
        local = _shifted(entries[entry_starts[number] : entry_starts[number + 1]], a)
        rows = codes[a:b]
        residues = table.residue_index[a:b] - table.residue_index[a]
        key = (rows.tobytes(), residues.tobytes(), local_bonds.tobytes(), local)
        if key not in shared:
            shared[key] = _template(table, a, b, local_bonds, local)
        template = shared[key]
        if molecules and molecules[-1][0] is template:
            molecules[-1] = (template, molecules[-1][1] + 1)
        else:
            molecules.append((template, 1))
    return Topology(tuple(molecules))


def molecule_starts(n_atoms: int, bonds: IntArray) -> IntArray:
    """Return the first atom of every molecule, and `n_atoms` at the end.

    Parameters
    ----------
    n_atoms : int
        Number of atoms.
    bonds : ndarray (B, 2)
        Bonded pairs.

    Returns
    -------
    ndarray (molecules + 1,)
    """
    labels = components_of(n_atoms, bonds) if n_atoms else np.empty(0, dtype=np.int64)
    last = np.zeros(labels.max(initial=-1) + 1, dtype=np.int64)
    last[labels] = np.arange(n_atoms)  # the last assignment wins
    reach = np.maximum.accumulate(last[labels])
    ends = np.flatnonzero(reach == np.arange(n_atoms)) + 1
    return np.concatenate([[0], ends]).astype(np.int64)


def _links_of_sites(table: AtomTable, bonds: IntArray) -> IntArray:
    """Tie every unbonded particle without an element to the first atom of its residue."""
    bonded = np.zeros(len(table.names), dtype=bool)
    bonded[bonds.ravel()] = True
    sites = np.flatnonzero((np.asarray(table.elements, dtype=np.str_) == NO_ELEMENT) & ~bonded)
    _, first, inverse = np.unique(table.residue_index, return_index=True, return_inverse=True)
    return np.stack([first[inverse[sites]], sites], axis=1).astype(np.int64)


def _codes(table: AtomTable) -> IntArray:
    """Turn everything that makes atoms different into integers, (N, columns)."""
    residue_names = np.asarray(table.residue_names, dtype=np.str_)[table.residue_index]
    columns: list[npt.ArrayLike] = [
        table.names,
        table.types,
        table.elements,
        table.masses,
        table.charges,
        residue_names,
    ]
    if table.molecule_names is not None:
        columns.append(table.molecule_names)
    codes = [np.unique(np.asarray(column), return_inverse=True)[1].ravel() for column in columns]
    return np.ascontiguousarray(np.stack(codes, axis=1))


def _shifted(entries: Sequence[Interaction], first: int) -> tuple[Interaction, ...]:
    return tuple(
        Interaction(e.kind, tuple(atom - first for atom in e.atoms), e.function, e.parameters)
        for e in entries
    )


def _template(
    table: AtomTable, a: int, b: int, bonds: IntArray, entries: tuple[Interaction, ...]
) -> MoleculeTemplate:
    present, index = np.unique(table.residue_index[a:b], return_inverse=True)
    residues = tuple(str(table.residue_names[r]) for r in present)
    name = table.molecule_names[a] if table.molecule_names is not None else _name(residues)
    return MoleculeTemplate(
        str(name),
        tuple(table.names[a:b]),
        tuple(table.types[a:b]),
        tuple(table.elements[a:b]),
        table.masses[a:b],
        table.charges[a:b],
        index,
        residues,
        tuple(int(table.residue_numbers[r]) for r in present),
        sorted_rows(bonds),
        entries,
    )


def _name(residues: tuple[str, ...]) -> str:
    if len(residues) <= _NAMED_RESIDUES:
        return "-".join(residues)
    return f"{residues[0]}-to-{residues[-1]}"
