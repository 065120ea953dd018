"""The force-matching residual on forces whose bias and scatter are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.assess.matching import augmented_chi_squared, chi_squared
from msb.errors import TrajectoryError


def forces(seed: int, bias: float = 2.0, noise: float = 5.0, samples: int = 6, frames: int = 200):
    """A CG model off by `bias` along every axis, atoms that scatter by `noise`; 20 beads."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 30, (frames, 20, 3))
    return mean + bias, mean + rng.normal(0, noise, (samples, frames, 20, 3))


def test_bias_and_scatter_come_apart():
    found = chi_squared(*forces(0))
    assert found.bias2.value == pytest.approx(4.0, abs=0.3)
    assert found.variance.value == pytest.approx(25.0, abs=0.5)
    assert found.chi2.value == pytest.approx(29.0, abs=0.8)
    for part, truth in ((found.bias2, 4.0), (found.variance, 25.0), (found.chi2, 29.0)):
        assert part.low < truth < part.high
    assert (found.n_frames, found.n_samples) == (200, 6)


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.floats(0, 10), st.floats(0.1, 20), st.integers(2, 5))
def test_the_parts_sum_to_the_whole(seed, bias, noise, samples):
    found = chi_squared(*forces(seed, bias, noise, samples, 8))
    assert found.bias2.value + found.variance.value == pytest.approx(found.chi2.value)
    whole = found.trimmed_bias2.value + found.trimmed_variance.value
    assert whole == pytest.approx(found.trimmed.value)
    assert found.trimmed.value <= found.chi2.value


def test_one_sample_has_no_parts_and_is_the_plain_mean():
    model, atoms = forces(1, samples=1)
    found = chi_squared(model, atoms[0])
    assert found.bias2 is found.variance is found.trimmed_bias2 is None
    assert found.chi2.value == pytest.approx(np.square(model - atoms[0]).mean())
    json.dumps(found.to_dict())


def test_a_clash_owns_the_whole_and_not_the_trimmed_residual():
    model, atoms = forces(2)
    atoms[0, 17, 3] += 1e6
    found, clean = chi_squared(model, atoms), chi_squared(*forces(2))
    assert found.chi2.value > 1e6
    assert found.trimmed.value == pytest.approx(clean.trimmed.value, rel=0.01)
    assert found.trimmed_variance.value == pytest.approx(25.0, rel=0.1)
    untrimmed = chi_squared(model, atoms, trim=1.0)
    assert untrimmed.trimmed == untrimmed.chi2


def test_some_beads():
    model, atoms = forces(3)
    mask = np.arange(20) < 5
    assert chi_squared(model, atoms, beads=mask) == chi_squared(model[:, :5], atoms[:, :, :5])


def test_intervals_cover_the_truth():
    """Of 30 sets, the 95 % interval of the bias holds the truth in most."""
    inside = 0
    for seed in range(30):
        part = chi_squared(*forces(seed, samples=3, frames=80), replicates=60).bias2
        inside += part.low < 4.0 < part.high
    assert inside >= 24


def test_few_frames_have_no_interval():
    found = chi_squared(*forces(4, frames=3))
    assert np.isnan(found.chi2.low)
    assert found.to_dict()["chi2"]["low"] is None


def test_residuals_of_two_ensembles_add():
    one, other = chi_squared(*forces(5)), chi_squared(*forces(6, bias=4.0))
    total = augmented_chi_squared(one, other)
    assert total.value == one.chi2.value + other.chi2.value
    assert one.chi2.low + other.chi2.low < total.low < total.value < total.high
    assert augmented_chi_squared(one, other, trimmed=True).value < total.value


def test_what_does_not_fit_is_refused():
    model, atoms = forces(7, frames=5)
    with pytest.raises(TrajectoryError, match="do not fit together"):
        chi_squared(model[:4], atoms)
    with pytest.raises(TrajectoryError, match="no frames, or no beads"):
        chi_squared(model[:0], atoms[:, :0])
    with pytest.raises(TrajectoryError, match="share that is kept"):
        chi_squared(model, atoms, trim=0.0)
    atoms[1, 3, 2] = np.inf
    with pytest.raises(TrajectoryError, match="forces of the atoms are not finite in frame 3"):
        chi_squared(model, atoms)
