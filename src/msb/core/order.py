"""In which order things are placed, and what may be placed together without changing the result.

Three orders are kept apart: of the beads of a molecule (`bead_ranks`), of the atoms of a bead
(`atom_sequence`), and of the beads of a system (`visiting_order`).  The last one is a total order; `stages`
makes a partial one of it: beads that cannot see each other share a stage, and placing stage after stage gives
what placing bead after bead gives.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from msb.core.arrays import IntArray
from msb.core.graph import Neighbours, components_of, neighbours_of
from msb.core.mapping_template import MappingTemplate
from msb.core.noise import uniform
from msb.core.template import MoleculeTemplate
from msb.errors import ConfigError

__all__ = [
    "BeadOrder",
    "VisitingOrder",
    "atom_sequence",
    "bead_ranks",
    "colours",
    "describe",
    "stages",
    "visiting_order",
]

BeadOrder = Literal["depth", "breadth", "random", "index"]
VisitingOrder = Literal["rank", "molecule", "colour", "random"]


def bead_ranks(mapping: MappingTemplate, how: BeadOrder = "depth", seed: int = 0) -> IntArray:
    """Return the place of every bead in the order of its molecule.

    A connected piece starts at an end (the bead with the fewest bonds, of those the first); every other bead
    of it follows a bead that it is bonded to.  Pieces follow one another in the order of their first beads.

    Parameters
    ----------
    mapping : MappingTemplate
        Its `bead_bonds` are the graph.
    how : {'depth', 'breadth', 'random', 'index'}
        Depth first, side beads (those with fewer bonds) before the chain goes on; breadth first; grown from
        a bead drawn by chance, always by one that is bonded to what is there; as the mapping numbers them.
    seed : int
        Of the random order.

    Returns
    -------
    ndarray (M,), int64
        A permutation of 0 ... M - 1.

    Raises
    ------
    ConfigError
        There is no such order.
    """
    _check(how, get_args(BeadOrder), "order of beads")
    n = mapping.n_beads
    if how == "index":
        return np.arange(n, dtype=np.int64)
    neighbours = neighbours_of(n, mapping.bead_bonds)
    chance = uniform(seed, 0, 0, np.arange(n)).tolist()
    keys: list[tuple[float, int]] = [
        (chance[b] if how == "random" else len(neighbours[b]), b) for b in range(n)
    ]
    component = components_of(n, mapping.bead_bonds)
    pieces = np.split(np.argsort(component, kind="stable"), np.cumsum(np.bincount(component))[:-1])
    walk = {"depth": _depth_first, "breadth": _breadth_first, "random": _by_key}[how]
    visited = [
        bead for piece in pieces for bead in walk(min(piece.tolist(), key=keys.__getitem__), neighbours, keys)
    ]
    ranks = np.empty(n, dtype=np.int64)
    ranks[visited] = np.arange(n)
    return ranks


def _depth_first(start: int, neighbours: Neighbours, keys: Sequence[tuple[float, int]]) -> Iterator[int]:
    seen = {start}
    yield start
    stack = [iter(sorted(neighbours[start], key=keys.__getitem__))]
    while stack:
        node = next((other for other in stack[-1] if other not in seen), None)
        if node is None:
            stack.pop()
            continue
        seen.add(node)
        yield node
        stack.append(iter(sorted(neighbours[node], key=keys.__getitem__)))


def _breadth_first(start: int, neighbours: Neighbours, keys: Sequence[tuple[float, int]]) -> Iterator[int]:
    seen, queue = {start}, [start]
    for node in queue:
        yield node
        fresh = sorted((o for o in neighbours[node] if o not in seen), key=keys.__getitem__)
        seen.update(fresh)
        queue.extend(fresh)


def _by_key(start: int, neighbours: Neighbours, keys: Sequence[tuple[float, int]]) -> Iterator[int]:
    """Grow by the bonded node with the smallest key."""
    seen, front = {start}, [keys[start]]
    while front:
        _, node = heapq.heappop(front)
        yield node
        for other in neighbours[node]:
            if other not in seen:
                seen.add(other)
                heapq.heappush(front, keys[other])


def atom_sequence(molecule: MoleculeTemplate, mapping: MappingTemplate, ranks: IntArray) -> list[IntArray]:
    """Return for every bead the atoms that it owns, in the order in which they are placed.

    Heavy atoms come first, depth first along the bonds inside the bead, ends before the chain goes on, from
    one that is bonded to a heavy atom of a bead with a lower rank.  So a heavy atom without a bonded heavy
    atom before it (in this bead, or in one of lower rank) is placed only when no other one has one.  Then
    come the hydrogens, in the order of the heavy atoms of the bead that they are bonded to; those without one
    are last.

    Parameters
    ----------
    molecule : MoleculeTemplate
    mapping : MappingTemplate
        Of the molecule.
    ranks : ndarray (M,)
        See `bead_ranks`.

    Returns
    -------
    list of ndarray (a,), int64
        One array a bead, atoms of the molecule; empty where a bead owns none.
    """
    owner, rank = mapping.owner.tolist(), np.asarray(ranks).tolist()
    light = [element == "H" for element in molecule.elements]
    own: list[list[int]] = [[] for _ in range(mapping.n_beads)]
    for atom, bead in enumerate(owner):
        own[bead].append(atom)
    heavy = [tuple(o for o in around if not light[o]) for around in molecule.neighbours]
    sequences = []
    for bead, atoms in enumerate(own):
        inside = {a: [o for o in heavy[a] if owner[o] == bead] for a in atoms if not light[a]}
        joined = {a for a in inside if any(rank[owner[o]] < rank[bead] for o in heavy[a])}
        first = _heavy_first(inside, joined)
        place = {atom: k for k, atom in enumerate(first)}

        def parent(atom: int, place: dict[int, int] = place) -> tuple[int, int]:
            return min((place[o] for o in heavy[atom] if o in place), default=len(place)), atom

        sequence = first + sorted((a for a in atoms if light[a]), key=parent)
        sequences.append(np.array(sequence, dtype=np.int64))
    return sequences


def _heavy_first(inside: dict[int, list[int]], joined: set[int]) -> list[int]:
    """Order the heavy atoms of one bead; `joined` ones are bonded to what was placed before the bead."""
    keys = {atom: (len(around), atom) for atom, around in inside.items()}
    roots = sorted(inside, key=lambda atom: (atom not in joined, *keys[atom]))
    sequence: list[int] = []
    seen: set[int] = set()
    for root in roots:
        stack = [iter((root,))]
        while stack:
            atom = next((other for other in stack[-1] if other not in seen), None)
            if atom is None:
                stack.pop()
                continue
            seen.add(atom)
            sequence.append(atom)
            stack.append(iter(sorted(inside[atom], key=keys.__getitem__)))
    return sequence


def colours(pairs: npt.ArrayLike, n: int) -> IntArray:
    """Colour a graph so that no two neighbours share a colour: greedily, those with most neighbours first.

    Deterministic, at most one colour more than the largest number of neighbours; the colours of one connected
    part do not depend on what else is in the graph.

    Parameters
    ----------
    pairs : array_like (P, 2)
        Neighbours, in any order, also several times; a node paired with itself is no neighbour of itself.
    n : int
        Number of nodes.

    Returns
    -------
    ndarray (n,), int64
        Colours from 0.

    Raises
    ------
    ValueError
        A pair names a node outside 0 ... n - 1.
    """
    both = _checked_pairs(pairs, n)
    once = _rows(both.max(axis=1), both.min(axis=1), n)
    degrees = np.diff(once.indptr) + np.bincount(once.indices, minlength=n)
    order = np.argsort(-degrees, kind="stable")
    bits = _swept(order, both, _lowest_free, n)
    colour = np.empty(n, dtype=np.int64)
    colour[order] = [bit.bit_length() - 1 for bit in bits]
    return colour


def _lowest_free(taken: Iterable[int]) -> int:
    """Return the lowest bit that none of the numbers has."""
    mask = reduce(or_, taken, 0)
    return ~mask & (mask + 1)


def visiting_order(
    ranks: npt.ArrayLike,
    molecule: npt.ArrayLike,
    colours: npt.ArrayLike,
    how: VisitingOrder = "rank",
    seed: int = 0,
) -> IntArray:
    """Return the beads of a system in the order of one-at-a-time placement.

    Parameters
    ----------
    ranks : array_like (M,)
        Place of every bead in its molecule, see `bead_ranks`.
    molecule : array_like (M,)
        Its molecule.
    colours : array_like (M,)
        See `colours`.
    how : {'rank', 'molecule', 'colour', 'random'}
        By (rank, colour): all molecules grow together.  By (molecule, rank): one molecule after the other,
        which leaves one long chain of dependencies.  By colour alone: the fewest stages, for sweeps over
        beads that are all there.  By chance.
    seed : int
        Of the random order.

    Returns
    -------
    ndarray (M,), int64
        A permutation; what is left equal stands in the order of the beads.

    Raises
    ------
    ConfigError
        There is no such order.
    """
    _check(how, get_args(VisitingOrder), "visiting order")
    rank, of, colour = (np.asarray(values) for values in (ranks, molecule, colours))
    if how == "rank":
        return np.lexsort((colour, rank))
    if how == "molecule":
        return np.lexsort((rank, of))
    if how == "colour":
        return np.argsort(colour, kind="stable")
    return np.argsort(uniform(seed, 0, 1, np.arange(len(rank))), kind="stable")


def stages(order: npt.ArrayLike, pairs: npt.ArrayLike) -> list[IntArray]:
    """Split an order of placement into stages whose members may be placed together.

    A bead's stage is the one after the last stage of the beads before it in the order that it sees.  Hence no
    two beads of a stage see each other, and of two that do, the one that comes first in the order is in the
    earlier stage: placing stage after stage, each from what was there before it, gives the same as placing
    bead after bead.  There are no fewer stages that do so.

    Parameters
    ----------
    order : array_like (K,)
        Beads in the order of placement, none twice; beads that are not in it are not placed and wait for
        nothing.
    pairs : array_like (P, 2)
        Beads that see each other, in any order, also several times (periodic images, all frames of a batch
        with their own numbers).

    Returns
    -------
    list of ndarray (k,), int64
        The beads of each stage, in their order of placement.

    Raises
    ------
    ValueError
        A bead is negative or stands twice in the order, or pairs are no pairs.
    """
    sequence = np.asarray(order, dtype=np.int64)
    both = np.asarray(pairs, dtype=np.int64)
    n = 1 + max(sequence.max(initial=-1), both.max(initial=-1))
    both = _checked_pairs(both, n)
    if sequence.min(initial=0) < 0 or np.bincount(sequence, minlength=n).max(initial=0) > 1:
        raise ValueError("the order of placement names a bead twice, or a negative one")
    levels = np.array(_swept(sequence, both, _one_later, n), dtype=np.int64)
    ends = np.cumsum(np.bincount(levels, minlength=1))[:-1]
    return np.split(sequence[np.argsort(levels, kind="stable")], ends) if len(sequence) else []


def _one_later(levels: Iterable[int]) -> int:
    return 1 + max(levels, default=-1)


def describe(stages: Sequence[npt.ArrayLike]) -> str:
    """Say in a few words how much of an order is parallel.

    Parameters
    ----------
    stages : sequence of array_like
        See `stages`.

    Returns
    -------
    str
        ``"720 beads in 57 stages of 12.6 (1 to 30)"``.
    """
    sizes = [np.size(stage) for stage in stages]
    if not sizes:
        return "0 beads in 0 stages"
    words = "1 stage" if len(sizes) == 1 else f"{len(sizes)} stages"
    return f"{sum(sizes)} beads in {words} of {sum(sizes) / len(sizes):.3g} ({min(sizes)} to {max(sizes)})"


def _swept(order: IntArray, pairs: IntArray, rule: Callable[[Iterable[int]], int], n: int) -> list[int]:
    """Give every node of an order a value that follows from the values of its neighbours before it.

    One pass in the order, in the time of the pairs: as many steps in parallel as there are stages would be
    slower where the stages are small, and is never much faster.
    """
    place = np.full(n, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    one, other = place[pairs[:, 0]], place[pairs[:, 1]]
    early, late = np.minimum(one, other), np.maximum(one, other)
    kept = early >= 0
    rows = _rows(late[kept], early[kept], len(order))
    columns: IntArray = rows.indices
    values: list[int] = []
    for start, end in pairwise(rows.indptr.tolist()):
        values.append(rule(map(values.__getitem__, columns[start:end].tolist())))
    return values


def _rows(first: IntArray, second: IntArray, n: int) -> csr_matrix:
    """Return a graph's edges by their first nodes, every edge once, none from a node to itself."""
    kept = first != second
    ones = np.ones(np.count_nonzero(kept), dtype=np.bool_)
    return csr_matrix((ones, (first[kept], second[kept])), shape=(n, n))


def _checked_pairs(pairs: npt.ArrayLike, n: int) -> IntArray:
    both = np.asarray(pairs, dtype=np.int64)
    if both.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if both.ndim != 2 or both.shape[1] != 2 or both.min() < 0 or both.max() >= n:
        raise ValueError(f"pairs must be (P, 2) with nodes in 0 ... {n - 1}, got shape {both.shape}")
    return both


def _check(how: str, known: tuple[str, ...], what: str) -> None:
    if how not in known:
        names = ", ".join(f"`{name}`" for name in known)
        raise ConfigError(f"there is no {what} `{how}`; choose {names}")
