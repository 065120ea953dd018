"""Which atoms and beads each atom of a molecule is told about, and the axes that it is placed in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from msb.backmap.mixture.vocabulary import Vocabulary
from msb.core.arrays import FloatArray, IntArray
from msb.core.graph import neighbours_of
from msb.core.mapping_template import MappingTemplate
from msb.core.order import BeadOrder, atom_sequence, bead_ranks
from msb.core.template import MoleculeTemplate

__all__ = ["BEAD_SLOTS", "HEAVY_SLOTS", "SHARES", "BeadRow", "MoleculeRows"]

HEAVY_SLOTS = 20  # bonded neighbours whose places an atom is told
BEAD_SLOTS = 9  # beads whose places it is told
SHARES = 3  # beads that an atom may be part of and is told about
_FAR = 4  # bonds; how far heavy neighbours may be
_HYDROGEN_FAR = 3
_BEAD_FAR = 4
_Frame = tuple[list[tuple[int, bool]], bool]  # points (number, whether a bead); whether the first is bonded


@dataclass(eq=False)
class BeadRow:
    """One bead of a molecule; everything in the molecule's own numbers."""

    own: list[int]
    n_heavy: int
    atoms: list[int]
    beads: list[int]
    frame: list[list[int]]
    bonded: list[bool]
    slots: list[list[int]]
    later: list[list[bool]]
    shares: list[list[int]]
    weights: FloatArray
    signs: list[list[int]]
    handle: int
    static: list[FloatArray] = field(default_factory=list)


