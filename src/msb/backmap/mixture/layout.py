"""What an atom-by-atom placement needs to know of a system, once a molecule: axes, neighbours, beads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from msb.core.arrays import FloatArray, IntArray
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.order import BeadOrder, atom_sequence, bead_ranks
from msb.core.template import MoleculeTemplate
from msb.errors import MappingError

__all__ = ["Layout", "Vocabulary"]

_HEAVY_SLOTS = 20  # bonded neighbours whose places an atom is told
_FAR = 4  # bonds; how far they may be
_HYDROGEN_FAR = 3
_BEAD_SLOTS = 9
_BEAD_FAR = 4
_SHARES = 3  # beads that an atom may be part of and is told about
_Frame = tuple[list[tuple[int, bool]], bool]  # points (number, whether a bead); whether the first is bonded


@dataclass(frozen=True)
class Vocabulary:
    """Types of atoms and beads that a network knows.

    Attributes
    ----------
    atoms, beads : tuple of str
    """

    atoms: tuple[str, ...]
    beads: tuple[str, ...]

    @classmethod
    def of(cls, *mappings: Mapping) -> Vocabulary:
        """Types of some systems, sorted."""
        molecules = {t for m in mappings for molecule, _ in m.topology.molecules for t in molecule.atom_types}
        beads = {t for m in mappings for template in m.templates for t in template.bead_types}
        return cls(tuple(sorted(molecules)), tuple(sorted(beads)))

    def atom_columns(self, types: Sequence[str]) -> IntArray:
        """Number of each atom's type.

        Raises
        ------
        MappingError
            Types that are not known; all are listed.
        """
        return _numbers(types, self.atoms, "atom types")

    def bead_columns(self, types: Sequence[str]) -> IntArray:
        """Number of each bead's type; see `atom_columns`."""
        return _numbers(types, self.beads, "bead types")


