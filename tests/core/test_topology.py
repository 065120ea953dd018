"""Templates against graph theory done by networkx; topologies against the programs they come from."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from itertools import combinations, pairwise

import MDAnalysis
import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from MDAnalysisTests.datafiles import (  # it sets an environment variable
    GRO,
    PSF,
    TPR,
    Martini_membrane_gro,
    PRMpbc,
)

from msb.core.box import make_whole
from msb.core.elements import STANDARD_MASSES, guess_element
from msb.core.stereo import equivalence_classes
from msb.core.topology import Interaction, MoleculeTemplate, Topology
from msb.errors import MsbWarning, TopologyError


@st.composite
def molecules(draw: st.DrawFn, most: int = 12, extra: int = 4) -> MoleculeTemplate:
    """Connected or not, with rings, a few elements."""
    n = draw(st.integers(1, most))
    tree = [(i, draw(st.integers(0, i - 1))) for i in range(1, n) if draw(st.integers(0, 9))]
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    rings = draw(st.lists(pair, max_size=extra)) if n > 1 else []
    elements = draw(st.lists(st.sampled_from("CHNO"), min_size=n, max_size=n))
    return MoleculeTemplate.from_atoms("m", elements, elements=elements, bonds=tree + rings)


def hydrocarbon(
    name: str, skeleton: list[tuple[int, int]], hydrogens: dict[int, int], others: str = ""
) -> MoleculeTemplate:
    """Heavy atoms C (or as in `others`) with that many hydrogens each."""
    n = max(max(pair) for pair in skeleton) + 1
    names, bonds = list(others or "C" * n), list(skeleton)
    for heavy, count in hydrogens.items():
        for _ in range(count):
            bonds.append((heavy, len(names)))
            names.append("H")
    return MoleculeTemplate.from_atoms(name, names, bonds=bonds)


# --- what follows from bonds ---


@given(molecules())
def test_angles_and_dihedrals_are_all_the_paths(template: MoleculeTemplate) -> None:
    graph = template.graph
    for n_atoms, found in ((3, template.angles), (4, template.dihedrals)):
        paths = {
            min(path, path[::-1])
            for i, j in combinations(graph, 2)
            for path in map(tuple, nx.all_simple_paths(graph, i, j, cutoff=n_atoms - 1))
            if len(path) == n_atoms
        }
        rows = [tuple(row) for row in found.tolist()]
        assert {min(row, row[::-1]) for row in rows} == paths
        assert len(rows) == len(paths)


@given(molecules(), st.integers(1, 5))
def test_exclusions_are_the_shortest_paths(template: MoleculeTemplate, n_bonds: int) -> None:
    distance = dict(nx.all_pairs_shortest_path_length(template.graph))
    near = [
        (i, j) for i, j in combinations(range(template.n_atoms), 2) if 0 < distance[i].get(j, 0) <= n_bonds
    ]
    assert [tuple(pair) for pair in template.exclusions(n_bonds).tolist()] == near
    third = [(i, j) for i, j in combinations(range(template.n_atoms), 2) if distance[i].get(j) == 3]
    assert [tuple(pair) for pair in template.pairs14.tolist()] == third


@given(molecules(extra=8))
def test_rings_are_a_minimum_cycle_basis(template: MoleculeTemplate) -> None:
    theirs = nx.minimum_cycle_basis(template.graph)
    assert sorted(map(len, template.rings)) == sorted(map(len, theirs))
    for ring in template.rings:
        assert len(set(ring)) == len(ring)
        assert all(template.graph.has_edge(a, b) for a, b in pairwise((*ring, ring[0])))
        assert ring[0] == min(ring)


@pytest.mark.parametrize(
    ("graph", "sizes"),
    [
        (nx.cycle_graph(40), [40]),
        (nx.cubical_graph(), [4] * 5),
        (nx.dodecahedral_graph(), [5] * 11),
        (nx.petersen_graph(), [5] * 6),
        (nx.path_graph(30), []),
        (nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(6)), [3, 6]),
    ],
)
def test_rings_of_known_graphs(graph: nx.Graph, sizes: list[int]) -> None:
    template = MoleculeTemplate.from_atoms("m", ["C"] * len(graph), bonds=list(graph.edges))
    assert [len(ring) for ring in template.rings] == sizes


@given(molecules(most=6, extra=0))
def test_classes_of_a_tree_are_its_symmetries(template: MoleculeTemplate) -> None:
    """On trees refinement finds exactly the orbits of the automorphism group."""
    matcher = nx.isomorphism.GraphMatcher(
        template.graph, template.graph, node_match=lambda a, b: a["element"] == b["element"]
    )
    images: dict[int, set[int]] = {atom: set() for atom in range(template.n_atoms)}
    for mapping in matcher.isomorphisms_iter():
        for atom, image in mapping.items():
            images[atom].add(image)
    labels = list(zip(template.elements, map(len, template.neighbours), strict=True))
    classes = equivalence_classes(labels, template.neighbours)
    components = nx.number_connected_components(template.graph)
    for atom in range(template.n_atoms):
        same = {other for other in range(template.n_atoms) if classes[other] == classes[atom]}
        assert same == images[atom] or components > 1
        assert same >= images[atom]


def test_impropers_are_planar_centres() -> None:
    amide = MoleculeTemplate.from_atoms(
        "formamide", ["C", "O", "N", "H1", "H2", "H3"], bonds=[(0, 1), (0, 2), (0, 3), (2, 4), (2, 5)]
    )
    assert amide.impropers.tolist() == [[0, 1, 2, 3], [2, 0, 4, 5]]
    amine = MoleculeTemplate.from_atoms("ammonia", ["N", "H", "H", "H"], bonds=[(0, 1), (0, 2), (0, 3)])
    assert amine.impropers.shape == (0, 4)


# --- stereocentres ---


def test_stereocentres_of_known_molecules() -> None:
    butanol = hydrocarbon(
        "2-butanol", [(0, 1), (1, 2), (2, 3), (1, 4)], {0: 3, 1: 1, 2: 2, 3: 3, 4: 1}, "CCCCO"
    )
    assert butanol.stereocentres == (1,)
    propanol = hydrocarbon("2-propanol", [(0, 1), (1, 2), (1, 3)], {0: 3, 1: 1, 2: 3, 3: 1}, "CCCO")
    assert propanol.stereocentres == ()
    ring = [(i, (i + 1) % 6) for i in range(6)]
    cis_or_trans = hydrocarbon(
        "1,4-dimethylcyclohexane", [*ring, (0, 6), (3, 7)], {0: 1, 1: 2, 2: 2, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3}
    )
    assert cis_or_trans.stereocentres == (0, 3)
    methylcyclohexane = hydrocarbon(
        "methylcyclohexane", [*ring, (0, 6)], {0: 1, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 3}
    )
    assert methylcyclohexane.stereocentres == ()


@pytest.mark.parametrize("monomers", [3, 4, 51])
def test_every_branched_carbon_of_a_symmetric_chain_counts(monomers: int) -> None:
    """CH3-(CHF-CH2)n-1-CHF-CH3 is its own mirror image, and still atactic: the middle CHF included."""
    backbone = 2 * monomers + 1
    skeleton = [(i, i + 1) for i in range(backbone - 1)]
    centres = list(range(1, backbone, 2))
    skeleton += [(centre, backbone + k) for k, centre in enumerate(centres)]
    hydrogens = {
        0: 3,
        backbone - 1: 3,
        **{i: 2 for i in range(2, backbone - 1, 2)},
        **dict.fromkeys(centres, 1),
    }
    chain = hydrocarbon("chain", skeleton, hydrogens, "C" * backbone + "F" * monomers)
    assert chain.stereocentres == tuple(centres)


def test_chirality_is_a_sign_that_a_mirror_flips() -> None:
    molecule = MoleculeTemplate.from_atoms(
        "CHFClBr", ["C", "H", "F", "CL", "BR"], bonds=[(0, k) for k in (1, 2, 3, 4)]
    )
    corners = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
    both = np.stack([corners, corners * [1, 1, -1]])
    hands = molecule.chirality(both)
    assert hands.dtype == np.int8
    assert hands.shape == (2, 1)
    assert hands[0, 0] == -hands[1, 0] != 0
    swapped = molecule.chirality(corners[[0, 2, 1, 3, 4]])
    assert swapped[0] == -hands[0, 0]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    np.testing.assert_array_equal(molecule.chirality(both @ rotation + 5), hands)
    tensors = molecule.chirality(torch.from_numpy(both))
    assert tensors.dtype == torch.int8
    np.testing.assert_array_equal(tensors.numpy(), hands)
    assert molecule.chirality(np.zeros((5, 3))).tolist() == [0]
    flat = MoleculeTemplate.from_atoms("water", ["O", "H", "H"], bonds=[(0, 1), (0, 2)])
    assert flat.chirality(np.zeros((7, 3, 3))).shape == (7, 0)


# --- templates as values ---


@given(molecules())
def test_dictionary_round_trip(template: MoleculeTemplate) -> None:
    again = MoleculeTemplate.from_dict(json.loads(json.dumps(template.to_dict())))
    assert again == template
    assert hash(again) == hash(template)
    topology = Topology(((template, 3), (MoleculeTemplate.from_atoms("ion", ["NA"]), 2), (template, 1)))
    plain = json.loads(json.dumps(topology.to_dict()))
    assert Topology.from_dict(plain) == topology
    assert Topology.from_dict(plain).content_hash == topology.content_hash
    assert len(plain["templates"]) == 2


def test_what_is_content_and_what_is_not() -> None:
    plain = MoleculeTemplate.from_atoms("m", ["C", "O"], bonds=[(1, 0)], residue_numbers=[1])
    assert plain == MoleculeTemplate.from_atoms("m", ["C", "O"], bonds=[(0, 1), (1, 0)], residue_numbers=[77])
    for changed in (
        MoleculeTemplate.from_atoms("m", ["C", "O"]),
        MoleculeTemplate.from_atoms("m", ["C", "O"], bonds=[(0, 1)], charges=[0.1, -0.1]),
        MoleculeTemplate.from_atoms("m", ["C", "O"], bonds=[(0, 1)], nrexcl=2),
        MoleculeTemplate.from_atoms(
            "m", ["C", "O"], bonds=[(0, 1)], interactions=[Interaction("bonds", (0, 1), 1)]
        ),
    ):
        assert changed != plain
    assert plain != "m"
    with pytest.raises(ValueError, match="read-only"):
        plain.masses[0] = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elements": ("C",)}, "2 atoms but 1 elements"),
        ({"masses": np.array([1.0, np.nan])}, "not a number"),
        ({"bonds": np.array([[0, 2]])}, "outside 0..1"),
        ({"bonds": np.array([[1, 1]])}, "bonded to itself"),
        ({"residue_index": np.array([0, 1])}, "residue_index"),
        ({"residue_numbers": (1, 2)}, "1 residues, 2 numbers"),
        ({"interactions": (Interaction("angles", (0, 1, 2)),)}, "angles of atoms"),
    ],
)
def test_pieces_that_do_not_fit_get_a_sentence(change: dict, message: str) -> None:
    import dataclasses

    good = MoleculeTemplate.from_atoms("m", ["C", "O"], bonds=[(0, 1)])
    with pytest.raises(TopologyError, match=message):
        dataclasses.replace(good, **change)
    with pytest.raises(TopologyError, match="not a molecule template"):
        MoleculeTemplate.from_dict({"name": "m"})
    with pytest.raises(TopologyError, match="not a topology"):
        Topology.from_dict({"name": "m"})


@pytest.mark.parametrize(
    ("name", "kind", "mass", "element"),
    [
        ("CA", "CT", 12.011, "C"),
        ("CA", "", 40.08, "Ca"),
        ("CA", "", 0.0, "C"),
        ("1HB", "", 0.0, "H"),
        ("H161", "H_AR", 1.008, "H"),
        ("HB1", "hc", 3.024, "H"),
        ("N", "n3", 11.991, "N"),
        ("C1", "c3", 5.963, "C"),
        ("CL-", "", 0.0, "Cl"),
        ("SI1", "", 28.086, "Si"),
        ("Q7", "opls_135", 12.011, "C"),
        ("C1", "C1", 72.0, "X"),
        ("A1", "A1r", 0.0, "X"),
        ("B01", "B", 0.0, "X"),
        ("MW", "opls_115", 0.0, "X"),
        ("BB", "P5", 72.0, "X"),
        ("", "", 0.0, "X"),
        ("7", "", 14.007, "N"),
    ],
)
def test_elements_of_odd_names(name: str, kind: str, mass: float, element: str) -> None:
    assert guess_element(name, kind, mass) == element


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


def _quiet(make, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


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
        Topology.from_universe(MDAnalysis.Universe.empty(0))


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
    """One sign at every CA of AdK, cut by its box, but for one aspartate: the published file has a D residue."""
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
