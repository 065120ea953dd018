"""From beads named by a user to rows of numbers: which atoms, which share of each, and who places them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_matrix

from msb.core.arrays import FloatArray, IntArray
from msb.core.template import MoleculeTemplate
from msb.errors import MappingError

__all__ = [
    "AtomKey",
    "BeadGroup",
    "BeadMatrix",
    "ResidueKey",
    "Unlisted",
    "Weighting",
    "bead_matrix",
    "nearest_names",
]

ResidueKey = int | str | tuple[int | str, ...]
AtomKey = int | str | tuple[ResidueKey, str]
Unlisted = Literal["error", "nearest"]
Weighting = Literal["mass", "geometry", "given"]


@dataclass(frozen=True)
class BeadGroup:
    """One bead as a user states it.

    Attributes
    ----------
    name : str
    atoms : tuple of AtomKey
        An index from 0, a name that is unique in the molecule (or in `residue`), or (residue, name) where the
        residue is its name, its number, or its place counted from 1 where no residue has that number.
    type : str
        The name, when empty.
    fractions : tuple of float or None
        Share of each atom's mass, in the order of `atoms`; a None leaves the atom's remainder, split equally
        between the beads that name it without a share. A share of 0 makes the atom weightless here.
    weights : tuple of float
        Relative weights, used where weights are given; all 1 when empty.
    owns : tuple of AtomKey
        Atoms this bead places whoever else names them; weightless unless they stand in `atoms` of some bead.
    residue : ResidueKey or None
        Where atoms without a residue of their own are looked up.
    """

    name: str
    atoms: tuple[AtomKey, ...]
    type: str = ""
    fractions: tuple[float | None, ...] = ()
    weights: tuple[float, ...] = ()
    owns: tuple[AtomKey, ...] = ()
    residue: ResidueKey | None = None


@dataclass(frozen=True)
class BeadMatrix:
    """Rows of a mapping: weights and mass shares (n_beads, n_atoms), owner (n_atoms,), residue (n_beads,)."""

    weights: csr_matrix
    fractions: csr_matrix
    owner: IntArray
    residue: IntArray


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Say which known names look most like a name: ``' (nearest: CA, CB)'``, or nothing."""
    close = difflib.get_close_matches(name, sorted(set(known)), n=limit, cutoff=0.4)
    return f" (nearest: {', '.join(close)})" if close else ""


def bead_matrix(
    atoms: MoleculeTemplate, groups: Sequence[BeadGroup], weighting: Weighting, unlisted: Unlisted = "error"
) -> BeadMatrix:
    """Turn beads as stated into weights, mass shares and owners.

    Parameters
    ----------
    atoms : MoleculeTemplate
        The molecule; masses in amu.
    groups : sequence of BeadGroup
    weighting : {'mass', 'geometry', 'given'}
        Position weights proportional to share x mass, to share, or to the groups' own `weights`.
    unlisted : {'error', 'nearest'}
        What happens to atoms that no bead names: refused, or weightless and placed by the bead that is
        nearest along the bonds (of several as near, one in the same residue, then the first bead).

    Raises
    ------
    MappingError
        For unknown or ambiguous names (all at once), negative or excessive shares, a bead without atoms or
        mass, an atom without an owner.
    """
    finder = _Finder(atoms)
    members = [[finder(key, group.residue, group.name) for key in group.atoms] for group in groups]
    owned = [[finder(key, group.residue, group.name) for key in group.owns] for group in groups]
    finder.complain()
    fractions = _fractions(atoms, groups, members, weighting)
    weights = fractions.copy()
    if weighting == "mass":
        weights = weights * np.asarray(atoms.masses, dtype=np.float64)
    elif weighting == "given":
        weights = _given(atoms, groups, members)
        fractions[weights == 0] = 0
    sums = weights.sum(axis=1, keepdims=True)
    _refuse_empty(atoms, groups, weighting, fractions, sums[:, 0])
    owner = _owners(atoms, groups, members, owned, unlisted)
    residue = np.asarray(atoms.residue_index, dtype=np.int64)[weights.argmax(axis=1)]
    sums[np.abs(sums - 1) < 1e-12] = 1.0  # weights that were normalised stay what they are
    return BeadMatrix(csr_matrix(weights / sums), csr_matrix(fractions), owner, residue)


