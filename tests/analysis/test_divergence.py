"""Jensen-Shannon divergence and its excess: exact answers, an oracle, and what must never be NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from msb.analysis.divergence import Excess, excess, excess_of_bins, js
from msb.errors import TrajectoryError

COUNTS = arrays(np.int64, st.integers(1, 12), elements=st.integers(0, 1000)).filter(lambda c: c.sum() > 0)


@given(COUNTS)
def test_zero_for_equal_histograms(counts: np.ndarray) -> None:
    assert js(counts, counts) == 0.0
    assert js(counts, 7 * counts) == pytest.approx(0.0, abs=1e-15)  # normalised


@given(st.data())
def test_agrees_with_scipy_is_symmetric_and_bounded(data: st.DataObject) -> None:
    p = data.draw(COUNTS)
    q = data.draw(arrays(np.int64, len(p), elements=st.integers(0, 1000)).filter(lambda c: c.sum() > 0))
    value = float(js(p, q))
    assert value == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)
    assert value == float(js(q, p))
    assert 0.0 <= value <= np.log(2.0)


def test_exact_answers() -> None:
    assert js([5, 0], [0, 3]) == np.log(2.0)
    by_hand = 0.5 * np.log(4 / 3) + 0.25 * np.log(2 / 3) + 0.25 * np.log(2)
    assert js([9, 0], [2, 2]) == pytest.approx(by_hand, rel=1e-14)
    stacked = js(np.array([[5, 0], [1, 1]]), np.array([0, 3]))
    assert stacked.shape == (2,)
    assert stacked[1] == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("p", "q", "words"),
    [
        ([0, 0], [1, 1], "first histogram is empty.*units"),
        ([1, 1], [0, 0], "second histogram is empty"),
        ([], [], "empty"),
        ([1, 1], [1, 1, 1], "2 and 3 bins"),
        ([1, -1], [1, 1], "negative"),
        ([1, np.nan], [1, 1], "non-finite"),
    ],
)
def test_sentences_never_nan(p: list[float], q: list[float], words: str) -> None:
    with pytest.raises(TrajectoryError, match=words):
        js(p, q)


def test_a_perfect_test_has_no_excess() -> None:
    """The reference itself scores exactly its floor, and the difference is always zero."""
    values = np.random.default_rng(0).normal(size=(4000, 3))
    found = excess(values, values, np.linspace(-5, 5, 51))
    assert found.js == found.floor > 0
    assert (found.excess, found.low, found.high) == (0.0, 0.0, 0.0)


def test_floor_of_finite_samples() -> None:
    """Two samples of N score (bins - 1) / 4N on average."""
    generator = np.random.default_rng(1)
    scores = [
        excess_of_bins(*generator.integers(20, size=(2, 4000)), 20, replicates=1, seed=k) for k in range(40)
    ]
    expected = 19 / (4 * 2000)
    assert np.mean([score.floor for score in scores]) == pytest.approx(expected, rel=0.1)
    assert abs(np.mean([score.excess for score in scores])) < 0.1 * expected


def test_even_and_odd_are_exchanged() -> None:
    generator = np.random.default_rng(2)
    test, reference = generator.normal(0.3, 1, 501), generator.normal(0, 1, 501)
    edges = np.linspace(-3, 3, 13)
    found = excess(test, reference, edges)
    count = [
        [np.histogram(np.clip(v[s::2], -2.99, 2.99), edges)[0] for s in (0, 1)] for v in (test, reference)
    ]
    (t0, t1), (r0, r1) = count
    first, second = js(t0, r1) - js(r0, r1), js(t1, r0) - js(r1, r0)
    assert found.excess == pytest.approx(0.5 * (first + second), rel=1e-12)
    assert found.floor == pytest.approx(js(r0, r1), rel=1e-12)
    assert found.js == pytest.approx(0.5 * (js(t0, r1) + js(t1, r0)), rel=1e-12)


def test_second_reference_set() -> None:
    generator = np.random.default_rng(3)
    test, reference, second = generator.normal(size=(3, 3000)) + np.array([[0.5], [0], [0]])
    edges = np.linspace(-5, 5, 41)
    found = excess(test, reference, edges, second)
    count = [np.histogram(v, edges)[0] for v in (test, reference, second)]
    assert found.js == pytest.approx(js(count[0], count[2]))
    assert found.floor == pytest.approx(js(count[1], count[2]))
    assert found.low < found.excess < found.high


def test_interval_covers_and_shrinks() -> None:
    """The interval of the excess holds what many runs scatter over, and depends on the seed alone."""
    generator = np.random.default_rng(4)
    edges = np.linspace(-4, 4, 41)

    def draw(n: int) -> Excess:
        return excess(generator.normal(0.2, 1, n), generator.normal(0, 1, n), edges)

    runs = [draw(4000) for _ in range(30)]
    truth = np.mean([run.excess for run in runs])
    covered = np.mean([run.low <= truth <= run.high for run in runs])
    assert covered > 0.75
    assert np.mean([run.high - run.low for run in runs]) > 2 * (draw(64000).high - draw(64000).low)
    values = generator.normal(size=(2, 300))
    assert excess(*values, edges) == excess(*values, edges)


def test_unequal_lengths_get_a_sentence() -> None:
    with pytest.raises(TrajectoryError, match="same frames, but have 4 and 5"):
        excess(np.zeros(4), np.zeros(5), [-1.0, 1.0])
    with pytest.raises(TrajectoryError, match="same frames"):
        excess(np.zeros(4), np.zeros(4), [-1.0, 1.0], np.zeros(3))
