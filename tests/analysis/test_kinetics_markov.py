"""Markov models: exact spectra, the fixed point in ten lines, deeptime's data, intervals, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from deeptime.markov import TransitionCountModel
from deeptime.markov.msm import MaximumLikelihoodMSM
from known_processes import chain, double_well, exact_timescales, expected_counts

from msb.analysis.kinetics import estimate_markov_model, markov_models, timescales_of
from msb.analysis.transitions import count_transitions, split_unassigned
from msb.errors import ConfigError, MsbWarning, TrajectoryError

CHAIN = np.array([[0.95, 0.05, 0.0], [0.02, 0.94, 0.04], [0.0, 0.1, 0.9]])


def fixed_point(counts: np.ndarray) -> np.ndarray:
    """Reversible maximum-likelihood transition matrix (Trendelkamp-Schroer 2015)."""
    x, own = counts + counts.T, counts.sum(1)
    for _ in range(100_000):
        ratio = own / x.sum(1)
        new = (counts + counts.T) / (ratio[:, None] + ratio[None])
        if abs(new - x).max() < 1e-15 * x.sum():
            break
        x = new
    return x / x.sum(1, keepdims=True)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_ten_lines_of_numpy_agree(step: int) -> None:
    model = estimate_markov_model([chain(CHAIN, 5000, 1), chain(CHAIN, 3000, 2)], float(step))
    counts = np.asarray(model.transitions.connected.count_matrix)
    own = fixed_point(counts)
    np.testing.assert_allclose(model.msm.transition_matrix, own, atol=1e-6)
    np.testing.assert_allclose(model.timescales(), exact_timescales(own, step), rtol=1e-6)


def test_counts_are_counted() -> None:
    runs = [chain(CHAIN, 300, 3), chain(CHAIN, 200, 4)]
    plain = np.zeros((3, 3))
    for run in runs:
        np.add.at(plain, (run[:-4], run[4:]), 1)
    assert (count_transitions(runs, 4).counts.count_matrix == plain).all()


@pytest.mark.parametrize("lag", [1, 5])
def test_double_well_of_known_spectrum(lag: int) -> None:
    transition = double_well(4.0)
    counts = expected_counts(np.linalg.matrix_power(transition, lag))
    model = TransitionCountModel(counts, lagtime=lag)
    found = MaximumLikelihoodMSM(maxiter=int(1e6), maxerr=1e-12).fit_fetch(model).timescales(k=3)
    np.testing.assert_allclose(found, exact_timescales(transition)[:3], rtol=1e-3)


def test_double_well_sampled_within_two_percent() -> None:
    transition = double_well(1.5, 12, 0.05)
    states = chain(transition, 300_000, 5)
    model = estimate_markov_model([states], 3.0 * 0.5, 0.5)
    np.testing.assert_allclose(model.timescales(2), 0.5 * exact_timescales(transition)[:2], rtol=0.02)


def test_deeptimes_own_data() -> None:
    from deeptime.data import birth_death_chain

    process = birth_death_chain(np.array([0, 0.2, 0.2, 0.2]), np.array([0.3, 0.3, 0.3, 0]))
    states = process.msm.simulate(200_000, seed=7)
    model = estimate_markov_model([states], 1.0)
    np.testing.assert_allclose(model.timescales(1), process.msm.timescales(1), rtol=0.02)
    np.testing.assert_allclose(model.stationary, process.stationary_distribution, atol=0.01)


def test_posterior_covers_the_truth_and_is_the_same_for_a_seed() -> None:
    exact = exact_timescales(CHAIN)[:2]
    covered = 0
    for seed in range(10):
        model = estimate_markov_model([chain(CHAIN, 4000, 20 + seed)], 2.0, samples=60, seed=1)
        low, high = model.interval(2)
        covered += int(((low < exact) & (exact < high)).sum())
    assert covered >= 16  # of 20, at 95 %
    again = estimate_markov_model([chain(CHAIN, 4000, 29)], 2.0, samples=60, seed=1)
    assert (again.interval(2)[0] == low).all()
    assert (again.interval(2)[1] == high).all()


def test_eigenvectors_are_orthonormal_under_the_stationary_distribution() -> None:
    model = estimate_markov_model([chain(CHAIN, 5000, 1)], 1.0)
    vectors = model.eigenvectors(2)
    np.testing.assert_allclose(vectors.T @ (model.stationary[:, None] * vectors), np.eye(2), atol=1e-8)
    matrix = model.msm.transition_matrix
    np.testing.assert_allclose(matrix @ vectors, vectors * np.exp(-1 / model.timescales(2)), atol=1e-8)
    assert (vectors.max(0) >= -vectors.min(0)).all()


def test_timescales_over_lags_in_physical_units() -> None:
    models = markov_models([chain(CHAIN, 20000, 1)], [0.5, 2.0, 40.0], 0.5, samples=20)
    found = timescales_of(list(models.values()), 2)
    assert found.lags.tolist() == [0.5, 2.0, 40.0]
    np.testing.assert_allclose(found.timescales[0], 0.5 * exact_timescales(CHAIN)[:2], rtol=0.15)
    assert found.resolved.tolist()[0] == [True, True]
    assert not found.resolved[2].any()
    assert (found.low <= found.high).all()


def test_disconnected_states() -> None:
    low = np.concatenate(
        [chain(CHAIN, 900), 3 + chain(CHAIN[:2, :2] / CHAIN[:2, :2].sum(1, keepdims=True), 300)]
    )
    with pytest.warns(MsbWarning, match=r"less than 95 % of the transitions: 75.0 % at 1 frames; 2 visited"):
        model = estimate_markov_model([low], 1.0)
    assert model.states.tolist() == [0, 1, 2]
    assert model.transitions.state_share == pytest.approx(0.6)
    with pytest.raises(TrajectoryError, match="no two of the 3 visited states"):
        estimate_markov_model([np.array([0, 1, 2])], 1.0)
    with pytest.raises(TrajectoryError, match="3 states, 3 timescales need one more"):
        model.timescales(3)


def test_trajectories_shorter_than_the_lag_are_named_and_counted() -> None:
    runs = [chain(CHAIN, 500), chain(CHAIN, 5), chain(CHAIN, 3)]
    with pytest.warns(MsbWarning, match=r"2 of 3 trajectories are too short for a lag of 6 frames.*: 1, 2 "):
        model = estimate_markov_model(runs, 6.0)
    assert model.transitions.dropped == (1, 2)
    with pytest.raises(TrajectoryError, match="longer trajectory than 5 frames, the longest of 2"):
        estimate_markov_model(runs[1:], 6.0)
    with pytest.raises(TrajectoryError, match="at least one"):
        estimate_markov_model([], 6.0)


def test_negative_labels_are_named_and_cut() -> None:
    run = np.array([0, 1, -1, 0, 1, 1, -1, -1, 2])
    with pytest.raises(TrajectoryError, match="trajectory 1 has 3 negative labels, the first in frame 2"):
        estimate_markov_model([chain(CHAIN, 50), run], 1.0)
    assert [piece.tolist() for piece in split_unassigned([run])] == [[0, 1], [0, 1, 1], [2]]
    with pytest.raises(TrajectoryError, match="row of whole numbers"):
        estimate_markov_model([np.zeros(5)], 1.0)
    with pytest.raises(ConfigError, match="no positive multiple"):
        estimate_markov_model([run], 1.5)


def test_nothing_is_said_about_good_data() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate_markov_model([chain(CHAIN, 2000)], 1.0, samples=3)
