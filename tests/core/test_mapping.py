"""Beads from atoms and forces on beads: exact answers, properties, and sentences for what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules_of_beads import BACKBONE, chain, dipeptide, mappings
from scipy.sparse import csr_matrix

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.sparse_map import SparseMap
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError


def system(template: MappingTemplate, count: int, masses: np.ndarray | None = None) -> Mapping:
    molecule = chain(template.n_atoms, template.masses if masses is None else masses)
    return Mapping([template], Topology(((molecule, count),)))


def dense(matrix: csr_matrix) -> np.ndarray:
    return np.asarray(matrix.toarray())


# --- weights ---------------------------------------------------------------------------------------------


def test_mass_shared_atom_and_weightless_atom() -> None:
    molecule = chain(5, np.array([1.0, 2.0, 4.0, 8.0, 16.0]))
    groups = [
        BeadGroup("A", (0, "A2", 2), "CC", fractions=(1.0, 1.0, 0.5)),
        BeadGroup("B", (2, 3), fractions=(0.5, None), owns=(4, "A2")),
    ]
    template = MappingTemplate.from_mass(molecule, groups, aliases={"CC": ["X"]})
    np.testing.assert_allclose(dense(template.weights), [[0.2, 0.4, 0.4, 0, 0], [0, 0, 0.2, 0.8, 0]])
    np.testing.assert_allclose(dense(template.fractions), [[1, 1, 0.5, 0, 0], [0, 0, 0.5, 1, 0]])
    assert template.owner.tolist() == [0, 1, 0, 1, 1]  # A2 and A5 are owned by B, A3 by its first bead
    np.testing.assert_allclose(template.bead_masses(), [5.0, 10.0])
    assert template.bead_types == ("CC", "B")
    assert template.bead_bonds.tolist() == [[0, 1]]
    assert template.aliases == {"CC": ("X",)}


def test_shares_not_stated_are_equal_parts_of_what_is_left() -> None:
    groups = [BeadGroup("A", (0, 1)), BeadGroup("B", (1, 2), fractions=(0.4, 1.0)), BeadGroup("C", (1, 3))]
    template = MappingTemplate.from_geometry(chain(4), groups)
    np.testing.assert_allclose(dense(template.fractions)[:, 1], [0.3, 0.4, 0.3])
    np.testing.assert_allclose(dense(template.weights)[0], np.array([1, 0.3, 0, 0]) / 1.3)


def test_given_weights_are_normalised_and_zero_is_weightless() -> None:
    groups = [BeadGroup("A", (0, 1, 2), weights=(3.0, 1.0, 0.0)), BeadGroup("B", (3,))]
    template = MappingTemplate.given(chain(4), groups)
    np.testing.assert_allclose(dense(template.weights), [[0.75, 0.25, 0, 0], [0, 0, 0, 1]])
    assert template.owner.tolist() == [0, 0, 0, 1]
    assert dense(template.fractions)[0].tolist() == [1, 1, 0, 0]


def test_single_atoms_own_their_surroundings() -> None:
    template = MappingTemplate.from_atoms(dipeptide(), BACKBONE)
    assert template.bead_names == ("C", "N", "CA", "CB", "C", "N")
    assert template.owner.tolist() == [0] * 6 + [1] * 2 + [2] * 2 + [3] * 4 + [4] * 2 + [5] * 6
    assert template.bead_bonds.tolist() == [[0, 1], [1, 2], [2, 3], [2, 4], [4, 5]]
    assert template.bead_residue.tolist() == [0, 1, 1, 1, 1, 2]


def test_atoms_are_found_by_residue_and_name() -> None:
    groups = [BeadGroup("L", (("ACE", "C"), (1, "O"))), BeadGroup("R", ("N", "H"), residue="NME")]
    template = MappingTemplate.from_geometry(dipeptide(), groups, unlisted="nearest")
    assert [row.indices.tolist() for row in template.weights] == [[4, 5], [16, 17]]


# --- properties ------------------------------------------------------------------------------------------


@given(mappings())
def test_rows_sum_to_one_and_forces_are_consistent(template: MappingTemplate) -> None:
    weights, forces = dense(template.weights), dense(template.force_map())
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(forces @ weights.T, np.eye(template.n_beads), atol=1e-9)
    assert template.is_consistent


@given(mappings(shared=False))
def test_forces_are_plain_sums_where_nothing_is_shared(template: MappingTemplate) -> None:
    assert (dense(template.force_map()) == (dense(template.weights) > 0)).all()


@given(mappings())
def test_force_map_of_shared_beads_is_the_mass_weighted_one(template: MappingTemplate) -> None:
    weights, inverse = dense(template.weights), 1.0 / template.masses
    expected = np.linalg.solve(weights * inverse @ weights.T, weights * inverse)
    shared = (weights @ weights.T - np.diag(np.diag(weights @ weights.T))).any(axis=1)
    got = dense(template.force_map())
    np.testing.assert_allclose(got[shared], expected[shared], atol=1e-9)
    if template.weighting == "mass":
        np.testing.assert_allclose(got[~shared], expected[~shared], atol=1e-9)


@given(mappings(), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_beads_move_with_the_atoms(template: MappingTemplate, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    mapping = system(template, count)
    x = random.normal(size=(2, mapping.n_atoms, 3))
    shift, turn = random.normal(size=3), np.linalg.qr(random.normal(size=(3, 3)))[0]
    np.testing.assert_allclose(mapping.beads(x @ turn + shift), mapping.beads(x) @ turn + shift, atol=1e-12)
    by_hand = np.concatenate([dense(template.weights) @ part for part in np.split(x[0], count)])
    np.testing.assert_allclose(mapping.beads(x)[0], by_hand, atol=1e-12)
    np.testing.assert_allclose(mapping.matrix @ x[0], by_hand, atol=1e-12)


@given(mappings(), st.integers(0, 2**32 - 1))
def test_uniform_force_and_work(template: MappingTemplate, seed: int) -> None:
    """A harmonic energy of the beads alone: its atomic forces W^T F come back as F exactly."""
    mapping = system(template, 2)
    x = torch.as_tensor(np.random.default_rng(seed).normal(size=(mapping.n_atoms, 3)), dtype=torch.float64)
    x.requires_grad_()
    beads = mapping.beads(x)
    energy = 0.5 * 7.0 * (beads[1:] - beads[:-1]).square().sum() + beads.square().sum()
    (gradient,) = torch.autograd.grad(energy, x)
    (expected,) = torch.autograd.grad(
        0.5 * 7.0 * ((b := beads.detach().requires_grad_())[1:] - b[:-1]).square().sum() + b.square().sum(), b
    )
    assert torch.allclose(mapping.bead_forces(-gradient), -expected, atol=1e-8)


def test_mean_force_of_a_harmonic_chain_is_the_free_energy_derivative() -> None:
    """E = x^T K x / 2 at fixed beads: <B f> is -K_eff R for every consistent B, K_eff = (W K^-1 W^T)^-1."""
    molecule = chain(4, np.array([12.0, 1.0, 16.0, 2.0]))
    groups = [BeadGroup("A", (0, 1, 2)), BeadGroup("B", (2, 3))]
    template = MappingTemplate.from_mass(molecule, groups)
    stiffness = 3.0 * np.eye(4) + 5.0 * (np.diag([1, 2, 2, 1]) - np.eye(4, k=1) - np.eye(4, k=-1))
    weights = dense(template.weights)
    effective = np.linalg.inv(weights @ np.linalg.inv(stiffness) @ weights.T)
    mean = np.linalg.inv(stiffness) @ weights.T @ effective  # conditional mean of x given R
    np.testing.assert_allclose(dense(template.force_map()) @ -stiffness @ mean, -effective, atol=1e-9)


@given(mappings())
@settings(max_examples=40)
def test_dictionary_round_trip(template: MappingTemplate) -> None:
    back = MappingTemplate.from_dict(json.loads(json.dumps(template.to_dict())))
    assert back == template
    assert back.content_hash == template.content_hash
    assert (dense(back.weights) == dense(template.weights)).all()


@given(mappings(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_reorder_undoes_any_permutation_within_molecules(
    template: MappingTemplate, count: int, random: object
) -> None:
    mapping = system(template, count)
    shuffled = []
    for copy in range(count):
        own = list(range(copy * template.n_beads, (copy + 1) * template.n_beads))
        random.shuffle(own)
        shuffled += own
    names = [(template.bead_names * count)[i] for i in shuffled]
    assert np.array(shuffled)[mapping.reorder(names)].tolist() == list(range(mapping.n_beads))


# --- whole systems ---------------------------------------------------------------------------------------


def two_kinds() -> Mapping:
    a = MappingTemplate.from_mass(chain(3), [BeadGroup("A", (0, 1)), BeadGroup("B", (2,))])
    b = MappingTemplate.from_atoms(dipeptide(), BACKBONE)
    topology = Topology(((chain(3), 4), (dipeptide(), 2), (chain(3), 1)))
    return Mapping({"CHAIN": a, "ADP": b}, topology)


def test_blocks_of_several_kinds() -> None:
    mapping = two_kinds()
    assert (mapping.n_atoms, mapping.n_beads) == (59, 22)
    x = np.random.default_rng(0).normal(size=(3, 2, 59, 3)).astype(np.float32)
    beads = mapping.beads(x)
    assert (beads.shape, beads.dtype) == ((3, 2, 22, 3), np.float32)
    np.testing.assert_array_equal(beads[..., 8 + 6 : 8 + 12, :], x[..., np.add(12 + 22, BACKBONE), :])
    np.testing.assert_allclose(beads[..., 20, :], x[..., 56:58, :].mean(-2), atol=1e-6)
    assert mapping.owner[[0, 2, 3, 12, 33, 34, 56, 58]].tolist() == [0, 1, 2, 8, 13, 14, 20, 21]
    topology = mapping.bead_topology()
    assert topology.n_atoms == 22
    np.testing.assert_allclose(topology.masses, mapping.bead_masses)
    assert topology.atom_names[8:14].tolist() == ["C", "N", "CA", "CB", "C", "N"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_in_tensors_out(dtype: torch.dtype) -> None:
    mapping = two_kinds()
    x = torch.randn(2, 59, 3, dtype=dtype, generator=torch.Generator().manual_seed(1))
    for call in (mapping.beads, mapping.bead_forces):
        out = call(x)
        assert out.dtype == dtype
        np.testing.assert_allclose(
            out.numpy(), call(x.numpy()), atol=1e-5 if dtype == torch.float32 else 1e-12
        )


def test_beads_have_the_right_gradient() -> None:
    mapping = two_kinds()
    x = torch.randn(
        59, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True
    )
    assert torch.autograd.gradcheck(mapping.beads, (x,))


def test_the_batch_never_changes_a_bit() -> None:
    mapping = two_kinds()
    x = np.random.default_rng(3).normal(size=(7, 59, 3)).astype(np.float32)
    assert (mapping.beads(x)[4] == mapping.beads(x[4])).all()


def test_many_copies_of_one_molecule() -> None:
    template = MappingTemplate.from_mass(chain(3), [BeadGroup("A", (0, 1)), BeadGroup("B", (2,))])
    mapping = Mapping([template], Topology(((chain(3), 100_000),)))
    x = np.zeros((mapping.n_atoms, 3), dtype=np.float32)
    x[:, 0] = np.arange(mapping.n_atoms)
    beads = mapping.beads(x)
    assert beads.shape == (200_000, 3)
    assert beads[-2:, 0].tolist() == [299_997.5, 299_999.0]


def test_sparse_map_with_empty_rows() -> None:
    matrix = csr_matrix(np.array([[0.0, 0, 0], [1, 0, 2], [0, 0, 0], [0, 3, 0]]))
    x = np.random.default_rng(0).normal(size=(2, 3, 3))
    expected = np.einsum("rc,fci->fri", matrix.toarray(), x)
    np.testing.assert_allclose(SparseMap(matrix)(x), expected)
    np.testing.assert_allclose(SparseMap(matrix)(torch.as_tensor(x)).numpy(), expected)


def test_reorder_uses_residues_where_names_repeat() -> None:
    mapping = Mapping([MappingTemplate.from_atoms(dipeptide(), BACKBONE)], Topology(((dipeptide(), 1),)))
    names = ["CB", "N", "C", "N", "C", "CA"]
    residues = ["ALA", "NME", "ALA", "ALA", "ACE", "ALA"]
    assert mapping.reorder(names, residues).tolist() == [4, 3, 5, 0, 2, 1]
    assert mapping.reorder(["C", "N", "CA", "CB", "C", "N"]).tolist() == [0, 1, 2, 3, 4, 5]


def test_dictionary_of_a_whole_mapping() -> None:
    mapping = two_kinds()
    back = Mapping.from_dict(json.loads(json.dumps(mapping.to_dict())), mapping.topology)
    assert back.templates == mapping.templates


# --- sentences -------------------------------------------------------------------------------------------


def refuse(match: str, groups: list[BeadGroup], **options: object) -> None:
    with pytest.raises(MappingError, match=match):
        MappingTemplate.from_mass(dipeptide(), groups, **options)


def test_unknown_names_come_all_at_once_with_the_nearest() -> None:
    group = BeadGroup("X", ("CX", ("ACE", "OO"), ("GLY", "CA"), 77), owns=("HB9",))
    with pytest.raises(MappingError) as error:
        MappingTemplate.from_mass(dipeptide(), [group])
    for part in ("CX of bead X is unknown", "ACE:OO", "no residue GLY", "number 78", "HB9", "nearest: HB"):
        assert part in str(error.value)


def test_sentences_for_what_does_not_fit() -> None:
    one = BeadGroup("X", (0,))
    refuse("stands for ACE1:C, ALA2:C", [BeadGroup("X", ("C",))])
    refuse("20 atoms have no owner", [BeadGroup("X", (0, 1))])
    refuse("bead Y has no atoms", [one, BeadGroup("Y", ())], unlisted="nearest")
    refuse("names H1 twice", [BeadGroup("X", (0, 0))])
    refuse("owned by two beads", [BeadGroup("X", (0,), owns=(2,)), BeadGroup("Y", (1,), owns=(2,))])
    refuse("must lie in 0..1", [BeadGroup("X", (0,), fractions=(-0.5,))])
    twice = [BeadGroup(name, (0,), fractions=(0.7,)) for name in "XY"]
    refuse("add up to more than 1", twice)
    refuse("2 shares or weights", [BeadGroup("X", (0,), fractions=(0.5, 0.5))])
    with pytest.raises(MappingError, match="negative or infinite weight"):
        MappingTemplate.given(chain(2), [BeadGroup("X", (0, 1), weights=(1.0, -1.0))])
    with pytest.raises(MappingError, match="atoms without mass only"):
        MappingTemplate.from_mass(chain(2, np.zeros(2)), [BeadGroup("X", (0, 1))])
    pair = MoleculeTemplate.from_atoms("PAIR", ["A", "B"], elements=["C", "C"])
    with pytest.raises(MappingError, match="no bond leads"):
        MappingTemplate.from_mass(pair, [BeadGroup("X", (0,))], unlisted="nearest")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"owner": [0, 0]}, "owner has shape"),
        ({"owner": [0, 0, -1]}, r"1 atoms have no owner \(A3\)"),
        ({"weights": csr_matrix([[0.5, 0.4, 0.0]])}, "sum to 0.9"),
        ({"weights": csr_matrix([[1.5, -0.5, 0.0]])}, "negative or infinite weights"),
        ({"weights": csr_matrix((1, 3))}, "no atoms with weight"),
        ({"fractions": csr_matrix([[1.5, 0.0, 0.0]])}, "add up to 1.5"),
        ({"bead_bonds": [[0, 3]]}, "bead_bonds points outside"),
        ({"masses": [1.0]}, "masses has shape"),
        ({"residue_index": [0, 0, 5]}, "residue_index points outside"),
    ],
)
def test_a_template_checks_its_parts(change: dict[str, object], match: str) -> None:
    parts = {
        "molecule": "M",
        "atom_names": ("A1", "A2", "A3"),
        "bead_names": ("B",),
        "bead_types": ("B",),
        "weights": csr_matrix([[0.5, 0.5, 0.0]]),
        "owner": [0, 0, 0],
    }
    MappingTemplate(**parts)
    with pytest.raises(MappingError, match=match):
        MappingTemplate(**(parts | change))


def test_mapping_and_topology_must_fit() -> None:
    template = MappingTemplate.from_mass(chain(3), [BeadGroup("A", (0, 1)), BeadGroup("B", (2,))])
    with pytest.raises(MappingError, match="has no mapping"):
        Mapping({"OTHER": template}, Topology(((dipeptide(), 1),)))
    with pytest.raises(MappingError, match="3 atoms against 4"):
        Mapping([template], Topology(((chain(4), 1),)))
    with pytest.raises(MappingError, match="give one for each"):
        Mapping([template, template], Topology(((chain(3), 1),)))
    turned = replace(chain(3), atom_names=("A3", "A2", "A1"))
    with pytest.raises(MappingError, match=r"another order.*atom 1 is A1 in the mapping and A3"):
        Mapping([template], Topology(((turned, 1),)))
    with pytest.raises(MappingError, match="not in the molecule: A1"):
        Mapping([template], Topology(((replace(chain(3), atom_names=("C1", "A2", "A3")), 1),)))
    assert Mapping({"SAME": template}, Topology(((chain(3), 1),))).templates == (template,)


def test_calls_check_their_shapes() -> None:
    mapping = two_kinds()
    with pytest.raises(MappingError, match=r"59 atoms: it needs \(..., 59, 3\)"):
        mapping.beads(np.zeros((58, 3)))
    with pytest.raises(MappingError, match="there are 2 beads; the mapping has 22"):
        mapping.reorder(["A", "B"])
    with pytest.raises(MappingError, match="no beads named AX"):
        mapping.reorder(["AX", "B"] * 11)
    with pytest.raises(MappingError, match="each as often"):
        mapping.reorder(["A", "A"] * 11)


def test_dependent_beads_have_no_force_map() -> None:
    same = [BeadGroup("A", (0, 1)), BeadGroup("B", (0, 1))]
    template = MappingTemplate.from_mass(chain(2), same)
    assert not template.is_consistent
    with pytest.raises(MappingError, match="A, B are not independent"):
        template.force_map()
    with pytest.raises(MappingError, match="has no masses of its own"):
        MappingTemplate("M", ("A",), ("B",), ("B",), csr_matrix([[1.0]]), np.zeros(1)).force_map()
