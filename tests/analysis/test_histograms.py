"""Histograms: numpy as oracle, and the policy for what lies outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msb.analysis.histograms import bin_edges, bin_numbers, histogram
from msb.errors import ConfigError, TrajectoryError

VALUES = arrays(np.float64, st.integers(1, 50), elements=st.floats(-3, 3, width=32))
EDGES = np.array([-1.0, -0.25, 0.0, 1.5, 2.0])


@given(VALUES)
def test_drop_is_numpy(values: np.ndarray) -> None:
    assert (histogram(values, EDGES, "drop") == np.histogram(values, EDGES)[0]).all()


@given(VALUES)
def test_clip_loses_nothing(values: np.ndarray) -> None:
    counts = histogram(values, EDGES, "clip")
    assert counts.sum() == values.size
    assert (counts[1:-1] == np.histogram(values, EDGES)[0][1:-1]).all()


def test_borders() -> None:
    assert bin_numbers([-1.0, -0.25, 2.0, 2.1, -1.1], EDGES, "drop").tolist() == [0, 1, 3, -1, -1]
    assert bin_numbers([-1.0, -0.25, 2.0, 2.1, -1.1], EDGES, "clip").tolist() == [0, 1, 3, 3, 0]
    assert bin_numbers([[0.1, 0.2]], EDGES).shape == (1, 2)


def test_range_of_percentiles() -> None:
    edges = bin_edges(np.arange(10001.0), 100)
    assert len(edges) == 101
    assert edges[0] == pytest.approx(5 - 0.2 * 9990)
    assert edges[-1] == pytest.approx(9995 + 0.2 * 9990)


def test_sentences() -> None:
    with pytest.raises(TrajectoryError, match="2 of 3 values lie outside"):
        histogram([0.0, 5.0, -5.0], EDGES, "refuse")
    with pytest.raises(TrajectoryError, match="empty"):
        histogram([], EDGES)
    with pytest.raises(TrajectoryError, match="not finite, the first in frame 1"):
        histogram([[0.0, 1.0], [np.nan, 1.0]], EDGES)
    with pytest.raises(TrajectoryError, match="no spread"):
        bin_edges(np.ones(5), 10)
    with pytest.raises(ConfigError, match="ascending"):
        histogram([0.0], [1.0, 0.0])
    with pytest.raises(ConfigError, match="outliers"):
        histogram([0.0], EDGES, "ignore")  # type: ignore[arg-type]
