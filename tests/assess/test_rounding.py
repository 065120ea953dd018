"""Decimals of coordinates, and what rounding does to forces."""

from __future__ import annotations

import json

import numpy as np
import openmm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.assess.forces import BeadForces
from msb.assess.rounding import _divergence, decimals_of, rounding_floor
from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.io.trajectory import open_trajectory


@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([np.float32, np.float64]))
def test_decimals_are_found(seed, decimals, precision):
    x = np.random.default_rng(seed).uniform(-2, 12, (4, 30, 3))
    assert decimals_of(np.round(x, decimals).astype(precision)) == decimals
    assert decimals_of(x.astype(precision)) is None


def test_decimals_of_files_and_of_nothing():
    frames = open_trajectory(sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc"))
    assert decimals_of(frames.read(0, 1).positions) == 4
    assert decimals_of(np.zeros((0, 3))) is None
    assert decimals_of(np.full((2, 3), np.nan)) is None
    assert decimals_of(np.ones((2, 3))) == 0


@pytest.fixture
def springs() -> tuple[BeadForces, np.ndarray]:
    """Forty pairs of atoms on springs, stretched by 0.01 nm; each atom is a bead."""
    molecule = MoleculeTemplate.from_atoms("M", ["C1", "O1"], bonds=[(0, 1)], elements=["C", "O"])
    template = MappingTemplate.from_mass(molecule, [BeadGroup("A", [0]), BeadGroup("B", [1])])
    mapping = Mapping([template], Topology(((molecule, 40),)))
    system, force = openmm.System(), openmm.HarmonicBondForce()
    for _ in range(80):
        system.addParticle(12.0)
    for k in range(40):
        force.addBond(2 * k, 2 * k + 1, 0.0, 1000.0)
    system.addForce(force)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, (200, 80, 3))
    x[:, 1::2] = x[:, ::2] + rng.normal(0, 0.01, (200, 40, 3))
    return BeadForces(system, mapping), x


def test_the_error_of_springs_is_that_of_their_lengths(springs):
    """Each end is off by 10^-d / sqrt(12), the difference by sqrt(2) of that, of 0.01 nm."""
    forces, x = springs
    for decimals in (3, 4):
        found = rounding_floor(forces, x, decimals=decimals)
        expected = 10.0**-decimals * np.sqrt(2 / 12) / 0.01
        assert found.exact
        assert found.atom_error == pytest.approx(expected, rel=0.03)
        assert found.bead_error == pytest.approx(expected, rel=0.03)
    assert set(found.divergence) == {"A", "B", "all"}
    json.dumps(found.to_dict())


def test_rounded_coordinates_are_given_another_error_of_the_size(springs):
    forces, x = springs
    once = rounding_floor(forces, x, decimals=3)
    again = rounding_floor(forces, np.round(x, 3), decimals=3)
    assert not again.exact
    assert again.atom_error == pytest.approx(once.atom_error, rel=0.05)
    assert "3 decimals" in again.words()


def test_coarser_rounding_diverges_more(springs):
    forces, x = springs
    one, two, three = (rounding_floor(forces, x, decimals=d).divergence["all"] for d in (1, 2, 3))
    assert one > two > three >= 0


@pytest.mark.parametrize("likeness", [0.0, 0.9, 0.999])
def test_values_that_only_change_places_do_not_diverge(likeness):
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(20):
        x, noise = rng.normal(size=(2, 2000))
        scores.append(_divergence(x, likeness * x + np.sqrt(1 - likeness**2) * noise))
    assert np.mean(scores) < 0.0015, "two independent sets of as many score 0.0125"


def test_values_that_spread_diverge_by_as_much_whatever_their_number():
    rng = np.random.default_rng(1)
    few, many = (
        np.mean([_divergence(x, x + 0.5 * rng.normal(size=n)) for x in rng.normal(size=(10, n))])
        for n in (4000, 40_000)
    )
    assert few == pytest.approx(many, rel=0.1)
