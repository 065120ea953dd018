"""Pairs over all periodic images."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.periodic_pairs import periodic_pairs


def _all_pairs(
    x: np.ndarray, box: np.ndarray | None, reach: float
) -> set[tuple[int, int, tuple[float, ...]]]:
    """Every pair with every image, by brute force."""
    found = set()
    steps = [(0, 0, 0)] if box is None else list(product(range(-6, 7), repeat=3))
    for i in range(len(x)):
        for j in range(len(x)):
            for step in steps:
                shift = np.zeros(3) if box is None else np.array(step) @ box
                if (i, step) == (j, (0, 0, 0)):
                    continue
                if np.linalg.norm(x[j] + shift - x[i]) < reach:
                    found.add((i, j, tuple((shift + 0.0).round(6))))
    return found


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.floats(0.3, 1.4),
    st.sampled_from(["none", "cubic", "tilted"]),
)
def test_finds_every_image_once(seed: int, n: int, reach: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    box = None
    if kind != "none":
        box = np.diag(rng.uniform(0.8, 1.5, 3))
    if kind == "tilted":
        box[1, 0], box[2, 0], box[2, 1] = rng.uniform(-0.4, 0.4, 3)
    x = rng.uniform(-3, 3, (n, 3))
    if box is not None:
        x = (x + 3) / 6 @ box * 1.7 - 0.4  # some of them outside the cell
    pairs = periodic_pairs(x, box, reach)
    rows = list(zip(pairs.first, pairs.second, map(tuple, (pairs.shifts + 0.0).round(6)), strict=True))
    assert len(rows) == len(set(rows))
    assert {(int(i), int(j), s) for i, j, s in rows} == _all_pairs(x, box, reach)


def test_order_is_first_second_distance() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (5, 3))
    pairs = periodic_pairs(x, np.eye(3), 1.2)
    distance = np.linalg.norm(x[pairs.second] + pairs.shifts - x[pairs.first], axis=-1).round(6)
    rows = list(zip(pairs.first.tolist(), pairs.second.tolist(), distance.tolist(), strict=True))
    assert rows == sorted(rows)


@pytest.mark.parametrize("box", [None, np.eye(3) * 5])
def test_one_point_has_no_neighbours(box: np.ndarray | None) -> None:
    assert len(periodic_pairs(np.zeros((1, 3)), box, 1.0).first) == 0