@dataclass
class _Finder:
    """Looks atoms up by key and collects what it cannot find, to complain once."""

    atoms: MoleculeTemplate
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_name: dict[str, list[int]] = {}
        for index, name in enumerate(self.atoms.atom_names):
            self._by_name.setdefault(name, []).append(index)

    def __call__(self, key: AtomKey, residue: ResidueKey | None, bead: str) -> int:
        if isinstance(key, int | np.integer):
            if not 0 <= key < len(self.atoms.atom_names):
                self.wrong.append(f"atom number {int(key) + 1} of bead {bead} does not exist")
                return 0
            return int(key)
        residue, name = (residue, key) if isinstance(key, str) else key
        found = [i for i in self._by_name.get(name, ()) if residue is None or self._in(i, residue)]
        if len(found) == 1:
            return found[0]
        where = residue if isinstance(residue, tuple) else (residue,)
        label = name if residue is None else ":".join(map(str, (*where, name)))
        if found:
            places = ", ".join(self.place(i) for i in found[:6])
            self.wrong.append(f"atom {label} of bead {bead} stands for {places}: name its residue too")
        else:
            known = [
                n for i, n in enumerate(self.atoms.atom_names) if residue is None or self._in(i, residue)
            ]
            hint = (
                nearest_names(name, known) if known else f" (there is no residue {':'.join(map(str, where))})"
            )
            self.wrong.append(f"atom {label} of bead {bead} is unknown{hint}")
        return 0

    def _in(self, atom: int, residue: ResidueKey) -> bool:
        if isinstance(residue, tuple):
            return all(self._in(atom, part) for part in residue)
        place, numbers = int(self.atoms.residue_index[atom]), self.atoms.residue_numbers
        if residue == self.atoms.residue_names[place]:
            return True
        if not str(residue).lstrip("-").isdigit():
            return False
        number = int(residue)
        return number == (numbers[place] if number in numbers else place + 1)

    def place(self, atom: int) -> str:
        place = int(self.atoms.residue_index[atom])
        residue = f"{self.atoms.residue_names[place]}{self.atoms.residue_numbers[place]}"
        return f"{residue}:{self.atoms.atom_names[atom]}"

    def complain(self) -> None:
        if self.wrong:
            raise MappingError(f"mapping of {self.atoms.name}: {'; '.join(dict.fromkeys(self.wrong))}.")


def _fractions(
    atoms: MoleculeTemplate, groups: Sequence[BeadGroup], members: list[list[int]], weighting: Weighting
) -> FloatArray:
    """Shares (n_beads, n_atoms): the stated ones, and equal parts of what they leave."""
    n_atoms = len(atoms.atom_names)
    shares = np.zeros((len(groups), n_atoms))
    open_: list[tuple[int, int]] = []
    for bead, (group, found) in enumerate(zip(groups, members, strict=True)):
        _refuse_repeated(atoms, group, found)
        stated = group.fractions or (None,) * len(found)
        for position, (atom, share) in enumerate(
            zip(found, _same_length(atoms, group, stated, found), strict=True)
        ):
            if share is None:
                if weighting != "given" or not group.weights or group.weights[position] > 0:
                    open_.append((bead, atom))
            elif not 0 <= share <= 1:
                where = f"of atom {atoms.atom_names[atom]} in bead {group.name}"
                _refuse(atoms, f"the share {share} {where} must lie in 0..1")
            else:
                shares[bead, atom] = share
    left = 1.0 - shares.sum(axis=0)
    too_much = np.flatnonzero(left < -1e-9)
    if len(too_much):
        names = ", ".join(atoms.atom_names[a] for a in too_much)
        _refuse(atoms, f"the shares of {names} add up to more than 1")
    claims = Counter(atom for _, atom in open_)
    for bead, atom in open_:
        shares[bead, atom] = max(left[atom], 0.0) / claims[atom]
    return shares


