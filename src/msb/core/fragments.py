"""Units of a molecule that are placed as one piece, told apart so that longer chains have the same ones.

A unit is a bead, a monomer (a bead of the main chain with the beads that hang on it, or a residue), or a
whole molecule.  What makes two units the same is decided at three levels, each with its own key: alike with
all they are bonded to and how far the chain goes on beyond (0), alike with what they are bonded to (1), alike
by themselves (2).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from msb.core.arrays import IntArray
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.errors import ConfigError

__all__ = ["LEVELS", "Unit", "UnitKind", "bead_groups_of", "units_of"]

UnitKind = Literal["bead", "monomer", "molecule"]
LEVELS = 3  # ways of being the same unit, the finest first
_SMALL = 3  # beads of a molecule that is one unit however it is cut


@dataclass(frozen=True, eq=False)
class Unit:
    """One piece of a molecule.

    Attributes
    ----------
    name : str
        For messages: its beads.
    beads : tuple of int
        Its own, ascending.
    atoms : ndarray (a,) int64
        Those that its beads own, ascending.
    centres : tuple of int
        Its stereocentres, as positions in the template's `stereocentres`.
    slots : tuple of int
        The units bonded to it, in an order that follows from its own atoms.
    near : tuple of int
        Beads of the bonded units, slot by slot.
    far : tuple of int
        Beads of the units bonded to those, slot by slot; each unit once.
    near_centres : tuple of int
        Stereocentres of the bonded units.
    junctions : ndarray (J, 3) int64
        Bonds to other units: own atom (a position in `atoms`), slot, and the other atom (in the molecule).
    keys : tuple of str
        Equal for equal units, the finest level first.
    """

    name: str
    beads: tuple[int, ...]
    atoms: IntArray
    centres: tuple[int, ...]
    slots: tuple[int, ...]
    near: tuple[int, ...]
    far: tuple[int, ...]
    near_centres: tuple[int, ...]
    junctions: IntArray
    keys: tuple[str, ...]


def bead_groups_of(
    molecule: MoleculeTemplate, mapping: MappingTemplate, kind: UnitKind = "monomer"
) -> list[tuple[int, ...]]:
    """Split the beads of a molecule into units.

    Parameters
    ----------
    molecule : MoleculeTemplate
    mapping : MappingTemplate
        Of the molecule.
    kind : {'bead', 'monomer', 'molecule'}
        Monomers are residues where the molecule has several and each one's beads hang together; otherwise
        each bead with the end beads that hang on it, where an end bead is of a type that no inner bead has.
        Molecules of up to three beads are one unit.

    Returns
    -------
    list of tuple of int
        By their first bead.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if kind not in get_args(UnitKind):
        raise ConfigError(f"units are `bead`, `monomer` or `molecule`, not `{kind}`")
    beads = range(mapping.n_beads)
    if kind == "molecule" or (kind == "monomer" and mapping.n_beads <= _SMALL):
        return [tuple(beads)]
    if kind == "bead":
        return [(bead,) for bead in beads]
    bonded = _bead_neighbours(mapping)
    residues: dict[int, list[int]] = {}
    for bead in beads:
        residues.setdefault(int(mapping.bead_residue[bead]), []).append(bead)
    if len(residues) > 1 and all(_connected(group, bonded) for group in residues.values()):
        return sorted(tuple(group) for group in residues.values())
    host = _hosts(mapping, bonded)
    groups: dict[int, list[int]] = {}
    for bead in beads:
        groups.setdefault(host[bead], []).append(bead)
    return sorted(tuple(group) for group in groups.values())


def units_of(
    molecule: MoleculeTemplate, mapping: MappingTemplate, kind: UnitKind = "monomer"
) -> tuple[Unit, ...]:
    """The units of a molecule, each with its surroundings.

    Equal repeats must have their atoms and beads in the same order; which repeat it is does not matter.

    Parameters
    ----------
    molecule, mapping, kind
        As in :func:`bead_groups_of`.

    Returns
    -------
    tuple of Unit
        Every atom is in exactly one.
    """
    groups = bead_groups_of(molecule, mapping, kind)
    unit_of_bead = np.zeros(mapping.n_beads, dtype=np.int64)
    for number, group in enumerate(groups):
        unit_of_bead[list(group)] = number
    unit_of_atom = unit_of_bead[mapping.owner]
    atoms = [np.flatnonzero(unit_of_atom == number) for number in range(len(groups))]
    local = np.zeros(mapping.n_atoms, dtype=np.int64)
    for own in atoms:
        local[own] = np.arange(len(own))
    bonds = [_outward(own, number, molecule, unit_of_atom, local) for number, own in enumerate(atoms)]
    around = [tuple(dict.fromkeys(unit for _, unit, _, _ in rows)) for rows in bonds]
    chemistry = [
        _digest(_chemistry(own, group, molecule, mapping, unit_of_atom, local, around[number], atoms))
        for number, (own, group) in enumerate(zip(atoms, groups, strict=True))
    ]
    centres = [
        tuple(k for k, atom in enumerate(molecule.stereocentres) if unit_of_atom[atom] == number)
        for number in range(len(groups))
    ]
    return tuple(
        _unit(number, groups, atoms, bonds, around, chemistry, centres, mapping)
        for number in range(len(groups))
    )


