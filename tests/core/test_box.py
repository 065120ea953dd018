"""Nearest images against brute force and MDAnalysis; wrapping; molecules made whole."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msb.core.box import bonds_across, image_shifts, make_whole, minimum_image, volume, wrap
from msb.core.lattice import reduce_basis
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MsbError, TopologyError

edge = st.floats(0.8, 6.0)
tilt = st.floats(-9.0, 9.0)


@st.composite
def boxes(draw: st.DrawFn) -> np.ndarray:
    """Lower triangular boxes, tilted far beyond what simulation programs allow."""
    box = np.diag([draw(edge) for _ in range(3)])
    box[1, 0], box[2, 0], box[2, 1] = draw(tilt), draw(tilt), draw(tilt)
    return box


points = arrays(np.float64, (5, 3), elements=st.floats(-30.0, 30.0, width=32))


def shortest_by_enumeration(vector: np.ndarray, box: np.ndarray) -> float:
    """Try every image that can be as short as one that is easily found; the box is lower triangular."""
    one = vector.copy()
    for row in (2, 1, 0):
        one -= round(one[row] / box[row, row]) * box[row]
    best = np.linalg.norm(one)

    def steps(value: float, edge: float) -> range:
        return range(math.ceil((value - best) / edge), math.floor((value + best) / edge) + 1)

    for k in steps(vector[2], box[2, 2]):
        layer = vector - k * box[2]
        for j in steps(layer[1], box[1, 1]):
            line = layer - j * box[1]
            best = min(best, np.linalg.norm(line - round(line[0] / box[0, 0]) * box[0]))
    return best


@given(points, boxes())
def test_minimum_image_is_the_shortest(vectors: np.ndarray, box: np.ndarray) -> None:
    found = minimum_image(vectors, box)
    shortest = [shortest_by_enumeration(vector, box) for vector in vectors]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), shortest, atol=1e-9)
    shifts = image_shifts(vectors, box)
    np.testing.assert_array_equal(shifts, np.rint(shifts))
    np.testing.assert_allclose(vectors - shifts @ box, found, atol=1e-9)


@given(points, boxes())
def test_torch_and_numpy_agree(vectors: np.ndarray, box: np.ndarray) -> None:
    lengths = minimum_image(torch.from_numpy(vectors), torch.from_numpy(box)).norm(dim=1)
    np.testing.assert_allclose(
        lengths.numpy(), np.linalg.norm(minimum_image(vectors, box), axis=1), atol=1e-9
    )


@given(boxes())
def test_reduced_basis_spans_the_same_lattice_with_shortest_vectors(box: np.ndarray) -> None:
    basis = reduce_basis(box[None])[0]
    assert abs(round(np.linalg.det(basis))) == 1
    a, b, c = basis @ box
    for one, other in ((a, b), (a, c), (b, c)):
        assert abs(one @ other) <= 0.5 * min(one @ one, other @ other) * (1 + 1e-6)
    for i, j in product((-1, 1), repeat=2):
        assert np.linalg.norm(a + i * b + j * c) >= np.linalg.norm([a, b, c], axis=1).max() * (1 - 1e-6)


@given(st.integers(0, 2**32 - 1))
def test_minimum_image_agrees_with_mdanalysis(seed: int) -> None:
    from MDAnalysis.lib.distances import minimize_vectors
    from MDAnalysis.lib.mdamath import triclinic_vectors

    rng = np.random.default_rng(seed)
    strong = seed % 2  # where it may miss the nearest image by its own account
    angles = rng.uniform(65, 110, 3) if strong else rng.uniform(80, 100, 3)
    dimensions = np.array([*rng.uniform(4, 6, 3), *angles], dtype=np.float32)
    box = np.asarray(triclinic_vectors(dimensions), dtype=np.float64)
    vectors = rng.normal(scale=8, size=(40, 3)).astype(np.float32)
    theirs = np.linalg.norm(minimize_vectors(vectors, dimensions), axis=1)
    ours = np.linalg.norm(minimum_image(vectors, box), axis=1)
    assert (ours <= theirs + 1e-4).all()
    if not strong:
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_one_box_a_frame_and_any_number_of_axes() -> None:
    rng = np.random.default_rng(3)
    cells = np.array([np.diag([2.0, 3, 4]), [[3, 0, 0], [2, 2, 0], [1, -1, 4]], np.zeros((3, 3))])
    vectors = rng.normal(scale=6, size=(3, 5, 7, 3))
    together = minimum_image(vectors, cells)
    for frame in range(2):
        np.testing.assert_allclose(together[frame], minimum_image(vectors[frame], cells[frame]), atol=1e-12)
    np.testing.assert_array_equal(together[2], vectors[2])  # no box, no images
    each = minimum_image(vectors[:, 0, 0], cells)
    np.testing.assert_allclose(each, together[:, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(minimum_image(vectors, None), vectors)


def test_minimum_image_is_differentiable() -> None:
    box = torch.tensor([[3.0, 0, 0], [1.4, 2, 0], [0.3, -0.9, 4]], dtype=torch.float64, requires_grad=True)
    vectors = (4 * torch.randn(6, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(minimum_image, (vectors, box))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (np.ones((3, 3)), "no volume"),
        (np.diag([1.0, 2.0, 0.0]), "no volume"),
        (np.full((3, 3), np.nan), "not finite"),
        (np.eye(2), "are needed"),
        (np.ones((2, 2, 3, 3)), "more frames"),
    ],
)
def test_bad_boxes_get_a_sentence(box: np.ndarray, message: str) -> None:
    with pytest.raises(MsbError, match=message):
        minimum_image(np.zeros((4, 3)), box)


@given(points, boxes())
def test_wrap_puts_fractions_between_zero_and_one(positions: np.ndarray, box: np.ndarray) -> None:
    wrapped = wrap(positions, box)
    fractions = wrapped @ np.linalg.inv(box)
    assert (fractions > -1e-9).all()
    assert (fractions < 1 + 1e-9).all()
    moved = (wrapped - positions) @ np.linalg.inv(box)
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-6)


def test_wrap_never_leaves_an_atom_on_the_far_side() -> None:
    box = np.diag([3.0, 3.0, 3.0]).astype(np.float32)
    assert (wrap(np.full((1, 3), -1e-9, dtype=np.float32), box) < 3.0).all()


@pytest.fixture(scope="module")
def mixture() -> Topology:
    """Branched molecules with a ring, ions, and a water with a virtual site."""
    ring = MoleculeTemplate.from_atoms(
        "ring",
        ["C1", "C2", "C3", "C4", "F1", "F2"],
        bonds=[(0, 1), (1, 2), (2, 3), (3, 0), (2, 4), (4, 5)],
    )
    ion = MoleculeTemplate.from_atoms("ion", ["NA"])
    water = MoleculeTemplate.from_atoms("water", ["OW", "HW1", "HW2", "MW"], bonds=[(0, 1), (0, 2)])
    return Topology(((ring, 4), (ion, 3), (water, 5)))


def whole_molecules(topology: Topology, rng: np.random.Generator, frames: int) -> np.ndarray:
    """Random walks along the bonds, steps of 0.1 nm."""
    positions = np.zeros((frames, topology.n_atoms, 3))
    for template, first, count in topology.blocks():
        parent = template.spanning_tree.parent
        for copy in range(count):
            base = first + copy * template.n_atoms
            for atom in range(template.n_atoms):
                step = rng.normal(size=(frames, 3))
                step *= 0.1 / np.linalg.norm(step, axis=-1, keepdims=True)
                start = (
                    rng.uniform(-3, 3, (frames, 3))
                    if parent[atom] == atom
                    else positions[:, base + parent[atom]]
                )
                positions[:, base + atom] = start + step
    return positions


@given(st.integers(0, 2**32 - 1), boxes())
def test_make_whole_undoes_any_cutting(mixture: Topology, seed: int, box: np.ndarray) -> None:
    """Moving atoms by any box vectors and making whole gives the molecules back, up to one vector each."""
    rng = np.random.default_rng(seed)
    original = whole_molecules(mixture, rng, 2)
    cut = original + rng.integers(-2, 3, original.shape) @ box
    whole = make_whole(cut, box, mixture)
    firsts = mixture.expand(lambda template: np.array([[0]])).ravel()
    np.testing.assert_array_equal(whole[:, firsts], cut[:, firsts])
    moved = whole - original
    np.testing.assert_allclose(moved, moved[:, firsts[mixture.molecule_index]], atol=1e-7)
    assert (bonds_across(whole, box, mixture) == 0).all()
    tensors = make_whole(torch.from_numpy(cut), torch.from_numpy(box), mixture)
    np.testing.assert_allclose(tensors.numpy(), whole, atol=1e-9)


def test_make_whole_leaves_whole_molecules_alone(mixture: Topology) -> None:
    box = np.array([[2.0, 0, 0], [0.9, 2, 0], [-0.9, 0.7, 2]])
    original = whole_molecules(mixture, np.random.default_rng(0), 3).astype(np.float32)
    np.testing.assert_array_equal(make_whole(original, box, mixture), original)
    np.testing.assert_array_equal(make_whole(original, None, mixture), original)
    assert make_whole(original, box, mixture).dtype == np.float32


def test_a_molecule_bonded_to_its_own_image_stays_counted() -> None:
    """A ring of four atoms around the box cannot be whole; one bond is left across."""
    chain = MoleculeTemplate.from_atoms("loop", ["C"] * 4, bonds=[(0, 1), (1, 2), (2, 3), (3, 0)])
    positions = np.array([[0.1, 0, 0], [0.35, 0, 0], [0.6, 0, 0], [0.85, 0, 0]])
    topology, box = Topology.from_template(chain), np.diag([1.0, 5.0, 5.0])
    assert bonds_across(positions, box, topology) == 1
    assert bonds_across(make_whole(positions, box, topology), box, topology) == 1
    assert bonds_across(positions, None, topology) == 0


def test_wrap_keeps_molecules_whole(mixture: Topology) -> None:
    box = np.array([[2.0, 0, 0], [0.9, 2, 0], [-0.9, 0.7, 2]])
    original = whole_molecules(mixture, np.random.default_rng(1), 2)
    wrapped = wrap(original, box, mixture)
    assert (bonds_across(wrapped, box, mixture) == 0).all()
    for _, block in mixture.split(wrapped):
        fractions = block.mean(axis=-2) @ np.linalg.inv(box)
        assert (fractions >= -1e-9).all()
        assert (fractions < 1 + 1e-9).all()


def test_wrong_number_of_atoms_gets_a_sentence(mixture: Topology) -> None:
    with pytest.raises(TopologyError, match="do not fit"):
        make_whole(np.zeros((5, 3)), np.eye(3), mixture)


@given(boxes())
def test_volume(box: np.ndarray) -> None:
    assert volume(box) == pytest.approx(box.diagonal().prod())
    assert float(volume(torch.from_numpy(box))) == pytest.approx(box.diagonal().prod())


def test_polystyrene_is_made_whole(msb_data) -> None:
    """Our unwrapping against MDAnalysis' own, on a melt cut by a strongly tilted box."""
    import MDAnalysis

    universe = MDAnalysis.Universe(
        msb_data / "sps/aa.gro", msb_data / "sps/t568/aa.xtc", to_guess=("types", "masses")
    )
    topology = Topology.from_universe(universe)
    universe.add_TopologyAttr("bonds", [tuple(pair) for pair in topology.bonds.tolist()])
    positions = np.stack([frame.positions / 10 for frame in universe.trajectory[:4]])
    cells = np.stack([frame.triclinic_dimensions / 10 for frame in universe.trajectory[:4]])
    crossing = bonds_across(positions, cells, topology)
    assert (crossing > 250).all()
    whole = make_whole(positions, cells, topology)
    assert (bonds_across(whole, cells, topology) == 0).all()
    i, j = topology.bonds.T
    assert np.linalg.norm(whole[:, i] - whole[:, j], axis=-1).max() < 0.2
    universe.trajectory[2]
    theirs = universe.atoms.unwrap(compound="fragments", reference=None, inplace=False) / 10
    first = topology.offsets[0] + 162 * topology.molecule_index
    np.testing.assert_allclose(whole[2] - whole[2][first], theirs - theirs[first], atol=2e-4)
