"""Reduced units are recognised, explained and scaled; nm stay nm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.core.arrays import FloatArray
from msb.core.topology import Topology
from msb.errors import ConfigError, TopologyError
from msb.io.trajectory import open_trajectory
from msb.morph import chain_topology, find_chains, length_scale

BOND, DENSITY = 0.79, 2.003  # nm and nm^-3: polystyrene, three monomers a bead, 496 K


def straight(bond: float, edge: float, n: int = 10) -> tuple[FloatArray, FloatArray, Topology]:
    """Return one straight chain across a cubic box, wrapped: positions (1, n, 3), boxes, topology."""
    positions = np.zeros((1, n, 3))
    positions[0, :, 0] = (np.arange(n) * bond) % edge
    return positions, edge * np.eye(3)[None], chain_topology([n], ["A"] * n, ["A"] * n)


@given(st.floats(0.01, 10), st.floats(0.5, 3))
def test_scaled_to_the_density_or_the_bond_exactly(bond: float, spread: float) -> None:
    """Whatever the unit, density and bond become the target's."""
    positions, boxes, topology = straight(bond, bond * spread * 5)
    arguments = {"bond": BOND, "density": DENSITY}
    by_bond = length_scale(positions, boxes, topology, how="bond", **arguments)
    assert by_bond.factor * bond == pytest.approx(BOND)
    by_density = length_scale(positions, boxes, topology, how="density", **arguments)
    assert 10 / (by_density.factor * boxes[0, 0, 0]) ** 3 == pytest.approx(DENSITY)


def test_nm_stay_nm() -> None:
    """A bond near the target's is not touched, and the sentence says so."""
    scale = length_scale(*straight(0.72, 1.71), bond=BOND, density=DENSITY)
    assert scale.factor == 1.0
    assert scale.how == "lengths are taken as nm: the mean bond is 0.72 nm (target: 0.79 nm)"


def test_nm_at_another_density_is_said() -> None:
    """1 nm for sigma has a likely bond and an unlikely density."""
    scale = length_scale(*straight(0.965, (10 / 0.85) ** (1 / 3)), bond=BOND, density=DENSITY)
    assert scale.factor == 1.0
    assert "choose --scale density" in scale.how


def test_reduced_units_are_recognised_and_explained() -> None:
    """A bond of 0.097 "nm" is 0.97 sigma."""
    positions, boxes, topology = straight(0.0965, 0.1 * (10 / 0.85) ** (1 / 3))
    scale = length_scale(positions, boxes, topology, bond=BOND, density=DENSITY)
    assert scale.factor == pytest.approx(10 * (0.85 / DENSITY) ** (1 / 3))
    assert 'a mean bond of 0.0965 "nm"' in scale.how
    assert "reduced units" in scale.how
    assert "density becomes the target's" in scale.how
    unboxed = length_scale(positions, np.zeros((1, 3, 3)), topology, bond=BOND, density=DENSITY)
    assert "the mean bond becomes 0.79 nm" in unboxed.how


def test_a_given_factor_is_taken() -> None:
    """The user knows best, if the number is one."""
    assert length_scale(*straight(0.1, 1.0), bond=BOND, density=DENSITY, how=7.2).factor == 7.2
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="positive number"):
            length_scale(*straight(0.1, 1.0), bond=BOND, density=DENSITY, how=bad)


def test_what_cannot_be_told_is_refused() -> None:
    """Unknown words, no box, no bonds, bonds of length zero."""
    positions, boxes, topology = straight(0.1, 1.0)
    arguments = {"bond": BOND, "density": DENSITY}
    with pytest.raises(ConfigError, match="not by 'size'"):
        length_scale(positions, boxes, topology, how="size", **arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="without a box"):
        length_scale(positions, None, topology, how="density", **arguments)
    lone = chain_topology([1] * 10, ["A"] * 10, ["A"] * 10)
    with pytest.raises(TopologyError, match="no bonds"):
        length_scale(positions, boxes, lone, **arguments)
    with pytest.raises(TopologyError, match="length zero"):
        length_scale(0 * positions, None, topology, **arguments)


def test_published_kremer_grest_melt(msb_data: Path) -> None:
    """0.1 nm in the file is one sigma: at 0.85 sigma^-3 the target's density makes sigma 0.75 nm."""
    trajectory = open_trajectory(msb_data / "kg/kg_kappa1.5_200x200.gro")
    frame = trajectory.read(0, 1)
    assert frame.boxes is not None
    lengths = find_chains(frame.positions[0], frame.boxes[0]).lengths
    topology = chain_topology(lengths, trajectory.names, trajectory.names)
    scale = length_scale(frame.positions, frame.boxes, topology, bond=BOND, density=DENSITY)
    assert scale.factor * 0.1 == pytest.approx(0.7515, abs=0.001)  # nm a sigma
    assert "the mean bond 0.726 nm (target: 0.79 nm)" in scale.how
