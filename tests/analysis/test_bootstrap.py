"""Block bootstrap: the standard error of a mean, of independent and of correlated numbers."""

from __future__ import annotations

import numpy as np
import pytest

from msb.analysis.bootstrap import block_bootstrap, block_numbers, centred_interval
from msb.errors import TrajectoryError


def test_blocks_are_contiguous_and_cover() -> None:
    numbers = block_numbers(103, 10)
    assert (np.diff(numbers) >= 0).all()
    assert np.bincount(numbers).tolist() == [11, 10, 10, 11, 10, 10, 11, 10, 10, 10]
    assert block_numbers(5, 50).max() == 1  # at least two frames each
    with pytest.raises(TrajectoryError, match="at least 2 frames"):
        block_numbers(1, 1)


def test_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=20000)
    low, high = block_bootstrap(np.mean, values, replicates=400)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(20000), rel=0.25)


def test_correlation_is_seen() -> None:
    """Every number repeated 100 times: the interval is ten times as wide as for independent numbers."""
    runs = np.repeat(np.random.default_rng(1).normal(size=(20, 200)), 100, axis=1)
    widths = [np.subtract(*block_bootstrap(np.mean, run, blocks=40)[::-1]) for run in runs]
    assert np.mean(widths) == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.1)


def test_several_series_move_together() -> None:
    x = np.random.default_rng(2).normal(size=(1000, 2))
    low, high = block_bootstrap(lambda a, b: (a - b).mean(0), x, x - 3.0)
    np.testing.assert_allclose(low, 3.0)
    np.testing.assert_allclose(high, 3.0)
    with pytest.raises(TrajectoryError, match=r"\[999, 1000\]"):
        block_bootstrap(lambda a, b: 0.0, x, x[1:])


def test_interval_is_centred_on_the_estimate() -> None:
    low, high = centred_interval(5.0, np.linspace(0.0, 1.0, 101))
    assert (low + high) / 2 == pytest.approx(5.0)
    assert high - low == pytest.approx(0.95)
