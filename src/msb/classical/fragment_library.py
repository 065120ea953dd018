"""Molecules cut into units: what a fragment library knows, and the entries that can serve a wanted unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.classical.fragment_search import Entries
from msb.core.fragments import LEVELS, Unit, UnitKind, units_of
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate, same_atoms
from msb.data.snapshots import Snapshots

__all__ = ["FragmentLibrary", "KnownMolecule", "Wanted", "context", "restored"]

_ENOUGH = 32  # entries with which a finer likeness is preferred to more entries

Array = NDArray[np.float32]
Signs = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class KnownMolecule:
    """Copies of one molecule.

    Attributes
    ----------
    molecule, mapping
        Its templates.
    positions : float32 array (K, n, 3)
        nm, whole.
    """

    molecule: MoleculeTemplate
    mapping: MappingTemplate
    positions: Array

    @cached_property
    def beads(self) -> Array:
        """Beads of the copies (K, m, 3), nm."""
        weights = self.mapping.weights
        flat = self.positions.transpose(1, 0, 2).reshape(self.mapping.n_atoms, -1)
        return np.asarray(
            (weights @ flat).reshape(self.mapping.n_beads, -1, 3).transpose(1, 0, 2), dtype=np.float32
        )

    @cached_property
    def hands(self) -> Signs:
        """Signs of the stereocentres (K, C)."""
        return np.asarray(self.molecule.chirality(self.positions.astype(np.float64)), dtype=np.int8)


@dataclass(frozen=True)
class Wanted:
    """A unit to be placed, up to mirror images.

    Attributes
    ----------
    unit : Unit
    sign : int
        -1 where the mirror image of an entry is to be placed.
    own, near : tuple of int, or None
        Hands of the centres in the unit and in those bonded to it, times `sign`; None where any will do.
    """

    unit: Unit
    sign: int
    own: tuple[int, ...] | None
    near: tuple[int, ...] | None

    @classmethod
    def of(cls, unit: Unit, hands: Signs | None) -> Wanted:
        """The unit with the hands that its molecule's centres are to have, or any; 0 is any hand."""
        if hands is None:
            return cls(unit, 1, None, None)
        own, near = hands[list(unit.centres)], hands[list(unit.near_centres)]
        if not own.all():
            return cls(unit, 1, None, None)
        sign = _first_sign(own, near)
        beside = tuple((sign * near).tolist()) if near.all() else None
        return cls(unit, sign, tuple((sign * own).tolist()), beside)

    def key(self, level: int) -> tuple[str, tuple[int, ...] | None, tuple[int, ...] | None, int]:
        """What tells it from other units at a level; at the coarsest, what it is bonded to does not."""
        return self.unit.keys[level], self.own, self.near if level < LEVELS - 1 else None, level


