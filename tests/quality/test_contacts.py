"""Contacts are judged by element, beyond three bonds, in every image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.quality.contacts import ContactSearch
from msb.quality.limits import VAN_DER_WAALS_RADII, Limits, contact_distances

LIMITS = Limits()


def atoms(*elements: str) -> Topology:
    return Topology(tuple((MoleculeTemplate.from_atoms(e, [e], elements=[e]), 1) for e in elements))


def near(topology: Topology, positions, box=None):
    x = np.asarray(positions, dtype=np.float64)[None]
    usable = np.ones(x.shape[:2], dtype=bool)
    return ContactSearch(topology, LIMITS).find(x, None if box is None else np.asarray(box)[None], usable)


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        ("C", "C", 0.7 * 0.34),
        ("H", "H", 0.7 * 0.22),
        ("C", "H", 0.7 * 0.28),
        ("O", "H", 0.12),
        ("H+", "H+", 0.12),
        ("H+", "O", 0.12),
        ("H+", "C", 0.7 * 0.25),
        ("H+", "H", 0.7 * 0.19),
        ("H+", "Na", 0.15),
        ("N", "O", 0.7 * 0.307),
        ("Na", "O", 0.15),
        ("X", "C", 0.0),
    ],
)
def test_least_distances(one, other, least):
    table = contact_distances([one, other], LIMITS)
    assert table[0, 1] == table[1, 0] == pytest.approx(least)


@given(
    st.sampled_from(sorted(VAN_DER_WAALS_RADII)), st.sampled_from(sorted(VAN_DER_WAALS_RADII)), st.booleans()
)
def test_just_below_and_above(one, other, below):
    least = contact_distances([one, other], LIMITS)[0, 1]
    distance = least * (0.999 if below else 1.001)
    found = near(atoms(one, other), [[0, 0, 0], [0, distance, 0]])
    assert len(found.distances) == below


@given(st.tuples(*[st.floats(-9, 9)] * 3), st.tuples(*[st.integers(-2, 2)] * 3))
def test_through_the_box(shift, steps):
    box = np.array([[1.5, 0, 0], [0.7, 1.4, 0], [0.5, -0.6, 1.3]])
    x = np.array([[0, 0, 0], [0.05, 0.12, 0.1]]) + np.array(shift)
    x[1] += np.array(steps) @ box
    found = near(atoms("C", "C"), x, box)
    assert found.distances == pytest.approx([np.linalg.norm([0.05, 0.12, 0.1])], abs=1e-9)


def test_bonded_atoms_are_left_out():
    """Up to three bonds apart; the ends of four bonds may clash."""
    chain = MoleculeTemplate.from_atoms(
        "C5", ["C"] * 5, elements=["C"] * 5, bonds=[(k, k + 1) for k in range(4)]
    )
    found = near(Topology.from_template(chain), 0.01 * np.arange(15).reshape(5, 3))
    assert list(zip(found.first, found.second, strict=True)) == [(0, 4)]


def test_search_and_list_agree():
    """Few atoms are compared all with all; many are searched for."""
    rng = np.random.default_rng(0)
    elements = ["C", "H", "O"] * 40
    box = np.array([[1.6, 0, 0], [0.3, 1.5, 0], [0.2, 0.4, 1.7]])
    x = rng.random((120, 3)) @ box
    few = [k for k in range(120) if k < 80]
    small = near(atoms(*(elements[k] for k in few)), x[few], box)
    large = near(atoms(*elements), x, box)
    kept = (large.first < 80) & (large.second < 80)
    pairs = {tuple(sorted(p)) for p in zip(large.first[kept], large.second[kept], strict=True)}
    assert len(pairs) > 20
    assert pairs == {tuple(sorted(p)) for p in zip(small.first, small.second, strict=True)}


def test_counts():
    """Carbons below 0.28 nm and any atoms below 0.17 nm are counted whatever the limits."""
    found = near(atoms("C", "C", "H"), [[0, 0, 0], [0.27, 0, 0], [0.27, 0.16, 0]])
    assert found.counts["carbon_pairs_below_0.28_nm"] == 1
    assert found.counts["pairs_below_0.17_nm"] == 1
    assert found.counts["nearest_contact_nm"] == pytest.approx(0.16)
    alone = near(atoms("C", "C"), [[0, 0, 0], [9, 0, 0]])
    assert np.isnan(alone.counts["nearest_contact_nm"]).all()
