"""Systems of molecules, and what the programs they come from say about them."""

from __future__ import annotations

import json
import tracemalloc
import warnings

import MDAnalysis
import networkx as nx
import numpy as np
import pytest
import torch
from MDAnalysisTests.datafiles import (  # it sets an environment variable
    GRO,
    PSF,
    TPR,
    Martini_membrane_gro,
    PRMpbc,
)

from msb.core.box import make_whole
from msb.core.elements import STANDARD_MASSES, guess_element
from msb.core.topology import MoleculeTemplate, Topology
from msb.errors import MsbWarning, TopologyError


def _quiet(make, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


def test_elements_agree_with_files_that_state_them() -> None:
    for path in (PRMpbc, PSF):  # guessed from name, type and mass; stated, or implied by CHARMM's masses
        atoms = _quiet(MDAnalysis.Universe, path).atoms
        elements = [guess_element(*row) for row in zip(atoms.names, atoms.types, atoms.masses, strict=True)]
        if hasattr(atoms, "elements"):
            assert elements == list(atoms.elements)
        stated = [STANDARD_MASSES[symbol] for symbol in elements]
        np.testing.assert_allclose(stated, atoms.masses, atol=0.02)
    assert {guess_element(name) for name in _quiet(MDAnalysis.Universe, GRO).atoms.names} == set("CHNOSX") | {
        "Na"
    }


# --- systems ---


@pytest.fixture(scope="module")
def water() -> MoleculeTemplate:
    return MoleculeTemplate.from_atoms("SOL", ["OW", "HW1", "HW2"], bonds=[(0, 1), (0, 2)])


@pytest.fixture(scope="module")
def dimer() -> MoleculeTemplate:
    return MoleculeTemplate.from_atoms(
        "GLY2",
        ["N", "CA", "N", "CA"],
        bonds=[(0, 1), (1, 2), (2, 3)],
        residue_index=[0, 0, 1, 1],
        residue_names=["GLY", "GLZ"],
        residue_numbers=[7, 8],
    )


def test_a_system_is_a_list_of_runs(water: MoleculeTemplate, dimer: MoleculeTemplate) -> None:
    system = Topology(((dimer, 2), (water, 3), (water, 1), (dimer, 0), (water, 1), (dimer, 1)))
    assert [(template.name, count) for template, count in system.molecules] == [
        ("GLY2", 2),
        ("SOL", 5),
        ("GLY2", 1),
    ]
    assert (system.n_atoms, system.n_molecules, system.n_residues) == (27, 8, 11)
    assert system.offsets.tolist() == [0, 8, 23, 27]
    assert [(first, count) for _, first, count in system.blocks()] == [(0, 2), (8, 5), (23, 1)]
    assert system.templates == (dimer, water)
    assert system.atom_names[8:12].tolist() == ["OW", "HW1", "HW2", "OW"]
    assert system.molecule_index[[0, 3, 4, 8, 11, 26]].tolist() == [0, 0, 1, 2, 3, 7]
    assert system.residue_index[[0, 2, 4, 8, 11, 26]].tolist() == [0, 1, 2, 4, 5, 10]
    assert system.residue_numbers.tolist() == [7, 8, 7, 8, 9, 10, 11, 12, 13, 7, 8]
    assert system.residue_names[[0, 1, 4]].tolist() == ["GLY", "GLZ", "SOL"]
    assert system.masses.sum() == pytest.approx(5 * water.masses.sum() + 3 * dimer.masses.sum())
    graph = nx.Graph(system.bonds.tolist())
    assert sorted(map(len, nx.connected_components(graph))) == [3] * 5 + [4] * 3
    assert len(system.expand(lambda template: template.angles)) == 3 * 2 + 5
    with pytest.raises(TopologyError, match="GLY2, SOL"):
        system.only_template()
    with pytest.raises(TopologyError, match="cannot be negative"):
        Topology(((water, -1),))


def test_system_round_trip(water: MoleculeTemplate, dimer: MoleculeTemplate) -> None:
    system = Topology(((dimer, 3), (water, 2), (dimer, 1)))
    plain = json.loads(json.dumps(system.to_dict()))
    assert Topology.from_dict(plain) == system
    assert Topology.from_dict(plain).content_hash == system.content_hash
    assert len(plain["templates"]) == 2
    with pytest.raises(TopologyError, match="not a topology"):
        Topology.from_dict({"name": "m"})


def test_split_views_blocks(water: MoleculeTemplate, dimer: MoleculeTemplate) -> None:
    system = Topology(((dimer, 2), (water, 3)))
    positions = np.arange(2 * 17 * 3.0).reshape(2, 17, 3)
    (_, first), (template, second) = system.split(positions)
    assert template is water
    assert first.shape == (2, 2, 4, 3)
    assert second.shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(second[1, 2, 1], positions[1, 8 + 2 * 3 + 1])
    tensors = system.split(torch.from_numpy(positions))
    np.testing.assert_array_equal(tensors[1][1].numpy(), second)
    with pytest.raises(TopologyError, match="do not fit"):
        system.split(positions[:, :5])


def test_empty_system() -> None:
    empty = Topology(())
    assert (empty.n_atoms, empty.n_molecules, empty.n_residues) == (0, 0, 0)
    assert empty.masses.shape == (0,)
    assert empty.bonds.shape == (0, 2)
    assert empty.residue_index.shape == empty.residue_numbers.shape == (0,)


def test_a_hundred_thousand_copies_weigh_as_one() -> None:
    def weight(count: int) -> int:
        chain = MoleculeTemplate.from_atoms("chain", ["C"] * 200, bonds=[(i, i + 1) for i in range(199)])
        tracemalloc.start()
        system = Topology.from_template(chain, count)
        _ = chain.angles, chain.dihedrals, chain.excluded_pairs, chain.stereocentres, chain.spanning_tree
        _ = system.n_atoms, system.n_molecules, system.offsets, system.content_hash, list(system.blocks())
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    weight(1)  # imports and caches of the libraries
    assert weight(100_000) < weight(1) + 2000


# --- from and to other programs ---


def test_universe_round_trip(water: MoleculeTemplate, dimer: MoleculeTemplate) -> None:
    site = MoleculeTemplate.from_atoms("CB", ["B1", "B2"], masses=[72.0, 72.0], bonds=[(0, 1)])
    system = Topology(((dimer, 2), (water, 4), (site, 1)))
    positions = np.random.default_rng(0).normal(size=(2, system.n_atoms, 3)).astype(np.float32)
    box = np.array([[3.0, 0, 0], [1, 3, 0], [0, 0.5, 3]])
    universe = system.to_universe(positions, box)
    assert universe.trajectory.n_frames == 2
    np.testing.assert_allclose(universe.atoms.positions, positions[0] * 10, rtol=1e-6)
    np.testing.assert_allclose(universe.trajectory.ts.triclinic_dimensions, box * 10, atol=1e-4)
    assert universe.residues.resids.tolist() == system.residue_numbers.tolist()
    again = Topology.from_universe(universe)
    assert [count for _, count in again.molecules] == [2, 4, 1]
    for (a, _), (b, _) in zip(system.molecules, again.molecules, strict=True):
        assert a.to_dict() | {"name": 0, "residue_numbers": 0} == b.to_dict() | {
            "name": 0,
            "residue_numbers": 0,
        }
    with pytest.raises(TopologyError, match="do not fit"):
        system.to_universe(positions[:, :3])


def test_atoms_of_several_molecules_interleaved_stay_together() -> None:
    universe = MDAnalysis.Universe.empty(5, 1, atom_resindex=[0] * 5)
    universe.add_TopologyAttr("names", ["C1", "C2", "C3", "C4", "C5"])
    universe.add_TopologyAttr("bonds", [(0, 2), (1, 3)])
    system = Topology.from_universe(universe)
    assert [(template.n_atoms, count) for template, count in system.molecules] == [(4, 1), (1, 1)]
    assert system.templates[0].components.tolist() == [0, 1, 0, 1]
    with pytest.raises(TopologyError, match="no atoms"):
        Topology.from_universe(_quiet(MDAnalysis.Universe.empty, 0))


@pytest.fixture(scope="module")
def run_file() -> tuple[object, Topology]:
    universe = _quiet(MDAnalysis.Universe, TPR)
    return universe, Topology.from_universe(universe)


def test_topology_of_a_run_file(run_file: tuple[object, Topology]) -> None:
    """AdK in TIP4P: molecules by GROMACS' numbers, virtual sites with their waters and without element."""
    universe, system = run_file
    assert [(template.n_atoms, count) for template, count in system.molecules] == [
        (3341, 1),
        (4, 11084),
        (1, 4),
    ]
    np.testing.assert_allclose(system.masses, universe.atoms.masses)
    np.testing.assert_allclose(system.charges, universe.atoms.charges)
    assert system.templates[1].elements == ("O", "H", "H", "X")
    assert [template.name for template in system.templates] == ["AKeco", "SOL", "NA+"]
    assert {tuple(pair) for pair in system.bonds.tolist()} == {
        tuple(sorted(map(int, p))) for p in universe.bonds.indices
    }
    protein = system.templates[0]
    theirs = {min(t, t[::-1]) for t in map(tuple, universe.select_atoms("protein").angles.indices.tolist())}
    assert {min(t, t[::-1]) for t in map(tuple, protein.angles.tolist())} == theirs
    # every residue but glycine (ALA CA, ILE and THR have two centres) is L
    centres = [
        (protein.residue_names[protein.residue_index[a]], protein.atom_names[a])
        for a in protein.stereocentres
    ]
    residues = list(protein.residue_names)
    assert sum(name == "CA" for _, name in centres) == len(residues) - residues.count("GLY")
    assert sum(name == "CB" for _, name in centres) == residues.count("ILE") + residues.count("THR")
    assert len(centres) == sum(name in ("CA", "CB") for _, name in centres)
    rings = {"PRO": 1, "PHE": 1, "TYR": 1, "TRP": 2}
    rings |= {name: 1 for name in residues if name.startswith("HI")}
    assert len(protein.rings) == sum(rings.get(name, 0) for name in residues)


def test_handedness_of_a_protein(run_file: tuple[object, Topology]) -> None:
    """One sign at every CA of AdK, cut by its box, but for one: the published file has a D aspartate."""
    protein = run_file[1].templates[0]
    frame = _quiet(MDAnalysis.Universe, GRO).trajectory[0]
    cut = frame.positions[: protein.n_atoms] / 10
    positions = make_whole(cut, frame.triclinic_dimensions / 10, Topology.from_template(protein))
    signs = zip(protein.stereocentres, protein.chirality(positions).tolist(), strict=True)
    alpha = {atom: sign for atom, sign in signs if protein.atom_names[atom] == "CA"}
    other = [protein.residue_index[atom] for atom, sign in alpha.items() if sign != -1]
    assert [(protein.residue_names[r], protein.residue_numbers[r]) for r in other] == [("ASP", 33)]


def test_bonds_from_distances_agree_with_stated_bonds(run_file: tuple[object, Topology]) -> None:
    guessed = Topology.from_universe(_quiet(MDAnalysis.Universe, GRO))
    given_bonds = run_file[1]
    np.testing.assert_array_equal(guessed.bonds, given_bonds.bonds)
    assert [count for _, count in guessed.molecules] == [count for _, count in given_bonds.molecules]


def test_beads_without_bonds_are_molecules_by_residue() -> None:
    universe = _quiet(MDAnalysis.Universe, Martini_membrane_gro)
    with pytest.warns(MsbWarning, match="each counts as one molecule of beads"):
        system = Topology.from_universe(universe)
    assert set(system.elements.tolist()) == {"X"}
    assert {template.name for template in system.templates} == set(universe.residues.resnames)
    assert system.n_molecules == len(universe.residues)


def test_a_universe_without_coordinates() -> None:
    for trajectory in (False, True):  # none, or all atoms at the origin
        universe = MDAnalysis.Universe.empty(6, 2, atom_resindex=[0, 0, 0, 1, 1, 1], trajectory=trajectory)
        universe.add_TopologyAttr("names", ["O", "H1", "H2"] * 2)
        with pytest.warns(MsbWarning, match="in 2 of 2 residues"):
            system = Topology.from_universe(universe)
        assert [(template.n_atoms, count) for template, count in system.molecules] == [(3, 2)]


def test_from_openmm() -> None:
    """Capped alanine in water: particles and bonded terms as the System has them, waters share a template."""
    import openmm
    from openmm import app, unit

    top = app.AmberPrmtopFile(PRMpbc)
    system = top.createSystem(constraints=None, rigidWater=False)
    ours = Topology.from_openmm(top.topology, system)
    assert [(template.name, count) for template, count in ours.molecules] == [
        ("ACE-ALA-NME", 1),
        ("HOH", 1683),
    ]
    masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())]
    np.testing.assert_allclose(ours.masses, masses)
    forces = {type(force): force for force in system.getForces()}
    nonbonded = forces[openmm.NonbondedForce]
    charges = [nonbonded.getParticleParameters(i)[0]._value for i in range(len(masses))]
    np.testing.assert_allclose(ours.charges, charges)
    peptide = ours.templates[0]
    torsions = [e for e in peptide.interactions if e.kind == "dihedrals"]
    assert len(torsions) == forces[openmm.PeriodicTorsionForce].getNumTorsions()
    assert {e.function for e in torsions} == {9}
    angle = next(e for e in peptide.interactions if e.kind == "angles")
    assert 90 < angle.parameters[0] < 130  # degrees
    # one type an element and Lennard-Jones pair
    pairs = {}
    for i, name in enumerate(peptide.atom_types):
        _, sigma, epsilon = nonbonded.getParticleParameters(i)
        pairs.setdefault(name, set()).add(
            (peptide.elements[i], sigma._value if epsilon._value else 0, epsilon._value)
        )
    assert all(len(values) == 1 for values in pairs.values())
    assert len(set.union(*pairs.values())) == len(pairs)
    # handedness and planes
    assert [peptide.atom_names[a] for a in peptide.stereocentres] == ["CA"]
    assert [peptide.atom_names[row[0]] for row in peptide.impropers] == ["C", "N", "C", "N"]
    with pytest.raises(TopologyError, match="particles"):
        Topology.from_openmm(top.topology, openmm.System())


