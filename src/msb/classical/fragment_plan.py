"""Which unit of a system is placed from which entries: index arrays, one piece for all alike units."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from msb.classical.fragment_library import Wanted, context
from msb.core.fragments import LEVELS, Unit, UnitKind, units_of
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError, TopologyError

__all__ = ["Catalogue", "Entries", "Kind", "Plan", "plan"]

IntArray = NDArray[np.int64]
_LISTED = 8  # unknown units that are named


class Entries(Protocol):
    """What a kind of unit is placed from."""

    @property
    def n_beads(self) -> int:
        """Number of beads that it is recognised by."""
        ...


class Catalogue(Protocol):
    """What is known of units.

    Attributes
    ----------
    kind : {'bead', 'monomer', 'molecule'}
    """

    kind: UnitKind

    @property
    def names(self) -> dict[str, str]:
        """A name for each unit by itself, by its coarsest key."""
        ...

    def majority(self, molecule: MoleculeTemplate) -> NDArray[np.int8] | None:
        """The hands that the copies of a known molecule agree on."""
        ...

    def entries(self, wanted: Wanted) -> Any:
        """What can serve a unit; None if nothing can."""
        ...


@dataclass(frozen=True, eq=False)
class Kind:
    """Q units of a system that are placed from the same entries.

    Attributes
    ----------
    entries : Entries
        What they are placed from.
    units : int array (Q,)
        Their numbers in the system.
    signs : float32 array (Q, 1, 1)
        -1 where mirror images of the entries are placed.
    beads : int array (Q, b)
        Beads that they are recognised by.
    atoms : int array (Q, a)
    inner : int array (J,)
        Atoms with bonds to other units, as positions in `atoms`.
    outer : int array (Q, J)
        Atoms at the other end.
    links : int array (Q, J)
        Rows of the plan's bonds between units.
    back : int array (Q, J)
        Rows of the same bonds seen from the other unit.
    """

    entries: Any
    units: IntArray
    signs: NDArray[np.float32]
    beads: IntArray
    atoms: IntArray
    inner: IntArray
    outer: IntArray
    links: IntArray
    back: IntArray


@dataclass(frozen=True, eq=False)
class Plan:
    """All units of a system.

    Attributes
    ----------
    kinds : tuple of Kind
    n_units, n_links : int
        Units, and bonds between units, each counted from both ends.
    unit_of_atom : int array (N,)
    colours : int array (n_units,)
        Units that are bonded have different ones, as far as two suffice.
    """

    kinds: tuple[Kind, ...]
    n_units: int
    n_links: int
    unit_of_atom: IntArray
    colours: IntArray


@dataclass
class _Rows:
    """Index arrays of one kind while they are collected."""

    entries: Entries
    inner: IntArray
    parts: list[tuple[NDArray[np.generic], ...]]


def plan(library: Catalogue, topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None) -> Plan:
    """Find entries for every unit of a system.

    Parameters
    ----------
    library : Catalogue
    topology, mapping
        The system.
    hands : int8 array (C,) or None
        Wanted hand of every stereocentre; by default what the library's copies of the molecule agree on,
        else whatever fits the beads.

    Raises
    ------
    MappingError
        If there are units that the library does not know, or not with the wanted hands.
    TopologyError
        If there are more or fewer hands than stereocentres.
    """
    rows: dict[int, _Rows] = {}
    unknown: dict[str, str] = {}
    unit_of_atom = np.zeros(topology.n_atoms, dtype=np.int64)
    first_unit = first_hand = 0
    colours: list[IntArray] = []
    _check_hands(topology, hands)
    for block, (molecule, first, count) in zip(mapping.blocks, topology.blocks(), strict=True):
        units = units_of(molecule, block.template, library.kind)
        centres = len(molecule.stereocentres)
        wanted = hands
        if wanted is not None:
            wanted = wanted[first_hand : first_hand + centres * count].reshape(count, centres)
            first_hand += centres * count
        else:
            same = library.majority(molecule)
            wanted = None if same is None else np.broadcast_to(same, (count, centres))
        shape = _Copies(first, block.first_bead, first_unit, count, molecule.n_atoms, block.template.n_beads)
        for number, unit in enumerate(units):
            of_copies = shape.atoms(unit.atoms)
            unit_of_atom[of_copies] = (first_unit + number + len(units) * np.arange(count))[:, None]
            for copies, need in _alike(unit, wanted, count):
                entries = library.entries(need)
                if entries is None:
                    unknown.setdefault(_unknown(library, unit, need), molecule.name)
                    continue
                _collect(rows, entries, unit, need.sign, shape, number, len(units), copies)
        colours.append(np.tile(_colours(units), count))
        first_unit += len(units) * count
    if unknown:
        raise _refusal(unknown)
    return _finish(rows, first_unit, unit_of_atom, np.concatenate(colours) if colours else np.zeros(0, int))


@dataclass(frozen=True)
class _Copies:
    """Where the copies of a molecule are."""

    first_atom: int
    first_bead: int
    first_unit: int
    count: int
    n_atoms: int
    n_beads: int

    def atoms(self, of: IntArray) -> IntArray:
        return self.first_atom + self.n_atoms * np.arange(self.count)[:, None] + np.asarray(of)

    def beads(self, of: tuple[int, ...]) -> IntArray:
        return self.first_bead + self.n_beads * np.arange(self.count)[:, None] + np.array(of, dtype=np.int64)


def _alike(unit: Unit, hands: NDArray[np.int8] | None, count: int) -> list[tuple[IntArray, Wanted]]:
    """Copies of a unit that want the same hands."""
    if hands is None:
        return [(np.arange(count), Wanted.of(unit, None))]
    centres = [*unit.centres, *unit.near_centres]
    patterns, which = np.unique(hands[:, centres], axis=0, return_inverse=True)
    which = np.reshape(which, -1)
    return [
        (np.flatnonzero(which == i), Wanted.of(unit, hands[int(np.argmax(which == i))]))
        for i in range(len(patterns))
    ]


def _collect(
    rows: dict[int, _Rows],
    entries: Entries,
    unit: Unit,
    sign: int,
    shape: _Copies,
    number: int,
    n_units: int,
    copies: IntArray,
) -> None:
    level = 0 if entries.n_beads == len(context(unit, 0)) else LEVELS - 1
    record = rows.setdefault(id(entries), _Rows(entries, unit.junctions[:, 0], []))
    record.parts.append(
        (
            shape.first_unit + number + n_units * copies,
            np.full((len(copies), 1, 1), sign, dtype=np.float32),
            shape.beads(context(unit, level))[copies],
            shape.atoms(unit.atoms)[copies],
            shape.atoms(unit.junctions[:, 2])[copies],
        )
    )


def _finish(rows: dict[int, _Rows], n_units: int, unit_of_atom: IntArray, colours: IntArray) -> Plan:
    """Number the bonds between units and find each from its other end."""
    merged = []
    for row in rows.values():
        columns = [np.concatenate(parts) for parts in zip(*row.parts, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        merged.append((row, [column[order] for column in columns]))
    n_atoms, done = len(unit_of_atom), 0
    ends: list[IntArray] = [np.zeros((0, 2), dtype=np.int64)]
    for row, (_, _, _, atoms, outer) in merged:
        ends.append(np.stack([atoms[:, row.inner].ravel(), outer.ravel()], axis=1))
    table = np.concatenate(ends)
    codes = table[:, 0] * n_atoms + table[:, 1]
    order = np.argsort(codes)
    back = order[np.searchsorted(codes[order], table[:, 1] * n_atoms + table[:, 0])] if len(codes) else codes
    kinds = []
    for row, (units, signs, beads, atoms, outer) in merged:
        links = np.arange(done, done + outer.size).reshape(outer.shape)
        done += outer.size
        kinds.append(Kind(row.entries, units, signs, beads, atoms, row.inner, outer, links, back[links]))
    return Plan(tuple(kinds), n_units, done, unit_of_atom, colours)


def _colours(units: tuple[Unit, ...]) -> IntArray:
    """0 or 1 by turns along the bonds."""
    colours = np.full(len(units), -1, dtype=np.int64)
    for root in range(len(units)):
        if colours[root] < 0:
            colours[root], queue = 0, [root]
            for unit in queue:
                for other in units[unit].slots:
                    if colours[other] < 0:
                        colours[other] = 1 - colours[unit]
                        queue.append(other)
    return colours


def _check_hands(topology: Topology, hands: NDArray[np.int8] | None) -> None:
    centres = sum(len(molecule.stereocentres) * count for molecule, count in topology.molecules)
    if hands is not None and len(hands) != centres:
        raise TopologyError(f"there are {len(hands)} hands for {centres} stereocentres; give one for each")


def _unknown(library: Catalogue, unit: Unit, need: Wanted) -> str:
    """The unit in words, with what comes nearest."""
    if unit.keys[-1] in library.names:
        return f"{unit.name} with the hands {' '.join('+' if s > 0 else '-' for s in need.own or ())}"
    known = sorted(set(library.names.values()))
    by_name = {name.partition(" ")[2]: name for name in known}
    near = difflib.get_close_matches(unit.name, list(by_name), n=1, cutoff=0.3)
    return f"{unit.name} (nearest known: {by_name[near[0]] if near else known[0] if known else 'none'})"


def _refusal(unknown: dict[str, str]) -> MappingError:
    listed = [f"{molecule} {what}" for what, molecule in unknown.items()]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return MappingError(
        f"the model has no units for {', '.join(listed[:_LISTED])}{more}; add all-atom snapshots "
        "that hold them, or leave these molecules out"
    )
