"""The smallest rings of a molecule: a minimum cycle basis of its bond graph.

Source: J. D. Horton, SIAM J. Comput. 16, 358 (1987), applied to every ring system by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from msb.core.graph import Neighbours

__all__ = ["rings_of"]

_System = dict[int, tuple[int, ...]]


def rings_of(neighbours: Neighbours) -> tuple[tuple[int, ...], ...]:
    """Return the smallest rings, each walked from its lowest atom towards the lower of that atom's two sides.

    There are as many as bonds - atoms + components. The choice is unique unless rings of equal size compete
    (the six faces of cubane have a basis of five).

    Parameters
    ----------
    neighbours : sequence of sequence of int
        Bonded neighbours of every atom.

    Returns
    -------
    tuple of tuple of int
        Sorted by size, then by atoms.
    """
    found = [_oriented(ring) for system in _ring_systems(neighbours) for ring in _basis(system)]
    return tuple(sorted(found, key=lambda ring: (len(ring), ring)))


def _oriented(ring: list[int]) -> tuple[int, ...]:
    start = ring.index(min(ring))
    turned = ring[start:] + ring[:start]
    return tuple(turned) if turned[1] < turned[-1] else (turned[0], *turned[:0:-1])


def _ring_systems(neighbours: Neighbours) -> Iterator[_System]:
    """Yield the connected parts that stay when every bond that is in no ring is taken away."""
    bridges = _bridges(neighbours)
    inside = {
        atom: kept
        for atom, around in enumerate(neighbours)
        if (kept := tuple(o for o in around if (min(atom, o), max(atom, o)) not in bridges))
    }
    seen: set[int] = set()
    for atom in inside:
        if atom in seen:
            continue
        part = [atom]
        seen.add(atom)
        for member in part:
            fresh = [o for o in inside[member] if o not in seen]
            seen.update(fresh)
            part.extend(fresh)
        yield {member: inside[member] for member in part}


def _bridges(neighbours: Neighbours) -> set[tuple[int, int]]:
    """Return the bonds that are in no ring (Tarjan's low-link, without recursion)."""
    number = [-1] * len(neighbours)
    low = [0] * len(neighbours)
    bridges, count = set(), 0
    for root in range(len(neighbours)):
        if number[root] >= 0:
            continue
        number[root] = low[root] = count
        count += 1
        stack = [(root, -1, iter(neighbours[root]))]
        while stack:
            atom, parent, rest = stack[-1]
            other = next(rest, None)
            if other is None:
                stack.pop()
                if parent >= 0:
                    low[parent] = min(low[parent], low[atom])
                    if low[atom] > number[parent]:
                        bridges.add((min(atom, parent), max(atom, parent)))
            elif number[other] < 0:
                number[other] = low[other] = count
                count += 1
                stack.append((other, atom, iter(neighbours[other])))
            elif other != parent:
                low[atom] = min(low[atom], number[other])
    return bridges


def _basis(system: _System) -> list[list[int]]:
    """Return a minimum cycle basis of one ring system."""
    edges = {(a, b): n for n, (a, b) in enumerate((a, b) for a in system for b in system[a] if a < b)}
    wanted = len(edges) - len(system) + 1
    if wanted == 1:
        return [_single_ring(system)]
    return _independent(sorted(_candidates(system), key=len), edges, wanted)


def _single_ring(system: _System) -> list[int]:
    start = min(system)
    ring, previous = [start], start
    step = system[start][0]
    while step != start:
        ring.append(step)
        step, previous = next(o for o in system[step] if o != previous), step
    return ring


def _candidates(system: _System) -> Iterator[list[int]]:
    """Yield Horton's cycles: two shortest paths from a branching atom, closed by one bond."""
    for root in (atom for atom, around in system.items() if len(around) > 2):
        paths = {root: [root]}
        queue = [root]
        for atom in queue:
            for other in system[atom]:
                if other not in paths:
                    paths[other] = [*paths[atom], other]
                    queue.append(other)
        for a in system:
            for b in system[a]:
                if a < b and _meet_only_at_root(paths[a], paths[b]):
                    yield paths[a] + paths[b][:0:-1]


def _meet_only_at_root(one: list[int], other: list[int]) -> bool:
    if min(len(one), len(other)) == 1:  # the bond touches the root: a ring unless it is the path itself
        return max(len(one), len(other)) > 2
    return one[1] != other[1] and not set(one[1:]) & set(other[1:])


def _independent(cycles: list[list[int]], edges: dict[tuple[int, int], int], wanted: int) -> list[list[int]]:
    """Take the shortest cycles that are linearly independent over GF(2)."""
    pivots: dict[int, int] = {}
    chosen: list[list[int]] = []
    for cycle in cycles:
        bits = 0
        for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            bits ^= 1 << edges[(min(a, b), max(a, b))]
        while bits and (top := bits.bit_length()) in pivots:
            bits ^= pivots[top]
        if bits:
            pivots[bits.bit_length()] = bits
            chosen.append(cycle)
            if len(chosen) == wanted:
                break
    return chosen