@dataclass(frozen=True, eq=False)
class Layout:
    """Tables of the beads of a system, one row a bead of each kind of molecule ("kind"), -1 filling up.

    Attributes
    ----------
    kind, first_atom, first_bead : Tensor (M,)
        Row of each bead of the system, and where its molecule begins.
    n_own, n_heavy : Tensor (K,)
    atoms : Tensor (K, U)
        Atoms of the molecule that a bead's atoms are told about; its own come first, in order of placement.
    beads : Tensor (K, V)
        Beads that they are told about: the own one, then along the chain.
    frame : Tensor (K, A, 3)
        Points that make each own atom's axes, as columns of atoms followed by beads: the bonded atom that
        it is placed from, the next, and the third; -1 where the axes are the laboratory's.
    bonded : bool Tensor (K, A)
        Whether the first of them is an atom bonded to the one being placed.
    slots : Tensor (K, A, S)
        Columns of the bonded neighbours that an atom is told about.
    later : bool Tensor (K, A, S)
        Whether that neighbour is an own atom that comes after it.
    shares : Tensor (K, A, 3)
        Columns of the beads that an atom is part of.
    weights : Tensor (K, V, U)
        Weights of atoms in beads.
    signs : Tensor (K, A, 3)
        Columns of the atoms whose handedness an atom is told: itself, and two of its frame.
    static : Tensor (K, A, D)
        Types of everything named, one-hot.
    handle : Tensor (K,)
        Column of the atom whose handedness decides whether a bead is looked at in a mirror: the nearest
        stereocentre; -1 where there is none.
    corners : Tensor (N, 3)
        First three neighbours of atoms that have four; -1 elsewhere.
    atom_type : Tensor (N,)
    bead_type : Tensor (M,)
    vocabulary : Vocabulary
    """

    kind: Tensor
    first_atom: Tensor
    first_bead: Tensor
    n_own: Tensor
    n_heavy: Tensor
    atoms: Tensor
    beads: Tensor
    frame: Tensor
    bonded: Tensor
    slots: Tensor
    later: Tensor
    shares: Tensor
    weights: Tensor
    signs: Tensor
    static: Tensor
    handle: Tensor
    corners: Tensor
    atom_type: Tensor
    bead_type: Tensor
    vocabulary: Vocabulary

    @classmethod
    def of(
        cls, mapping: Mapping, vocabulary: Vocabulary | None = None, order: BeadOrder = "depth", seed: int = 0
    ) -> Layout:
        """Make the tables of a system.

        Parameters
        ----------
        mapping : Mapping
            Its topology is the system.
        vocabulary : Vocabulary, optional
            The system's own types by default.
        order, seed
            Of beads; see `msb.core.order.bead_ranks`.

        Raises
        ------
        MappingError
            There are types that the vocabulary lacks.
        """
        words = vocabulary or Vocabulary.of(mapping)
        known: dict[tuple[MoleculeTemplate, MappingTemplate], tuple[int, _Molecule]] = {}
        kinds, atoms, beads, total = [], [], [], 0
        for block, (molecule, _) in zip(mapping.blocks, mapping.topology.molecules, strict=True):
            key = (molecule, block.template)
            if key not in known:
                known[key] = (total, _Molecule(molecule, block.template, words, order, seed))
                total += block.template.n_beads
            row = known[key][0]
            copies = np.arange(block.count)[:, None]
            local = np.arange(block.template.n_beads)[None]
            kinds.append((row + local + 0 * copies).ravel())
            atoms.append((block.first_atom + molecule.n_atoms * copies + 0 * local).ravel())
            beads.append((block.first_bead + block.template.n_beads * copies + 0 * local).ravel())
        rows = [row for _, found in known.values() for row in found.rows()]
        corners = [
            _offset(known[molecule, block.template][1].corners(), block.first_atom + molecule.n_atoms * copy)
            for block, (molecule, _) in zip(mapping.blocks, mapping.topology.molecules, strict=True)
            for copy in range(block.count)
        ]
        atom_types = [str(t) for t in mapping.topology.atom_types]
        bead_types = [t for b in mapping.blocks for t in b.template.bead_types * b.count]
        return cls(
            kind=torch.as_tensor(np.concatenate(kinds)),
            first_atom=torch.as_tensor(np.concatenate(atoms)),
            first_bead=torch.as_tensor(np.concatenate(beads)),
            atom_type=torch.as_tensor(words.atom_columns(atom_types)),
            bead_type=torch.as_tensor(words.bead_columns(bead_types)),
            corners=torch.as_tensor(np.concatenate(corners)),
            vocabulary=words,
            **_tables(rows, words),
        )

    def to(self, dtype: torch.dtype) -> Layout:
        """The same with numbers of another precision."""
        return replace(self, weights=self.weights.to(dtype), static=self.static.to(dtype))

    @property
    def n_told_beads(self) -> int:
        """Beads whose places every atom is told; those behind are named by some only."""
        return _BEAD_SLOTS

    def system_atoms(self, bead: Tensor) -> Tensor:
        """Atoms (B, U) of the system, -1 filling up."""
        return _moved(self.atoms[self.kind[bead]], self.first_atom[bead])

    def system_beads(self, bead: Tensor) -> Tensor:
        """Beads (B, V) of the system, -1 filling up."""
        return _moved(self.beads[self.kind[bead]], self.first_bead[bead])

    def signs_of(self, positions: Tensor) -> Tensor:
        """Handedness of every atom with four neighbours, +1 or -1, in frames (F, N, 3); 0 elsewhere.

        The first three neighbours in order of placement, seen from the atom.
        """
        found = torch.zeros(positions.shape[:2])
        corners = self.corners
        rows = corners[:, 0] >= 0
        centre, three = torch.nonzero(rows)[:, 0], corners[rows]
        arms = positions[:, three] - positions[:, centre, None]
        volume = (arms[:, :, 0] * torch.linalg.cross(arms[:, :, 1], arms[:, :, 2])).sum(-1)
        found[:, centre] = volume.sign().float()
        return found


def _numbers(types: Sequence[str], known: tuple[str, ...], what: str) -> IntArray:
    place = {name: i for i, name in enumerate(known)}
    missing = sorted({t for t in types if t not in place})
    if missing:
        raise MappingError(
            f"{what} that the model does not know: {', '.join(missing)}; it knows {', '.join(known)}"
        )
    return np.array([place[t] for t in types], dtype=np.int64)


def _offset(rows: IntArray, by: int) -> IntArray:
    return np.where(rows >= 0, rows + by, -1)


def _moved(rows: Tensor, by: Tensor) -> Tensor:
    return torch.where(rows >= 0, rows + by[:, None], -1)


@dataclass(eq=False)
class _Row:
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


