"""Pairs within a cutoff against all images of all pairs, in boxes of every shape."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.energy.pairs import Partners, neighbour_pairs
from msb.energy.terms import Configuration
from msb.errors import EnergyError


def all_pairs(positions: np.ndarray, box: np.ndarray | None, cutoff: float) -> set[tuple[int, int]]:
    vectors = positions[None] - positions[:, None]
    shifts = (
        np.zeros((1, 3)) if box is None else np.array(list(itertools.product(range(-4, 5), repeat=3))) @ box
    )
    shortest = np.linalg.norm(vectors[:, :, None] + shifts, axis=-1).min(-1)
    return {(i, j) for i, j in zip(*np.nonzero(shortest < cutoff), strict=True) if i < j}


@given(
    st.integers(0, 10**6),
    st.sampled_from(["none", "cube", "tilted"]),
    st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=25)
def test_pairs_are_all_and_only_those_within_the_cutoff(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-1.0, 2.5, (2, 20, 3))
    box = None if shape == "none" else np.diag(rng.uniform(1.2, 2.0, 3))
    if shape == "tilted":
        box[1, 0], box[2, 0], box[2, 1] = rng.uniform(-0.5, 0.5, 3) * [box[0, 0], box[0, 0], box[1, 1]]
    x = torch.as_tensor(positions, dtype=dtype)
    boxes = None if box is None else torch.as_tensor(box, dtype=dtype).expand(2, 3, 3)
    pairs = neighbour_pairs(Configuration(x, boxes), 0.47, boxes is not None)
    assert (pairs.first < pairs.second).all()
    vectors = x[pairs.frame, pairs.second] - x[pairs.frame, pairs.first]
    if pairs.offset is not None:
        vectors = vectors + pairs.offset
    assert (vectors.norm(dim=-1) <= 0.47 + 1e-5).all()
    for k in range(2):
        rows = pairs.frame == k
        found = set(zip(pairs.first[rows].tolist(), pairs.second[rows].tolist(), strict=True))
        assert len(found) == int(rows.sum())
        assert all_pairs(positions[k], box, 0.47 - 1e-4) <= found <= all_pairs(positions[k], box, 0.47 + 1e-4)


def test_atoms_on_the_border_of_the_box_are_found():
    positions = torch.tensor(
        [[[-1e-18, 0.0, 0.0], [1.99999999, 0.0, 0.0], [2.0, 4.0, -2.0]]], dtype=torch.float64
    )
    pairs = neighbour_pairs(Configuration(positions, 2 * torch.eye(3, dtype=torch.float64)[None]), 0.5, True)
    assert len(pairs) == 3


def test_bad_boxes_and_positions_are_sentences():
    x = torch.zeros(2, 4, 3)
    with pytest.raises(EnergyError, match="give the box"):
        neighbour_pairs(Configuration(x), 0.5, True)
    with pytest.raises(EnergyError, match="half of the box"):
        neighbour_pairs(Configuration(x, 0.9 * torch.eye(3).expand(2, 3, 3)), 0.5, True)
    x[1, 2, 0] = float("nan")
    with pytest.raises(EnergyError, match="configuration 1 of the batch"):
        neighbour_pairs(Configuration(x), 0.5, False)


def test_groups_and_exclusions_choose_the_pairs():
    excluded = np.array([[3, 0], [1, 2]])
    partners = Partners(5, excluded, groups=[([0, 1], [2, 3, 4]), ([0], [4]), ([2, 3], [2, 3])])
    pairs = partners.pairs(Configuration(torch.zeros(1, 5, 3)))
    found = sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert found == [(0, 2), (0, 4), (0, 4), (1, 3), (1, 4), (2, 3)]
