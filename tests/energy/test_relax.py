"""Relaxation with the beads held: never worse than the input, beads in place, failures named."""

from __future__ import annotations

import warnings

import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from msb.energy import Relaxer, minimise, peptide_system, read_gromacs_system, stages, thermal
from msb.energy.dynamics import Langevin
from msb.energy.restraints import bead_masses, shrunken
from msb.errors import EnergyError, MsbWarning
from msb.units import BOLTZMANN

BACKBONE = [4, 6, 8, 10, 14, 16]  # the atoms that are alanine dipeptide's beads


def single_atoms(atoms: list[int], n_atoms: int) -> sparse.csr_matrix:
    ones = np.ones(len(atoms))
    return sparse.csr_matrix((ones, (np.arange(len(atoms)), atoms)), shape=(len(atoms), n_atoms))


@pytest.fixture(scope="module")
def peptide(dipeptide) -> openmm.System:
    return peptide_system(dipeptide.topology, constraints="h-bonds")


@pytest.fixture(scope="module")
def ideal(dipeptide) -> np.ndarray:
    return dipeptide.getPositions(asNumpy=True)._value


def test_minimisation_lowers_the_energy_and_holds_the_beads(peptide, ideal):
    mapping = single_atoms(BACKBONE, 22)
    start = ideal + 0.01 * np.random.default_rng(1).standard_normal(ideal.shape)
    kept, beads = start.copy(), mapping @ ideal
    result = minimise(peptide, mapping, start, beads)
    np.testing.assert_array_equal(start, kept)
    assert result.succeeded
    assert result.energy < result.energy_before - 100
    assert result.bead_max < 0.003
    np.testing.assert_allclose(
        np.sqrt(np.mean(np.sum((mapping @ result.positions - beads) ** 2, axis=1))),
        result.bead_rms,
        rtol=1e-6,
    )
    again = minimise(peptide, mapping, start.astype(np.float32), beads)
    assert again.positions.dtype == np.float32


@pytest.mark.parametrize("scale", [0.03, 0.1, 0.3])
def test_broken_starts_are_mended(peptide, ideal, scale):
    mapping = single_atoms(BACKBONE, 22)
    start = ideal + scale * np.random.default_rng(2).standard_normal(ideal.shape)
    result = minimise(peptide, mapping, start, mapping @ ideal, max_steps=600)
    assert result.succeeded
    assert np.isfinite(result.positions).all()
    assert result.energy < 500 < result.energy_before
    assert result.bead_rms < 0.003


def test_atoms_on_top_of_each_other_come_apart(peptide, ideal):
    mapping = single_atoms(BACKBONE, 22)
    start = ideal.copy()
    start[[0, 2, 3]] = start[19]  # three hydrogens of one cap on one of the other
    result = minimise(peptide, mapping, start, mapping @ ideal, max_steps=600)
    assert result.succeeded
    assert result.energy < 0


def test_nothing_to_gain_returns_the_input(peptide, ideal):
    mapping = single_atoms(BACKBONE, 22)
    first = minimise(peptide, mapping, ideal, mapping @ ideal)
    second = minimise(peptide, mapping, first.positions, mapping @ ideal)
    assert second.energy <= first.energy + 1e-6 * abs(first.energy)
    none = minimise(peptide, mapping, ideal, mapping @ ideal, max_steps=0)
    np.testing.assert_array_equal(none.positions, ideal)
    assert none.energy == none.energy_before


def test_a_worse_outcome_is_not_taken(peptide, ideal, monkeypatch):
    mapping = single_atoms(BACKBONE, 22)
    monkeypatch.setattr(stages, "descend", lambda context, x, *_: (stages.snapshot(context, 1.05 * x), 7))
    names = [f"number {k}" for k in range(22)]
    with pytest.warns(MsbWarning, match=r"nothing better than its input.*number \d+ \("):
        result = minimise(peptide, mapping, ideal, mapping @ ideal, names=names)
    assert not result.succeeded
    np.testing.assert_array_equal(result.positions, ideal)


def test_inputs_that_cannot_be_relaxed_are_sentences(peptide, ideal):
    mapping = single_atoms(BACKBONE, 22)
    broken = ideal.copy()
    broken[7] = np.nan
    with pytest.raises(EnergyError, match="1 atoms to relax have no finite position: atom 7"):
        minimise(peptide, mapping, broken, mapping @ ideal)
    with pytest.raises(EnergyError, match="22 atoms and 6 beads"):
        minimise(peptide, mapping, ideal, (mapping @ ideal)[:5])
    with pytest.raises(EnergyError, match="mapping is of 21 atoms, the system has 22"):
        minimise(peptide, mapping[:, :21], ideal, mapping @ ideal)
    with pytest.raises(EnergyError, match="platform"):
        minimise(peptide, mapping, ideal, mapping @ ideal, platform="Abacus")