def _unit(
    number: int,
    groups: list[tuple[int, ...]],
    atoms: list[IntArray],
    bonds: list[list[tuple[int, int, int, int]]],
    around: list[tuple[int, ...]],
    chemistry: list[str],
    centres: list[tuple[int, ...]],
    mapping: MappingTemplate,
) -> Unit:
    slots = around[number]
    beyond: list[tuple[int, ...]] = []
    seen = {number, *slots}
    for slot in slots:
        new = tuple(unit for unit in around[slot] if unit not in seen)
        seen.update(new)
        beyond.append(new)
    junctions = [(a, slots.index(unit), other) for a, unit, _, other in bonds[number]]
    links = [(a, slots.index(unit), there) for a, unit, there, _ in bonds[number]]
    own = chemistry[number]
    beads_near = tuple(len(groups[slot]) for slot in slots)
    beads_far = tuple(tuple(len(groups[unit]) for unit in new) for new in beyond)
    one = _digest((own, links, [chemistry[slot] for slot in slots]))
    two = _digest((own, [link[:2] for link in links], beads_near))
    return Unit(
        "+".join(mapping.bead_names[bead] for bead in groups[number]),
        groups[number],
        atoms[number],
        centres[number],
        slots,
        tuple(bead for slot in slots for bead in groups[slot]),
        tuple(bead for new in beyond for unit in new for bead in groups[unit]),
        tuple(centre for slot in slots for centre in centres[slot]),
        np.array(junctions, dtype=np.int64).reshape(-1, 3),
        (_digest((one, beads_far)), one, two),
    )


def _outward(
    own: IntArray, number: int, molecule: MoleculeTemplate, unit_of_atom: IntArray, local: IntArray
) -> list[tuple[int, int, int, int]]:
    """Bonds that leave a unit: own atom (local), other unit, its atom (local there, and in the molecule)."""
    rows = [
        (int(local[atom]), int(unit_of_atom[other]), int(local[other]), int(other))
        for atom in own.tolist()
        for other in molecule.neighbours[atom]
        if unit_of_atom[other] != number
    ]
    return sorted(rows, key=lambda row: (row[0], row[2], row[3]))


def _chemistry(
    own: IntArray,
    group: tuple[int, ...],
    molecule: MoleculeTemplate,
    mapping: MappingTemplate,
    unit_of_atom: IntArray,
    local: IntArray,
    slots: tuple[int, ...],
    atoms: list[IntArray],
) -> tuple[object, ...]:
    """What a unit is by itself: atoms, bonds, beads, and how the hands of its centres are counted."""
    number = unit_of_atom[own[0]] if len(own) else -1

    def place(atom: int) -> tuple[int, int]:
        if unit_of_atom[atom] == number:
            return -1, int(local[atom])
        return slots.index(int(unit_of_atom[atom])), 0

    inside = [
        (int(local[i]), int(local[j]))
        for i, j in molecule.bonds.tolist()
        if unit_of_atom[i] == number == unit_of_atom[j]
    ]
    outside = sorted(place(other) for a in own.tolist() for other in molecule.neighbours[a])
    turns = [
        (int(local[c]), [place(o) for o in molecule.neighbours[c]])
        for c in molecule.stereocentres
        if unit_of_atom[c] == number
    ]
    kinds = [molecule.elements[a] for a in own.tolist()]
    types = [mapping.bead_types[bead] for bead in group]
    return kinds, inside, len([p for p in outside if p[0] >= 0]), turns, types, _shares(group, own, mapping)


def _shares(group: tuple[int, ...], own: IntArray, mapping: MappingTemplate) -> list[list[float]]:
    """Weights of a unit's own atoms in its own beads, to three digits: masses of force fields differ."""
    weights = mapping.weights[list(group)][:, own].toarray()
    rows: list[list[float]] = (np.round(weights, 3) + 0.0).tolist()
    return rows


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:24]


def _bead_neighbours(mapping: MappingTemplate) -> list[set[int]]:
    bonded: list[set[int]] = [set() for _ in range(mapping.n_beads)]
    for i, j in mapping.bead_bonds.tolist():
        bonded[i].add(j)
        bonded[j].add(i)
    return bonded


def _connected(group: list[int], bonded: list[set[int]]) -> bool:
    seen, queue = {group[0]}, [group[0]]
    for bead in queue:
        fresh = (bonded[bead] & set(group)) - seen
        seen |= fresh
        queue.extend(fresh)
    return len(seen) == len(group)


def _hosts(mapping: MappingTemplate, bonded: list[set[int]]) -> list[int]:
    """The bead whose unit each bead belongs to: its own, or the one that an end bead hangs on."""
    inner = Counter(mapping.bead_types[b] for b, around in enumerate(bonded) if len(around) > 1)
    host = list(range(mapping.n_beads))
    for bead, around in enumerate(bonded):
        if len(around) == 1 and mapping.bead_types[bead] not in inner:
            (host[bead],) = around
    return host
