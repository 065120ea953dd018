"""Which molecules a file holds: its residues one after another, matched to molecules that are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from msb.core.bead_groups import nearest_names
from msb.io.atoms import AtomTable

__all__ = ["SOLVENT", "Census", "Kind", "Odd", "take_census"]

#: Residues that are solvent or ions unless a molecule of that name is known.
SOLVENT = frozenset(
    (
        *(
            "W",
            "WF",
            "PW",
            "WN",
            "TW",
            "SW",
            "HOH",
            "SOL",
            "WAT",
            "TIP3",
            "TIP3P",
            "TIP4",
            "SPC",
            "SPCE",
            "H2O",
        ),
        *("ION", "NA", "NA+", "CL", "CL-", "K", "K+", "CA2+", "MG", "MG2+", "ZN", "ZN2+", "LI", "LI+", "BR"),
        *("BR-", "SOD", "CLA", "POT", "CAL", "CES"),
    )
)
_NUMBER = re.compile(r"\d+$")

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """A molecule as its particles are named in a file, residue by residue.

    Attributes
    ----------
    name : str
        The molecule's.
    names, residue : tuple of str, tuple of int
        Name and residue of every particle, residues counted from 0.
    residues : tuple of str
        Residue names.
    types : tuple of tuple of str
        What a particle may be called besides its name: its type and the type's aliases.
    """

    name: str
    names: tuple[str, ...]
    residue: tuple[int, ...]
    residues: tuple[str, ...]
    types: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Names of each residue's particles, sorted."""
        return tuple(
            tuple(sorted(n for n, at in zip(self.names, self.residue, strict=True) if at == r))
            for r in range(len(self.residues))
        )

    @cached_property
    def known_as(self) -> frozenset[str]:
        """Residue names that may stand for it; its own name too."""
        return frozenset((*self.residues, self.name))

    def is_called(self, residue: int, name: str) -> bool:
        """Whether one of its residues may bear this name."""
        return name == self.residues[residue] or (len(self.residues) == 1 and name == self.name)


@dataclass(frozen=True)
class Odd:
    """A residue that is none of the known ones, and how often it came.

    Attributes
    ----------
    residue : str
        Its name.
    names : tuple of str
        Of its particles.
    places : list of ndarray
        Particles of each copy, in the file's numbering.
    solvent : bool
        Whether its name is that of solvent or of an ion.
    """

    residue: str
    names: tuple[str, ...]
    places: list[Indices] = field(default_factory=list)
    solvent: bool = False

    def said(self, kinds: Sequence[Kind]) -> str:
        """Say what it is and what is nearest."""
        times = f"{len(self.places)} times " if len(self.places) > 1 else ""
        known = [kind for kind in kinds if self.residue in kind.known_as]
        if not known:
            names = {name for kind in kinds for name in kind.known_as}
            near = nearest_names(self.residue, names)
            return f"residue {self.residue or '(no name)'} {times}({_listed(self.names)}){near}"
        beads = {name for kind in known for name in kind.names}
        odd = [name for name in dict.fromkeys(self.names) if name not in beads]
        if odd:
            hints = ", ".join(name + nearest_names(name, beads) for name in odd[:8])
            return f"bead {hints} of residue {self.residue} {times}".rstrip()
        return (
            f"residue {self.residue} {times}with {len(self.names)} beads ({_listed(self.names)}), where "
            f"{' or '.join(f'{kind.name} has {len(kind.names)}' for kind in known)}"
        )


@dataclass(frozen=True)
class Census:
    """The molecules of a file.

    Attributes
    ----------
    kinds : list of Kind
        Those that were known, and those made on the way (chains of other lengths).
    molecules : ndarray (K,)
        Kind of each molecule in the file's order.
    order : ndarray (M,)
        Particles of these molecules, in the order of their kinds, as they are numbered in the file.
    odd : list of Odd
        What is none of them.
    reordered, renamed : int
        Molecules whose particles came in another order than the kind's, or under other names.
    names : dict of int to tuple of str
        Names that came instead of a kind's.
    """

    kinds: list[Kind]
    molecules: Indices
    order: Indices
    odd: list[Odd]
    reordered: int
    renamed: int
    names: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def runs(self) -> list[tuple[int, int]]:
        """Kinds and how many copies follow one another."""
        runs: list[tuple[int, int]] = []
        for kind in self.molecules.tolist():
            if runs and runs[-1][0] == kind:
                runs[-1] = (kind, runs[-1][1] + 1)
            else:
                runs.append((kind, 1))
        return runs


Grow = Callable[[str, tuple[str, ...]], Kind | None]


def take_census(
    atoms: AtomTable, kinds: Sequence[Kind], expected: Sequence[int] = (), grow: Grow | None = None
) -> Census:
    """Find the known molecules in a file.

    Residue by residue, the kind that is expected next is tried first, then the longest that fits.  Names
    decide, not their order within a residue; where the names of a residue are not the kind's but its types or
    aliases in the kind's order, these do; and where a residue has the kind's name and number of particles but
    none of their names, their order does.

    Parameters
    ----------
    atoms : AtomTable
        Of the file.
    kinds : sequence of Kind
        Known molecules.
    expected : sequence of int
        Kinds of the molecules in the order they should come in, if that is known.
    grow : callable, optional
        Asked for a kind of the given residue name and particles (a chain of another length) where none fits.

    Returns
    -------
    Census
    """
    return _Walk(atoms, list(kinds), list(expected), grow).run()


