"""Longer and shorter chains than the one that is known: its topology and its mapping, repeat by repeat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from msb.core.mapping_template import MappingTemplate
from msb.core.polymer import polymer_atoms, polymer_template
from msb.core.template import MoleculeTemplate
from msb.errors import MsbError

__all__ = ["chain_of", "period"]

_ENDS = (1, 2, 3)  # repeats that an end may hold


def period(mapping: MappingTemplate) -> int | None:
    """Return the number of beads of a chain's repeat: the shortest one that the bead types tile.

    Parameters
    ----------
    mapping : MappingTemplate
        Of the chain.

    Returns
    -------
    int or None
        None for what is no chain of at least three repeats.
    """
    types, m = mapping.bead_types, mapping.n_beads
    for q in range(1, m // 3 + 1):
        if m % q == 0 and all(types[k] == types[k % q] for k in range(m)):
            return q
    return None


def chain_of(
    molecule: MoleculeTemplate, mapping: MappingTemplate, n_beads: int
) -> tuple[MoleculeTemplate, MappingTemplate] | None:
    """Return the same chain with another number of beads.

    Parameters
    ----------
    molecule : MoleculeTemplate
        A chain of at least three repeats.
    mapping : MappingTemplate
        Its mapping, whose beads repeat as its atoms do.
    n_beads : int
        Wanted.

    Returns
    -------
    (MoleculeTemplate, MappingTemplate) or None
        None where it is no chain, no whole number of repeats is wanted, or its repeats differ.
    """
    q = period(mapping)
    if q is None or n_beads % q:
        return None
    for ends in _ENDS:
        cut = _Cut.of(mapping, q, ends)
        n = n_beads // q - 2 * ends
        if cut is None or n < 1:
            continue
        try:
            longer = polymer_template(molecule, cut.head, cut.unit, cut.tail, n)
            return longer, _mapping(molecule, mapping, longer, cut, n)
        except MsbError:
            continue
    return None


@dataclass(frozen=True)
class _Cut:
    """Where the known chain is cut: atoms of head, tail and of the repeat in the middle."""

    period: int
    ends: int
    repeats: int
    head: list[int]
    unit: list[int]
    tail: list[int]

    @property
    def middle(self) -> int:
        """The repeat to copy, counted from 1."""
        return (self.repeats + 1) // 2

    @classmethod
    def of(cls, mapping: MappingTemplate, q: int, ends: int) -> _Cut | None:
        repeats = mapping.n_beads // q - 2 * ends
        if repeats < 1:
            return None
        monomer = np.asarray(mapping.owner) // q
        last = monomer.max() - ends + 1
        middle = ends + (repeats + 1) // 2 - 1

        def atoms(chosen: NDArray[np.bool_]) -> list[int]:
            return [int(atom) for atom in np.flatnonzero(chosen)]

        return cls(q, ends, repeats, atoms(monomer < ends), atoms(monomer == middle), atoms(monomer >= last))

    def source(self, segment: int, n: int) -> int:
        """The known chain's segment that a segment of the new one is made like."""
        if segment <= 1:
            return segment
        if segment >= n:
            return segment - n + self.repeats
        return self.middle

    def segment(self, bead: int) -> tuple[int, int]:
        """Segment of a bead of the known chain, and its number in there."""
        monomer = bead // self.period
        last = self.ends + self.repeats
        segment = min(max(monomer - self.ends + 1, 0), self.repeats + 1)
        first = 0 if segment == 0 else (last if segment > self.repeats else self.ends + segment - 1)
        return segment, bead - first * self.period

    def first_bead(self, segment: int, n: int) -> int:
        """First bead of a segment in a chain of n units."""
        return self.period * (
            0 if segment == 0 else self.ends + segment - 1 if segment <= n else self.ends + n
        )


