"""Internal coordinates of the atoms that beads leave free: distance, angle, dihedral, level by level.

Beads that are single atoms anchor the molecule.  Every other atom is placed from three particles placed
before it: its bonded parent, a neighbour of the parent, and a third one, a sibling wherever there is one, so
that substituents of one centre share one torsion and differ by a stiff improper.  A piece of the molecule
without an anchor starts from an atom in the local frame of its owner bead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msb.core.geometry import local_frames, place_atoms, vector_angles, vector_dihedrals
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.errors import MappingError

__all__ = ["InternalCoordinates", "Placement", "anchors_of"]


@dataclass(frozen=True)
class Placement:
    """How one atom is placed.

    Attributes
    ----------
    atom : int
        The atom.
    references : tuple of int
        Three particles, numbered with the beads first, then the atoms: parent, second, third; for a root
        the origin, axis and plane of its owner bead's frame.
    root : bool
        Whether the coordinates are Cartesian in that frame instead of (distance, angle, dihedral).
    """

    atom: int
    references: tuple[int, int, int]
    root: bool = False


class InternalCoordinates:
    """The chart between atoms and (distance, angle, dihedral) of one molecule, given its beads.

    Parameters
    ----------
    n_atoms, n_beads : int
        Sizes of the molecule.
    anchors : dict of int to int
        Atom to the bead that is that atom alone.
    placements : sequence of Placement
        One for every other atom, none before what it refers to.
    """

    def __init__(
        self, n_atoms: int, n_beads: int, anchors: dict[int, int], placements: Sequence[Placement]
    ) -> None:
        self.n_atoms, self.n_beads = n_atoms, n_beads
        self.anchors, self.placements = dict(anchors), tuple(placements)
        self.levels = _levels(self.placements, n_beads)

    @property
    def n_placed(self) -> int:
        """Number of atoms that the beads do not fix."""
        return len(self.placements)

    @classmethod
    def build(
        cls,
        neighbours: Sequence[Sequence[int]],
        elements: Sequence[str],
        anchors: dict[int, int],
        owner: Sequence[int],
        bead_bonds: Iterable[Sequence[int]],
    ) -> InternalCoordinates:
        """Chart of a molecule from its bond graph and mapping.

        Parameters
        ----------
        neighbours : sequence of sequences of int
            Bonded atoms of each atom.
        elements : sequence of str
            Elements; heavy atoms are placed before hydrogens.
        anchors : dict of int to int
            Atom to the bead that is that atom alone.
        owner : sequence of int
            The bead that places each atom.
        bead_bonds : iterable of pairs
            Bonds between beads.

        Raises
        ------
        MappingError
            If the molecule has fewer than three beads: no local frame can be built.
        """
        n_beads = 1 + max([*owner, *anchors.values()])
        if n_beads < 3:
            raise MappingError(
                f"the molecule has {n_beads} bead(s), and a local frame needs three; use a finer mapping"
            )
        builder = _Builder(neighbours, elements, anchors, owner, _bead_graph(n_beads, bead_bonds))
        return cls(len(neighbours), n_beads, anchors, builder.run())

    @classmethod
    def of(cls, molecule: MoleculeTemplate, mapping: MappingTemplate) -> InternalCoordinates:
        """Chart of a molecule and its mapping; see :meth:`build`."""
        return cls.build(
            molecule.neighbours,
            molecule.elements,
            anchors_of(mapping.weights),
            mapping.owner.tolist(),
            np.asarray(mapping.bead_bonds).tolist(),
        )

    def encode(self, positions: Tensor, beads: Tensor) -> Tensor:
        """Coordinates (distance nm, angle rad, dihedral rad) of the placed atoms.

        Parameters
        ----------
        positions : Tensor (..., n_atoms, 3)
            nm.
        beads : Tensor (..., n_beads, 3)
            nm.

        Returns
        -------
        Tensor (..., n_placed, 3)
            In the order of `placements`; Cartesian nm in the bead's frame for a root.
        """
        particles = torch.cat([beads, positions], dim=-2)
        atoms = [self.n_beads + p.atom for p in self.placements]
        d = particles[..., atoms, :]
        a, b, c = (particles[..., [p.references[k] for p in self.placements], :] for k in range(3))
        bond, back = d - a, b - a
        internal = torch.stack(
            [bond.norm(dim=-1), vector_angles(bond, back), vector_dihedrals(-bond, back, c - b)], dim=-1
        )
        roots = [k for k, p in enumerate(self.placements) if p.root]
        if roots:
            frame = local_frames(a[..., roots, :], b[..., roots, :], c[..., roots, :])
            local = (bond[..., roots, :].unsqueeze(-2) @ frame.mT).squeeze(-2)
            internal = internal.clone()
            internal[..., roots, :] = local
        return internal

    def decode(self, internal: Tensor, beads: Tensor) -> Tensor:
        """Positions of all atoms; the inverse of :meth:`encode`.

        Parameters
        ----------
        internal : Tensor (..., n_placed, 3)
        beads : Tensor (..., n_beads, 3)
            nm.

        Returns
        -------
        Tensor (..., n_atoms, 3)
            nm; anchored atoms are the beads themselves, bit for bit.
        """
        known, column = [beads], {bead: bead for bead in range(self.n_beads)}
        count = self.n_beads
        for level in self.levels:
            particles = torch.cat(known, dim=-2) if len(known) > 1 else beads
            known = [particles]
            a, b, c = (
                particles[..., [column[self.placements[k].references[j]] for k in level], :] for j in range(3)
            )
            value = internal[..., list(level), :]
            if self.placements[level[0]].root:
                placed = a + (value.unsqueeze(-2) @ local_frames(a, b, c)).squeeze(-2)
            else:
                placed = place_atoms(a, b, c, value[..., 0], value[..., 1], value[..., 2])
            for offset, k in enumerate(level):
                column[self.n_beads + self.placements[k].atom] = count + offset
            count += len(level)
            known.append(placed)
        particles = torch.cat(known, dim=-2)
        order = [self.anchors.get(i, column.get(self.n_beads + i, -1)) for i in range(self.n_atoms)]
        return particles[..., order, :]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for a model's file."""
        return {
            "n_atoms": self.n_atoms,
            "n_beads": self.n_beads,
            "anchors": sorted(self.anchors.items()),
            "placements": [[p.atom, list(p.references), p.root] for p in self.placements],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> InternalCoordinates:
        """The inverse of :meth:`to_dict`."""
        placements = [Placement(a, (r[0], r[1], r[2]), root) for a, r, root in data["placements"]]
        return cls(data["n_atoms"], data["n_beads"], {a: b for a, b in data["anchors"]}, placements)


def _levels(placements: Sequence[Placement], n_beads: int) -> tuple[tuple[int, ...], ...]:
    """Placements grouped so that each group needs only the groups before it, and is of one kind."""
    depth: dict[int, int] = {}
    for p in placements:
        depth[n_beads + p.atom] = 1 + max((depth.get(r, 0) for r in p.references), default=0)
    groups: dict[tuple[int, bool], list[int]] = {}
    for k, p in enumerate(placements):
        groups.setdefault((depth[n_beads + p.atom], not p.root), []).append(k)
    return tuple(tuple(groups[key]) for key in sorted(groups))


def _bead_graph(n_beads: int, bonds: Iterable[Sequence[int]]) -> list[list[int]]:
    """Other beads of each bead, bonded ones first, then by distance along the numbering."""
    bonded: list[set[int]] = [set() for _ in range(n_beads)]
    for i, j in bonds:
        bonded[int(i)].add(int(j))
        bonded[int(j)].add(int(i))
    return [
        sorted(set(range(n_beads)) - {m}, key=lambda k, m=m: (k not in bonded[m], abs(k - m), k))  # type: ignore[misc]
        for m in range(n_beads)
    ]


class _Builder:
    """Breadth-first placement of a molecule's atoms."""

    def __init__(
        self,
        neighbours: Sequence[Sequence[int]],
        elements: Sequence[str],
        anchors: dict[int, int],
        owner: Sequence[int],
        beads: list[list[int]],
    ) -> None:
        self.neighbours, self.elements, self.owner, self.beads = neighbours, elements, owner, beads
        self.n_beads = len(beads)
        self.particle = dict(anchors)  # atom -> particle, in the order of placing
        self.anchors = anchors
        self.placements: list[Placement] = []

    def run(self) -> list[Placement]:
        """All placements, heavy atoms before hydrogens at each distance from what is placed."""
        n = len(self.neighbours)
        while len(self.particle) < n:
            front = [i for i in range(n) if i not in self.particle and self._parents(i)]
            if not front:
                self._place_root()
                continue
            for atom in sorted(front, key=lambda i: (self.elements[i] == "H", i)):
                self._place(atom)
        return self.placements

    def _parents(self, atom: int) -> list[int]:
        """Placed neighbours, anchors first, then earliest placed."""
        order = {a: k for k, a in enumerate(self.particle)}
        return sorted((j for j in self.neighbours[atom] if j in order), key=lambda j: order[j])

    def _place_root(self) -> None:
        free = [i for i in range(len(self.neighbours)) if i not in self.particle]
        atom = min(free, key=lambda i: (self.elements[i] == "H", -len(self.neighbours[i]), i))
        bead = self.owner[atom]
        self._add(Placement(atom, (bead, self.beads[bead][0], self.beads[bead][1]), root=True))

    def _place(self, atom: int) -> None:
        parent = self._parents(atom)[0]
        around = [self.particle[j] for j in self._parents(parent)]
        far = [b for b in self.beads[self.owner[parent]] if b != self.particle[parent]]
        second = next(iter([*around, *far]))
        near_second: list[int] = []
        for other, particle in self.particle.items():
            if particle == second:
                near_second = [self.particle[j] for j in self._parents(other)]
        used = {self.particle[parent], second}
        third = next(p for p in [*around, *near_second, *far, *range(self.n_beads)] if p not in used)
        self._add(Placement(atom, (self.particle[parent], second, third)))

    def _add(self, placement: Placement) -> None:
        self.placements.append(placement)
        self.particle[placement.atom] = self.n_beads + placement.atom


def anchors_of(weights: Any) -> dict[int, int]:
    """Atoms that are a bead by themselves, from the rows of a mapping's weights (n_beads, n_atoms)."""
    rows = np.asarray(weights.todense() if hasattr(weights, "todense") else weights)
    return {int(np.argmax(row)): bead for bead, row in enumerate(rows) if np.count_nonzero(row) == 1}
