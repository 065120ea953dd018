"""Which bonded atoms and beads an atom is told about, and where each stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.told import Near, Told
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology

WORDS = Vocabulary(("A", "B"), ("P", "Q"))
ROWS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 1), st.booleans()), min_size=0, max_size=30).map(
    lambda rows: [Near(k, *row, rank=k) for k, row in enumerate(rows)]
)


@given(ROWS)
def test_nearest_come_first(rows: list[Near]) -> None:
    found = Told().atoms(rows, WORDS)
    assert found == [r.number for r in sorted(rows, key=lambda r: (r.bonds, r.rank))][:20]


@given(ROWS, ROWS)
def test_a_place_says_what_stands_there(rows: list[Near], others: list[Near]) -> None:
    """Whatever else is around: the distance, the type and the side of a place never change."""
    told, seen = Told("types"), {}
    for own in (rows, others):
        by_number = {row.number: row for row in own}
        places = told.atoms(own, WORDS)
        assert len(places) == told.atom_places(WORDS)
        there = [p for p in places if p >= 0]
        assert len(there) == len(set(there))
        for k, number in enumerate(places):
            if number >= 0:
                row = by_number[number]
                assert seen.setdefault(k, row[1:4]) == row[1:4]


def test_those_without_room_are_left_out_last() -> None:
    rows = [Near(k, 1, 0, later=False, rank=9 - k) for k in range(5)]
    places = [p for p in Told("types", bonds=1).atoms(rows, WORDS) if p >= 0]
    assert places == [4, 3, 2]  # three places for a type at one bond; who is placed first stands first


def chain(n: int) -> Mapping:
    """Atoms in a row, each a bead."""
    bonds = np.array([[k, k + 1] for k in range(n - 1)])
    molecule = MoleculeTemplate.from_atoms("M", [f"C{k}" for k in range(n)], bonds=bonds)
    beads = MappingTemplate.from_atoms(molecule, range(n), types=["P"] * n)
    return Mapping({"M": beads}, Topology.from_template(molecule, 1))


@pytest.mark.parametrize("far", [1, 2])
def test_middles_of_chains_look_alike(far: int) -> None:
    """An atom in a long chain is told what the same one is told in a short chain that reaches as far."""
    told = Told("types", bonds=far)
    rows = []
    for n in (2 * far + 3, 2 * far + 9):
        layout = Layout.of(chain(n), order="index", told=told)
        rows.append(layout.static[far + 1, 0])
    assert torch.equal(*rows)
    near = [Layout.of(chain(n), order="index").static[far + 1, 0] for n in (2 * far + 3, 2 * far + 9)]
    assert not torch.equal(*near)


def test_a_network_has_room_for_what_is_told() -> None:
    settings = MixtureSettings(told="types", told_bonds=2, width=16, blocks=1, around_width=8)
    layout = Layout.of(chain(5), told=settings.bonded)
    network = MixtureNetwork.for_layout(settings, layout)
    assert network.sizes[:2] == (2 * (3 + 4), 1 + 2 * 3)
    assert layout.slots.shape[2] == network.sizes[0]
    assert layout.near_beads.shape[2] == network.sizes[1]
