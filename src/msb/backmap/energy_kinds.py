"""Which interactions the atoms of a bead take part in: one table for all beads that are alike.

A bead's interactions are written in numbers that do not depend on where in the system it is: atoms count from
its own first one.  Beads for which all of this is equal share a kind, in one chain or in many.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.backmap.energy_families import Columns, Family
from msb.backmap.energy_pairs import LennardJonesCoulomb, PairForce
from msb.core.scene import Tables
from msb.energy.parameters import Table
from msb.errors import EnergyError

__all__ = ["DUMMIES", "BeadKinds", "Excluded", "Slots"]

#: Atoms that are nowhere, at the end of every list: the most that one interaction has.
DUMMIES = 8
_NONE = 2**62

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Slots:
    """Interactions of one family, bead kind by bead kind.

    Attributes
    ----------
    family : Family
    atoms : Tensor (U, T, k)
        Numbers in a bead's list of atoms: own, context, dummies; rows are filled up with dummies.
    there : bool Tensor (U, T)
    parameters : Table
        Columns (U, T, ...).
    """

    family: Family
    atoms: Tensor
    there: Tensor
    parameters: Table


@dataclass(frozen=True, eq=False)
class Excluded:
    """Atoms of other beads that a pair force leaves out.

    Attributes
    ----------
    others : Tensor (U, E)
        Counted from the bead's first atom, rising; filled up with a number that no atom has.
    pairs : bool Tensor (U, A, E)
        Whether an own atom leaves such an atom out.
    """

    others: Tensor
    pairs: Tensor


@dataclass(frozen=True, eq=False)
class BeadKinds:
    """Tables of all bead kinds of a system.

    Attributes
    ----------
    kind, first : Tensor (M,)
        Kind of each bead, and the first of its atoms in the order of placement.
    keys : tuple of str, U of them
        What tells kinds apart, the same in every system that has the kind.
    slot : Tensor (N,)
        Place of each atom among the atoms of its bead.
    context : Tensor (U, C)
        Atoms of other beads that own atoms interact with by families, counted from the bead's first atom,
        rising; filled up with a number that no atom has.
    families : tuple of Slots
    excluded : tuple of Excluded
        One for each pair force.
    """

    kind: Tensor
    first: Tensor
    keys: tuple[str, ...]
    slot: Tensor
    context: Tensor
    families: tuple[Slots, ...]
    excluded: tuple[Excluded, ...]

    @classmethod
    def of(cls, tables: Tables, families: Sequence[Family], forces: Sequence[PairForce]) -> BeadKinds:
        """Find the kinds of beads of a system.

        Parameters
        ----------
        tables : Tables
        families : sequence of Family
        forces : sequence of PairForce
            Pairs inside a bead become families of their own, exceptions too.
        """
        exceptions = [f.exceptions for f in forces if isinstance(f, LennardJonesCoulomb)]
        families = [family for family in (*families, *exceptions) if len(family.atoms)]
        finder = _Finder(tables, families, forces)
        found = [finder.kind(bead) for bead in range(tables.n_beads)]
        number: dict[str, int] = {}
        kind = np.array([number.setdefault(f.key, len(number)) for f in found], dtype=np.int64)
        kinds = [found[bead] for bead in np.unique(kind, return_index=True)[1]]
        width = tables.own.shape[1]
        context = _padded([k.context for k in kinds], _NONE)
        rows = [(family, [k.rows[n] for k in kinds]) for n, family in enumerate(families)]
        rows += [_inside(force, n, kinds) for n, force in enumerate(forces)]
        rows = [(family, table) for family, table in rows if any(len(atoms) for atoms, _ in table)]
        length = width + context.shape[1]
        return cls(
            torch.from_numpy(kind),
            tables.own[:, 0].clone(),
            tuple(number),
            torch.from_numpy(finder.slot),
            torch.from_numpy(context),
            tuple(_slots(family, table, kinds, width, length) for family, table in rows),
            tuple(_exclusions(kinds, n, width) for n in range(len(forces))),
        )


Rows = tuple[Ints, Columns]


@dataclass(frozen=True, eq=False)
class _Kind:
    """One bead, atoms counted from its first own one."""

    key: str
    own: Ints  # (a,)
    atoms: Ints  # (a,) in the system, of the first bead of the kind
    context: Ints  # (c,)
    rows: list[Rows]  # of each family
    excluded: list[Ints]  # (x, 2) of each pair force: an own atom and another


class _Finder:
    """Looks beads up, one by one."""

    def __init__(self, tables: Tables, families: Sequence[Family], forces: Sequence[PairForce]) -> None:
        self.tables, self.forces = tables, forces
        self.owner = tables.owner.numpy()
        self.slot = np.zeros(tables.n_atoms, dtype=np.int64)
        own = tables.own.numpy()
        bead, place = np.nonzero(own >= 0)
        self.slot[own[bead, place]] = place
        lost = np.setdiff1d(np.arange(tables.n_atoms), own[bead, place])
        if len(lost):
            raise EnergyError(f"atom {lost[0] + 1} belongs to no bead, so no bead's energy counts it")
        self.families = [(f, _by_bead(f.atoms, self.owner, tables.n_beads)) for f in families]
        pairs = [np.concatenate([f.excluded, f.excluded[:, ::-1]]) for f in forces]
        self.pairs = [(p, _by_bead(p[:, :1], self.owner, tables.n_beads)) for p in pairs]

    @property
    def _no_rows(self) -> list[Rows]:
        return [_sorted(f, np.zeros(0, dtype=np.int64), 0) for f, _ in self.families]

    @property
    def _no_pairs(self) -> list[Ints]:
        return [pairs[:0] for pairs, _ in self.pairs]

    def kind(self, bead: int) -> _Kind:
        """Everything about one bead."""
        atoms = self.tables.own[bead].numpy()
        atoms = atoms[atoms >= 0]
        if not len(atoms):
            return _Kind("nothing", atoms, atoms, atoms, self._no_rows, self._no_pairs)
        first = int(atoms[0])
        rows = [_sorted(f, index[bead], first) for f, index in self.families]
        excluded = [np.unique(pairs[index[bead]] - first, axis=0) for pairs, index in self.pairs]
        own = atoms - first
        named = [r.ravel() for r, _ in rows] or [own]
        context = np.setdiff1d(np.concatenate(named), own)
        parts: list[NDArray[Any]] = [own, self.tables.hydrogen.numpy()[atoms], context]
        parts += [force.marks[atoms] for force in self.forces] + excluded
        parts += [array for r, columns in rows for array in (r, *columns.values())]
        return _Kind(_digest(parts), own, atoms, context, rows, excluded)


def _by_bead(atoms: Ints, owner: Ints, n_beads: int) -> list[Ints]:
    """Rows that have an atom of each bead."""
    beads = owner[atoms]
    row = np.repeat(np.arange(len(atoms)), atoms.shape[1])
    pairs = np.unique(np.stack([beads.ravel(), row], axis=1), axis=0)
    ends = np.searchsorted(pairs[:, 0], np.arange(n_beads + 1))
    return [pairs[start:end, 1] for start, end in pairwise(ends)]


def _sorted(family: Family, rows: Ints, first: int) -> Rows:
    """Interactions of a bead, atoms counted from its first one, in an order that is their own."""
    atoms = family.atoms[rows] - first
    columns = {name: column[rows] for name, column in family.columns.items()}
    flat = [column.reshape(len(rows), math.prod(column.shape[1:])) for column in columns.values()]
    order = np.lexsort(np.concatenate([atoms, *flat], axis=1).T[::-1])
    return atoms[order], {name: column[order] for name, column in columns.items()}


def _digest(parts: Sequence[NDArray[Any]]) -> str:
    """Content of arrays as a short word."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part.shape}{part.dtype.str}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _inside(force: PairForce, number: int, kinds: Sequence[_Kind]) -> tuple[Family, list[Rows]]:
    """Pairs of own atoms that a force does not leave out, as a family."""
    found: list[Rows] = []
    for kind in kinds:
        i, j = np.triu_indices(len(kind.own), 1)
        left_out = {(a, b) for a, b in kind.excluded[number].tolist()}
        ends = zip(kind.own[i].tolist(), kind.own[j].tolist(), strict=True)
        free = np.array([pair not in left_out for pair in ends], dtype=bool)
        i, j = i[free], j[free]
        pairs = np.stack([kind.own[i], kind.own[j]], axis=1)
        found.append((pairs, force.columns(kind.atoms[i], kind.atoms[j])))

    def values(vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        return force.values(vectors[0].square().sum(-1), parameters)

    return Family("pairs within beads", *found[0], values), found


def _slots(family: Family, rows: Sequence[Rows], kinds: Sequence[_Kind], width: int, length: int) -> Slots:
    """Interactions of a family as tables over kinds; `length` is where the dummies begin."""
    most = max(len(atoms) for atoms, _ in rows)
    some = next(columns for atoms, columns in rows if len(atoms))  # fills rows up: no singularities
    k = family.atoms.shape[1]
    local = np.tile(length + np.arange(k), (len(kinds), most, 1))
    columns = {
        name: np.zeros((len(kinds), most, *column.shape[1:]), column.dtype)
        for name, column in family.columns.items()
    }
    for n, ((atoms, values), kind) in enumerate(zip(rows, kinds, strict=True)):
        place = {int(a): slot for slot, a in enumerate(kind.own)}
        place |= {int(a): width + slot for slot, a in enumerate(kind.context)}
        local[n, : len(atoms)] = np.array([place[a] for a in atoms.ravel().tolist()]).reshape(atoms.shape)
        for name, column in values.items():
            columns[name][n, : len(atoms)] = column
            columns[name][n, len(atoms) :] = some[name][:1]
    there = _filled([len(atoms) for atoms, _ in rows], most)
    return Slots(family, torch.from_numpy(local), torch.from_numpy(there), Table(**columns))


def _exclusions(kinds: Sequence[_Kind], number: int, width: int) -> Excluded:
    """Atoms of other beads that a pair force leaves out."""
    apart = [kind.excluded[number][~np.isin(kind.excluded[number][:, 1], kind.own)] for kind in kinds]
    others = [np.unique(pairs[:, 1]) for pairs in apart]
    table = _padded(others, _NONE)
    pairs = np.zeros((len(kinds), width, table.shape[1]), dtype=bool)
    for n, (kind, rows) in enumerate(zip(kinds, apart, strict=True)):
        place = {int(a): slot for slot, a in enumerate(kind.own)}
        pairs[n, [place[a] for a in rows[:, 0].tolist()], np.searchsorted(others[n], rows[:, 1])] = True
    return Excluded(torch.from_numpy(table), torch.from_numpy(pairs))


def _padded(rows: Sequence[NDArray[Any]], filler: Any) -> NDArray[Any]:
    """Rows of different lengths as one table."""
    table = np.full((len(rows), max(len(row) for row in rows)), filler, dtype=rows[0].dtype)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def _filled(counts: Sequence[int], width: int) -> NDArray[np.bool_]:
    """Where rows of a table hold something."""
    return np.asarray(np.arange(width) < np.array(counts)[:, None])
