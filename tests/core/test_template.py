"""Molecule templates against graph theory done by networkx, and against chemistry anyone can check."""

from __future__ import annotations

import json
from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msb.core.elements import guess_element
from msb.core.stereo import equivalence_classes
from msb.core.topology import Interaction, MoleculeTemplate
from msb.errors import TopologyError


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
