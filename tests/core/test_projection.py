"""Atoms put on given beads: exact, minimal, idempotent, with bonds kept, in one batch or many."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules_of_beads import BACKBONE, chain, dipeptide, mappings
from scipy.optimize import minimize

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError

seeds = st.integers(0, 2**32 - 1)


def system(template: MappingTemplate, count: int = 1) -> Mapping:
    return Mapping([template], Topology(((chain(template.n_atoms, template.masses), count),)))


def hydrogens(molecule: MoleculeTemplate) -> np.ndarray:
    bonds = molecule.bonds
    return bonds[np.array(["H" in (molecule.elements[i], molecule.elements[j]) for i, j in bonds])]


def lengths_of(x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[..., pairs[:, 0], :] - x[..., pairs[:, 1], :], axis=-1)


def relaxed_dipeptide(frames: int, seed: int = 0) -> np.ndarray:
    """Random walks along the bonds: every bond 0.1-0.15 nm long, no matter where else atoms are."""
    random, molecule = np.random.default_rng(seed), dipeptide()
    x = np.zeros((frames, molecule.n_atoms, 3))
    for i, j in sorted(molecule.bonds.tolist(), key=lambda pair: pair[1]):
        step = random.normal(size=(frames, 3))
        x[:, j] = x[:, i] + step / np.linalg.norm(step, axis=-1, keepdims=True) * random.uniform(0.1, 0.15)
    return x


# --- beads alone -----------------------------------------------------------------------------------------


@given(mappings(), st.integers(1, 3), seeds)
def test_beads_are_met_and_a_dense_solve_agrees(template: MappingTemplate, count: int, seed: int) -> None:
    random, mapping = np.random.default_rng(seed), system(template, count)
    x, beads = random.normal(size=(2, mapping.n_atoms, 3)), random.normal(size=(2, mapping.n_beads, 3))
    result = mapping.project(x, beads)
    np.testing.assert_allclose(mapping.beads(result.positions), beads, atol=1e-9)
    np.testing.assert_allclose(
        mapping.project(result.positions, beads).positions, result.positions, atol=1e-9
    )
    weights, n, m = template.weights.toarray(), template.n_atoms, template.n_beads
    matrix = np.block([[np.diag(template.masses), weights.T], [weights, np.zeros((m, m))]])
    for copy in range(count):
        atoms, own = x[0, copy * n : copy * n + n], beads[0, copy * m : copy * m + m]
        right = np.concatenate([template.masses[:, None] * atoms, own])
        expected = np.linalg.solve(matrix, right)[:n]
        np.testing.assert_allclose(result.positions[0, copy * n : copy * n + n], expected, atol=1e-7)


@given(mappings(), seeds)
def test_displacement_is_reported(template: MappingTemplate, seed: int) -> None:
    random, mapping = np.random.default_rng(seed), system(template)
    x, beads = random.normal(size=(3, mapping.n_atoms, 3)), random.normal(size=(3, mapping.n_beads, 3))
    result = mapping.project(x, beads)
    moved = np.linalg.norm(result.positions - x, axis=-1)
    np.testing.assert_allclose(result.displacement, np.sqrt((moved**2).mean(-1)), atol=1e-12)
    np.testing.assert_allclose(result.displacement_max, moved.max(-1), atol=1e-12)
    assert result.converged.all()


@given(mappings(shared=False), seeds)
def test_a_bead_by_mass_moves_as_one(template: MappingTemplate, seed: int) -> None:
    if template.weighting != "mass":
        return
    random, mapping = np.random.default_rng(seed), system(template)
    x = random.normal(size=(mapping.n_atoms, 3))
    shift = random.normal(size=(mapping.n_beads, 3))
    moved = mapping.project(x, mapping.beads(x) + shift).positions - x
    for bead in range(template.n_beads):
        np.testing.assert_allclose(moved[template.weights[bead].indices] - shift[bead], 0, atol=1e-9)
    weightless = np.setdiff1d(np.arange(template.n_atoms), template.weights.indices)
    assert (moved[weightless] == 0).all()


# --- with bonds ------------------------------------------------------------------------------------------


def tree_of_bonds(template: MappingTemplate, random: np.random.Generator) -> np.ndarray:
    """Some bonds of the chain, those between two atoms that are beads by themselves left out."""
    single = {int(row.indices[0]) for row in template.weights if row.nnz == 1}
    pairs = [(i, i + 1) for i in range(template.n_atoms - 1) if random.random() < 0.6]
    return np.array([p for p in pairs if not set(p) <= single], dtype=int).reshape(-1, 2)


@st.composite
def constrained(draw: st.DrawFn) -> tuple[MappingTemplate, np.ndarray, np.ndarray, np.ndarray]:
    """A mapping, bonds whose equations leave room, a molecule that meets them, and one nearby."""
    template = draw(mappings())
    random = np.random.default_rng(draw(seeds))
    pairs = tree_of_bonds(template, random)
    while 3 * template.n_beads + len(pairs) > 3 * template.n_atoms - 2:
        pairs = pairs[1:]
        if not len(pairs):
            break
    steps = random.normal(size=(template.n_atoms, 3))
    steps *= 0.15 / np.linalg.norm(steps, axis=1, keepdims=True)
    good = np.cumsum(steps, axis=0)
    near = good + random.normal(size=good.shape) * draw(st.sampled_from([1e-4, 1e-3, 5e-3]))
    return template, pairs, good, near


def stationary(template: MappingTemplate, pairs: np.ndarray, x: np.ndarray, start: np.ndarray) -> float:
    """How much of M (x - start) the gradients of the equations cannot make up, relative to all of it."""
    n = template.n_atoms
    rows = [np.kron(row.toarray(), unit).ravel() for row in template.weights for unit in np.eye(3)[:, None]]
    rows = [
        np.einsum("a,i->ai", row.toarray()[0], unit).ravel() for row in template.weights for unit in np.eye(3)
    ]
    for i, j in pairs:
        row = np.zeros((n, 3))
        row[i], row[j] = x[i] - x[j], x[j] - x[i]
        rows.append(row.ravel())
    force = (template.masses[:, None] * (x - start)).ravel()
    gradients = np.array(rows).T
    return float(np.linalg.norm(force - gradients @ np.linalg.lstsq(gradients, force, rcond=1e-9)[0]))


@given(constrained())
def test_beads_and_bonds_together(case: tuple[MappingTemplate, np.ndarray, np.ndarray, np.ndarray]) -> None:
    template, pairs, good, near = case
    mapping = system(template)
    constraints = (pairs, lengths_of(good, pairs))
    beads = mapping.beads(good)
    result = mapping.project(near, beads, constraints)
    np.testing.assert_allclose(mapping.beads(result.positions), beads, atol=1e-9)
    if not result.converged:  # a nearly taut piece can be out of reach; the beads are met all the same
        return
    np.testing.assert_allclose(lengths_of(result.positions, pairs), constraints[1], atol=1e-7)
    again = mapping.project(result.positions, beads, constraints)
    assert (again.positions == result.positions).all()
    assert stationary(template, pairs, result.positions, near) < 1e-5 * template.masses.max()


def test_hardly_any_of_them_fails() -> None:
    failures = []

    @settings(max_examples=150, database=None)
    @given(constrained())
    def count(case: tuple[MappingTemplate, np.ndarray, np.ndarray, np.ndarray]) -> None:
        template, pairs, good, near = case
        mapping = system(template)
        done = mapping.project(near, mapping.beads(good), (pairs, lengths_of(good, pairs))).converged
        failures.append(not done)

    count()
    assert np.mean(failures) < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_a_general_optimiser_finds_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    molecule = chain(6, random.uniform(1, 16, size=6))
    template = MappingTemplate.from_mass(molecule, [BeadGroup("A", (0, 1, 2)), BeadGroup("B", (2, 3, 4, 5))])
    mapping = Mapping([template], Topology(((molecule, 1),)))
    good = np.cumsum(random.normal(size=(6, 3)) * 0.08, axis=0)
    start, pairs = good + random.normal(size=good.shape) * 0.01, np.array([[0, 1], [1, 2], [3, 4]])
    beads, lengths = mapping.beads(good), lengths_of(good, pairs)
    result = mapping.project(start, beads, (pairs, lengths)).positions
    weights, masses = template.weights.toarray(), template.masses[:, None]

    def off(flat: np.ndarray) -> np.ndarray:
        x = flat.reshape(6, 3)
        return 10 * np.concatenate([(weights @ x - beads).ravel(), lengths_of(x, pairs) - lengths])

    found = minimize(
        lambda flat: 1e3 * (masses * (flat.reshape(6, 3) - start) ** 2).sum(),
        good.ravel(),
        constraints={"type": "eq", "fun": off},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(result, found.x.reshape(6, 3), atol=2e-5)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 3e-3, 0.03, 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_atom_beads_hold_their_atoms(noise: float, dtype: type) -> None:
    """Alanine dipeptide: six atoms are beads, twelve bonds to hydrogen keep their lengths."""
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 1),)))
    good, pairs = relaxed_dipeptide(16), hydrogens(molecule)
    assert len(pairs) == 12
    beads, lengths = mapping.beads(good).astype(dtype), lengths_of(good[0], pairs)
    start = (good + noise * np.random.default_rng(5).normal(size=good.shape)).astype(dtype)
    result = mapping.project(start, beads, (pairs, lengths))
    assert result.positions.dtype == dtype
    assert result.converged.all()
    assert (mapping.beads(result.positions) == beads).all()
    assert np.abs(lengths_of(result.positions, pairs) - lengths).max() < (
        1e-7 if dtype is np.float64 else 6e-7
    )
    assert (mapping.project(result.positions, beads, (pairs, lengths)).positions == result.positions).all()
    if noise == 0 and dtype is np.float64:
        assert (result.positions == start).all()


def test_batches_copies_and_single_frames_agree() -> None:
    molecule = dipeptide()
    template = MappingTemplate.from_atoms(molecule, BACKBONE)
    alone, three = (Mapping([template], Topology(((molecule, k),))) for k in (1, 3))
    good, pairs = relaxed_dipeptide(12), hydrogens(molecule)
    lengths = lengths_of(good[0], pairs)
    start = good + 0.01 * np.random.default_rng(2).normal(size=good.shape)
    beads = alone.beads(good)
    all_at_once = alone.project(start, beads, (pairs, lengths)).positions
    for f in (0, 7):
        np.testing.assert_allclose(
            alone.project(start[f], beads[f], (pairs, lengths)).positions, all_at_once[f], rtol=0, atol=1e-9
        )
    many = (np.concatenate([pairs + 22 * k for k in range(3)]), np.tile(lengths, 3))
    copies = three.project(start.reshape(2, 2, 66, 3), beads.reshape(2, 2, 18, 3), many)
    np.testing.assert_allclose(copies.positions.reshape(12, 22, 3), all_at_once, atol=1e-9)
    assert copies.displacement.shape == (2, 2)
    shuffled = np.random.default_rng(0).permutation(len(many[0]))
    turned = (many[0][shuffled][:, ::-1], many[1][shuffled])
    other = three.project(start.reshape(4, 66, 3), beads.reshape(4, 18, 3), turned)
    np.testing.assert_allclose(other.positions.reshape(12, 22, 3), all_at_once, atol=1e-9)


def test_copies_may_have_constraints_of_their_own() -> None:
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 3),)))
    good = relaxed_dipeptide(3).reshape(66, 3)
    pairs = np.array([[8, 9], [22 + 8, 22 + 9], [22 + 6, 22 + 7]])
    lengths = np.array([0.11, 0.12, 0.10])
    result = mapping.project(good, mapping.beads(good), (pairs, lengths)).positions
    np.testing.assert_allclose(lengths_of(result, pairs), lengths, atol=1e-9)
    moved = np.flatnonzero(np.abs(result - good).max(-1) > 1e-9)
    assert set(moved) <= {9, 31, 29}


def test_rows_are_solved_in_portions_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 1),)))
    good, pairs = relaxed_dipeptide(20), hydrogens(molecule)
    start = good + 0.01 * np.random.default_rng(2).normal(size=good.shape)
    arguments = (start, mapping.beads(good), (pairs, lengths_of(good[0], pairs)))
    whole = mapping.project(*arguments).positions
    monkeypatch.setattr("msb.core.projection._MEMORY", 1)
    np.testing.assert_allclose(mapping.project(*arguments).positions, whole, atol=1e-9)


@pytest.mark.parametrize("long", [600, 0])
def test_repeated_and_redundant_constraints_do_no_harm(monkeypatch: pytest.MonkeyPatch, long: int) -> None:
    """A rigid tetrahedron given by all six edges, twice, and its bead at the centre of mass."""
    monkeypatch.setattr("msb.core.projection._LONG", long)
    molecule = chain(4, np.array([1.0, 2.0, 3.0, 4.0]))
    template = MappingTemplate.from_mass(molecule, [BeadGroup("A", (0, 1, 2, 3))])
    mapping = Mapping([template], Topology(((molecule, 1),)))
    good = np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.12, 0], [0, 0, 0.14]])
    edges = np.array([[i, j] for i in range(4) for j in range(i)])
    pairs = np.concatenate([edges, edges[:, ::-1]])
    start = good + 0.01 * np.random.default_rng(1).normal(size=good.shape)
    result = mapping.project(start, mapping.beads(good), (pairs, lengths_of(good, pairs)))
    assert result.converged
    np.testing.assert_allclose(lengths_of(result.positions, pairs), lengths_of(good, pairs), atol=1e-7)


def test_coincident_atoms_are_pulled_apart() -> None:
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 1),)))
    pairs = hydrogens(molecule)
    x = np.zeros((22, 3))
    result = mapping.project(x, mapping.beads(x), (pairs, np.full(12, 0.1)))
    assert np.isfinite(result.positions).all()
    assert result.converged
    np.testing.assert_allclose(lengths_of(result.positions, pairs), 0.1, atol=1e-7)


@pytest.mark.parametrize("long", [600, 0])
def test_what_cannot_be_met_is_reported_and_the_beads_are_met_all_the_same(
    monkeypatch: pytest.MonkeyPatch, long: int
) -> None:
    monkeypatch.setattr("msb.core.projection._LONG", long)
    molecule = chain(3)
    groups = [BeadGroup("A", (0,)), BeadGroup("B", (2,), owns=(1,))]
    mapping = Mapping([MappingTemplate.from_mass(molecule, groups)], Topology(((molecule, 1),)))
    x = np.array([[[0.0, 0, 0], [0.05, 0.01, 0], [0.1, 0, 0]]] * 2)
    beads = np.array([[[0.0, 0, 0], [0.1, 0, 0]], [[0.0, 0, 0], [1.0, 0, 0]]])  # the second is out of reach
    result = mapping.project(x, beads, ([[0, 1], [1, 2]], [0.1, 0.1]))
    assert result.converged.tolist() == [True, False]
    assert np.isfinite(result.positions).all()
    assert (mapping.beads(result.positions) == beads).all()


# --- tensors ---------------------------------------------------------------------------------------------


def test_gradients_are_those_of_the_solution() -> None:
    random = np.random.default_rng(4)
    molecule = chain(7, random.uniform(1, 16, size=7))
    groups = [BeadGroup("A", (0,)), BeadGroup("B", (1, 2, 3)), BeadGroup("C", (3, 4, 5), owns=(6,))]
    template = MappingTemplate.from_mass(molecule, groups)
    mapping = Mapping([template], Topology(((molecule, 1),)))
    good = np.cumsum(random.normal(size=(2, 7, 3)) * 0.1, axis=1)
    pairs = np.array([[0, 1], [2, 3], [4, 5], [5, 6]])
    constraints = (pairs, lengths_of(good[0], pairs))
    x = torch.as_tensor(good + 0.01 * random.normal(size=good.shape)).requires_grad_()
    beads = torch.as_tensor(mapping.beads(good)).requires_grad_()

    def positions(x: torch.Tensor, beads: torch.Tensor) -> torch.Tensor:
        return mapping.project(x, beads, constraints, tolerance=1e-11).positions

    assert torch.autograd.gradcheck(positions, (x, beads), eps=1e-6, atol=1e-5)
    assert torch.autograd.gradcheck(lambda x, b: mapping.project(x, b).positions, (x, beads))


def test_tensors_and_arrays_agree() -> None:
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 1),)))
    good, pairs = relaxed_dipeptide(4), hydrogens(molecule)
    constraints = (pairs, lengths_of(good[0], pairs))
    x = (good + 0.003 * np.random.default_rng(2).normal(size=good.shape)).astype(np.float32)
    beads = mapping.beads(good).astype(np.float32)
    arrays = mapping.project(x, beads, constraints)
    tensors = mapping.project(torch.as_tensor(x), torch.as_tensor(beads), constraints)
    assert isinstance(arrays.displacement, np.ndarray)
    assert isinstance(tensors.displacement, torch.Tensor)
    assert (tensors.positions.numpy() == arrays.positions).all()


# --- sentences -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraints", "match"),
    [
        (([[0, 1]], [0.1, 0.2]), "1 constrained bonds need as many lengths"),
        (([[0, 0]], [0.1]), "must join two atoms"),
        (([[0, 1]], [0.0]), "constrained bond 1 .atoms 1 and 2 of 6, 0 nm"),
        (([[0, 6]], [0.1]), "must join two atoms of the system"),
        (([[2, 3]], [0.1]), "between atoms 3 and 4 joins two molecules"),
    ],
)
def test_constraints_that_make_no_sense(constraints: object, match: str) -> None:
    molecule = chain(3)
    mapping = Mapping([MappingTemplate.from_atoms(molecule, [1])], Topology(((molecule, 2),)))
    with pytest.raises(MappingError, match=match):
        mapping.project(np.zeros((6, 3)), np.zeros((2, 3)), constraints)


def test_shapes_and_masses_are_checked() -> None:
    molecule = chain(3, np.array([1.0, 0.0, 1.0]))
    mapping = Mapping([MappingTemplate.from_atoms(molecule, [0])], Topology(((molecule, 1),)))
    with pytest.raises(MappingError, match="1 beads: it needs"):
        mapping.project(np.zeros((3, 3)), np.zeros((2, 3)))
    with pytest.raises(MappingError, match=r"atoms of \(2,\) frames cannot go with beads of \(1,\)"):
        mapping.project(np.zeros((2, 3, 3)), np.zeros((1, 1, 3)))
    with pytest.raises(MappingError, match="A2 have constrained bonds but no mass"):
        mapping.project(np.zeros((3, 3)), np.zeros((1, 3)), ([[0, 1]], [0.1]))
    same = MappingTemplate.from_mass(chain(2), [BeadGroup("A", (0, 1)), BeadGroup("B", (0, 1))])
    with pytest.raises(MappingError, match="not independent"):
        Mapping([same], Topology(((chain(2), 1),))).project(np.zeros((2, 3)), np.zeros((2, 3)))


def test_no_frame_knows_of_another() -> None:
    """A frame far from the origin, where float32 is coarse, leaves the others as they are alone."""
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 1),)))
    good, pairs = relaxed_dipeptide(2), hydrogens(molecule)
    start = (good + 1e-6 * np.random.default_rng(0).normal(size=good.shape)).astype(np.float32)
    start[1] += 50
    beads, constraints = mapping.beads(start), (pairs, lengths_of(good[0], pairs))
    both = mapping.project(start, beads, constraints).positions
    assert (both[0] == mapping.project(start[0], beads[0], constraints).positions).all()