def _mapping(
    molecule: MoleculeTemplate, mapping: MappingTemplate, longer: MoleculeTemplate, cut: _Cut, n: int
) -> MappingTemplate:
    """The known chain's rows, moved along the new one."""
    pieces = cut.head, cut.unit, cut.tail
    old = _places(molecule, cut)
    labels = polymer_atoms(molecule, *pieces, n)
    number = {(label.segment, label.local): k for k, label in enumerate(labels)}
    n_beads = cut.period * (2 * cut.ends + n)
    sources = []
    for bead in range(n_beads):
        segment, local = _segment_of(bead, cut, n)
        like = cut.source(segment, n)
        sources.append((cut.first_bead(like, cut.repeats) + local, segment - like))
    weights, fractions = (
        _moved(matrix, sources, old, number, (n_beads, longer.n_atoms))
        for matrix in (mapping.weights, mapping.fractions)
    )
    owner = []
    for label in labels:
        segment, local = cut.segment(int(mapping.owner[label.old]))
        shift = label.segment - old[label.old][0]
        owner.append(cut.first_bead(segment + shift, n) + local)
    chosen = np.array(owner, dtype=np.int64)
    crossing = chosen[longer.bonds]
    return MappingTemplate(
        molecule=longer.name,
        atom_names=longer.atom_names,
        bead_names=_names(mapping.bead_names, cut, n),
        bead_types=tuple(mapping.bead_types[k % cut.period] for k in range(n_beads)),
        weights=weights,
        owner=chosen,
        bead_bonds=crossing[crossing[:, 0] != crossing[:, 1]],
        aliases=mapping.aliases,
        fractions=fractions,
        weighting=mapping.weighting,
        masses=longer.masses,
        residue_index=longer.residue_index,
        residue_names=longer.residue_names,
        residue_numbers=longer.residue_numbers,
    )


def _places(molecule: MoleculeTemplate, cut: _Cut) -> list[tuple[int, int]]:
    """Segment of every atom of the known chain, and its number in there."""
    taken = {*cut.head, *cut.tail}
    middle = [atom for atom in range(molecule.n_atoms) if atom not in taken]
    size = len(cut.unit)
    places = {atom: (0, k) for k, atom in enumerate(sorted(cut.head))}
    places |= {atom: (1 + k // size, k % size) for k, atom in enumerate(middle)}
    places |= {atom: (cut.repeats + 1, k) for k, atom in enumerate(sorted(cut.tail))}
    return [places[atom] for atom in range(molecule.n_atoms)]


def _segment_of(bead: int, cut: _Cut, n: int) -> tuple[int, int]:
    """Segment of a bead of the new chain, and its number in there."""
    segment = min(max(bead // cut.period - cut.ends + 1, 0), n + 1)
    return segment, bead - cut.first_bead(segment, n)


def _moved(
    matrix: csr_matrix,
    sources: Sequence[tuple[int, int]],
    places: Sequence[tuple[int, int]],
    number: dict[tuple[int, int], int],
    shape: tuple[int, int],
) -> csr_matrix:
    rows, columns, values = [], [], []
    for bead, (like, shift) in enumerate(sources):
        span = slice(matrix.indptr[like], matrix.indptr[like + 1])
        for atom, value in zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True):
            segment, local = places[atom]
            rows.append(bead)
            columns.append(number[segment + shift, local])
            values.append(value)
    return csr_matrix((values, (rows, columns)), shape)


def _names(names: Sequence[str], cut: _Cut, n: int) -> tuple[str, ...]:
    """Names of the new chain's beads: numbers that count through the known one count on."""
    q, total = cut.period, 2 * cut.ends + n
    out = []
    for bead in range(q * total):
        stem, number = _split(names[bead % q])
        following, after = _split(names[bead % q + q])
        counted = number is not None and after is not None and stem == following
        out.append(f"{stem}{number + (after - number) * (bead // q)}" if counted else names[bead % q])  # type: ignore[operator]
    return tuple(out)


def _split(name: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2])) if found else (name, None)
