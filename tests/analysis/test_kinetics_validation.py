"""Chapman-Kolmogorov: passes on a Markov chain, fails on a projected one; metastable sets."""

from __future__ import annotations

import numpy as np
import pytest
from known_processes import chain

from msb.analysis.kinetics import chapman_kolmogorov, estimate_markov_model, markov_models, metastable_sets
from msb.errors import ConfigError

METASTABLE = np.array(
    [
        [0.80, 0.19, 0.01, 0.00],
        [0.19, 0.80, 0.00, 0.01],
        [0.01, 0.00, 0.75, 0.24],
        [0.00, 0.01, 0.24, 0.75],
    ]
)
# states 0 and 1 look alike; 0 is left quickly and 1 slowly: what is seen has a memory
HIDDEN = np.array([[0.70, 0.02, 0.28], [0.01, 0.98, 0.01], [0.28, 0.01, 0.71]])


@pytest.mark.parametrize("seed", range(5))
def test_a_markov_chain_passes(seed: int) -> None:
    states = [chain(METASTABLE, 20000, seed)]
    model = estimate_markov_model(states, 1.0, samples=60)
    found = chapman_kolmogorov(states, model, 2, (1, 2, 4, 8), tolerance=0.0)
    assert found.passed
    assert found.deviation < 0.05
    assert found.lags.tolist() == [1.0, 2.0, 4.0, 8.0]
    np.testing.assert_allclose(found.predicted.sum(-1), 1.0, atol=1e-8)


@pytest.mark.parametrize("samples", [0, 60])
def test_a_projected_chain_fails(samples: int) -> None:
    states = [np.array([0, 0, 1])[chain(HIDDEN, 20000, 1)]]
    model = estimate_markov_model(states, 1.0, samples=samples)
    found = chapman_kolmogorov(states, model, 2, (2, 4, 8))
    assert not found.passed
    assert found.deviation > 0.1


def test_deeptimes_test_agrees() -> None:
    states = [chain(METASTABLE, 20000, 1)]
    models = markov_models(states, [1.0, 2.0, 4.0], 1.0)
    own = chapman_kolmogorov(states, models[1.0], 2, (2, 4), models=models)
    theirs = models[1.0].msm.ck_test([m.msm for m in models.values()], 2, include_lag0=False)
    order = [int(np.argmin(abs(own.sets.populations - p))) for p in theirs_populations(models[1.0], 2)]
    for k in range(2):
        swapped = own.predicted[k][np.ix_(order, order)], own.estimated[k][np.ix_(order, order)]
        np.testing.assert_allclose(swapped[0], theirs.predictions[k + 1], atol=1e-8)
        np.testing.assert_allclose(swapped[1], theirs.estimates[k + 1], atol=1e-3)


def theirs_populations(model: object, n: int) -> np.ndarray:
    return model.stationary @ model.msm.pcca(n).memberships


def test_sets_are_the_blocks_most_populated_first() -> None:
    transition = METASTABLE.copy()
    transition[0, 2], transition[1, 3] = 0.004, 0.004
    transition[0, 0], transition[1, 1] = 0.806, 0.806
    model = estimate_markov_model([chain(transition, 50000, 2)], 1.0)
    sets = metastable_sets(model, 2)
    assert sets.assignment.tolist() == [0, 0, 1, 1]
    assert sets.populations[0] > sets.populations[1]
    assert sets.populations.sum() == pytest.approx(1)
    assert sets.of_frames([0, 3, 2, 5]).tolist() == [0, 1, 1, -1]


def test_sentences() -> None:
    states = [chain(METASTABLE, 500)]
    model = estimate_markov_model(states, 1.0)
    with pytest.raises(ConfigError, match="between 2 and the 4 connected states, got 5"):
        metastable_sets(model, 5)
    with pytest.raises(ConfigError, match="must be at least 1"):
        chapman_kolmogorov(states, model, 2, (0, 2))
