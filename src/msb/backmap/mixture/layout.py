"""What an atom-by-atom placement needs to know of a system, once a molecule: axes, neighbours, beads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from msb.backmap.mixture.molecule_rows import BEAD_SLOTS, HEAVY_SLOTS, SHARES, BeadRow, MoleculeRows
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.core.arrays import IntArray
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.order import BeadOrder
from msb.core.template import MoleculeTemplate

__all__ = ["Layout"]


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
        Whether the first of them is an atom bonded to the one being placed, or as good as that.
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
        cls,
        mapping: Mapping,
        vocabulary: Vocabulary | None = None,
        order: BeadOrder = "depth",
        seed: int = 0,
        *,
        closes: bool = False,
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
        closes : bool
            Axes for beads that determine their last atoms; see `MixtureSettings`.

        Raises
        ------
        MappingError
            There are types that the vocabulary lacks.
        """
        words = vocabulary or Vocabulary.of(mapping)
        known: dict[tuple[MoleculeTemplate, MappingTemplate], tuple[int, MoleculeRows]] = {}
        kinds, atoms, beads, total = [], [], [], 0
        for block, (molecule, _) in zip(mapping.blocks, mapping.topology.molecules, strict=True):
            key = (molecule, block.template)
            if key not in known:
                known[key] = (total, MoleculeRows(molecule, block.template, words, order, seed, closes))
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
            **_tables(rows),
        )

    def to(self, dtype: torch.dtype) -> Layout:
        """The same with numbers of another precision."""
        return replace(self, weights=self.weights.to(dtype), static=self.static.to(dtype))

    @property
    def n_told_beads(self) -> int:
        """Beads whose places every atom is told; those behind are named by some only."""
        return BEAD_SLOTS

    def system_atoms(self, bead: Tensor) -> Tensor:
        """Atoms (B, U) of the system, -1 filling up."""
        return _moved(self.atoms[self.kind[bead]], self.first_atom[bead])

    def system_beads(self, bead: Tensor) -> Tensor:
        """Beads (B, V) of the system, -1 filling up."""
        return _moved(self.beads[self.kind[bead]], self.first_bead[bead])

    @property
    def closing(self) -> Tensor:
        """Turn (K,) of the atom that each bead's place determines, once its others are there; -1 for none.

        It is the last one of beads that consist of their own atoms, none of them a hydrogen.
        """
        column = torch.arange(self.atoms.shape[1])
        own = column < self.n_own[:, None]
        alone = ((self.weights[:, 0] != 0) == own).all(1) & (self.n_own == self.n_heavy) & (self.n_own > 0)
        return torch.where(alone, self.n_own - 1, -1)

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


def _offset(rows: IntArray, by: int) -> IntArray:
    return np.where(rows >= 0, rows + by, -1)


def _moved(rows: Tensor, by: Tensor) -> Tensor:
    return torch.where(rows >= 0, rows + by[:, None], -1)


def _tables(rows: list[BeadRow]) -> dict[str, Tensor]:
    """All rows in one table each."""
    wide = max(len(row.own) for row in rows)
    points, beads = max(len(row.atoms) for row in rows), max([BEAD_SLOTS, *(len(row.beads) for row in rows)])
    k = len(rows)
    ints = {
        "atoms": np.full((k, points), -1),
        "beads": np.full((k, beads), -1),
        "frame": np.full((k, wide, 3), -1),
        "slots": np.full((k, wide, HEAVY_SLOTS), -1),
        "shares": np.full((k, wide, SHARES), -1),
        "signs": np.full((k, wide, 3), -1),
    }
    bonded = np.zeros((k, wide), dtype=bool)
    later = np.zeros((k, wide, HEAVY_SLOTS), dtype=bool)
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
