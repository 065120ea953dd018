"""Angles: exact resultants, periods, and autocorrelations with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mdtraj.formats import DCDTrajectoryFile
from scipy import stats

from msb.analysis.circular import (
    autocorrelation,
    circular_mean,
    circular_variance,
    circular_width,
    relaxation_time,
    wrap_about,
)
from msb.core.geometry import dihedrals
from msb.errors import TrajectoryError

ANGLES = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


@given(ANGLES, st.floats(-10, 10))
def test_turning_everything_changes_no_width(angles: list[float], shift: float) -> None:
    moved = np.array(angles) + shift
    assert circular_variance(moved) == pytest.approx(circular_variance(angles), abs=1e-9)
    assert 0.0 <= circular_variance(angles) <= 1.0 + 1e-12
    assert np.isfinite(circular_width(angles))


@given(ANGLES, st.floats(-10, 10), st.sampled_from([2 * np.pi, 2 * np.pi / 3]))
def test_wrapping_moves_by_whole_periods(angles: list[float], centre: float, period: float) -> None:
    wrapped = wrap_about(angles, centre, period)
    turns = (wrapped - np.array(angles)) / period
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)
    assert (np.abs(wrapped - centre) <= 0.5 * period + 1e-9).all()


def test_exact_answers() -> None:
    assert circular_variance([0.0, np.pi]) == pytest.approx(1.0)
    assert circular_variance([0.3, 0.3]) == pytest.approx(0.0)
    assert circular_variance([0.0, np.pi / 2]) == pytest.approx(1 - np.sqrt(0.5))
    assert circular_mean([np.pi - 0.1, -np.pi + 0.1]) == pytest.approx(np.pi)
    assert circular_width(np.linspace(-3, 3, 7)[:, None] * [0.0, 1.0]).shape == (2,)


def test_agrees_with_scipy_and_the_wrapped_normal() -> None:
    angles = np.random.default_rng(0).normal(1.0, 0.2, 100000)
    assert circular_width(angles) == pytest.approx(stats.circstd(angles), rel=1e-12)
    assert circular_width(angles) == pytest.approx(0.2, rel=0.01)


def test_three_wells_are_one_modulo_120_degrees() -> None:
    generator = np.random.default_rng(1)
    within = generator.normal(0.4, 0.15, 60000)
    wells = within + generator.integers(3, size=60000) * 2 * np.pi / 3
    assert circular_variance(wells) > 0.98
    period = 2 * np.pi / 3
    assert circular_width(wells, period=period) == pytest.approx(
        circular_width(within, period=period), rel=1e-9
    )
    assert circular_width(wells, period=period) == pytest.approx(0.15, rel=0.01)
    assert circular_mean(wells, period=period) == pytest.approx(0.4, abs=0.005)


def test_a_steady_rotor() -> None:
    """phi = w t has C = cos(m w tau) exactly."""
    phases = 0.1 * np.arange(500)
    for multiplicity in (1, 3):
        expected = np.cos(multiplicity * 0.1 * np.arange(51))
        np.testing.assert_allclose(autocorrelation(phases, 50, multiplicity), expected, atol=1e-12)


def test_agrees_with_the_double_sum() -> None:
    angles = np.random.default_rng(2).uniform(-np.pi, np.pi, (40, 3))
    plain = [np.cos(angles[lag:] - angles[: 40 - lag]).mean() for lag in range(11)]
    np.testing.assert_allclose(autocorrelation(angles, 10), plain, atol=1e-12)


def test_jumps_between_three_wells() -> None:
    """Jumps at rate k to either neighbour: C decays with 1 / 3k, whatever the width of the wells."""
    generator = np.random.default_rng(3)
    rate = 0.01
    jumps = generator.choice([-1, 0, 1], p=[rate, 1 - 2 * rate, rate], size=200000)
    phi = np.cumsum(jumps) * 2 * np.pi / 3
    assert relaxation_time(autocorrelation(phi, 300), 1.0) == pytest.approx(1 / (3 * rate), rel=0.08)
    rattling = phi + generator.normal(0, 0.2, phi.size)
    assert relaxation_time(autocorrelation(rattling, 300), 1.0) == pytest.approx(1 / (3 * rate), rel=0.15)


def test_relaxation_of_an_exponential() -> None:
    curve = np.exp(-np.arange(200) / 28.0)
    assert relaxation_time(curve, 1.0) == pytest.approx(28.0)
    assert relaxation_time(curve, 0.5) == pytest.approx(14.0)
    assert relaxation_time([1.0, 0.0], 1.0) == pytest.approx(1 - np.exp(-1))


def test_sentences() -> None:
    with pytest.raises(TrajectoryError, match="no angles"):
        circular_variance([])
    with pytest.raises(TrajectoryError, match="first in frame 2"):
        circular_width([0.0, 0.1, np.nan])
    with pytest.raises(TrajectoryError, match="longer trajectory"):
        autocorrelation([0.0, 1.0], 2)
    with pytest.raises(TrajectoryError, match="does not fall to 1/e within 99 ps"):
        relaxation_time(np.full(100, 1.0), 1.0)


def test_relaxation_time_of_the_beta_methyl(msb_data: Path) -> None:
    """The figure of the reference data, 28 ps, by this definition."""
    with DCDTrajectoryFile(str(msb_data / "adp" / "adp_300K.dcd")) as file:
        positions = file.read(atom_indices=np.array([6, 8, 10, 11]))[0]
    angles = dihedrals(torch.from_numpy(positions), [(0, 1, 2, 3)]).numpy()
    assert relaxation_time(autocorrelation(angles, 200), 1.0) == pytest.approx(28.0, abs=0.1)
