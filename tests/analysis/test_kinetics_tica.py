"""Independent components: Ornstein-Uhlenbeck processes, pyemma's own code, signs, named features."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from known_processes import ornstein_uhlenbeck

from msb.analysis.kinetics import TICA, Features
from msb.errors import ConfigError, MsbWarning, TrajectoryError

TIMES = np.array([40.0, 12.0, 4.0])
MIX = np.array([[1.0, 0.4, -0.3], [0.2, 1.0, 0.5], [-0.6, 0.1, 1.0]])


@pytest.fixture(scope="module")
def mixed() -> np.ndarray:
    return ornstein_uhlenbeck(TIMES, 1_000_000, 1) @ MIX


def test_timescales_within_two_percent(mixed: np.ndarray) -> None:
    found = TICA(1.0, timestep=0.5).fit(mixed).fetch_model()
    np.testing.assert_allclose(found.timescales, 0.5 * TIMES, rtol=0.02)


def test_components_are_the_processes(mixed: np.ndarray) -> None:
    truth = mixed[:50_000] @ np.linalg.inv(MIX)
    found = TICA(1.0).fit(mixed).transform(mixed[:50_000])
    for k in range(3):
        assert abs(np.corrcoef(truth[:, k], found[:, k])[0, 1]) > 0.99


def test_signs_do_not_depend_on_the_order_of_time_or_features(mixed: np.ndarray) -> None:
    short = mixed[:20_000]
    one = TICA(2.0, 2).fit(short).fetch_model()
    two = TICA(2.0, 2).fit(np.ascontiguousarray(short[:, ::-1])).fetch_model()
    np.testing.assert_allclose(one.components, two.components[::-1], atol=1e-8)
    np.testing.assert_allclose(
        one.components, TICA(2.0, 2).fit(short[::-1]).fetch_model().components, atol=1e-8
    )
    weights = one.components * short.std(0)[:, None]
    assert (weights[np.abs(weights).argmax(0), [0, 1]] > 0).all()
    np.testing.assert_allclose(one.transform(short), (short - one.model.mean_0) @ one.components, atol=1e-8)


def test_by_hand() -> None:
    x = ornstein_uhlenbeck(TIMES, 3000, 2) @ MIX
    first, second = x[:-3], x[3:]
    mean = 0.5 * (first.mean(0) + second.mean(0))
    a, b = first - mean, second - mean
    import scipy.linalg

    values = scipy.linalg.eigh(a.T @ b + b.T @ a, a.T @ a + b.T @ b, eigvals_only=True)[::-1]
    np.testing.assert_allclose(TICA(3.0).fit(x).fetch_model().eigenvalues, values, rtol=1e-8)


def test_pyemmas_own_code_agrees() -> None:
    pyemma = pytest.importorskip("pyemma")
    runs = [ornstein_uhlenbeck(TIMES, 4000, seed) @ MIX for seed in (3, 4)]
    pyemma.config.show_progress_bars = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends deeptime
        theirs = pyemma.coordinates.tica(runs, lag=3, dim=3, kinetic_map=False)
    ours = TICA(3.0).fit(runs).fetch_model()
    np.testing.assert_allclose(ours.eigenvalues, theirs.eigenvalues[:3], rtol=1e-6)
    np.testing.assert_allclose(ours.timescales, theirs.timescales[:3], rtol=1e-6)
    output = theirs.get_output()[0]
    signs = np.sign((output * ours.transform(runs[0])).sum(0))
    np.testing.assert_allclose(ours.transform(runs[0]), output * signs, atol=1e-5)


def test_sentences() -> None:
    x = ornstein_uhlenbeck(TIMES, 100)
    with pytest.raises(ConfigError, match="call fit first"):
        TICA(1.0).transform(x)
    with pytest.raises(ConfigError, match="4 components were asked for, 3 features have 3"):
        TICA(1.0, 4).fit(x)
    with pytest.raises(TrajectoryError, match="longer trajectory than 100 frames"):
        TICA(100.0).fit(x)
    with pytest.warns(MsbWarning, match="1 of 2 trajectories are too short for a lag of 50 frames"):
        TICA(50.0).fit([x, x[:20]])
    broken = x.copy()
    broken[7, 1] = np.nan
    with pytest.raises(TrajectoryError, match="in 1 frames, the first in frame 7: psi ALA 2"):
        Features((broken,), ("phi ALA 2", "psi ALA 2", "omega"))
    with pytest.raises(TrajectoryError, match="feature 1"):
        TICA(1.0).fit(broken)
