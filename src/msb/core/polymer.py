"""Chains of any length, cut from an oligomer: its head, copies of one repeat, its tail.

Everything that is said of the oligomer's repeats - atoms, bonds, force-field entries, also those that reach
over several repeats - is said of the copies. Cut so that all repeats between head and tail are alike; where
they are not, the message names the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from msb.core.polymer_labels import Label, label_names, label_residues
from msb.core.template import Interaction, MoleculeTemplate
from msb.errors import TopologyError

__all__ = ["polymer_atoms", "polymer_template"]

_Place = tuple[int, int]  # segment (0 is the head, then the repeats, the last is the tail), number in there
_BOND = "the bond"
_SYMMETRIC = frozenset(
    {_BOND, "bonds", "pairs", "pairs_nb", "constraints", "exclusions", "angles", "dihedrals"}
)


def polymer_template(
    oligomer: MoleculeTemplate,
    head: int | Sequence[int],
    unit: int | Sequence[int],
    tail: int | Sequence[int],
    n: int,
    *,
    strict: bool = True,
) -> MoleculeTemplate:
    """Return the chain head + `n` units + tail.

    A 10-mer whose first and last monomers are head and tail has 8 units; `n` = 94 makes it a 96-mer. The
    atoms between head and tail, in file order, must be whole repeats of the unit. Head and tail atoms that
    stand behind the repeats in the file (an end hydrogen listed last) stay behind. Names and residues that
    count through the oligomer count through the chain.

    Parameters
    ----------
    oligomer : MoleculeTemplate
        Head, repeats, tail; at least one repeat more than the interactions reach over.
    head, tail : int or sequence of int
        That many residues from the start or from the end; or the atoms, 0-based.
    unit : int or sequence of int
        The size of a repeat in residues, the middle one being copied; or the atoms of the repeat to copy.
    n : int
        Copies of the unit between head and tail.
    strict : bool
        Whether repeats must be alike; otherwise the copied one stands for all (charges of a small oligomer).

    Returns
    -------
    MoleculeTemplate
        Called as the oligomer.

    Raises
    ------
    TopologyError
        The pieces do not tile the oligomer, its repeats differ, or an interaction reaches further than the
        oligomer shows or the new chain allows.
    """
    segments = _segments(oligomer, head, unit, tail)
    plan = _Plan(oligomer, segments, _chosen(oligomer, segments, unit))
    if strict:
        plan.check_alike()
    atoms = plan.atoms_of(n)
    number = {(atom.segment, atom.local): index for index, atom in enumerate(atoms)}
    old = np.array([atom.old for atom in atoms], dtype=np.int64)
    entries = [
        Interaction(e.kind, tuple(number[place] for place in e.places), e.function, e.parameters)
        for e in plan.entries_of(n)
    ]
    residue_index, residue_names, residue_numbers = label_residues(oligomer, segments, atoms, n)
    return MoleculeTemplate(
        oligomer.name,
        label_names(oligomer, segments, atoms, n),
        tuple(oligomer.atom_types[a] for a in old),
        tuple(oligomer.elements[a] for a in old),
        oligomer.masses[old],
        oligomer.charges[old],
        residue_index,
        residue_names,
        residue_numbers,
        np.array([e.atoms for e in entries if e.kind == _BOND], dtype=np.int64),
        tuple(e for e in entries if e.kind != _BOND),
        oligomer.nrexcl,
    )


def polymer_atoms(
    oligomer: MoleculeTemplate,
    head: int | Sequence[int],
    unit: int | Sequence[int],
    tail: int | Sequence[int],
    n: int,
) -> list[Label]:
    """Return where each atom of the chain that `polymer_template` makes comes from.

    Parameters
    ----------
    oligomer, head, unit, tail, n
        As in `polymer_template`.

    Returns
    -------
    list of Label
        One an atom, in the chain's order.

    Raises
    ------
    TopologyError
        The pieces do not tile the oligomer.
    """
    segments = _segments(oligomer, head, unit, tail)
    return _Plan(oligomer, segments, _chosen(oligomer, segments, unit)).atoms_of(n)


def _segments(
    oligomer: MoleculeTemplate,
    head: int | Sequence[int],
    unit: int | Sequence[int],
    tail: int | Sequence[int],
) -> list[list[int]]:
    """Return the atoms of head, repeats and tail, each in file order."""
    residues, n_residues = oligomer.residue_index, len(oligomer.residue_names)
    ends = []
    for what, given, first in (("head", head, True), ("tail", tail, False)):
        if isinstance(given, int):
            chosen = residues < given if first else residues >= n_residues - given
            ends.append(np.flatnonzero(chosen).tolist())
        else:
            ends.append(_checked(oligomer, what, given))
    start, end = ends
    if shared := set(start) & set(end):
        raise TopologyError(f"{oligomer.name}: atoms {sorted(shared)} are in the head and in the tail")
    taken = set(start) | set(end)
    middle = [atom for atom in range(oligomer.n_atoms) if atom not in taken]
    if isinstance(unit, int):
        keys = list(dict.fromkeys(residues[middle].tolist()))
        size, parts = unit, [[a for a in middle if residues[a] == key] for key in keys]
    else:
        size, parts = len(_checked(oligomer, "unit", unit)), [[atom] for atom in middle]
    if size < 1 or not parts or len(parts) % size:
        what = "residues" if isinstance(unit, int) else "atoms"
        raise TopologyError(
            f"{oligomer.name}: {len(parts)} {what} between head and tail are not whole repeats of {size}; "
            "choose head, unit and tail so that they tile the oligomer"
        )
    repeats = [list(chain(*parts[k : k + size])) for k in range(0, len(parts), size)]
    if len({len(repeat) for repeat in repeats}) > 1:
        raise TopologyError(
            f"{oligomer.name}: the repeats have {sorted(map(len, repeats))} atoms, not all the same"
        )
    return [start, *repeats, end]


def _checked(oligomer: MoleculeTemplate, what: str, atoms: Sequence[int]) -> list[int]:
    listed = sorted({int(atom) for atom in atoms})
    if not listed or listed[0] < 0 or listed[-1] >= oligomer.n_atoms:
        raise TopologyError(f"{oligomer.name}: the {what} must be atoms between 0 and {oligomer.n_atoms - 1}")
    return listed


def _chosen(oligomer: MoleculeTemplate, segments: list[list[int]], unit: int | Sequence[int]) -> int:
    """Return the segment to copy."""
    if isinstance(unit, int):
        return len(segments) // 2
    wanted = sorted({int(atom) for atom in unit})
    if wanted not in segments[1:-1]:
        raise TopologyError(
            f"{oligomer.name}: the unit is none of the {len(segments) - 2} repeats between head and tail; "
            f"the first of them is atoms {segments[1]}"
        )
    return segments[1:-1].index(wanted) + 1


@dataclass(frozen=True)
class _Entry:
    """A bond or force-field entry by segments and numbers in them."""

    kind: str
    places: tuple[_Place, ...]
    function: int
    parameters: tuple[float | str, ...]

    @cached_property
    def low(self) -> int:
        return min(segment for segment, _ in self.places)

    @cached_property
    def high(self) -> int:
        return max(segment for segment, _ in self.places)

    def moved(self, by: int) -> _Entry:
        """Return the entry `by` segments further on."""
        return _Entry(self.kind, tuple((s + by, k) for s, k in self.places), self.function, self.parameters)

    def from_zero(self) -> _Entry:
        """Return the entry moved to segment 0, in the one of its two directions that sorts first."""
        moved = self.moved(-self.low)
        places = min(moved.places, moved.places[::-1]) if self.kind in _SYMMETRIC else moved.places
        return _Entry(self.kind, places, self.function, self.parameters)


@dataclass(frozen=True)
class _Plan:
    """An oligomer cut into segments, and which of them is copied."""

    oligomer: MoleculeTemplate
    segments: list[list[int]]
    chosen: int

    @property
    def repeats(self) -> int:
        return len(self.segments) - 2

    @cached_property
    def entries(self) -> list[_Entry]:
        place = {atom: (s, k) for s, part in enumerate(self.segments) for k, atom in enumerate(part)}
        bonds = [_Entry(_BOND, (place[i], place[j]), 0, ()) for i, j in self.oligomer.bonds.tolist()]
        return bonds + [
            _Entry(e.kind, tuple(place[a] for a in e.atoms), e.function, e.parameters)
            for e in self.oligomer.interactions
            if e.atoms
        ]

    @cached_property
    def anchor(self) -> int:
        """The repeat whose entries are copied: the chosen one, or the last that shows all it reaches."""
        reach = max((e.high - e.low for e in self.entries), default=0)
        if reach >= self.repeats:
            raise TopologyError(
                f"{self.oligomer.name}: its interactions reach over {reach + 1} consecutive pieces; at least "
                f"as many repeats are needed between head and tail to copy from, and there are {self.repeats}"
            )
        return min(self.chosen, self.repeats - reach)

    def atoms_of(self, n: int) -> list[Label]:
        """Return the atoms of the new chain in their order."""
        last = self.repeats + 1
        first = min(min(part) for part in self.segments[1:-1])
        ends = sorted((atom, s, k) for s in (0, last) for k, atom in enumerate(self.segments[s]))
        outer = [Label(n + 1 if s else 0, k, atom, atom > first) for atom, s, k in ends]
        unit = self.segments[self.chosen]
        inner = [Label(s, k, atom, False) for s in range(1, n + 1) for k, atom in enumerate(unit)]
        before = [label for label in outer if not label.behind]
        return before + inner + [label for label in outer if label.behind]

    def entries_of(self, n: int) -> Iterator[_Entry]:
        """Yield the bonds and entries of the new chain."""
        last = self.repeats + 1
        if n < 1:
            raise TopologyError(f"{self.oligomer.name}: a chain of {n} units: at least one is needed")
        for entry in self.entries:
            low, high = entry.low, entry.high
            if high < last and low > 0:
                if low == self.anchor:
                    yield from (entry.moved(s - low) for s in range(1, n + 1 - (high - low)))
                continue
            if low == 0 and high == last:
                raise TopologyError(
                    f"{self.oligomer.name}: {_said(self, entry)} ties head and tail together: it is a ring, "
                    "or too short to be cut"
                )
            moved = entry if high < last else entry.moved(n - self.repeats)
            if moved.low < (0 if low == 0 else 1) or moved.high > (n if high < last else n + 1):
                raise TopologyError(
                    f"{self.oligomer.name}: {_said(self, entry)} reaches over more than the {n} units wanted"
                )
            yield moved

    def check_alike(self) -> None:
        """Refuse repeats that differ in atoms or entries."""
        oligomer, model = self.oligomer, self.segments[self.chosen]
        for number, part in enumerate(self.segments[1:-1], start=1):
            for field in ("elements", "atom_types", "masses", "charges"):
                values = getattr(oligomer, field)
                for a, b in zip(part, model, strict=True):
                    if values[a] != values[b]:
                        raise TopologyError(
                            f"{oligomer.name}: repeats are not alike: {field} of atom "
                            f"{oligomer.atom_names[a]} in repeat {number} is {values[a]}, in repeat "
                            f"{self.chosen} {values[b]}; make head or tail longer, or choose strict=False"
                        )
            self._check_entries(number)

    def _check_entries(self, number: int) -> None:
        inside = [e for e in self.entries if e.low > 0 and e.high <= self.repeats]
        here = Counter(e.from_zero() for e in inside if e.low == number)
        room = self.repeats - number
        model = Counter(e.from_zero() for e in inside if e.low == self.anchor and e.high - e.low <= room)
        for more, fewer, home, other in (
            (here, model, number, self.anchor),
            (model, here, self.anchor, number),
        ):
            for odd in more - fewer:
                raise TopologyError(
                    f"{self.oligomer.name}: repeats are not alike: {_said(self, odd.moved(home))} of repeat "
                    f"{home} has no equal in repeat {other}; make head or tail longer, or choose strict=False"
                )


def _said(plan: _Plan, entry: _Entry) -> str:
    names = [plan.oligomer.atom_names[plan.segments[s][k]] for s, k in entry.places]
    kind = entry.kind if entry.kind == _BOND else f"the [ {entry.kind} ] entry"
    return f"{kind} {'-'.join(names)}"
