"""What is where while atoms are placed: beads with their neighbours, atoms already there, and who sees whom.

Two beads see each other if they are nearer than `reach`.  Beads never move during sampling, so this is known
before the first atom is placed: neighbours are searched once, and beads that do not see each other can be
placed at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from msb.core.arrays import FloatArray, IntArray
from msb.core.graph import neighbours_of
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.order import BeadOrder, atom_sequence, bead_ranks
from msb.core.periodic_pairs import periodic_pairs
from msb.core.template import MoleculeTemplate

__all__ = ["Around", "Phase", "Scene", "Tables"]


@dataclass(frozen=True)
class Phase:
    """One pass over all beads.

    Attributes
    ----------
    gibbs : bool
        Whether what comes later in the order is there already and is seen.
    atoms : {'heavy', 'hydrogens', 'all'}
        Which of a bead's atoms are placed.
    number : int
        Key of the noise; no two passes of a run share one.
    hides : bool
        Whether a Gibbs pass over heavy atoms does not see the hydrogens of bonded beads, which would hold
        them where they are.
    """

    gibbs: bool
    atoms: Literal["heavy", "hydrogens", "all"]
    number: int
    hides: bool = True


@dataclass(frozen=True, eq=False)
class Tables:
    """What placing needs to know of a system, as index tensors; -1 fills rows up.

    Attributes
    ----------
    n_atoms, n_beads : int
    own : Tensor (M, A)
        Atoms of each bead in order of placement, heavy ones first.
    n_heavy, n_own : Tensor (M,)
        How many of them.
    owner : Tensor (N,)
        The bead that places each atom.
    hydrogen : bool Tensor (N,)
    adjacent : Tensor (M, D)
        Bonded beads.
    axis, plane : Tensor (M,)
        Bead that a bead's environment is turned to, and bead that settles the turn about that axis.
    ranks : Tensor (M,)
        Place of each bead in the order of its molecule.
    molecule : Tensor (M,)
    """

    n_atoms: int
    n_beads: int
    own: Tensor
    n_heavy: Tensor
    n_own: Tensor
    owner: Tensor
    hydrogen: Tensor
    adjacent: Tensor
    axis: Tensor
    plane: Tensor
    ranks: Tensor
    molecule: Tensor

    @classmethod
    def of(cls, mapping: Mapping, order: BeadOrder = "depth", seed: int = 0) -> Tables:
        """Make the tables of a system.

        Parameters
        ----------
        mapping : Mapping
            Its topology is the system.
        order : {'depth', 'breadth', 'random', 'index'}
            Order of the beads in each molecule; see `msb.core.order.bead_ranks`.
        seed : int
            Of the random order.
        """
        topology = mapping.topology
        pieces: dict[tuple[MoleculeTemplate, MappingTemplate], _Piece] = {}
        parts: list[dict[str, IntArray]] = []
        molecule = 0
        for block, (template, _) in zip(mapping.blocks, topology.molecules, strict=True):
            key = (template, block.template)
            if key not in pieces:
                pieces[key] = _Piece.of(template, block.template, order, seed)
            piece = pieces[key]
            for copy in range(block.count):
                first_atom = block.first_atom + copy * template.n_atoms
                first_bead = block.first_bead + copy * block.template.n_beads
                parts.append(piece.at(first_atom, first_bead, molecule))
                molecule += 1
        columns = {name: _stack([part[name] for part in parts]) for name in parts[0]}
        hydrogen = torch.as_tensor(np.asarray(topology.elements) == "H")
        return cls(topology.n_atoms, mapping.n_beads, hydrogen=hydrogen, **columns)

    def placed_slots(self, phase: Phase, bead: Tensor) -> Tensor:
        """Which of the own atoms of some beads a phase places, bool (B, A), in the columns of `own`."""
        own = self.own[bead]
        heavy = torch.arange(own.shape[1]) < self.n_heavy[bead][:, None]
        wanted = {"heavy": heavy, "all": torch.ones_like(heavy), "hydrogens": ~heavy}[phase.atoms]
        return (own >= 0) & wanted

    def placed_in(self, phase: Phase, bead: Tensor) -> Tensor:
        """Atoms (B, A) that a phase places of some beads, in order, -1 filling up."""
        own = self.own[bead]
        slot = torch.arange(own.shape[1])
        heavy = slot < self.n_heavy[bead][:, None]
        if phase.atoms == "heavy":
            return torch.where(heavy, own, -1)
        if phase.atoms == "all":
            return own
        shifted = (slot + self.n_heavy[bead][:, None]).clamp(max=own.shape[1] - 1)
        rest = slot < (self.n_own - self.n_heavy)[bead][:, None]
        return torch.where(rest, own.gather(1, shifted), -1)


@dataclass(frozen=True, eq=False)
class Around:
    """What is visible around beads.

    Attributes
    ----------
    atom : Tensor (B, P)
        Atoms of the system, -1 where there is none; own atoms of the bead come first.
    positions : Tensor (B, P, 3)
        nm, images beside the bead; absolute, 0 where there is no atom.
    """

    atom: Tensor
    positions: Tensor


@dataclass(eq=False)
class Scene:
    """Frames of a system while their atoms are placed.

    Attributes
    ----------
    tables : Tables
    positions : Tensor (F, N, 3)
        nm, molecules whole, beside their beads.
    placed : bool Tensor (F, N)
        Which atoms are there.
    beads : Tensor (F, M, 3)
        nm, molecules whole.
    boxes : Tensor (F, 3, 3) or None
    near : Tensor (F, M, J)
        Beads within `reach`, images counted one by one, -1 filling up; the bead itself is not among them
        (its images may be).
    shift : Tensor (F, M, J, 3)
        What brings each of them, as it is in `beads`, next to the bead.
    reach : float
        nm.
    """

    tables: Tables
    positions: Tensor
    placed: Tensor
    beads: Tensor
    boxes: Tensor | None
    near: Tensor
    shift: Tensor
    reach: float

    @classmethod
    def of(
        cls,
        tables: Tables,
        beads: Tensor | FloatArray,
        boxes: Tensor | FloatArray | None = None,
        reach: float = 1.2,
        dtype: torch.dtype = torch.float32,
        positions: Tensor | FloatArray | None = None,
    ) -> Scene:
        """Look for neighbours in frames.

        Parameters
        ----------
        tables : Tables
        beads : (F, M, 3)
            nm, molecules whole.
        boxes : (F, 3, 3), optional
        reach : float
            nm.
        dtype : torch.dtype
            Of positions.
        positions : (F, N, 3), optional
            Atoms that are all there; none is without.
        """
        spots = np.asarray(beads, dtype=np.float64)
        cells = None if boxes is None else np.asarray(boxes, dtype=np.float64)
        near, shift = _neighbours(spots, cells, reach)
        there = positions is not None
        atoms = (
            torch.as_tensor(np.asarray(positions)).to(dtype)
            if there
            else torch.zeros(len(spots), tables.n_atoms, 3, dtype=dtype)
        )
        return cls(
            tables,
            atoms.clone(),
            torch.full(atoms.shape[:2], there),
            torch.as_tensor(spots).to(dtype),
            None if cells is None else torch.as_tensor(cells).to(dtype),
            near,
            shift.to(dtype),
            reach,
        )

    def pairs(self, frame: int) -> IntArray:
        """Pairs (P, 2) of beads, i < j, that see each other."""
        near = self.near[frame].numpy()
        first = np.repeat(np.arange(len(near)), near.shape[1])
        second = near.ravel()
        rows = second > first
        return np.unique(np.stack([first[rows], second[rows]], axis=1), axis=0)

    def beside(self, frame: Tensor, bead: Tensor) -> tuple[Tensor, Tensor]:
        """Near beads (B, J), -1 filling up, and what brings them next to the bead (B, J, 3), nm."""
        return self.near[frame, bead], self.shift[frame, bead]

    def visible(self, frame: Tensor, bead: Tensor, phase: Phase) -> tuple[Tensor, Tensor]:
        """Atoms (B, J + 1, A) of a bead and of those near it, and whether each is seen in a phase."""
        tables = self.tables
        beads = torch.cat([bead[:, None], self.beside(frame, bead)[0]], 1)
        atoms = torch.where(beads[..., None] >= 0, tables.own[beads.clamp(min=0)], -1)
        there = atoms.clamp(min=0)
        seen = (atoms >= 0) & self.placed[frame[:, None, None], there]
        same = (beads == bead[:, None])[..., None]
        hydrogen = tables.hydrogen[there]
        if phase.atoms == "hydrogens":
            return atoms, seen & ~(same & hydrogen)
        seen &= ~same
        if phase.gibbs and phase.hides:
            beside = (beads[:, :, None] == tables.adjacent[bead][:, None, :]).any(-1) & (beads >= 0)
            seen &= ~(beside[..., None] & hydrogen)
        return atoms, seen

    def around(self, frame: Tensor, bead: Tensor, phase: Phase) -> Around:
        """Everything that is visible of a bead and of those near it.

        Parameters
        ----------
        frame, bead : Tensor (B,)
        phase : Phase

        Returns
        -------
        Around
        """
        atoms, seen = self.visible(frame, bead, phase)
        moved = self.positions[frame[:, None, None], atoms.clamp(min=0)]
        own = torch.zeros(len(bead), 1, 3, dtype=moved.dtype)
        moved = moved + torch.cat([own, self.beside(frame, bead)[1]], 1)[:, :, None]
        moved = torch.where(seen[..., None], moved, 0.0)
        return Around(torch.where(seen, atoms, -1).flatten(1), moved.flatten(1, 2))

    def write(self, frame: Tensor, atoms: Tensor, positions: Tensor) -> None:
        """Put atoms (B, A), -1 filling up, of frames (B,) to positions (B, A, 3); they count as placed."""
        rows = atoms >= 0
        frames = frame[:, None].expand_as(atoms)[rows]
        self.positions[frames, atoms[rows]] = positions[rows].to(self.positions.dtype)
        self.placed[frames, atoms[rows]] = True


@dataclass(frozen=True, eq=False)
class _Piece:
    """Tables of one molecule."""

    columns: dict[str, IntArray]

    @classmethod
    def of(cls, molecule: MoleculeTemplate, mapping: MappingTemplate, order: BeadOrder, seed: int) -> _Piece:
        ranks = bead_ranks(mapping, order, seed)
        sequences = atom_sequence(molecule, mapping, ranks)
        light = np.asarray(molecule.elements) == "H"
        bonded = neighbours_of(mapping.n_beads, mapping.bead_bonds)
        near = [sorted(row, key=lambda b: (ranks[b], b)) for row in bonded]
        axis = np.array([row[0] if row else -1 for row in near], dtype=np.int64)
        return cls(
            {
                "own": _padded(sequences),
                "n_heavy": np.array([int((~light[own]).sum()) for own in sequences], dtype=np.int64),
                "n_own": np.array([len(own) for own in sequences], dtype=np.int64),
                "owner": np.asarray(mapping.owner, dtype=np.int64),
                "adjacent": _padded([np.array(row, dtype=np.int64) for row in near]),
                "axis": axis,
                "plane": np.array([_plane(b, near) for b in range(mapping.n_beads)], dtype=np.int64),
                "ranks": np.asarray(ranks, dtype=np.int64),
            }
        )

    def at(self, atom: int, bead: int, molecule: int) -> dict[str, IntArray]:
        """The same for a copy that begins at an atom and a bead."""
        c = self.columns
        moved = {"own": _offset(c["own"], atom)}
        moved |= {name: _offset(c[name], bead) for name in ("owner", "adjacent", "axis", "plane")}
        moved |= {name: c[name] for name in ("n_heavy", "n_own", "ranks")}
        return {**moved, "molecule": np.full(len(c["ranks"]), molecule, dtype=np.int64)}


def _plane(bead: int, near: list[list[int]]) -> int:
    """A second bead for a frame: bonded to the bead itself, else to the one that it is turned to."""
    if len(near[bead]) > 1:
        return near[bead][1]
    if not near[bead]:
        return -1
    return next((other for other in near[near[bead][0]] if other != bead), -1)


def _offset(rows: IntArray, by: int) -> IntArray:
    return np.where(rows >= 0, rows + by, -1)


def _padded(rows: list[IntArray]) -> IntArray:
    width = max((len(row) for row in rows), default=0)
    table = np.full((len(rows), max(width, 1)), -1, dtype=np.int64)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def _stack(parts: list[IntArray]) -> Tensor:
    if parts[0].ndim == 1:
        return torch.as_tensor(np.concatenate(parts))
    width = max(part.shape[1] for part in parts)
    filled = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1) for part in parts]
    return torch.as_tensor(np.concatenate(filled))


def _neighbours(beads: FloatArray, boxes: FloatArray | None, reach: float) -> tuple[Tensor, Tensor]:
    """Near beads (F, M, J) and their shifts (F, M, J, 3)."""
    found = [periodic_pairs(x, None if boxes is None else boxes[f], reach) for f, x in enumerate(beads)]
    n = beads.shape[1]
    counts = [np.bincount(pairs.first, minlength=n) for pairs in found]
    width = max(1, max((int(c.max(initial=0)) for c in counts), default=1))
    near = np.full((len(beads), n, width), -1, dtype=np.int64)
    shift = np.zeros((len(beads), n, width, 3))
    for f, (pairs, count) in enumerate(zip(found, counts, strict=True)):
        starts = np.cumsum(count) - count
        slot = np.arange(len(pairs.first)) - starts[pairs.first]
        near[f, pairs.first, slot] = pairs.second
        shift[f, pairs.first, slot] = pairs.shifts
    return torch.as_tensor(near), torch.as_tensor(shift)
