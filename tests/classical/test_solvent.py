"""Water for beads of solvent: the documented rule, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from msb.classical.solvent import WATER_GEOMETRY, fill_waters, place_ions, water_positions
from msb.errors import ConfigError

BEADS = np.random.default_rng(0).uniform(0, 5, (50, 3))


@pytest.mark.parametrize("model", sorted(WATER_GEOMETRY))
def test_four_waters_at_the_corners_of_a_tetrahedron(model: str) -> None:
    x = fill_waters(BEADS, geometry=model, seed=2)
    assert x.shape == (50, 4, 3, 3)
    oxygen = x[:, :, 0]
    np.testing.assert_allclose(oxygen.mean(1), BEADS, atol=1e-5)
    i, j = np.triu_indices(4, 1)
    np.testing.assert_allclose(np.linalg.norm(oxygen[:, i] - oxygen[:, j], axis=-1), 0.28, atol=1e-5)
    length, degrees = WATER_GEOMETRY[model]
    arms = x[:, :, 1:] - oxygen[:, :, None]
    np.testing.assert_allclose(np.linalg.norm(arms, axis=-1), length, atol=1e-5)
    cosine = np.einsum("wmk,wmk->wm", arms[:, :, 0], arms[:, :, 1]) / length**2
    np.testing.assert_allclose(cosine, np.cos(np.radians(degrees)), atol=1e-4)
    assert np.linalg.norm((arms.sum(2) / 2).mean((0, 1))) < 0.02  # turned every way


@pytest.mark.parametrize("per_bead", [1, 2, 3])
def test_fewer_waters_keep_the_middle(per_bead: int) -> None:
    x = fill_waters(BEADS, per_bead=per_bead)
    np.testing.assert_allclose(x[:, :, 0].mean(1), BEADS, atol=1e-5)


def test_places_follow_seed_and_frame() -> None:
    np.testing.assert_array_equal(fill_waters(BEADS, seed=1, frame=4), fill_waters(BEADS, seed=1, frame=4))
    assert np.abs(fill_waters(BEADS, seed=1, frame=4) - fill_waters(BEADS, seed=1, frame=5)).max() > 0.01
    assert fill_waters(np.empty((0, 3))).shape == (0, 4, 3, 3)


def test_own_geometry_and_ions() -> None:
    x = fill_waters(BEADS, per_bead=1, geometry=np.array([[0.0, 0, 0], [0.1, 0, 0]]))
    np.testing.assert_allclose(np.linalg.norm(x[:, 0, 1] - x[:, 0, 0], axis=1), 0.1, atol=1e-6)
    np.testing.assert_allclose(place_ions(BEADS), BEADS.astype(np.float32))


def test_unknown_rule_and_model() -> None:
    with pytest.raises(ConfigError, match="1 to 4 molecules"):
        fill_waters(BEADS, per_bead=5)
    with pytest.raises(ConfigError, match="tip3p"):
        water_positions("tip9p")
