"""Where a molecule can have handedness, and which hand some positions show.

A stereocentre is an atom with four explicit neighbours that are all different. "Different" is decided on the
bond graph, by the coarsest stable partition of the atoms (Weisfeiler-Lehman refinement, the first half of
canonical ranking). An atom with two constitutionally equal arms still counts when the arms hold stereocentres
of their own: the middle CH of an atactic chain, or two substituted atoms of one ring (cis or trans).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from msb.core.arrays import Array, is_tensor, namespace_of
from msb.core.graph import Neighbours

__all__ = ["equivalence_classes", "hands", "signed_volumes", "stereocentres_of"]

_CENTRES = frozenset({"C", "Si", "Ge", "Sn", "N", "P", "As", "S", "Se"})


def equivalence_classes(labels: Sequence[Hashable], neighbours: Neighbours) -> list[int]:
    """Split atoms into classes until no neighbourhood tells two atoms of a class apart.

    Parameters
    ----------
    labels : sequence
        What is known of every atom beforehand, its element for instance.
    neighbours : sequence of sequence of int
        Bonded neighbours of every atom.

    Returns
    -------
    list of int
        The class of every atom; the numbers mean nothing but equality.
    """
    numbers = {label: n for n, label in enumerate(dict.fromkeys(labels))}
    colours = [numbers[label] for label in labels]
    members: dict[int, set[int]] = defaultdict(set)
    for atom, colour in enumerate(colours):
        members[colour].add(atom)
    touched, fresh = set(range(len(labels))), count(len(numbers))
    while touched:
        moves = _splits(touched, colours, members, neighbours, fresh)
        for atom, colour in moves:
            members[colours[atom]].discard(atom)
            colours[atom] = colour
            members[colour].add(atom)
        touched = {other for atom, _ in moves for other in neighbours[atom]}
    return colours


def _splits(
    touched: set[int],
    colours: list[int],
    members: dict[int, set[int]],
    neighbours: Neighbours,
    fresh: Iterator[int],
) -> list[tuple[int, int]]:
    """Return (atom, new colour) for the atoms that leave their class; those not touched keep its name."""

    def signature(atom: int) -> tuple[int, ...]:
        return tuple(sorted(colours[other] for other in neighbours[atom]))

    groups: dict[int, dict[tuple[int, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for atom in sorted(touched):
        groups[colours[atom]][signature(atom)].append(atom)
    moves: list[tuple[int, int]] = []
    for colour, group in groups.items():
        if sum(map(len, group.values())) < len(members[colour]):
            stays = signature(next(atom for atom in members[colour] if atom not in touched))
        else:
            stays = max(group, key=lambda key: len(group[key]))
        for key, atoms in group.items():
            if key != stays:
                colour_of_group = next(fresh)
                moves.extend((atom, colour_of_group) for atom in atoms)
    return moves


def stereocentres_of(
    elements: Sequence[str], neighbours: Neighbours, rings: Iterable[Sequence[int]]
) -> tuple[int, ...]:
    """Return the atoms at which a molecule can have handedness.

    Parameters
    ----------
    elements : sequence of str
        Symbols; hydrogens must be explicit.
    neighbours : sequence of sequence of int
        Bonded neighbours of every atom.
    rings : iterable of sequence of int
        The smallest rings, for cis and trans.

    Returns
    -------
    tuple of int
        Ascending.
    """
    classes = equivalence_classes(
        [(e, len(n)) for e, n in zip(elements, neighbours, strict=True)], neighbours
    )
    centres: set[int] = set()
    tied: dict[int, tuple[int, ...]] = {}
    for atom, around in enumerate(neighbours):
        if len(around) != 4 or elements[atom] not in _CENTRES:
            continue
        kinds = [classes[other] for other in around]
        if len(set(kinds)) == 4:
            centres.add(atom)
        elif len(set(kinds)) == 3:
            tied[atom] = tuple(o for o, kind in zip(around, kinds, strict=True) if kinds.count(kind) == 2)
    centres |= _cis_trans(tied, rings)
    while more := {
        a for a, arms in tied.items() if a not in centres and _holds(arms[0], a, centres, neighbours)
    }:
        centres |= more
    return tuple(sorted(centres))


def _cis_trans(tied: dict[int, tuple[int, ...]], rings: Iterable[Sequence[int]]) -> set[int]:
    """Return the atoms whose two equal arms close a ring that holds another such atom."""
    found: set[int] = set()
    for ring in rings:
        inside = [atom for atom in ring if atom in tied and set(tied[atom]) <= set(ring)]
        if len(inside) > 1:
            found.update(inside)
    return found


def _holds(arm: int, centre: int, centres: set[int], neighbours: Neighbours) -> bool:
    """Tell whether an arm of a centre holds a stereocentre."""
    seen, queue = {centre, arm}, [arm]
    for atom in queue:
        if atom in centres:
            return True
        fresh = [other for other in neighbours[atom] if other not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return False


def signed_volumes(positions: Array, corners: Sequence[Sequence[int]]) -> Array:
    """Return six times the signed volume of tetrahedra: (a - d) . ((b - d) x (c - d)).

    Parameters
    ----------
    positions : ndarray or Tensor (..., n, 3)
        nm.
    corners : sequence of (a, b, c, d)
        Atoms at the corners.

    Returns
    -------
    ndarray or Tensor (..., len(corners))
        nm^3; a mirror image has the opposite sign.
    """
    index: Any = [list(column) for column in zip(*corners, strict=True)] or [[], [], [], []]
    a, b, c, d = (positions[..., column, :] for column in index)
    a, b, c = a - d, b - d, c - d
    x = b[..., 1] * c[..., 2] - b[..., 2] * c[..., 1]
    y = b[..., 2] * c[..., 0] - b[..., 0] * c[..., 2]
    z = b[..., 0] * c[..., 1] - b[..., 1] * c[..., 0]
    volumes: Array = a[..., 0] * x + a[..., 1] * y + a[..., 2] * z
    return volumes


def hands(volumes: Array) -> Array:
    """Return the signs of volumes as int8: +1, -1, or 0 where flat.

    Parameters
    ----------
    volumes : ndarray or Tensor (...)
        See `signed_volumes`.

    Returns
    -------
    ndarray or Tensor (...), int8
    """
    signs: Any = namespace_of(volumes).sign(volumes)
    hand: Array = signs.char() if is_tensor(volumes) else signs.astype("int8")
    return hand
