"""Force maps: exact small cases, the constraint they must meet, less noise and the same mean."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from msb.assess.force_maps import consistent_map, optimal_map
from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MsbWarning


def system(groups: list[tuple[str, list[int]]], n: int, copies: int = 1) -> Mapping:
    bonds = [(i, i + 1) for i in range(n - 1)]
    names = [f"C{k}" for k in range(n)]
    molecule = MoleculeTemplate.from_atoms("M", names, bonds=bonds, elements=["C"] * n)
    template = MappingTemplate.from_mass(
        molecule, [BeadGroup(name, atoms) for name, atoms in groups], unlisted="nearest"
    )
    return Mapping([template], Topology(((molecule, copies),)))


def dense(mapping: Mapping, forces: np.ndarray, rigid: np.ndarray | None = None, ridge: float = 1e-9):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # few samples make an exact case
        return optimal_map(mapping, forces, rigid, ridge).matrices[0].toarray()


def test_noise_shared_with_an_atom_outside_the_bead_is_taken_off():
    """One bead on atom 0; atom 1 may count as it likes: the best is minus covariance over variance."""
    rng = np.random.default_rng(0)
    forces = rng.normal(size=(400, 2, 3))
    forces[:, 1] = 0.5 * forces[:, 1] - 2.0 * forces[:, 0]
    found = dense(system([("A", [0])], 2), forces)
    expected = -np.sum(forces[:, 0] * forces[:, 1]) / np.sum(forces[:, 1] ** 2)
    np.testing.assert_allclose(found, [[1.0, expected]], rtol=1e-6)


def test_independent_forces_of_unequal_size():
    """A bead of two atoms at equal masses: B is (1 + d, 1 - d) with what makes the noise least."""
    rng = np.random.default_rng(1)
    forces = rng.normal(size=(300, 2, 3)) * np.array([1.0, 3.0])[None, :, None]
    found = dense(system([("A", [0, 1])], 2), forces)
    moment = np.einsum("fad,fbd->ab", forces, forces)
    best = optimize.minimize_scalar(lambda d: np.array([1 + d, 1 - d]) @ moment @ np.array([1 + d, 1 - d]))
    np.testing.assert_allclose(found, [[1 + best.x, 1 - best.x]], rtol=1e-5)


def test_rigid_bonds_count_alike_and_their_forces_cancel():
    rng = np.random.default_rng(2)
    mapping = system([("A", [0, 1, 2]), ("B", [3, 4])], 6)
    forces = rng.normal(size=(200, 6, 3)) * rng.uniform(0.5, 2.0, (6, 1))
    rigid = np.array([[0, 1], [3, 4]])
    found = dense(mapping, forces, rigid)
    np.testing.assert_allclose(found[:, 0], found[:, 1])
    np.testing.assert_allclose(found[:, 3], found[:, 4])
    with pytest.warns(MsbWarning, match="rests on 30 force components"):
        optimal_map(mapping, forces[:10], rigid)
    held = optimal_map(mapping, forces, rigid)
    np.testing.assert_array_equal(held.crossing(rigid), [False, False])
    assert held.crossing(np.array([[2, 3]])).all()
    assert held.released == 0


def test_a_molecule_all_rigid_keeps_a_map():
    """All atoms alike would leave one force for two beads: bonds between beads are released, and cross."""
    rng = np.random.default_rng(3)
    mapping = system([("A", [0, 1]), ("B", [2, 3])], 4)
    rigid = np.array([[0, 1], [1, 2], [2, 3]])
    held = optimal_map(mapping, rng.normal(size=(200, 4, 3)), rigid)
    assert held.released == 1
    np.testing.assert_array_equal(held.crossing(rigid), [False, True, False])
    product = held.matrices[0].toarray() @ mapping.templates[0].weights.T.toarray()
    np.testing.assert_allclose(product, np.eye(2), atol=1e-9)


def test_beads_that_share_atoms_cross_at_their_borders():
    names, third = ["A", "B"], [[0, 1, 2], [2, 3, 4]]
    mapping = system(list(zip(names, third, strict=True)), 5, copies=2)
    pairs = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [5, 6], [4, 5]])
    found = consistent_map(mapping).crossing(pairs)
    np.testing.assert_array_equal(found, [False, True, True, False, False, True])


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(2, 4), st.booleans())
def test_every_map_is_consistent_and_none_has_less_noise(seed, beads, shared):
    rng = np.random.default_rng(seed)
    n = 3 * beads + 1
    groups = [(f"B{k}", list(range(3 * k, 3 * k + (4 if shared else 3)))) for k in range(beads)]
    mapping = system(groups, n, copies=3)
    forces = rng.normal(size=(60, 3 * n, 3)) @ np.diag(rng.uniform(0.5, 2.0, 3))
    weights = mapping.templates[0].weights.toarray()
    plain, best = consistent_map(mapping), optimal_map(mapping, forces)
    for chosen in (plain, best):
        np.testing.assert_allclose(chosen.matrices[0].toarray() @ weights.T, np.eye(beads), atol=1e-9)
    np.testing.assert_allclose(plain(forces), mapping.bead_forces(forces), atol=1e-12)
    assert np.square(best(forces)).sum() <= np.square(plain(forces)).sum() * (1 + 1e-6)


def test_the_mean_force_stays():
    """Harmonic atoms at fixed beads: every map averages to minus the slope of the free energy."""
    rng = np.random.default_rng(4)
    mapping = system([("A", [0, 1]), ("B", [2, 3])], 4)
    weights = mapping.templates[0].weights.toarray()
    stiffness = np.array([[3.0, -1, 0, 0], [-1, 4, -2, 0], [0, -2, 5, -1], [0, 0, -1, 2.0]])
    covariance = np.linalg.inv(stiffness)
    beads = np.array([0.3, -0.2])
    spread = weights @ covariance @ weights.T
    slope = -np.linalg.solve(spread, beads)
    follow = covariance @ weights.T @ np.linalg.inv(spread)
    rest = np.linalg.cholesky(covariance - follow @ spread @ follow.T + 1e-12 * np.eye(4))
    atoms = (follow @ beads)[:, None] + rest @ rng.normal(size=(4, 60_000))
    forces = -(stiffness @ atoms).T.reshape(-1, 3, 4).transpose(0, 2, 1)
    best = optimal_map(mapping, forces)
    plain = consistent_map(mapping)
    for chosen in (plain, best):
        np.testing.assert_allclose(chosen(forces).mean((0, 2)), slope, atol=0.03)
    assert best(forces).var() < plain(forces).var()
