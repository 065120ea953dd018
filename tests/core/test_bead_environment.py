"""Descriptions of bead environments: exact where one knows them, and blind to what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.bead_environment import BeadEnvironments, Vocabulary
from msb.core.geometry import random_rotations
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError


def beads(name: str, types: str, bonds: list[tuple[int, int]]) -> tuple[MoleculeTemplate, MappingTemplate]:
    """A molecule whose atoms are its beads."""
    n = len(types)
    molecule = MoleculeTemplate.from_atoms(name, [f"C{k}" for k in range(n)], bonds=bonds, elements=["C"] * n)
    return molecule, MappingTemplate.from_atoms(molecule, range(n), types=list(types))


def system(*parts: tuple[MoleculeTemplate, MappingTemplate, int]) -> Mapping:
    return Mapping([m for _, m, _ in parts], Topology(tuple((t, n) for t, _, n in parts)))


def comb(units: int) -> tuple[MoleculeTemplate, MappingTemplate]:
    """B1 S1 B2 S2 ...: a chain of B, an S on each."""
    bonds = [(2 * k, 2 * k + 1) for k in range(units)] + [(2 * k, 2 * k + 2) for k in range(units - 1)]
    return beads("COMB", "BS" * units, bonds)


def column(environments, word: str) -> np.ndarray:
    """First and second value of a term, (F, M, 2)."""
    v = environments.vocabulary
    at = 8 * len(v.types) + 1 + 2 * v.terms.index(word)
    return environments.values[..., at : at + 2]


def test_two_beads_by_hand():
    mapping = system((*beads("A", "A", []), 1), (*beads("B", "B", []), 1))
    seen = BeadEnvironments(mapping)(np.array([[[0, 0, 0], [0.3, 0.4, 0]]]))
    centres = 0.075 + 0.15 * np.arange(8)
    shells = (0.5 + 0.5 * np.cos(np.pi * 0.5 / 1.2)) * np.exp(-0.5 * ((0.5 - centres) / 0.075) ** 2)
    assert seen.vocabulary == Vocabulary(("A", "B"), ())
    np.testing.assert_allclose(seen.values[0, 0], [*np.zeros(8), *shells, 0], atol=1e-6)
    np.testing.assert_allclose(seen.values[0, 1], [*shells, *np.zeros(8), 0], atol=1e-6)


def test_bonded_terms_by_hand():
    mapping = system((*beads("M", "AABC", [(0, 1), (1, 2), (2, 3)]), 1))
    x = np.array([[[0.3, 0, 0], [0, 0, 0], [0, 0.4, 0], [0, 0.4, 0.5]]])  # right angles, a quarter turn
    seen = BeadEnvironments(mapping)(x)
    np.testing.assert_allclose(column(seen, "A A 0")[0, :2, 0], 0.3, atol=1e-6)
    assert np.isnan(column(seen, "A A 0")[0, :2, 1]).all()  # one value has no spread
    assert np.isnan(column(seen, "A A 0")[0, 2:]).all()
    np.testing.assert_allclose(column(seen, "A B 0")[0, 1, 0], 0.4, atol=1e-6)
    np.testing.assert_allclose(column(seen, "A A B 1")[0, 1, 0], 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(column(seen, "A A B C 2")[0, 2]), [0, 1], atol=1e-6)
    mirrored = BeadEnvironments(mapping)(x * [1, 1, -1])
    np.testing.assert_allclose(
        column(mirrored, "A A B C 0")[0, 0, 1], -column(seen, "A A B C 0")[0, 0, 1], atol=1e-6
    )


def test_several_values_of_one_term():
    mapping = system((*beads("STAR", "ABBB", [(0, 1), (0, 2), (0, 3)]), 1))
    x = np.array([[[0, 0, 0], [0.2, 0, 0], [0, 0.3, 0], [0, 0, 0.4]]])
    np.testing.assert_allclose(
        column(BeadEnvironments(mapping)(x), "A B 0")[0, 0], [0.3, np.std([0.2, 0.3, 0.4])], atol=1e-6
    )


def test_a_bead_counts_its_own_images():
    mapping = system((*beads("A", "A", []), 1))
    alone = BeadEnvironments(mapping)(np.zeros((1, 1, 3)), np.eye(3)[None] * 1.0)
    crowd = system((*beads("A", "A", []), 27))
    lattice = np.stack(np.meshgrid(*[[-1.0, 0, 1.0]] * 3, indexing="ij"), -1).reshape(1, 27, 3)
    np.testing.assert_allclose(alone.values[0, 0], BeadEnvironments(crowd)(lattice).values[0, 13], atol=1e-6)


@st.composite
def melts(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mapping = system((*comb(3), draw(st.integers(1, 4))), (*beads("A", "A", []), draw(st.integers(1, 3))))
    box = np.diag(rng.uniform(1.0, 2.5, 3)) + np.tril(rng.uniform(-0.3, 0.3, (3, 3)), -1)
    steps = rng.normal(size=(1, mapping.n_beads, 3))  # bonds are of one or two steps: below half the box
    return mapping, np.cumsum(0.2 * steps / np.linalg.norm(steps, axis=-1, keepdims=True), 1), box[None], rng


@settings(max_examples=25)
@given(melts())
def test_blind_to_rotation_images_and_numbering(case):
    mapping, x, box, rng = case
    describe = BeadEnvironments(mapping)
    reference = describe(x, box).values
    turn = random_rotations(1, None)[0].double().numpy()
    moved = (x + rng.normal(size=3)) @ turn
    images = rng.integers(-2, 3, x.shape) @ box[0] @ turn
    np.testing.assert_allclose(describe(moved + images, box @ turn).values, reference, atol=1e-4)
    count = mapping.topology.molecules[0][1]
    order = np.concatenate(
        [np.arange(6 * count).reshape(count, 6)[::-1].ravel(), np.arange(6 * count, x.shape[1])]
    )
    np.testing.assert_allclose(describe(x[:, order], box).values, reference[:, order], atol=1e-4)


@settings(max_examples=10)
@given(melts())
def test_a_larger_box_of_the_same_changes_nothing(case):
    mapping, x, box, _ = case
    twice = system(
        *((t, m, 2 * n) for (t, n), m in zip(mapping.topology.molecules, mapping.templates, strict=True))
    )
    parts = np.split(x, [6 * mapping.topology.molecules[0][1]], axis=1)
    doubled = np.concatenate([y for part in parts for y in (part, part + box[:, 1:2])], axis=1)
    larger = box * np.array([1, 2, 1])[:, None]
    found = BeadEnvironments(twice)(doubled, larger).values
    first = np.concatenate(
        [np.arange(p.shape[1]) + s for p, s in zip(parts, (0, 2 * parts[0].shape[1]), strict=True)]
    )
    np.testing.assert_allclose(found[:, first], BeadEnvironments(mapping)(x, box).values, atol=1e-4)


def test_longer_chains_have_the_same_kinds_and_columns():
    short, long = (BeadEnvironments(system((*comb(units), 2))) for units in (7, 12))
    assert short.vocabulary == long.vocabulary
    assert set(short.kinds) == set(long.kinds)
    assert len(set(short.kinds)) == 7
    assert short.kinds[6] == long.kinds[10] == long.kinds[2 * 12 + 10]


def test_types_that_are_not_known_are_counted_together():
    mapping = system((*beads("A", "A", []), 1), (*beads("X", "X", []), 1), (*beads("Y", "Y", []), 1))
    words = Vocabulary(("A",), ())
    seen = BeadEnvironments(mapping, words)(np.array([[[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]]]))
    assert seen.values.shape == (1, 3, 9)
    assert seen.values[0, 0, :8].max() == 0
    alone = BeadEnvironments(mapping, words)(np.array([[[0, 0, 0], [0.5, 0, 0], [9, 9, 9]]]))
    np.testing.assert_allclose(seen.values[0, 0, 8], 2 * alone.values[0, 0, 8], rtol=1e-6)


def test_odd_input():
    describe = BeadEnvironments(system((*comb(2), 1)))
    with pytest.raises(MappingError, match=r"do not fit a system of 4"):
        describe(np.zeros((1, 5, 3)))
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    x[0, 2] = np.nan
    values = describe(x, np.zeros((2, 3, 3))).values  # boxes of zeros are none
    assert np.isnan(values[0]).all()
    np.testing.assert_array_equal(values[1], describe(x[1:]).values[0])
    assert np.isfinite(describe(np.zeros((1, 4, 3))).values[0, :, 0]).all()  # all beads at one point
