"""What bonds and angles should be: force field before reference before elements."""

from __future__ import annotations

import numpy as np
import pytest

from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology
from msb.quality import Checker, Limits, Reference
from msb.quality.expected import expected_geometry
from msb.units import BOLTZMANN

LIMITS = Limits(temperature=300)


def bent(*interactions: Interaction, elements=("H", "O", "H")) -> MoleculeTemplate:
    return MoleculeTemplate.from_atoms(
        "W", list(elements), elements=list(elements), bonds=[(0, 1), (1, 2)], interactions=interactions
    )


def shape(angle: float, length: float = 0.1) -> np.ndarray:
    a = np.radians(angle)
    return np.array([[length, 0, 0], [0, 0, 0], [0.1 * np.cos(a), 0.1 * np.sin(a), 0]])


def test_thermal_width_of_a_harmonic_bond():
    stiff, soft, middle = (
        expected_geometry(bent(Interaction("bonds", (1, 0), 1, (0.1, k))), LIMITS).length_limits[0]
        for k in (1e9, 1.0, 1e5)
    )
    assert (stiff, soft) == pytest.approx((0.1 * 0.1, 0.2 * 0.1))
    assert middle == pytest.approx(np.clip(6 * np.sqrt(BOLTZMANN * 300 / 1e5), 0.01, 0.02))


@pytest.mark.parametrize(
    ("function", "parameters", "stiffness"),
    [
        (1, (0.2, 1e5), 1e5),
        (2, (0.2, 1e6), 2 * 1e6 * 0.2**2),
        (3, (0.2, 400.0, 10.0), 2 * 400 * 10**2),
    ],
)
def test_kinds_of_bonds(function, parameters, stiffness):
    """Harmonic, G96 and Morse bonds have the width of their curvature."""
    template = bent(Interaction("bonds", (0, 1), function, parameters), elements=("X", "X", "X"))
    found = expected_geometry(template, Limits(temperature=300, bond_least=1e-6))
    assert found.lengths[0] == 0.2
    assert found.length_limits[0] == pytest.approx(6 * np.sqrt(BOLTZMANN * 300 / stiffness))
    assert np.isinf(found.length_limits[1])  # beads without parameters are anywhere


def test_urey_bradley_and_constraints():
    template = bent(
        Interaction("angles", (2, 1, 0), 5, (104.5, 300.0, 0.15, 1000.0)),
        Interaction("constraints", (0, 1), 1, (0.0957,)),
    )
    found = expected_geometry(template, LIMITS)
    assert found.angles[0] == 104.5
    assert found.angle_limits[0] == pytest.approx(np.degrees(6 * np.sqrt(BOLTZMANN * 300 / 300)))
    assert (found.lengths[0], found.length_limits[0]) == pytest.approx((0.0957, 0.00957))


def test_macros_are_no_parameters():
    found = expected_geometry(bent(Interaction("bonds", (0, 1), 1, ("gb_2",))), LIMITS)
    assert found.lengths[0] == pytest.approx(0.097)  # covalent radii


def test_reference_is_learnt():
    """Equivalent bonds share what they show; many samples narrow the limit."""
    template = bent()
    lengths = np.array([[0.10, 0.12], [0.11, 0.11]])
    angles = np.array([[104.0], [106.0]])
    few = expected_geometry(template, LIMITS, lengths, angles)
    assert few.lengths == pytest.approx([0.11, 0.11])
    assert few.angles == pytest.approx([105.0])
    assert few.length_limits == pytest.approx([0.022, 0.022])
    many = expected_geometry(template, LIMITS, np.tile(lengths, (100, 1)), np.tile(angles, (100, 1)))
    assert many.length_limits == pytest.approx([0.022, 0.022])  # 6 deviations are more than bond_most
    assert many.angle_limits == pytest.approx([25.0])


def test_reference_of_other_numbers():
    """One molecule is enough to judge many, and the force field goes before it."""
    one = Reference.of(Topology.from_template(bent()), shape(105, 0.1))
    two = Topology.from_template(bent(), 2)
    x = np.concatenate([shape(105, 0.1), shape(105, 0.125) + 1.0])
    (finding,) = Checker(two, reference=one).check(x)
    assert (finding.kind, finding.indices) == ("bond", (3, 4))
    field = Topology.from_template(bent(Interaction("bonds", (0, 1), 1, (0.125, 1e6))), 2)
    (finding,) = Checker(field, reference=one).check(x)
    assert (finding.kind, finding.indices) == ("bond", (0, 1))


def test_angles():
    topology = Topology.from_template(bent())
    assert not Checker(topology).check(shape(104.5))
    (finding,) = Checker(topology).check(shape(40))
    assert (finding.kind, finding.indices) == ("angle", (0, 1, 2))
    assert finding.value == pytest.approx(40)


def test_angle_of_a_bad_bond_is_a_consequence():
    (finding,) = Checker(Topology.from_template(bent())).check(shape(40, length=0.14))
    assert finding.kind == "bond"


@pytest.mark.parametrize("size", [3, 4, 5, 6])
def test_small_rings_are_allowed(size):
    template = MoleculeTemplate.from_atoms(
        "R", ["C"] * size, elements=["C"] * size, bonds=[(k, (k + 1) % size) for k in range(size)]
    )
    turn = 2 * np.pi / size * np.arange(size)
    x = 0.075 / np.sin(np.pi / size) * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    assert not Checker(Topology.from_template(template)).check(x)


def test_rigid_water_is_no_ring():
    """Some files bond the two hydrogens of a water; that side of the triangle is no bond."""
    template = MoleculeTemplate.from_atoms(
        "SOL", ["OW", "HW1", "HW2"], elements=["O", "H", "H"], bonds=[(0, 1), (0, 2), (1, 2)]
    )
    x = shape(104.5, 0.0957)[[1, 0, 2]]
    assert not Checker(Topology.from_template(template)).check(x)
    pierced = np.concatenate([x, x @ np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) + [0.02, 0, -0.03]])
    found = Checker(Topology.from_template(template, 2)).check(pierced)
    assert {f.kind for f in found} == {"clash"}
