"""Which bonded atoms and beads an atom is told about, and at which of its numbered places each stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from msb.backmap.mixture.vocabulary import Vocabulary

__all__ = ["Near", "Told"]

_ATOMS, _BEADS = 20, 9  # places, where the nearest come first
_ROOM = {1: 3, 2: 4, 3: 6, 4: 6}  # places for each distance, type and side, where those have their own


class Near(NamedTuple):
    """An atom or a bead that is so many bonds away.

    Attributes
    ----------
    number : int
        In the molecule.
    bonds : int
    kind : int
        Number of its type.
    later : bool
        Whether it is placed after the atom, or the bead, that is told.
    rank : int
        Its turn.
    """

    number: int
    bonds: int
    kind: int
    later: bool
    rank: int


@dataclass(frozen=True)
class Told:
    """How what is bonded is put into a row of numbered places.

    Attributes
    ----------
    by : {"near", "types"}
        The nearest first; or each distance, type and side (placed before or after) in places of its own.
        The second way a molecule that is put together from parts of others, as a polymer is from small
        molecules, has everything where those have it; of beads, only those are told that the atom and its
        bonded ones are parts of, not all that are near the own bead, and the atom's weights in its own ones.
    bonds : int
        How many bonds away atoms may be, at most 4.
    """

    by: Literal["near", "types"] = "near"
    bonds: int = 4

    def atom_places(self, words: Vocabulary) -> int:
        """How many places there are for atoms."""
        return _ATOMS if self.by == "near" else self._room(self.bonds, len(words.atoms))

    def bead_places(self, words: Vocabulary) -> int:
        """How many places there are for beads; the first is the own one's."""
        return _BEADS if self.by == "near" else 1 + self._room(1, len(words.beads))

    def atoms(self, found: Iterable[Near], words: Vocabulary) -> list[int]:
        """Numbers of atoms in their places, -1 where a place is empty."""
        rows = sorted(found, key=lambda row: (row.bonds, row.rank))
        if self.by == "near":
            return [row.number for row in rows][:_ATOMS]
        return self._sorted_in(rows, self.bonds, len(words.atoms))

    def beads_of(self, own: int, found: Iterable[Near], words: Vocabulary) -> list[int]:
        """Numbers of beads in their places, the own one first, -1 where a place is empty."""
        rows = sorted(found, key=lambda row: (row.bonds, row.rank))
        if self.by == "near":
            return [own, *(row.number for row in rows)][:_BEADS]
        return [own, *self._sorted_in([row._replace(bonds=1) for row in rows], 1, len(words.beads))]

    @staticmethod
    def _room(far: int, n_types: int) -> int:
        return sum(2 * n_types * _ROOM[d] for d in range(1, far + 1))

    def _sorted_in(self, rows: list[Near], far: int, n_types: int) -> list[int]:
        places = [-1] * self._room(far, n_types)
        taken: dict[int, int] = {}
        for row in rows:
            first = self._room(row.bonds - 1, n_types) + (2 * row.kind + row.later) * _ROOM[row.bonds]
            count = taken.get(first, 0)
            if count < _ROOM[row.bonds]:
                places[first + count], taken[first] = row.number, count + 1
        return places