def test_thermal_runs_are_seeded_and_constrained(peptide, ideal):
    masses = np.array([peptide.getParticleMass(k)._value for k in range(22)])
    groups = np.repeat([0, 1, 2], [6, 10, 6])  # a bead for each residue
    mapping = sparse.csr_matrix((masses, (groups, np.arange(22))), shape=(3, 22))
    mapping = sparse.diags(1 / np.asarray(mapping.sum(1)).ravel()) @ mapping
    one, same, other = (
        thermal(peptide, mapping, ideal, mapping @ ideal, 300.0, steps=100, seed=seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.positions, same.positions)
    assert np.abs(one.positions - other.positions).max() > 1e-3
    for run in (one, other):
        assert run.succeeded
        assert run.bead_rms < 0.003
        bonds, lengths = (
            Relaxer(peptide, mapping)._prepared.bonds,
            Relaxer(peptide, mapping)._prepared.lengths,
        )
        found = np.linalg.norm(run.positions[bonds[:, 0]] - run.positions[bonds[:, 1]], axis=1)
        np.testing.assert_allclose(found, lengths, rtol=1e-4)


def test_thermal_runs_have_the_temperature():
    """Angles of 200 triatomic molecules spread by kT/k around their rest."""
    system, angle, constant = openmm.System(), openmm.HarmonicAngleForce(), 300.0
    bond, positions = openmm.HarmonicBondForce(), []
    for k in range(200):
        for mass in (16.0, 1.0, 1.0):
            system.addParticle(mass)
        bond.addBond(3 * k, 3 * k + 1, 0.1, 4e5)
        bond.addBond(3 * k, 3 * k + 2, 0.1, 4e5)
        angle.addAngle(3 * k + 1, 3 * k, 3 * k + 2, 1.9, constant)
        positions += [[k, 0, 0], [k + 0.1, 0, 0], [k + 0.1 * np.cos(1.9), 0.1 * np.sin(1.9), 0]]
    system.addForce(bond)
    system.addForce(angle)
    mapping, x = single_atoms(list(range(0, 600, 3)), 600), np.array(positions)
    result = thermal(system, mapping, x, mapping @ x, 300.0, friction=50.0, platform="Reference")
    arms = result.positions.reshape(200, 3, 3)[:, 1:] - result.positions.reshape(200, 3, 3)[:, :1]
    cosines = np.sum(arms[:, 0] * arms[:, 1], axis=1) / np.prod(np.linalg.norm(arms, axis=2), axis=1)
    spread = np.var(np.arccos(cosines))
    # 1 / sin(angle), the volume element, hardly changes the harmonic value
    assert spread == pytest.approx(BOLTZMANN * 300.0 / constant, rel=0.35)


def test_a_run_that_fails_keeps_the_last_good_state(peptide, ideal):
    mapping = single_atoms(BACKBONE, 22)
    names = [f"number {k}" for k in range(22)]
    with pytest.warns(MsbWarning, match=r"dynamics failed after \d+ of 500 steps.*number \d+"):
        result = thermal(
            peptide, mapping, ideal, mapping @ ideal, 300.0, timestep=0.02, constrain=False, names=names
        )
    assert not result.succeeded
    assert np.isfinite(result.positions).all()
    assert result.energy < result.energy_before + 3 * 22 * BOLTZMANN * 300.0


ETHANES = """
[ defaults ]
1 2 yes 1.0 1.0
[ atomtypes ]
C 12.011 0.0 A 0.35 0.28
H 1.008 0.0 A 0.25 0.13
[ bondtypes ]
C C 1 0.153 1e4
C H 1 0.109 1e4
[ moleculetype ]
ETH 2
[ atoms ]
1 C 1 ETH C1 1 0
2 C 1 ETH C2 1 0
3 H 1 ETH H3 1 0
[ bonds ]
1 2 1
2 3 1
[ angles ]
1 2 3 1 109.5 400.0
[ system ]
fluid
[ molecules ]
ETH 27
"""


def test_molecules_across_the_box_come_back_where_they_were(tmp_path):
    (tmp_path / "fluid.top").write_text(ETHANES)
    box = np.array([[2.4, 0, 0], [0.4, 2.4, 0], [-0.3, 0.2, 2.4]])
    system = read_gromacs_system(tmp_path / "fluid.top", box, cutoff=0.9).system
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(*[np.arange(3) / 3] * 3, indexing="ij"), -1).reshape(-1, 1, 3) @ box
    molecule = np.array([[0, 0, 0], [0.153, 0, 0], [0.19, 0.1, 0]])
    whole = (grid + molecule).reshape(-1, 3) + rng.normal(0, 0.02, (81, 3))
    torn = whole + rng.integers(-1, 2, (81, 3)) @ box
    masses = np.tile([12.011, 12.011, 1.008], 27)
    mapping = sparse.csr_matrix((masses / 25.03, (np.arange(81) // 3, np.arange(81))), shape=(27, 81))
    beads = mapping @ whole + rng.integers(-1, 2, (27, 3)) @ box
    relaxer = Relaxer(system, mapping)
    for result in (
        relaxer.minimise(torn, beads, box, all_bonds=True),
        relaxer.thermal(torn, beads, 300.0, box, steps=50),
    ):
        assert result.succeeded
        assert result.bead_rms < 0.003
        assert np.abs(result.positions - torn).max() < 0.3
        bond = result.positions[0::3] - result.positions[1::3] - (torn - whole)[0::3] + (torn - whole)[1::3]
        np.testing.assert_allclose(np.linalg.norm(bond, axis=1), 0.153, atol=0.01)


def test_one_polystyrene_chain(msb_data, tmp_path):
    top = (msb_data / "sps" / "topol.top").read_text().replace("PS1       36", "PS1 1")
    (tmp_path / "one.top").write_text(top)
    with pytest.warns(MsbWarning, match="posres"):
        read = read_gromacs_system(tmp_path / "one.top", include_dirs=[msb_data / "sps"], cutoff=0.85)
    gro = openmm.app.GromacsGroFile(str(msb_data / "sps" / "train" / "aa" / "135.gro"))
    chain = gro.getPositions(asNumpy=True)._value[:162]
    mapping = sparse.csr_matrix(np.kron(np.eye(9), np.ones(18) / 18))
    relaxer = Relaxer(read.system, mapping)
    box = np.array(gro.getPeriodicBoxVectors()._value)
    chain = relaxer._prepared.whole(chain, box)
    start = chain + 0.01 * np.random.default_rng(0).standard_normal(chain.shape)
    result = relaxer.thermal(start, mapping @ chain, 568.0, steps=200)
    assert result.succeeded
    assert result.bead_rms < 0.003
    bonds, lengths = relaxer._prepared.bonds, relaxer._prepared.lengths
    found = np.linalg.norm(result.positions[bonds[:, 0]] - result.positions[bonds[:, 1]], axis=1)
    np.testing.assert_allclose(found, lengths, rtol=1e-4)


@given(st.lists(st.floats(1.0, 100.0), min_size=1, max_size=6))
@settings(max_examples=30)
def test_a_bead_by_mass_weighs_its_atoms(masses):
    total = np.sum(masses)
    weights = sparse.csr_matrix(np.array([masses]) / total)
    np.testing.assert_allclose(bead_masses(weights, np.array(masses)), total)
    assert bead_masses(weights, np.zeros(len(masses)))[0] == np.inf


def test_shrunken_spheres_have_their_energy_at_shrunken_distances(reference):
    system = openmm.System()
    for _ in range(3):
        system.addParticle(1.0)
    spheres, custom = openmm.NonbondedForce(), openmm.CustomNonbondedForce("A1*A2/r^12; ")
    custom.addPerParticleParameter("A")
    for _ in range(3):
        spheres.addParticle(0.0, 0.3, 0.5)
        custom.addParticle([1e-4])
    spheres.addException(0, 1, 0.0, 0.25, 0.7)
    pair = openmm.CustomBondForce("-C/r^6")
    pair.addPerBondParameter("C")
    pair.addBond(0, 2, [1e-3])
    for force in (spheres, custom, pair):
        system.addForce(force)
    x = np.array([[[0.0, 0, 0], [0.3, 0, 0], [0.1, 0.35, 0.1]]])
    full, _ = reference(system, x)
    half, _ = reference(shrunken(system, 0.5), 0.5 * x)
    for name in full:
        np.testing.assert_allclose(half[name], full[name], rtol=1e-9)


def test_quiet_when_all_is_well(peptide, ideal):
    mapping = single_atoms(BACKBONE, 22)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        thermal(peptide, mapping, ideal, mapping @ ideal, 300.0, steps=25)


def test_dynamics_end_before_a_bond_brings_an_atom_into_another():
    """Atom 1 belongs 0.15 nm from atom 0, where atom 2 is: OpenMM would throw both far away."""
    system = openmm.System()
    nonbonded = openmm.NonbondedForce()
    for mass in (1e6, 1.0, 1.0):
        system.addParticle(mass)
        nonbonded.addParticle(0.0, 0.3, 0.5)
    system.addForce(nonbonded)
    system.addConstraint(0, 1, 0.15)
    bath = Langevin(system, 0.001, 10.0, platform="Reference")
    start = np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.151, 0.0, 0.0]])
    good, done, last = bath.run(start, [(300.0, 50)], seed=1)
    assert done == 0
    assert last.finite
    assert last.strongest > 1e7
    np.testing.assert_array_equal(good.positions, start)
    apart = start + np.array([[0, 0, 0], [-0.45, 0, 0], [0, 1.0, 0]])
    assert bath.run(apart, [(300.0, 27), (200.0, 30)], seed=1)[1] == 57
    assert bath.run(apart, [(300.0, 3)], seed=1)[1] == 3