def _same_length(
    atoms: MoleculeTemplate, group: BeadGroup, values: Sequence[Any], found: list[int]
) -> Sequence[Any]:
    if len(values) != len(found):
        _refuse(atoms, f"bead {group.name} has {len(found)} atoms but {len(values)} shares or weights")
    return values


def _refuse_repeated(atoms: MoleculeTemplate, group: BeadGroup, found: list[int]) -> None:
    twice = [atoms.atom_names[a] for a, n in Counter(found).items() if n > 1]
    if twice:
        _refuse(atoms, f"bead {group.name} names {', '.join(twice)} twice")


def _given(atoms: MoleculeTemplate, groups: Sequence[BeadGroup], members: list[list[int]]) -> FloatArray:
    weights = np.zeros((len(groups), len(atoms.atom_names)))
    for bead, (group, found) in enumerate(zip(groups, members, strict=True)):
        values = np.array(
            _same_length(atoms, group, group.weights or (1.0,) * len(found), found), dtype=np.float64
        )
        if not np.isfinite(values).all() or (values < 0).any():
            _refuse(atoms, f"bead {group.name} has a negative or infinite weight; weights are 0 or more")
        weights[bead, found] = values
    return weights


def _refuse_empty(
    atoms: MoleculeTemplate,
    groups: Sequence[BeadGroup],
    weighting: Weighting,
    fractions: FloatArray,
    sums: FloatArray,
) -> None:
    for group, shares, total in zip(groups, fractions, sums, strict=True):
        if not total > 0:
            massless = weighting == "mass" and shares.any()
            what = (
                "atoms without mass only: weigh by geometry, or give masses"
                if massless
                else "no atoms with weight"
            )
            _refuse(atoms, f"bead {group.name} has {what}")


def _owners(
    atoms: MoleculeTemplate,
    groups: Sequence[BeadGroup],
    members: list[list[int]],
    owned: list[list[int]],
    unlisted: Unlisted,
) -> IntArray:
    owner = np.full(len(atoms.atom_names), -1, dtype=np.int64)
    for bead in reversed(range(len(groups))):
        owner[members[bead]] = bead  # the first bead that names an atom owns it
    claimed: dict[int, int] = {}
    for bead, claims in enumerate(owned):
        for atom in claims:
            if claimed.setdefault(atom, bead) != bead:
                pair = f"{groups[claimed[atom]].name} and {groups[bead].name}"
                _refuse(atoms, f"atom {atoms.atom_names[atom]} is owned by two beads, {pair}")
            owner[atom] = bead
    if unlisted == "nearest":
        owner = _spread(owner, atoms.bonds, atoms.residue_index, len(groups))
    orphans = np.flatnonzero(owner < 0)
    if len(orphans):
        names = ", ".join(_Finder(atoms).place(int(a)) for a in orphans[:12])
        names += " ..." if len(orphans) > 12 else ""
        advice = "no bond leads from them to a bead" if unlisted == "nearest" else "no bead places them"
        advice += "; add them to a bead (as weightless, if need be)"
        _refuse(atoms, f"{len(orphans)} atoms have no owner, {names}: {advice}")
    return owner


def _spread(owner: IntArray, bonds: IntArray, residue: IntArray, n_beads: int) -> IntArray:
    """Give atoms without owner the owner of their nearest neighbour along the bonds.

    Of several as near, one of the same residue comes first, then the first bead.
    """
    owner = owner.copy()
    ends = np.concatenate([bonds, bonds[:, ::-1]])
    while True:
        edge = ends[(owner[ends[:, 0]] >= 0) & (owner[ends[:, 1]] < 0)]
        if not len(edge):
            return owner
        offer = np.full(len(owner), 2 * n_beads, dtype=np.int64)
        stranger = residue[edge[:, 0]] != residue[edge[:, 1]]
        np.minimum.at(offer, edge[:, 1], owner[edge[:, 0]] + n_beads * stranger)
        reached = np.unique(edge[:, 1])
        owner[reached] = offer[reached] % n_beads


def _refuse(atoms: MoleculeTemplate, what: str) -> None:
    raise MappingError(f"mapping of {atoms.name}: {what}.")
