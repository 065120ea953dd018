"""Splits cover every frame once, in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.data import contiguous_split, split_frames
from msb.errors import ConfigError


@given(st.integers(100, 10**6), st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_contiguous_and_complete(n_frames: int, weights: list[int]) -> None:
    fractions = [weight / sum(weights) for weight in weights]
    try:
        parts = contiguous_split(n_frames, fractions)
    except ConfigError:
        assert min(fractions) * n_frames < 1
        return
    assert parts[0].start == 0
    assert parts[-1].stop == n_frames
    assert all(before.stop == after.start for before, after in pairwise(parts))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * n_frames) <= 1


def test_the_reference_trajectory() -> None:
    split = split_frames(165_000)
    assert split == {
        "train": slice(0, 115_500),
        "select": slice(115_500, 132_000),
        "test": slice(132_000, 165_000),
    }


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), ()])
def test_fractions_that_are_none(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="must be positive with sum 1"):
        contiguous_split(100, fractions)


def test_too_few() -> None:
    with pytest.raises(ConfigError, match="3 frames are too few"):
        split_frames(3)
    with pytest.raises(ConfigError, match="train, select, test need three fractions"):
        split_frames(100, (0.5, 0.5))