class MoleculeRows:
    """Finds the rows of one kind of molecule.

    With `closes` the axes of an atom lie along the line to its bead, about which the places that a bead
    leaves to its first atoms are spread.
    """

    def __init__(
        self,
        molecule: MoleculeTemplate,
        mapping: MappingTemplate,
        words: Vocabulary,
        order: BeadOrder,
        seed: int,
        closes: bool = False,
    ) -> None:
        self.closes = closes
        self.molecule, self.mapping, self.words = molecule, mapping, words
        self.ranks = bead_ranks(mapping, order, seed)
        self.own = [[int(a) for a in own] for own in atom_sequence(molecule, mapping, self.ranks)]
        self.light = [element == "H" for element in molecule.elements]
        turn = np.argsort(self.ranks)
        heavy = [a for b in turn for a in self.own[b] if not self.light[a]]
        light = [a for b in turn for a in self.own[b] if self.light[a]]
        self.place = {a: k for k, a in enumerate([*heavy, *light])}
        self.bonds = [[int(b) for b in row] for row in molecule.neighbours]
        self.beads = [[*row] for row in neighbours_of(mapping.n_beads, mapping.bead_bonds)]
        self.matrix = mapping.weights.toarray()
        self.atom_columns = words.atom_columns(molecule.atom_types)
        self.bead_columns = words.bead_columns(mapping.bead_types)

    def corners(self) -> IntArray:
        """First three neighbours (n, 3), in order of placement, of atoms with four; -1 elsewhere."""
        table = np.full((self.molecule.n_atoms, 3), -1, dtype=np.int64)
        for atom, row in enumerate(self.bonds):
            if len(row) == 4:
                table[atom] = sorted(row, key=self.place.__getitem__)[:3]
        return table

    def rows(self) -> list[BeadRow]:
        """A row for every bead."""
        return [self._row(bead) for bead in range(self.mapping.n_beads)]

    def _row(self, bead: int) -> BeadRow:
        own = self.own[bead]
        around = sorted(_walk(self.beads, bead, _BEAD_FAR).items(), key=lambda e: (e[1], self.ranks[e[0]]))
        beads = [b for b, _ in around][:BEAD_SLOTS]
        parts = {a: np.flatnonzero(self.matrix[:, a]).tolist() for a in own}
        beads += sorted({b for row in parts.values() for b in row} - set(beads))
        slots = {a: self._slots(a) for a in own}
        frames = {a: self._frame(a, bead) for a in own}
        named = {x for row in slots.values() for x in row} | {
            x for row, _ in frames.values() for x, is_bead in row if not is_bead
        }
        shared = {int(x) for a in own for b in parts[a] for x in np.flatnonzero(self.matrix[b])}
        atoms = [*own, *sorted((named | shared) - set(own))]
        column = {a: k for k, a in enumerate(atoms)}
        bead_column = {b: k for k, b in enumerate(beads)}
        turn = {a: k for k, a in enumerate(own)}
        row = BeadRow(
            own=own,
            n_heavy=sum(not self.light[a] for a in own),
            atoms=atoms,
            beads=beads,
            frame=[
                [(-2 - bead_column[x] if is_bead else column[x]) for x, is_bead in frames[a][0]] for a in own
            ],
            bonded=[frames[a][1] for a in own],
            slots=[[column[x] for x in slots[a]] for a in own],
            later=[[x in turn and turn[x] > turn[a] for x in slots[a]] for a in own],
            shares=[[bead_column[b] for b in parts[a][:SHARES]] for a in own],
            weights=self.matrix[np.ix_(beads, atoms)],
            signs=[self._signs(a, frames[a], column) for a in own],
            handle=self._handle(own, column),
        )
        row.static = [self._static(a, frames[a], slots[a], beads) for a in own]
        return row

    def _handle(self, own: list[int], column: dict[int, int]) -> int:
        """The nearest stereocentre of those that are named."""
        near = _walk(self.bonds, own[0], _FAR) if own else {}
        found = [a for a in self.molecule.stereocentres if a in near and a in column]
        return column[min(found, key=lambda a: (near[a], self.place[a]))] if found else -1

    def _signs(self, atom: int, frame: _Frame, column: dict[int, int]) -> list[int]:
        points = [atom, *(x for x, is_bead in frame[0][:2] if not is_bead)]
        return [column[x] for x in points]

    def _slots(self, atom: int) -> list[int]:
        if self.light[atom]:
            near = _walk(self.bonds, atom, _HYDROGEN_FAR)
            found = [a for a, d in near.items() if d > 0 and (not self.light[a] or d == 2)]
        else:
            near = _walk(self.bonds, atom, _FAR)
            found = [a for a, d in near.items() if d > 0 and not self.light[a]]
        return sorted(found, key=lambda a: (near[a], self.place[a]))[:HEAVY_SLOTS]

    def _frame(self, atom: int, bead: int) -> _Frame:
        """Points (number, whether it is a bead) of an atom's axes, and whether the first is bonded to it."""

        def before(x: int) -> bool:
            return not self.light[x] and (self.light[atom] or self.place[x] < self.place[atom])

        def latest(row: list[int]) -> list[int]:
            return sorted((x for x in row if before(x) and x != atom), key=lambda x: -self.place[x])

        axes = [b for b in self._axes(bead) if b >= 0]
        parents = latest(self.bonds[atom])
        if self.closes and parents:
            others = [(a, False) for a in latest(self.bonds[parents[0]])] + [(b, True) for b in axes]
            return [(parents[0], False), (bead, True), *others[:1]], True
        if not parents:
            return [(b, True) for b in [bead, *axes][:3]], self.closes
        first = parents[0]
        second = latest(self.bonds[first])
        if not second:
            return [(first, False), *((b, True) for b in axes[:2])], True
        # the third: another neighbour of the first, so that handedness shows; else one further along
        third = second[1:] or [x for x in latest(self.bonds[second[0]]) if x != first]
        end = [(third[0], False)] if third else [(b, True) for b in [bead, *axes][:1]]
        return [(first, False), (second[0], False), *end], True

    def _axes(self, bead: int) -> list[int]:
        near = sorted(self.beads[bead], key=lambda b: self.ranks[b])
        if not near:
            return []
        further = sorted(self.beads[near[0]], key=lambda b: self.ranks[b])
        return [near[0], *near[1:], *(b for b in further if b != bead)][:2]

    def _static(self, atom: int, frame: _Frame, slots: list[int], beads: list[int]) -> FloatArray:
        n, m = len(self.words.atoms), len(self.words.beads)
        near = _walk(self.bonds, atom, _FAR)
        parts = [_one(self.atom_columns[atom], n), np.array([len(self.bonds[atom]) / 4, float(frame[1])])]
        for k in range(3):
            atomic = k < len(frame[0]) and not frame[0][k][1]
            parts.append(_one(self.atom_columns[frame[0][k][0]] if atomic else -1, n))
        for k in range(HEAVY_SLOTS):
            known = k < len(slots)
            parts.append(_one(self.atom_columns[slots[k]] if known else -1, n))
            parts.append(np.array([near.get(slots[k], 0) / _FAR if known else 0.0]))
        walk = _walk(self.beads, beads[0], _BEAD_FAR)
        for k in range(BEAD_SLOTS):
            known = k < len(beads)
            parts.append(_one(self.bead_columns[beads[k]] if known else -1, m))
            parts.append(np.array([walk.get(beads[k], 0) / _BEAD_FAR if known else 0.0]))
        return np.concatenate(parts)


def _walk(graph: list[list[int]], start: int, far: int) -> dict[int, int]:
    """Nodes within so many edges, and how many."""
    found, front = {start: 0}, [start]
    for step in range(1, far + 1):
        front = list(dict.fromkeys(x for node in front for x in graph[node] if x not in found))
        found |= dict.fromkeys(front, step)
    return found


def _one(column: int | np.integer, n: int) -> FloatArray:
    row = np.zeros(n)
    if column >= 0:
        row[column] = 1.0
    return row
