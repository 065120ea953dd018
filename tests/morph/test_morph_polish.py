"""The polish: what is out of shape becomes as the target has it, and centres stay."""

from __future__ import annotations

import numpy as np
import pytest
from ideal_target import BOND, KELVIN, WIDTH, statistics

from msb.errors import EnergyError, TrajectoryError
from msb.morph import bottleneck, chain_topology
from msb.morph.polish import FieldPolish

DIMERS, EDGE = 600, 12.0  # nm


def polish(lengths: list[int], s: int) -> FieldPolish:
    names = ["B"] * sum(lengths)
    mapping = bottleneck(chain_topology(lengths, names, names), s)
    return FieldPolish(mapping, statistics(), KELVIN)


@pytest.fixture(scope="module")
def dimers() -> FieldPolish:
    return polish([2] * DIMERS, 2)


def apart(bond: float) -> tuple[np.ndarray, np.ndarray]:
    """Dimers on a grid, turned at random, too far apart to see each other: beads and centres, one frame."""
    grid = np.stack(np.meshgrid(*[np.arange(10) * 1.2] * 3), -1).reshape(-1, 3)[:DIMERS]
    way = np.random.default_rng(5).normal(size=(DIMERS, 3))
    way *= 0.5 * bond / np.linalg.norm(way, axis=-1, keepdims=True)
    x = np.stack([grid - way, grid + way], 1).reshape(1, -1, 3)
    return x.astype(np.float32), grid[None]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("bond", [0.35, 0.5])
def test_bonds_become_the_targets(dimers: FieldPolish, bond: float, periodic: bool) -> None:
    """Centres are held and axes free, so lengths have the target's distribution, wherever they begin."""
    x, centres = apart(bond)
    boxes = EDGE * np.eye(3, dtype=np.float32)[None] if periodic else None
    made = dimers(x, centres, boxes, 3, np.array([0]))
    found = np.linalg.norm(np.diff(made.reshape(DIMERS, 2, 3), axis=1)[:, 0], axis=-1)
    wanted = BOND + 2 * WIDTH**2 / BOND  # of r^2 times the normal
    assert found.mean() == pytest.approx(wanted, abs=4 * WIDTH / DIMERS**0.5)
    assert found.std() == pytest.approx(WIDTH, rel=0.12)
    np.testing.assert_allclose(dimers.mapping.beads(made.astype(float)), centres, atol=1e-6)


def test_a_frame_is_the_same_whatever_comes_before(dimers: FieldPolish) -> None:
    x, centres = apart(0.45)
    both = dimers(np.repeat(x, 2, 0), np.repeat(centres, 2, 0), None, 3, np.array([4, 7]))
    alone = dimers(x, centres, None, 3, np.array([7]))
    np.testing.assert_array_equal(both[1], alone[0])
    assert np.abs(both[1] - both[0]).max() > 0.01
    assert np.abs(dimers(x, centres, None, 4, np.array([7])) - alone).max() > 0.01


def test_beads_that_are_too_near_part() -> None:
    """Two chains through each other: none of the target's contacts is nearer than 0.4 nm."""
    own = polish([3, 3], 3)
    chain = np.array([[0.0, 0, 0], [BOND, 0, 0], [1.2 * BOND, 0.9 * BOND, 0]])
    x = np.concatenate([chain, chain + np.array([0.02, 0.15, 0.1])])[None].astype(np.float32)
    centres = np.asarray(own.mapping.beads(x.astype(float)))
    made = own(x, centres, None, 0, np.array([0]))[0].reshape(2, 3, 3)
    between = np.linalg.norm(made[0][:, None] - made[1], axis=-1)
    before = np.linalg.norm(x[0, :3, None] - x[0, None, 3:], axis=-1)
    assert between.min() > before.min()


def test_what_cannot_be_polished(dimers: FieldPolish) -> None:
    x, centres = apart(0.5)
    broken = x.copy()
    broken[0, 5] = np.nan
    with pytest.raises(EnergyError, match="no finite position: atom 5"):
        dimers(broken, centres, None, 0, np.array([0]))
    poor = statistics()
    poor.counts["bond"][:] = 1
    with pytest.raises(TrajectoryError, match="too few values of the bond"):
        FieldPolish(dimers.mapping, poor, KELVIN)