@dataclass(eq=False)
class FragmentLibrary:
    """Molecules of all-atom snapshots, cut into units.

    Attributes
    ----------
    kind : {'bead', 'monomer', 'molecule'}
    known : list of KnownMolecule
    weights : (near, far)
        Weight of the beads of bonded units, and of those beyond, where a unit's own weigh 1.
    mirrors : bool
        Whether pieces without stereocentres serve as their mirror images too.
    """

    kind: UnitKind
    known: list[KnownMolecule]
    weights: tuple[float, float]
    mirrors: bool = True
    _made: dict[Any, Entries | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls, source: Snapshots, kind: UnitKind, weights: tuple[float, float], mirrors: bool = True
    ) -> FragmentLibrary:
        """All molecules of all snapshots."""
        known: dict[tuple[str, str], KnownMolecule] = {}
        parts = zip(source.topology.split(source.positions), source.mapping.templates, strict=True)
        for (molecule, positions), mapping in parts:
            key = molecule.content_hash, mapping.content_hash
            copies = np.ascontiguousarray(positions.reshape(-1, molecule.n_atoms, 3))
            if key in known:
                copies = np.concatenate([known[key].positions, copies])
            known[key] = KnownMolecule(molecule, mapping, copies)
        return cls(kind, list(known.values()), weights, mirrors)

    @cached_property
    def units(self) -> list[tuple[Unit, ...]]:
        """Units of each known molecule."""
        return [units_of(entry.molecule, entry.mapping, self.kind) for entry in self.known]

    @cached_property
    def names(self) -> dict[str, str]:
        """A name for each unit by itself, by its coarsest key."""
        return {
            unit.keys[-1]: f"{entry.molecule.name} {unit.name}"
            for entry, units in zip(self.known, self.units, strict=True)
            for unit in units
        }

    def majority(self, molecule: MoleculeTemplate) -> Signs | None:
        """The hands that at least nine tenths of the copies of a known molecule have at each centre."""
        for entry in self.known:
            if same_atoms(entry.molecule, molecule):
                mean = entry.hands.mean(axis=0)
                return np.sign(mean).astype(np.int8) if (np.abs(mean) >= 0.8).all() else None
        return None

    def entries(self, wanted: Wanted) -> Entries | None:
        """The entries that can serve: the finest likeness that has enough; None if there is none."""
        found = [entries for level in range(LEVELS) if (entries := self.level(wanted, level)) is not None]
        return next((e for e in found if len(e) >= _ENOUGH), max(found, key=len, default=None))

    def level(self, wanted: Wanted, level: int) -> Entries | None:
        """The entries that are alike at one level; None if there are none."""
        key = wanted.key(level)
        if key not in self._made:
            self._made[key] = self._collect(key[0], level, *key[1:3])
        return self._made[key]

    def _collect(
        self, key: str, level: int, own: tuple[int, ...] | None, near: tuple[int, ...] | None
    ) -> Entries | None:
        parts: list[tuple[Array, Array, Array]] = []
        unit = None
        for entry, units in zip(self.known, self.units, strict=True):
            for unit in (unit for unit in units if unit.keys[level] == key):
                parts.extend(_pieces(entry, unit, level, own, near, self.mirrors))
        sizes = _sizes(unit, self.weights, level) if unit is not None else []
        if not parts or not sum(len(part[0]) for part in parts):
            return None
        atoms, beads, halo = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return Entries(atoms, beads, halo, np.array(sizes))


def context(unit: Unit, level: int) -> tuple[int, ...]:
    """Beads that a unit is recognised by: its own, those bonded to it, at the finest level those beyond."""
    return (*unit.beads, *unit.near, *(unit.far if level == 0 else ()))


def _sizes(unit: Unit, weights: tuple[float, float], level: int) -> list[float]:
    far = len(unit.far) if level == 0 else 0
    return [1.0] * len(unit.beads) + [weights[0]] * len(unit.near) + [weights[1]] * far


def _pieces(
    entry: KnownMolecule,
    unit: Unit,
    level: int,
    own: tuple[int, ...] | None,
    near: tuple[int, ...] | None,
    mirrors: bool,
) -> Sequence[tuple[Array, Array, Array]]:
    """Atoms, beads and atoms across the junctions of a unit in all copies, mirrored where that fits."""
    atoms = entry.positions[:, unit.atoms]
    beads = entry.beads[:, list(context(unit, level))]
    halo = entry.positions[:, unit.junctions[:, 2]]
    pattern: list[int] = []
    centres: list[int] = []
    for wanted, these in ((own, unit.centres), (near, unit.near_centres)):
        if wanted is not None:
            pattern.extend(wanted)
            centres.extend(these)
    signs = entry.hands[:, centres]
    pieces = []
    for mirror in (1, -1) if mirrors or centres else (1,):
        fits = (signs * mirror == np.array(pattern, dtype=np.int8)).all(axis=1)
        flip = np.array([mirror, 1, 1], dtype=np.float32)
        pieces.append((atoms[fits] * flip, beads[fits] * flip, halo[fits] * flip))
    return pieces


def _first_sign(own: Signs, near: Signs) -> int:
    both = [int(sign) for sign in (*own.tolist(), *near.tolist()) if sign]
    return both[0] if both else 1


def restored(
    kind: UnitKind,
    weights: tuple[float, float],
    plain: Sequence[Any],
    arrays: dict[str, Any],
    mirrors: bool = True,
) -> FragmentLibrary:
    """The library in a bundle."""
    known = [
        KnownMolecule(
            MoleculeTemplate.from_dict(entry["molecule"]),
            MappingTemplate.from_dict(entry["mapping"]),
            arrays[f"molecules_{i}"],
        )
        for i, entry in enumerate(plain)
    ]
    return FragmentLibrary(kind, known, weights, mirrors)
