"""Displacements in a local frame: blind to the molecule's own motion, exact for the rest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from msb.analysis.motion import local_displacements, local_positions
from msb.errors import TrajectoryError

FRAME = (0, 1, 2)


def tumbling(n_frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One particle making known steps in a frame that turns and drifts at random."""
    generator = np.random.default_rng(seed)
    local = np.zeros((n_frames, 4, 3))
    local[:, 1, 0], local[:, 2, :2] = 0.15, (-0.05, 0.14)
    local[:, 3] = np.cumsum(generator.normal(0, 0.02, (n_frames, 3)), axis=0)
    turns = Rotation.random(n_frames, random_state=1).as_matrix()
    return np.einsum("fki,fji->fkj", local, turns) + generator.normal(size=(n_frames, 1, 3)), local[:, 3]


def test_own_motion_drops_out() -> None:
    positions, inside = tumbling(50)
    np.testing.assert_allclose(local_positions(positions, [3], FRAME)[:, 0], inside, atol=1e-12)
    expected = np.linalg.norm(np.diff(inside, axis=0), axis=-1)
    np.testing.assert_allclose(local_displacements(positions, [3], FRAME)[:, 0], expected, atol=1e-12)
    longer = np.linalg.norm(inside[5:] - inside[:-5], axis=-1)
    np.testing.assert_allclose(local_displacements(positions, [3], FRAME, lag=5)[:, 0], longer, atol=1e-12)


def test_degenerate_frames_are_not_nan() -> None:
    assert np.isfinite(local_displacements(np.zeros((3, 4, 3)), [3], FRAME)).all()


def test_sentences() -> None:
    with pytest.raises(TrajectoryError, match="more than 1 frames, got 1"):
        local_displacements(np.zeros((1, 4, 3)), [3], FRAME)
    with pytest.raises(TrajectoryError, match=r"shape \(frames, particles, 3\)"):
        local_positions(np.zeros((4, 3)), [3], FRAME)
    with pytest.raises(TrajectoryError, match="4 particles"):
        local_positions(np.zeros((2, 4, 3)), [4], FRAME)
    broken = np.zeros((3, 4, 3))
    broken[1, 0, 0] = np.nan
    with pytest.raises(TrajectoryError, match="the first is 1"):
        local_positions(broken, [3], FRAME)
