"""What follows from a bond list: neighbours, angles, dihedrals, exclusions, components, spanning trees.

Everything here takes the number of atoms and the bonds as an array (B, 2); nothing knows chemistry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from msb.core.arrays import IntArray

__all__ = [
    "Neighbours",
    "SpanningTree",
    "angles_of",
    "components_of",
    "dihedrals_of",
    "neighbours_of",
    "pairs_within",
    "sorted_rows",
    "spanning_tree",
]

Neighbours = Sequence[Sequence[int]]


def neighbours_of(n_atoms: int, bonds: IntArray) -> tuple[tuple[int, ...], ...]:
    """Return every atom's bonded neighbours in ascending order.

    Parameters
    ----------
    n_atoms : int
        Number of atoms.
    bonds : ndarray (B, 2)
        Bonded pairs.

    Returns
    -------
    tuple of tuple of int
        One tuple an atom.
    """
    both = np.concatenate([bonds, bonds[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    starts = np.searchsorted(both[:, 0], np.arange(n_atoms + 1)).tolist()
    ends = both[:, 1].tolist()
    return tuple(tuple(ends[a:b]) for a, b in pairwise(starts))


def angles_of(neighbours: Neighbours) -> IntArray:
    """Return every bond angle i-j-k, i < k, in the order of j.

    Parameters
    ----------
    neighbours : sequence of sequence of int
        See `neighbours_of`.

    Returns
    -------
    ndarray (A, 3)
    """
    found = [
        (i, j, k)
        for j, around in enumerate(neighbours)
        for n, i in enumerate(around)
        for k in around[n + 1 :]
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def dihedrals_of(neighbours: Neighbours) -> IntArray:
    """Return every proper dihedral i-j-k-l, j < k, of three consecutive bonds with four different atoms.

    Parameters
    ----------
    neighbours : sequence of sequence of int
        See `neighbours_of`.

    Returns
    -------
    ndarray (D, 4)
    """
    found = [
        (i, j, k, m)
        for j, around in enumerate(neighbours)
        for k in around
        if k > j
        for i in around
        if i != k
        for m in neighbours[k]
        if m not in (j, i)
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def pairs_within(n_atoms: int, bonds: IntArray, n_bonds: int) -> list[IntArray]:
    """Return the pairs of atoms that are exactly 1, 2, ... `n_bonds` bonds apart (shortest path).

    Parameters
    ----------
    n_atoms : int
        Number of atoms.
    bonds : ndarray (B, 2)
        Bonded pairs.
    n_bonds : int
        Largest distance.

    Returns
    -------
    list of ndarray (P, 2)
        One array a distance, i < j, sorted.
    """
    ones = np.ones(len(bonds), dtype=np.int32)
    half = csr_matrix((ones, (bonds[:, 0], bonds[:, 1])), shape=(n_atoms, n_atoms))
    step = (half + half.T).tocsr()
    reached = csr_matrix((np.ones(n_atoms, dtype=np.int32), (range(n_atoms), range(n_atoms))))
    front, shells = reached, []
    for _ in range(n_bonds):
        front = (front @ step).tocsr()
        front.data[:] = 1
        front = (front - front.multiply(reached)).tocsr()
        front.eliminate_zeros()
        reached = (reached + front).tocsr()
        rows, columns = front.nonzero()
        pairs = np.stack([rows, columns], axis=1).astype(np.int64)
        shells.append(sorted_rows(pairs[pairs[:, 0] < pairs[:, 1]]))
    return shells


def sorted_rows(rows: IntArray) -> IntArray:
    """Sort rows by their first column, then by the next ones.

    Parameters
    ----------
    rows : ndarray (K, C)
        The rows.

    Returns
    -------
    ndarray (K, C)
    """
    return rows[np.lexsort(rows.T[::-1])] if len(rows) else rows


def components_of(n_atoms: int, bonds: IntArray) -> IntArray:
    """Return the connected components, numbered in the order of their first atoms.

    Parameters
    ----------
    n_atoms : int
        Number of atoms.
    bonds : ndarray (B, 2)
        Bonded pairs.

    Returns
    -------
    ndarray (n_atoms,)
        The component of every atom.
    """
    adjacency = csr_matrix((np.ones(len(bonds), dtype=np.int8), (bonds[:, 0], bonds[:, 1])), (n_atoms,) * 2)
    _, labels = connected_components(adjacency, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]


@dataclass(frozen=True)
class SpanningTree:
    """A tree through every connected component, rooted at its first atom, as one walk.

    Walking `order` from the front, the sum of an edge quantity from the root to an atom is a cumulative sum:
    every atom adds its own edge at `enter` and takes it back at `leave`.

    Attributes
    ----------
    parent : ndarray (n,)
        The atom each atom hangs on; a root hangs on itself.
    enter, leave : ndarray (n,)
        Place in the walk (of 2 n steps) where each atom's subtree begins and ends.
    """

    parent: IntArray
    enter: IntArray
    leave: IntArray


def spanning_tree(neighbours: Neighbours) -> SpanningTree:
    """Return the breadth-first spanning tree, whose paths to the roots are the shortest.

    Parameters
    ----------
    neighbours : sequence of sequence of int
        See `neighbours_of`.

    Returns
    -------
    SpanningTree
    """
    n = len(neighbours)
    parent = [-1] * n
    children: list[list[int]] = [[] for _ in range(n)]
    roots = []
    for root in range(n):
        if parent[root] >= 0:
            continue
        roots.append(root)
        parent[root], queue = root, [root]
        for atom in queue:
            for other in neighbours[atom]:
                if parent[other] < 0:
                    parent[other] = atom
                    children[atom].append(other)
                    queue.append(other)
    enter, leave = _walk(roots, children)
    return SpanningTree(np.array(parent, dtype=np.int64), enter, leave)


def _walk(roots: list[int], children: list[list[int]]) -> tuple[IntArray, IntArray]:
    enter = np.zeros(len(children), dtype=np.int64)
    leave = np.zeros(len(children), dtype=np.int64)
    step = 0
    for root in roots:
        stack = [(root, False)]
        while stack:
            atom, done = stack.pop()
            if done:
                leave[atom] = step
            else:
                enter[atom] = step
                stack.append((atom, True))
                stack.extend((child, False) for child in children[atom])
            step += 1
    return enter, leave
