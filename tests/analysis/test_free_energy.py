"""Free energies: Boltzmann's formula, and masks instead of infinities."""

from __future__ import annotations

import numpy as np
import pytest

from msb.analysis.free_energy import free_energy, free_energy_profile, free_energy_surface, histogram_2d
from msb.errors import ConfigError, TrajectoryError
from msb.units import BOLTZMANN


def test_two_states() -> None:
    found = free_energy([1, 0, 10], 300.0)
    assert found[0] == pytest.approx(BOLTZMANN * 300.0 * np.log(10.0), rel=1e-14)
    assert found[2] == 0.0
    assert found.mask.tolist() == [False, True, False]


def test_harmonic_well() -> None:
    """A normal distribution of width s is a spring of kT / s^2."""
    edges = np.linspace(-2, 2, 41)
    middle = 0.5 * (edges[1:] + edges[:-1])
    quantiles = (np.arange(200000) + 0.5) / 200000
    from scipy.stats import norm

    profile = free_energy_profile(norm.ppf(quantiles), edges, 400.0)
    expected = 0.5 * BOLTZMANN * 400.0 * middle**2
    np.testing.assert_allclose(profile, expected - expected.min(), atol=0.02)


def test_surface_is_numpys_histogram() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 5000))
    edges = np.linspace(-2, 2, 11), np.linspace(-3, 1, 9)
    expected = np.histogram2d(x, y, edges)[0]
    assert (histogram_2d(x, y, *edges) == expected).all()
    surface = free_energy_surface(x, y, *edges, 300.0)
    assert surface.shape == (10, 8)
    assert (surface.mask == (expected == 0)).all()
    assert np.isfinite(surface.compressed()).all()
    assert histogram_2d(x, y, *edges, outliers="clip").sum() == 5000


def test_sentences() -> None:
    with pytest.raises(TrajectoryError, match="empty"):
        free_energy([0, 0], 300.0)
    with pytest.raises(TrajectoryError, match="negative"):
        free_energy([1, -1], 300.0)
    with pytest.raises(ConfigError, match="temperature"):
        free_energy([1], 0.0)
    with pytest.raises(TrajectoryError, match="shapes"):
        histogram_2d([1.0], [1.0, 2.0], [0, 1], [0, 1])
