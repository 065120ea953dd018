"""Molecules at rest: lengths, angles, planes, amides and hands, from the force field or the elements."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.classical.equilibrium import equilibrium_geometry
from msb.classical.rest import RestGeometry, least_distances
from msb.core.elements import COVALENT_RADII
from msb.core.geometry import angles, dihedrals
from msb.core.template import Interaction, MoleculeTemplate
from msb.errors import TopologyError

HALON = MoleculeTemplate.from_atoms(
    "HAL",
    ["C", "H", "F", "CL", "BR"],
    bonds=[(0, k) for k in range(1, 5)],
    elements=["C", "H", "F", "Cl", "Br"],
)
AMIDE = MoleculeTemplate.from_atoms(
    "NMA",
    ["CL", "C", "O", "N", "CR", "HN", *(f"HL{k}" for k in range(3)), *(f"HR{k}" for k in range(3))],
    bonds=[
        (0, 1),
        (1, 2),
        (1, 3),
        (3, 4),
        (3, 5),
        *((0, k) for k in (6, 7, 8)),
        *((4, k) for k in (9, 10, 11)),
    ],
    elements=["C", "C", "O", "N", "C", "H", *"HHHHHH"],
)
BENZENE = MoleculeTemplate.from_atoms(
    "BNZ",
    [f"C{k}" for k in range(6)] + [f"H{k}" for k in range(6)],
    bonds=[(k, (k + 1) % 6) for k in range(6)] + [(k, k + 6) for k in range(6)],
)


@pytest.mark.parametrize("hand", [1, -1])
def test_one_centre_takes_the_wanted_hand(hand: int) -> None:
    x = equilibrium_geometry(HALON, np.array([hand], np.int8))
    assert HALON.chirality(x).tolist() == [hand]
    lengths = np.linalg.norm(x[1:] - x[0], axis=1)
    radii = [COVALENT_RADII["C"] + COVALENT_RADII[e] for e in HALON.elements[1:]]
    np.testing.assert_allclose(lengths, radii, atol=0.004)
    np.testing.assert_allclose(
        np.degrees(angles(torch.from_numpy(x), HALON.angles.tolist()).numpy()), 109.47, atol=6
    )


def test_the_force_field_goes_before_the_elements() -> None:
    terms = (
        Interaction("bonds", (0, 1), 1, (0.12, 1e5)),
        Interaction("constraints", (0, 2), 1, (0.15,)),
        Interaction("angles", (2, 0, 1), 1, (100.0, 300.0)),
        Interaction("bonds", (0, 3), 1, ("macro", 1.0)),
    )
    template = MoleculeTemplate.from_atoms(
        "HAL", HALON.atom_names, bonds=HALON.bonds, elements=HALON.elements, interactions=terms
    )
    rest = RestGeometry.of(template)
    known = {
        tuple(pair): value for pair, value in zip(rest.pairs.tolist(), rest.lengths.tolist(), strict=True)
    }
    assert known[0, 1] == 0.12
    assert known[0, 2] == 0.15
    assert known[0, 3] == pytest.approx(COVALENT_RADII["C"] + COVALENT_RADII["Cl"])
    opposite = np.sqrt(0.12**2 + 0.15**2 - 2 * 0.12 * 0.15 * np.cos(np.radians(100)))
    assert known[1, 2] == pytest.approx(opposite)


def test_amide_is_flat_and_trans_unless_told_otherwise() -> None:
    x = torch.from_numpy(equilibrium_geometry(AMIDE))
    omega, carbonyl = np.degrees(np.abs(dihedrals(x, [[0, 1, 3, 4], [2, 1, 3, 4]]).numpy()))
    assert omega > 165
    assert carbonyl < 15
    lengths = [
        dict(zip(map(tuple, rest.pairs.tolist()), rest.lengths, strict=True))[0, 4]
        for rest in (RestGeometry.of(AMIDE), RestGeometry.of(AMIDE, torsions={(0, 1, 3, 4): True}))
    ]
    assert lengths[0] > 0.35 > 0.31 > lengths[1]


def test_ring_is_flat_and_regular() -> None:
    x = equilibrium_geometry(BENZENE).astype(float)
    ring = x[:6] - x[:6].mean(0)
    assert np.linalg.svd(ring)[1][2] < 0.02
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), np.linalg.norm(ring, axis=1).mean(), atol=0.01)


def test_one_atom_and_particles_without_size() -> None:
    ion = MoleculeTemplate.from_atoms("NA", ["NA"], elements=["Na"])
    assert equilibrium_geometry(ion).tolist() == [[0.0, 0.0, 0.0]]
    assert least_distances(np.array(["C", "X", ""]))[[1, 2]].min() >= 0


def test_another_number_of_hands_is_refused() -> None:
    with pytest.raises(TopologyError, match="1 stereocentres, but hands of shape"):
        RestGeometry.of(HALON, np.ones(2, np.int8))
