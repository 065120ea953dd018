"""Bonds that must not turn: peptide bonds and C=C double bonds, found in the bond graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import maximum_bipartite_matching

from msb.core.stereo import equivalence_classes
from msb.core.template import MoleculeTemplate

__all__ = ["StiffBonds", "stiff_bonds"]

IntArray = NDArray[np.int64]
_WIDE = 150  # atoms of a conjugated system with odd rings, beyond which double bonds are not looked for
_UNITED = 12.8  # amu; a carbon heavier than this holds hydrogens that are not atoms


@dataclass(frozen=True, eq=False)
class StiffBonds:
    """Peptide and double bonds of a molecule.

    Attributes
    ----------
    atoms : ndarray (T, 4)
        A substituent, the two bonded atoms, a substituent: the dihedral that says cis (0) or trans (180
        degrees). Of a peptide bond C-C-N-C.
    wanted : ndarray (T,)
        +1 cis, -1 trans, 0 where the graph does not say (double bonds, the bond before a proline).
    sided : ndarray (T,)
        Whether cis and trans are different molecules; False for the end of a vinyl group.
    """

    atoms: IntArray
    wanted: NDArray[np.int8]
    sided: NDArray[np.bool_]


def stiff_bonds(template: MoleculeTemplate) -> StiffBonds:
    """Find the peptide and C=C bonds of a molecule that lie in no ring.

    A peptide bond joins a C with an O that has no other neighbour, and an N. A double bond joins two C with
    three neighbours each, and is double however double bonds are shared out (so a bond between two phenyls is
    none). For double bonds hydrogens must be explicit.

    Parameters
    ----------
    template : MoleculeTemplate
        The molecule.

    Returns
    -------
    StiffBonds
    """
    in_ring = {
        frozenset(pair) for ring in template.rings for pair in zip(ring, (*ring[1:], ring[0]), strict=True)
    }
    free = [(i, j) for i, j in template.bonds.tolist() if frozenset((i, j)) not in in_ring]
    classes = equivalence_classes(
        [(e, len(n)) for e, n in zip(template.elements, template.neighbours, strict=True)],
        template.neighbours,
    )
    rows = [row for pair in free if (row := _peptide(template, pair)) is not None]
    rows += [_double(template, pair, classes) for pair in _double_bonds(template, free)]
    atoms = np.array([row[0] for row in rows], dtype=np.int64).reshape(-1, 4)
    wanted = np.array([row[1] for row in rows], dtype=np.int8)
    return StiffBonds(atoms, wanted, np.array([row[2] for row in rows], dtype=np.bool_))


_Row = tuple[tuple[int, int, int, int], int, bool]


def _peptide(template: MoleculeTemplate, pair: tuple[int, int]) -> _Row | None:
    elements, neighbours = template.elements, template.neighbours
    carbon, nitrogen = pair if elements[pair[0]] == "C" else pair[::-1]
    if (elements[carbon], elements[nitrogen]) != ("C", "N"):
        return None
    if len(neighbours[carbon]) != 3 or len(neighbours[nitrogen]) not in (2, 3):
        return None
    before = [a for a in neighbours[carbon] if a != nitrogen]
    oxygens = [a for a in before if elements[a] == "O" and len(neighbours[a]) == 1]
    if len(oxygens) != 1:
        return None
    start = before[1] if before[0] == oxygens[0] else before[0]
    after = [a for a in neighbours[nitrogen] if a != carbon]
    carbons = [a for a in after if elements[a] != "H"]
    quad = (start, carbon, nitrogen, carbons[0] if carbons else after[0])
    if len(carbons) == 1 and elements[start] == "C":
        return quad, -1, True
    return quad, 0, False  # a proline, or an end: may not twist, but lies either way


def _double_bonds(template: MoleculeTemplate, free: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the bonds in no ring that are double whichever way double bonds are assigned."""
    flat = _unsaturated(template)
    graph = nx.Graph([(i, j) for i, j in template.bonds.tolist() if i in flat and j in flat])
    parts = list(nx.connected_components(graph))
    part_of = {atom: number for number, nodes in enumerate(parts) for atom in nodes}
    candidates = defaultdict(list)
    for i, j in free:
        if graph.has_edge(i, j) and template.elements[i] == template.elements[j] == "C":
            candidates[part_of[i]].append((i, j))
    found = []
    for number, pairs in candidates.items():
        part = nx.Graph(graph.subgraph(parts[number]))
        most = _most_pairs(part)
        for pair in pairs:
            part.remove_edge(*pair)
            if _most_pairs(part) < most:
                found.append(pair)
            part.add_edge(*pair)
    return found


def _most_pairs(graph: nx.Graph) -> int:
    """Return how many bonds can be double at once; 0 for wide systems with odd rings, which take too long."""
    if nx.is_bipartite(graph):
        sides = nx.bipartite.color(graph)
        one = [atom for atom, side in sides.items() if side == 0]
        matrix = nx.bipartite.biadjacency_matrix(graph, one)
        return int((maximum_bipartite_matching(matrix.tocsr(), perm_type="column") >= 0).sum())
    if len(graph) > _WIDE:
        return 0
    return len(nx.max_weight_matching(graph, maxcardinality=True))


def _unsaturated(template: MoleculeTemplate) -> set[int]:
    """Return the C, N, O and S whose double bond may be to another of them; none without hydrogens."""
    elements, neighbours = template.elements, template.neighbours
    if "H" not in elements:
        return set()
    wanting = {("C", 3), ("N", 2), ("O", 1), ("S", 1)}
    flat = {a for a, around in enumerate(neighbours) if (elements[a], len(around)) in wanting}
    return {a for a in flat if elements[a] != "C" or template.masses[a] < _UNITED}


def _double(template: MoleculeTemplate, pair: tuple[int, int], classes: Sequence[int]) -> _Row:
    ends, sided = [], True
    for atom, other in (pair, pair[::-1]):
        arms = _by_weight(template, (a for a in template.neighbours[atom] if a != other))
        sided = sided and classes[arms[0]] != classes[arms[1]]
        ends.append(arms[0])
    return (ends[0], pair[0], pair[1], ends[1]), 0, sided


def _by_weight(template: MoleculeTemplate, atoms: Iterable[int]) -> list[int]:
    return sorted(atoms, key=lambda a: (-template.masses[a], a))