def test_three_programs_read_the_same_peptide(msb_data) -> None:
    import mdtraj
    from openmm import app

    path = str(msb_data / "adp/adp.pdb")
    by_openmm = Topology.from_openmm(app.PDBFile(path).topology).only_template()
    by_mdtraj = Topology.from_mdtraj(mdtraj.load(path).topology).only_template()
    by_mdanalysis = Topology.from_universe(_quiet(MDAnalysis.Universe, path)).only_template()
    for one in (by_openmm, by_mdtraj):
        assert one.elements == by_mdanalysis.elements
        np.testing.assert_array_equal(one.bonds, by_mdanalysis.bonds)
        np.testing.assert_allclose(one.masses, by_mdanalysis.masses)
        assert one.residue_names == by_mdanalysis.residue_names == ("ACE", "ALA", "NME")
        np.testing.assert_array_equal(one.residue_index, by_mdanalysis.residue_index)
    assert by_mdanalysis.name == "ACE-ALA-NME"
    assert by_mdanalysis.stereocentres == (8,)


def test_a_melt_from_distances_is_the_melt_of_its_force_field(msb_data) -> None:
    """Molecules cut by a tilted box, at 568 K: bonds found, 36 chains that share one template."""
    from msb.io.topology_files import read_gromacs

    universe = _quiet(MDAnalysis.Universe, msb_data / "sps/aa.gro", msb_data / "sps/t568/aa.xtc")
    universe.trajectory[-1]
    found = Topology.from_universe(universe)
    stated = _quiet(read_gromacs, msb_data / "sps/topol.top").topology
    assert found.n_molecules == stated.n_molecules == 36
    np.testing.assert_array_equal(found.bonds, stated.bonds)
    assert found.only_template().elements == stated.only_template().elements