class _Walk:
    """State of one pass over the residues."""

    def __init__(self, atoms: AtomTable, kinds: list[Kind], expected: list[int], grow: Grow | None) -> None:
        self.kinds, self.expected, self.grow = kinds, expected, grow
        changes = np.flatnonzero(np.diff(atoms.residue)) + 1 if len(atoms) else np.empty(0, dtype=np.int64)
        self.starts = np.concatenate([[0], changes, [len(atoms)]]).astype(np.int64).tolist()
        names = atoms.names.tolist()
        bounds = zip(self.starts, self.starts[1:], strict=False)
        self.names = [tuple(names[a:b]) for a, b in bounds]
        self.sorted: dict[tuple[str, ...], tuple[str, ...]] = {n: tuple(sorted(n)) for n in set(self.names)}
        self.residues = [str(atoms.resnames[a]) for a in self.starts[:-1]]
        self.other: dict[int, tuple[str, ...]] = {}
        self.grown: dict[tuple[str, tuple[str, ...]], int | None] = {}
        self.local: dict[tuple[int, tuple[tuple[str, ...], ...]], Indices] = {}

    def run(self) -> Census:
        molecules: list[int] = []
        order: list[Indices] = [np.empty(0, dtype=np.int64)]
        odd: dict[tuple[str, tuple[str, ...]], Odd] = {}
        counts = {"order": 0, "name": 0}
        place = 0
        while place < len(self.names):
            found = self.match(place, len(molecules))
            if found is None:
                self.put_aside(odd, place)
                place += 1
                continue
            kind, taken, local, exact = found
            order.append(local + self.starts[place])
            counts["order"] += bool(exact and (np.diff(local) != 1).any())
            counts["name"] += not exact
            if not exact:
                given = (name for names in self.names[place : place + taken] for name in names)
                self.other.setdefault(kind, tuple(given))
            molecules.append(kind)
            place += taken
        return Census(
            self.kinds,
            np.array(molecules, dtype=np.int64),
            np.concatenate(order),
            list(odd.values()),
            counts["order"],
            counts["name"],
            self.other,
        )

    def put_aside(self, odd: dict[tuple[str, tuple[str, ...]], Odd], place: int) -> None:
        residue, names = self.residues[place], self.names[place]
        entry = odd.setdefault((residue, names), Odd(residue, names, solvent=residue.upper() in SOLVENT))
        entry.places.append(np.arange(self.starts[place], self.starts[place + 1]))

    def match(self, place: int, number: int) -> tuple[int, int, Indices, bool] | None:
        """Kind, residues taken, order of their particles, and whether the names are the kind's."""
        wanted = self.expected[number : number + 1]
        rest = sorted(set(range(len(self.kinds))) - set(wanted), key=lambda k: -len(self.kinds[k].names))
        for kind in (*wanted, *rest):
            if self.named_alike(kind, place):
                count = len(self.kinds[kind].residues)
                return kind, count, self.by_name(kind, place), True
        for kind in (*wanted, *rest):
            if taken := self.typed_alike(kind, place):
                return kind, taken, np.arange(len(self.kinds[kind].names)), False
        for kind in (*wanted, *rest):
            if self.counted_alike(kind, place):
                return kind, 1, np.arange(len(self.kinds[kind].names)), False
        made = self.made(place)
        return None if made is None else (made, 1, self.by_name(made, place), True)

    def named_alike(self, kind: int, place: int) -> bool:
        known = self.kinds[kind]
        if place + len(known.residues) > len(self.names):
            return False
        return all(
            known.is_called(r, self.residues[place + r]) and self.sorted[self.names[place + r]] == key
            for r, key in enumerate(known.keys)
        )

    def by_name(self, kind: int, place: int) -> Indices:
        """Particles in the kind's order, counted from the first of the molecule."""
        known = self.kinds[kind]
        names = tuple(self.names[place : place + len(known.residues)])
        if (kind, names) not in self.local:
            self.local[kind, names] = _order(known, names)
        return self.local[kind, names]

    def typed_alike(self, kind: int, place: int) -> int:
        """How many residues make this kind by types in its order, whatever its own residues; 0 if none do."""
        known = self.kinds[kind]
        if not known.types:
            return 0
        done = taken = 0
        while done < len(known.names) and place + taken < len(self.names):
            if self.residues[place + taken] not in known.known_as:
                return 0
            for name in self.names[place + taken]:
                if done == len(known.names) or not _answers(known, done, name):
                    return 0
                done += 1
            taken += 1
        return taken if done == len(known.names) else 0

    def counted_alike(self, kind: int, place: int) -> bool:
        """Whether a residue has the kind's name and number of particles, and none of their names."""
        known, names = self.kinds[kind], self.names[place]
        alone = len(known.residues) == 1 and known.is_called(0, self.residues[place])
        return alone and len(names) == len(known.names) and not set(names) & set(known.names)

    def made(self, place: int) -> int | None:
        key = self.residues[place], self.names[place]
        if self.grow is None or key[0].upper() in SOLVENT:
            return None
        if key not in self.grown:
            kind = self.grow(*key)
            if kind is not None:
                self.kinds.append(kind)
            self.grown[key] = None if kind is None else len(self.kinds) - 1
        return self.grown[key]


def _answers(kind: Kind, particle: int, name: str) -> bool:
    own = (kind.names[particle], *kind.types[particle])
    return name in own or _NUMBER.sub("", name) in own


def _order(kind: Kind, names: tuple[tuple[str, ...], ...]) -> Indices:
    order, first = np.empty(len(kind.names), dtype=np.int64), 0
    for r, given in enumerate(names):
        own = [k for k, at in enumerate(kind.residue) if at == r]
        ours = sorted(own, key=lambda k: (kind.names[k], k))
        theirs = sorted(range(len(given)), key=lambda k: (given[k], k))
        order[ours] = np.array(theirs, dtype=np.int64) + first
        first += len(given)
    return order


def _listed(names: Sequence[str]) -> str:
    return " ".join(names[:8]) + (" …" if len(names) > 8 else "")