class _Molecule:
    """Finds the rows of one kind of molecule."""

    def __init__(
        self,
        molecule: MoleculeTemplate,
        mapping: MappingTemplate,
        words: Vocabulary,
        order: BeadOrder,
        seed: int,
    ) -> None:
        self.molecule, self.mapping, self.words = molecule, mapping, words
        self.ranks = bead_ranks(mapping, order, seed)
        self.own = [[int(a) for a in own] for own in atom_sequence(molecule, mapping, self.ranks)]
        self.light = [element == "H" for element in molecule.elements]
        turn = np.argsort(self.ranks)
        heavy = [a for b in turn for a in self.own[b] if not self.light[a]]
        light = [a for b in turn for a in self.own[b] if self.light[a]]
        self.place = {a: k for k, a in enumerate([*heavy, *light])}
        self.bonds = [[int(b) for b in row] for row in molecule.neighbours]
        self.beads: list[list[int]] = [[] for _ in range(mapping.n_beads)]
        for i, j in mapping.bead_bonds.tolist():
            self.beads[i].append(j)
            self.beads[j].append(i)
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

    def rows(self) -> list[_Row]:
        """A row for every bead."""
        return [self._row(bead) for bead in range(self.mapping.n_beads)]

    def _row(self, bead: int) -> _Row:
        own = self.own[bead]
        around = sorted(_walk(self.beads, bead, _BEAD_FAR).items(), key=lambda e: (e[1], self.ranks[e[0]]))
        beads = [b for b, _ in around][:_BEAD_SLOTS]
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
        row = _Row(
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
            shares=[[bead_column[b] for b in parts[a][:_SHARES]] for a in own],
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
        return sorted(found, key=lambda a: (near[a], self.place[a]))[:_HEAVY_SLOTS]

    def _frame(self, atom: int, bead: int) -> _Frame:
        """Points (number, whether it is a bead) of an atom's axes, and whether the first is bonded to it."""

        def before(x: int) -> bool:
            return not self.light[x] and (self.light[atom] or self.place[x] < self.place[atom])

        def latest(row: list[int]) -> list[int]:
            return sorted((x for x in row if before(x) and x != atom), key=lambda x: -self.place[x])

        axes = [b for b in self._axes(bead) if b >= 0]
        parents = latest(self.bonds[atom])
        if not parents:
            return [(b, True) for b in [bead, *axes][:3]], False
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
        for k in range(_HEAVY_SLOTS):
            known = k < len(slots)
            parts.append(_one(self.atom_columns[slots[k]] if known else -1, n))
            parts.append(np.array([near.get(slots[k], 0) / _FAR if known else 0.0]))
        walk = _walk(self.beads, beads[0], _BEAD_FAR)
        for k in range(_BEAD_SLOTS):
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


def _tables(rows: list[_Row], words: Vocabulary) -> dict[str, Tensor]:
    """All rows in one table each."""
    wide = max(len(row.own) for row in rows)
    points, beads = max(len(row.atoms) for row in rows), max([_BEAD_SLOTS, *(len(row.beads) for row in rows)])
    k = len(rows)
    ints = {
        "atoms": np.full((k, points), -1),
        "beads": np.full((k, beads), -1),
        "frame": np.full((k, wide, 3), -1),
        "slots": np.full((k, wide, _HEAVY_SLOTS), -1),
        "shares": np.full((k, wide, _SHARES), -1),
        "signs": np.full((k, wide, 3), -1),
    }
    bonded = np.zeros((k, wide), dtype=bool)
    later = np.zeros((k, wide, _HEAVY_SLOTS), dtype=bool)
    weights = np.zeros((k, beads, points))
    size = next(len(row.static[0]) for row in rows if row.static)
    static = np.zeros((k, wide, size))
    for i, row in enumerate(rows):
        ints["atoms"][i, : len(row.atoms)] = row.atoms
        ints["beads"][i, : len(row.beads)] = row.beads
        weights[i, : len(row.beads), : len(row.atoms)] = row.weights
        for j in range(len(row.own)):
            # beads stand behind all columns of atoms
            frame = [x if x >= 0 else points - 2 - x for x in row.frame[j]]
            ints["frame"][i, j, : len(frame)] = frame
            ints["slots"][i, j, : len(row.slots[j])] = row.slots[j]
            later[i, j, : len(row.later[j])] = row.later[j]
            ints["shares"][i, j, : len(row.shares[j])] = row.shares[j]
            ints["signs"][i, j, : len(row.signs[j])] = row.signs[j]
            bonded[i, j] = row.bonded[j]
            static[i, j] = row.static[j]
    found: dict[str, Tensor] = {name: torch.as_tensor(table).long() for name, table in ints.items()}
    return {
        **found,
        "n_own": torch.tensor([len(row.own) for row in rows]),
        "n_heavy": torch.tensor([row.n_heavy for row in rows]),
        "handle": torch.tensor([row.handle for row in rows]),
        "bonded": torch.as_tensor(bonded),
        "later": torch.as_tensor(later),
        "weights": torch.as_tensor(weights).float(),
        "static": torch.as_tensor(static).float(),
    }
