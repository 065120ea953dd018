"""Pairs in any box against all images by brute force; bins as numpy counts them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.analysis.structure import NonbondedPairs, near_pairs
from msb.analysis.structure.pairs import uniform_bins
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import ConfigError

TRICLINIC = np.array([[2.1, 0.0, 0.0], [0.8, 1.9, 0.0], [-0.7, 0.6, 1.7]])
BOXES = {
    "cubic": 2.0 * np.eye(3),
    "orthorhombic": np.diag([1.7, 2.3, 3.1]),
    "triclinic": TRICLINIC,
    "not reduced": TRICLINIC + np.array([[0.0] * 3, 2 * TRICLINIC[0], 3 * TRICLINIC[1] - TRICLINIC[0]]),
}


def brute_force(x, box, cutoff):
    """All distances below the cutoff, image by image, every pair of images once."""
    reach = int(np.ceil(cutoff / (1 / np.linalg.norm(np.linalg.inv(box), axis=0)).min())) + 1
    wrapped = x - np.floor(x @ np.linalg.inv(box)) @ box
    found = []
    for shift in product(range(-reach, reach + 1), repeat=3):
        d = np.linalg.norm(wrapped[None] + np.array(shift) @ box - wrapped[:, None], axis=-1)
        if shift == (0, 0, 0):
            np.fill_diagonal(d, np.inf)
        found += [(min(i, j), max(i, j), d[i, j]) for i, j in np.argwhere(d < cutoff)]
    return np.array(sorted(found))[::2]


def listed(pairs):
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    rows = zip(low, high, pairs.distances, strict=True)
    return np.array(sorted(rows))


def points(n, molecule_size=1):
    bonds = [(k, k + 1) for k in range(molecule_size - 1)]
    template = MoleculeTemplate.from_atoms("M", ["C"] * molecule_size, bonds=bonds)
    return Topology.from_template(template, n // molecule_size)


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("cutoff", [0.5, 0.8, 2.4])
def test_every_image_once(name, cutoff):
    box = BOXES[name] if name != "not reduced" else BOXES["triclinic"]
    x = np.random.default_rng(1).uniform(-3, 3, (25, 3))
    mine, exact = listed(near_pairs(x, BOXES[name], cutoff)), brute_force(x, box, cutoff)
    assert len(mine) == len(exact)
    np.testing.assert_allclose(np.sort(mine[:, 2]), np.sort(exact[:, 2]), atol=1e-12)
    np.testing.assert_array_equal(mine[:, :2], exact[:, :2])


def test_no_box():
    x = np.random.default_rng(2).uniform(0, 1, (30, 3))
    distances = np.linalg.norm(x[:, None] - x, axis=-1)[np.triu_indices(30, 1)]
    for box in (None, np.zeros((3, 3))):
        np.testing.assert_allclose(
            np.sort(near_pairs(x, box, 0.4).distances), np.sort(distances[distances < 0.4])
        )


def test_bonded_pairs_are_left_out_nearest_image_only():
    topology = points(8, molecule_size=4)
    x = np.random.default_rng(3).uniform(0, 0.9, (8, 3))
    box = np.diag([0.9, 1.0, 1.1])
    for bonds in (0, 1, 2, 3):
        everything, kept = near_pairs(x, box, 1.5), NonbondedPairs(topology, bonds).find(x, box, 1.5)
        expected = listed(everything).tolist()
        for i, j in topology.expand(lambda t, n=bonds: t.exclusions(n)).tolist():
            own = [row for row in expected if row[:2] == [i, j]]
            expected.remove(min(own))
        np.testing.assert_allclose(listed(kept), expected)


@settings(max_examples=50)
@given(
    st.lists(st.floats(-2, 3, allow_nan=False), min_size=1, max_size=60),
    st.integers(1, 40),
    st.sampled_from([0.1, 0.3, 1.0]),
)
def test_bins_are_numpys(values, bins, low):
    edges = np.linspace(low, 2.0, bins + 1)
    array = np.array([*values, *edges])
    number = uniform_bins(array, edges)
    inside = (number >= 0) & (number < bins)
    np.testing.assert_array_equal(np.bincount(number[inside], minlength=bins), np.histogram(array, edges)[0])


def test_energies_of_overlaps_are_above_the_last_bin():
    edges = np.linspace(-1.0, 1.0, 5)
    assert uniform_bins(np.array([-1e300, -1e19, 1e19, 1e300]), edges).tolist() == [-1, -1, 4, 4]


def test_bins_of_any_width():
    edges = np.array([0.0, 0.1, 0.5, 2.0])
    np.testing.assert_array_equal(uniform_bins(np.array([-1, 0.05, 0.1, 2.0, 2.1]), edges), [-1, 0, 1, 2, 3])


def test_what_is_refused():
    with pytest.raises(ConfigError, match="cutoff must be a positive number"):
        near_pairs(np.zeros((2, 3)), None, 0.0)
    with pytest.raises(ConfigError, match="must not be negative"):
        NonbondedPairs(points(2), -1)
