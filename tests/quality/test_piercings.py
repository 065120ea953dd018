"""A bond through a ring is found wherever it goes through, in any box; a bond beside it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.quality.piercings import PiercingSearch

TILTED = np.array([[2.0, 0.0, 0.0], [0.7, 1.9, 0.0], [-0.6, 0.5, 2.1]])


def ring_and_bond(size: int) -> Topology:
    ring = MoleculeTemplate.from_atoms(
        "RNG", ["C"] * size, elements=["C"] * size, bonds=[(k, (k + 1) % size) for k in range(size)]
    )
    rod = MoleculeTemplate.from_atoms("ROD", ["C1", "C2"], elements=["C", "C"], bonds=[(0, 1)])
    return Topology(((ring, 1), (rod, 1)))


def polygon(size: int) -> np.ndarray:
    turn = 2 * np.pi / size * np.arange(size)
    return 0.07 / np.sin(np.pi / size) * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)


def placed(size: int, x: float, y: float, tilt: float = 0.0) -> np.ndarray:
    """The rod crosses the ring's plane at (x, y), 0.15 nm long."""
    along = np.array([np.sin(tilt), 0.0, np.cos(tilt)])
    rod = np.array([x, y, 0.0]) + np.array([[-0.06], [0.09]]) * along
    return np.concatenate([polygon(size), rod])


def search(size: int, positions: np.ndarray, box: np.ndarray | None = None) -> list[tuple[list[int], float]]:
    found = PiercingSearch(ring_and_bond(size)).find(positions[None], None if box is None else box[None])
    return [
        (a.tolist(), float(d)) for _, atoms, distances in found for a, d in zip(atoms, distances, strict=True)
    ]


@pytest.mark.parametrize("size", range(3, 10))
def test_exact(size):
    """The ring's atoms in order, the bond's, and how far from the centre."""
    ((atoms, distance),) = search(size, placed(size, 0.03, 0.01))
    assert atoms[:size] == [0, *range(1, size)]
    assert atoms[size:] == [size, size + 1]
    assert distance == pytest.approx(np.hypot(0.03, 0.01), abs=1e-12)


def test_on_a_seam():
    """A rod through the centre, or through the line between two triangles, is found."""
    assert search(6, placed(6, 0.0, 0.0))
    assert search(6, placed(6, 0.05, 0.0))


def test_too_short():
    """A rod that ends before the plane does not pierce."""
    positions = placed(6, 0.02, 0.01)
    positions[6:, 2] += 0.061
    assert not search(6, positions)


def test_own_bonds_do_not_count():
    """Bonds of a substituent start at the ring."""
    ring = [(k, (k + 1) % 6) for k in range(6)]
    template = MoleculeTemplate.from_atoms("T", ["C"] * 7, elements=["C"] * 7, bonds=[*ring, (0, 6)])
    positions = np.concatenate([polygon(6), [[0.0, 0.0, 0.05]]])
    ((_, atoms, _),) = PiercingSearch(Topology.from_template(template)).find(positions[None], None)
    assert not len(atoms)


def test_wide_rings_may_be_threaded():
    topology = ring_and_bond(9)
    assert not PiercingSearch(topology, largest=8).find(placed(9, 0, 0)[None], None)
    assert PiercingSearch(topology, largest=9).find(placed(9, 0, 0)[None], None)[0][1].size


@given(
    size=st.integers(3, 9),
    share=st.floats(0, 2),
    turn=st.floats(0, 2 * np.pi),
    tilt=st.floats(-0.5, 0.5),
    shift=st.tuples(*[st.floats(-5, 5)] * 3),
    steps=st.tuples(*[st.integers(-2, 2)] * 6),
    seed=st.integers(0, 1000),
)
def test_inside_or_outside(size, share, turn, tilt, shift, steps, seed):
    """Found when the crossing lies within the polygon, in any image, box and orientation."""
    corners = polygon(size)
    point = share * 0.07 / np.tan(np.pi / size) * np.array([np.cos(turn), np.sin(turn)])
    sides = np.roll(corners, -1, axis=0) - corners
    height = sides[:, 0] * (point[1] - corners[:, 1]) - sides[:, 1] * (point[0] - corners[:, 0])
    margin = (height / 0.14).min()  # positive inside
    if abs(margin) < 1e-6:
        return
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    whole = placed(size, *point, tilt)
    box = TILTED @ rotation
    moved = whole @ rotation + np.array(shift)
    moved[size:] += np.array(steps[:3]) @ box
    assert bool(search(size, whole)) == (margin > 0)
    assert bool(search(size, moved, box)) == (margin > 0)


def test_many_rings_are_searched():
    """With many rings the neighbour search is used; it finds the same."""
    ring = ring_and_bond(6).molecules[0][0]
    rod = ring_and_bond(6).molecules[1][0]
    n = 60
    topology = Topology(((ring, n), (rod, n)))
    cells = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n] * 0.9
    one = placed(6, 0.02, 0.03)
    aside = placed(6, 0.13, 0.03)
    rods = np.where(np.arange(n)[:, None, None] % 3 == 0, one[6:], aside[6:])
    box = 3.6 * np.eye(3)
    x = np.concatenate([(cells[:, None] + one[:6]).reshape(-1, 3), (cells[:, None] + rods).reshape(-1, 3)])
    x = x + np.array([-0.01, 0.4, 3.5])
    x -= np.floor(x / 3.6) * 3.6
    whole = x.copy()
    whole[: 6 * n] = (cells[:, None] + one[:6]).reshape(-1, 3) + np.array([-0.01, 0.4, 3.5])
    ((frames, atoms, _),) = PiercingSearch(topology).find(whole[None], box[None])
    assert set(frames.tolist()) == {0}
    assert sorted((atoms[:, 6] - 6 * n) // 2) == list(range(0, n, 3))
