"""The chart between atoms and internal coordinates: an exact inverse, on any molecule and mapping."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msb.core.geometry import random_rotations
from msb.core.internal import InternalCoordinates, anchors_of
from msb.errors import MappingError


@st.composite
def molecules(draw):
    """A random tree with random beads: some single atoms, the rest weighted groups."""
    n = draw(st.integers(8, 20))
    tree = nx.Graph()
    tree.add_nodes_from(range(n))
    for i in range(1, n):
        tree.add_edge(i, draw(st.integers(max(0, i - 3), i - 1)))
    n_beads = draw(st.integers(3, 6))
    owner = sorted([*range(n_beads), *(draw(st.integers(0, n_beads - 1)) for _ in range(n - n_beads))])
    weights = np.zeros((n_beads, n))
    for bead in range(n_beads):
        members = [i for i in range(n) if owner[i] == bead]
        chosen = members[:1] if draw(st.booleans()) else members
        weights[bead, chosen] = 1 / len(chosen)
    elements = ["H" if tree.degree(i) == 1 and draw(st.booleans()) else "C" for i in range(n)]
    bonds = {tuple(sorted((owner[i], owner[j]))) for i, j in tree.edges if owner[i] != owner[j]}
    return [sorted(tree[i]) for i in range(n)], elements, weights, owner, sorted(bonds)


def chart_of(molecule):
    neighbours, elements, weights, owner, bonds = molecule
    return InternalCoordinates.build(neighbours, elements, anchors_of(weights), owner, bonds)


@given(molecules(), st.integers(0, 2**31))
def test_decode_undoes_encode(molecule, seed):
    chart = chart_of(molecule)
    x = torch.randn(3, chart.n_atoms, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    beads = torch.from_numpy(molecule[2]) @ x
    assert torch.allclose(chart.decode(chart.encode(x, beads), beads), x, atol=1e-7)


@given(molecules(), st.integers(0, 2**31))
def test_coordinates_do_not_move_with_the_molecule(molecule, seed):
    chart = chart_of(molecule)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, chart.n_atoms, 3, dtype=torch.float64, generator=generator)
    beads = torch.from_numpy(molecule[2]) @ x
    turn = random_rotations(1, generator=generator, dtype=torch.float64)
    moved = chart.encode(x @ turn + 5.0, beads @ turn + 5.0)
    assert torch.allclose(moved, chart.encode(x, beads), atol=1e-6)


@given(molecules())
def test_every_atom_is_placed_once_from_particles_placed_before(molecule):
    chart = chart_of(molecule)
    known = set(range(chart.n_beads))
    for placement in chart.placements:
        assert set(placement.references) <= known
        assert len(set(placement.references)) == 3
        assert placement.atom not in chart.anchors
        known.add(chart.n_beads + placement.atom)
    assert chart.n_placed + len(chart.anchors) == chart.n_atoms


@given(molecules())
def test_a_chart_survives_plain_numbers(molecule):
    chart = chart_of(molecule)
    again = InternalCoordinates.from_dict(chart.to_dict())
    assert again.placements == chart.placements
    assert again.levels == chart.levels
    assert again.anchors == chart.anchors


def test_siblings_share_one_torsion():
    """Of ethane's hydrogens one turns about the bond, the others are placed against it."""
    neighbours = [[1, 2, 3, 4], [0, 5, 6, 7], [0], [0], [0], [1], [1], [1]]
    neighbours[0].append(8)
    neighbours.append([0])
    elements = ["C", "C", "H", "H", "H", "H", "H", "H", "H"]
    chart = InternalCoordinates.build(
        neighbours, elements, {0: 0, 1: 1, 8: 2}, [0] * 5 + [1] * 3 + [2], [(0, 1), (0, 2)]
    )
    placed = {p.atom: p.references for p in chart.placements}
    assert placed[6][2] == placed[7][2] == chart.n_beads + 5


def test_two_beads_are_refused_in_a_sentence():
    with pytest.raises(MappingError, match=r"2 bead.*needs three"):
        InternalCoordinates.build([[1], [0]], ["C", "C"], {0: 0, 1: 1}, [0, 1], [(0, 1)])
