"""Similarity, clocks and the one call that does the study; PyEMMA in and out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from known_processes import chain, ornstein_uhlenbeck

from msb.analysis.kinetics import (
    compare,
    cosines,
    eigenvector_similarity,
    estimate_markov_model,
    match_slowest,
    principal_cosines,
)
from msb.errors import ConfigError, TrajectoryError

SLOW = np.array([[0.97, 0.02, 0.01], [0.02, 0.93, 0.05], [0.01, 0.05, 0.94]])
FAST = np.linalg.matrix_power(SLOW, 2)


def jumps(seed: int, transition: np.ndarray = SLOW, n_steps: int = 12000) -> np.ndarray:
    """Three wells on a plane, with noise (F, 2)."""
    wells = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])[chain(transition, n_steps, seed)]
    return wells + np.random.default_rng(seed).normal(0, 0.1, wells.shape)


def test_cosines_by_hand() -> None:
    a, b = np.array([[1.0], [2.0], [2.0]]), np.array([[-2.0], [1.0], [-2.0]])
    assert cosines(a, b)[0, 0] == pytest.approx(4 / 9)
    assert cosines(a, b, [0.0, 1.0, 0.0])[0, 0] == pytest.approx(1.0)
    assert cosines(a, -a)[0, 0] == pytest.approx(1.0)


def test_principal_angles_do_not_see_rotations() -> None:
    generator = np.random.default_rng(0)
    space, weights = generator.normal(size=(10, 2)), generator.random(10)
    turned = space @ np.linalg.qr(generator.normal(size=(2, 2)))[0]
    np.testing.assert_allclose(principal_cosines(space, turned, weights), 1.0, atol=1e-12)
    axes = np.eye(4)
    np.testing.assert_allclose(principal_cosines(axes[:, :2], axes[:, 1:3]), [1.0, 0.0], atol=1e-12)


def test_a_faster_clock_is_the_same_process() -> None:
    slow = estimate_markov_model([chain(SLOW, 40000, 1)], 1.0, samples=40)
    fast = estimate_markov_model([chain(FAST, 40000, 2)], 1.0, samples=40)
    found = eigenvector_similarity(slow, fast, 2)
    assert (found.cosine > 0.98).all()
    assert (found.weighted > 0.98).all()
    assert found.matrix.shape == (2, 2)
    clock = match_slowest(slow, fast, 2)
    assert clock.scale == pytest.approx(2.0, rel=0.1)
    assert clock.scale_low < 2.0 < clock.scale_high
    assert clock.ratios[0] == pytest.approx(1.0)
    assert clock.ratios_low[1] < 1.0 < clock.ratios_high[1]
    np.testing.assert_allclose(clock.timescales, clock.scale * fast.timescales(2))


def test_overlapping_processes_are_compared_as_a_space() -> None:
    ring = np.roll(np.eye(6), 1, 1) * 0.05 + np.roll(np.eye(6), -1, 1) * 0.05 + 0.9 * np.eye(6)
    one, two = (estimate_markov_model([chain(ring, 15000, s)], 1.0, samples=40) for s in (1, 2))
    found = eigenvector_similarity(one, two, 2)  # the two slowest are degenerate
    assert [group.processes for group in found.groups] == [(0, 1)]
    assert found.groups[0].cosines.min() > 0.97
    assert found.groups[0].angles.max() < 0.25


def test_models_without_shared_states() -> None:
    one = estimate_markov_model([chain(SLOW, 500)], 1.0)
    two = estimate_markov_model([3 + chain(SLOW, 500)], 1.0)
    with pytest.raises(TrajectoryError, match="share 0 connected states of 3 and 3"):
        eigenvector_similarity(one, two, 2)


def test_the_whole_study_in_one_call() -> None:
    found = compare(
        [jumps(1), jumps(2)],
        {"again": jumps(3), "twice as fast": jumps(4, FAST)},
        n_states=6,
        lag=2.0,
        timestep=0.5,
        lags=[0.5, 2.0, 4.0],
        n_timescales=2,
        samples=20,
    )
    exact = -0.5 / np.log(np.sort(np.linalg.eigvals(SLOW).real)[:2][::-1])
    times = found.reference.timescales
    assert ((0.95 * times.low[1] < exact) & (exact < 1.05 * times.high[1])).all()
    assert found.reference.test is not None
    assert found.reference.test.passed
    assert (found.similarity["again"].weighted > 0.97).all()
    assert found.clocks["twice as fast"].scale == pytest.approx(2.0, rel=0.2)
    numbers = json.loads(json.dumps(found.summary()))
    assert numbers["ensembles"]["reference"]["chapman_kolmogorov"]["passed"]
    assert len(numbers["ensembles"]["again"]["timescales_ps"]) == 3


def test_a_study_on_independent_components() -> None:
    x = ornstein_uhlenbeck(np.array([50.0, 3.0, 2.0]), 20000, 1)
    found = compare(x, x[::-1].copy(), n_states=15, lag=5.0, n_timescales=1, n_sets=2, tica=1, samples=0)
    assert found.centres.shape == (15, 1)
    assert found.tica is not None
    assert found.similarity["test"].weighted[0] == pytest.approx(1.0, abs=1e-3)
    assert found.clocks["test"].scale == pytest.approx(1.0, abs=1e-2)


def test_sentences() -> None:
    x = jumps(1, n_steps=200)
    with pytest.raises(
        TrajectoryError, match="'test' has 1 features, the reference 2; they differ in feature 1"
    ):
        compare(x, x[:, :1], n_states=4, lag=1.0)
    with pytest.raises(ConfigError, match="cannot be called 'reference'"):
        compare(x, {"reference": x}, n_states=4, lag=1.0)
    with pytest.raises(ConfigError, match="must be one of phi-psi"):
        compare(x, features="psi-phi", n_states=4, lag=1.0)
    broken = x.copy()
    broken[3, 0] = np.inf
    with pytest.raises(TrajectoryError, match="the first in frame 3: feature 0"):
        compare(broken, n_states=4, lag=1.0)


def test_pyemma_and_back() -> None:
    pytest.importorskip("pyemma")
    from msb.analysis.kinetics.pyemma import from_pyemma, reference, to_pyemma

    states = [chain(SLOW, 3000, 1)]
    model = estimate_markov_model(states, 1.0, 0.5)
    theirs = to_pyemma(model)
    np.testing.assert_allclose(theirs.timescales(2), model.timescales(2), rtol=1e-8)
    back = from_pyemma(theirs)
    np.testing.assert_allclose(back.transition_matrix, model.msm.transition_matrix)
    np.testing.assert_allclose(back.stationary_distribution, model.stationary, atol=1e-10)
    found = reference(states, [2, 3], k=2)
    np.testing.assert_allclose(np.array(found["timescales"][0]) * 0.5, model.timescales(2), rtol=1e-6)
    assert found["lags"] == [2, 3]


def test_without_pyemma(monkeypatch: pytest.MonkeyPatch) -> None:
    from msb.analysis.kinetics.pyemma import reference

    monkeypatch.setitem(__import__("sys").modules, "pyemma", None)
    with pytest.raises(ConfigError, match=r"pip install 'msb-suite\[pyemma\]'"):
        reference([chain(SLOW, 100)], [1])
