"""Implied timescales: chains whose eigenvalues are known."""

from __future__ import annotations

import numpy as np
import pytest

from msb.analysis.timescales import (
    _timescales,
    assign,
    compare_timescales,
    implied_timescales,
    kmeans_centres,
    torsion_features,
)
from msb.errors import ConfigError, TrajectoryError

CHAIN = np.array([[0.98, 0.02, 0.0], [0.01, 0.97, 0.02], [0.0, 0.04, 0.96]])


def run(transition: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    borders, states = transition.cumsum(1), np.zeros(n, dtype=int)
    for k, number in enumerate(generator.random(n - 1)):
        states[k + 1] = np.searchsorted(borders[states[k]], number)
    return states


def exact(transition: np.ndarray, lag: int) -> np.ndarray:
    values = np.sort(np.linalg.eigvals(np.linalg.matrix_power(transition, lag)).real)[::-1][1:]
    return -lag / np.log(values)


@pytest.mark.parametrize("lag", [1, 7])
def test_expected_counts_give_exact_timescales(lag: int) -> None:
    power = np.linalg.matrix_power(CHAIN, lag)
    weights = np.linalg.matrix_power(CHAIN, 10000)[0]
    counts = 1e6 * weights[:, None] * power
    found, share = _timescales(counts, lag, 2)
    np.testing.assert_allclose(found, exact(CHAIN, lag), rtol=1e-5)
    assert share == 1.0


def test_a_sampled_chain() -> None:
    states = run(CHAIN, 60000)
    found = implied_timescales([states[:30000], states[30000:]], [2.0, 10.0], 2.0, 2, replicates=40)
    expected = 2.0 * exact(CHAIN, 1)
    np.testing.assert_allclose(found.timescales, [expected, expected], rtol=0.12)
    assert (found.low < found.timescales).all()
    assert (found.timescales < found.high).all()
    assert found.lags.tolist() == [2.0, 10.0]


def test_disconnected_states_are_left_out() -> None:
    states = np.concatenate([run(CHAIN, 5000), [3]])  # entered once, never left
    found = implied_timescales([states], [1.0], n_timescales=2)
    assert found.active[0] < 1.0
    with pytest.raises(TrajectoryError, match="3 states, 3 timescales"):
        implied_timescales([states], [1.0], n_timescales=3)


def test_a_trajectory_compared_with_itself() -> None:
    angles = np.array([-2.0, 0.0, 1.5])[run(CHAIN, 8000)][:, None]
    angles = angles + np.random.default_rng(0).normal(0, 0.1, angles.shape)
    features = torsion_features(angles)
    test, reference = compare_timescales(features, features, [1.0, 5.0], n_states=6, n_timescales=2)
    assert (test.timescales == reference.timescales).all()
    np.testing.assert_allclose(reference.timescales[1], exact(CHAIN, 1), rtol=0.35)


def test_clusters_are_the_same_for_the_same_seed() -> None:
    points = np.random.default_rng(1).normal(size=(500, 2))
    centres = kmeans_centres(points, 5, seed=3)
    assert (centres == kmeans_centres(points, 5, seed=3)).all()
    nearest = np.linalg.norm(points[:, None] - centres, axis=-1).argmin(1)
    assert (assign(points, centres) == nearest).all()


def test_sentences() -> None:
    states = run(CHAIN, 100)
    with pytest.raises(ConfigError, match="no positive multiple"):
        implied_timescales([states], [1.5])
    with pytest.raises(TrajectoryError, match="longer trajectory than 100"):
        implied_timescales([states], [99.0])
    with pytest.raises(TrajectoryError, match="10 states need"):
        kmeans_centres(np.zeros((5, 2)), 10)
    with pytest.raises(TrajectoryError, match="the first is 1"):
        assign(np.array([[0.0], [np.nan]]), np.zeros((1, 1)))
