"""Velocities between frames and mean square displacements: straight lines, walks, and sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from msb.analysis import excess, frame_velocities, mean_square_displacement
from msb.errors import ConfigError, TrajectoryError


def walk(n_frames: int, n_particles: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_frames, n_particles, 3)).cumsum(0)


def test_straight_lines() -> None:
    speed = np.array([[1.0, 2.0, -2.0], [0.0, 0.5, 0.0]])
    x = 0.2 * np.arange(50)[:, None, None] * speed
    np.testing.assert_allclose(frame_velocities(x, 0.2), np.broadcast_to(speed, (49, 2, 3)), atol=1e-12)
    expected = (0.2 * np.arange(11)) ** 2 * (9 + 0.25) / 2
    np.testing.assert_allclose(mean_square_displacement(x, 10), expected, atol=1e-10)


def test_the_sum_by_hand() -> None:
    x = walk(200, 3) + 100.0
    found = mean_square_displacement(x, 40)
    assert found[0] == 0.0
    for lag in (1, 7, 40):
        assert found[lag] == pytest.approx(((x[lag:] - x[:-lag]) ** 2).sum(-1).mean(), rel=1e-9)


def test_a_walk_diffuses() -> None:
    found = mean_square_displacement(walk(5000, 20), 10)
    np.testing.assert_allclose(found, 3.0 * np.arange(11), rtol=0.05)


def test_a_shuffled_trajectory_is_incoherent() -> None:
    x = walk(2000, 2)
    shuffled = np.random.default_rng(1).permutation(x)
    own, theirs = (np.linalg.norm(frame_velocities(y, 1.0), axis=-1) for y in (x, shuffled))
    assert excess(theirs, own, np.linspace(0, 10, 41)).excess > 0.3


def test_sentences() -> None:
    x = walk(5, 1)
    with pytest.raises(TrajectoryError, match="longer trajectory than 5"):
        mean_square_displacement(x, 5)
    with pytest.raises(TrajectoryError, match="needs two frames, got 1"):
        frame_velocities(x[:1], 1.0)
    with pytest.raises(ConfigError, match="must be positive"):
        frame_velocities(x, 0.0)
    x[2] = np.nan
    with pytest.raises(TrajectoryError, match="the first is 2"):
        mean_square_displacement(x, 2)
