"""Chains are found from bonds, residues, names or distances; what cannot be told is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from msb.core.arrays import FloatArray
from msb.errors import MsbWarning, TopologyError
from msb.io.trajectory import open_trajectory
from msb.morph import chain_topology, find_chains


def melt(lengths: tuple[int, ...], seed: int = 0, *, bond: float = 0.1, edge: float = 3.0) -> FloatArray:
    """Return random walks of steps between 0.9 and 1.1 bonds, wrapped into a cubic box, (N, 3)."""
    rng = np.random.default_rng(seed)
    chains = []
    for length in lengths:
        steps = rng.normal(size=(length, 3))
        steps *= bond * rng.uniform(0.9, 1.1, (length, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
        steps[0] = rng.uniform(0, edge, 3)
        chains.append(np.cumsum(steps, axis=0))
    return np.concatenate(chains) % edge


@given(st.lists(st.integers(8, 40), min_size=2, max_size=12), st.integers(0, 2**20))
def test_gaps_tell_chains_of_any_lengths_apart(lengths: list[int], seed: int) -> None:
    """Wrapped chains of unlike lengths in a sparse box are all found, where no two ends touch."""
    positions = melt(tuple(lengths), seed, edge=20.0)
    ends = np.cumsum(lengths)[:-1]
    jumps = positions[ends] - positions[ends - 1]
    jumps -= 20.0 * np.round(jumps / 20.0)
    assume(np.linalg.norm(jumps, axis=1).min() > 0.2)
    assume(any(length % min(lengths) for length in lengths))  # else several usual ones run together
    found = find_chains(positions, 20.0 * np.eye(3))
    assert found.lengths == tuple(lengths)
    assert "by gaps: consecutive beads are up to" in found.how


def test_chain_ends_that_touch_are_told_by_the_usual_length() -> None:
    """A chain that starts a bond away from where another ends is not one with it."""
    positions = melt((10,) * 12, 3, edge=8.0)
    positions[50:60] += positions[49] + [0.1, 0, 0] - positions[50]
    found = find_chains(positions, 8.0 * np.eye(3))
    assert found.lengths == (10,) * 12
    assert "1 chain ends that touch" in found.how


def test_one_number_a_chain_explains_distances_without_a_gap() -> None:
    """Trimers in a dense box: chain ends come nearer to one another than the longest bonds."""
    positions = melt((3,) * 300, 5, edge=0.8)
    found = find_chains(positions, 0.8 * np.eye(3))
    assert found.lengths == (3,) * 300
    assert "the only number of beads a chain" in found.how


def test_a_single_chain() -> None:
    """No distance stands out: one chain."""
    found = find_chains(melt((50,)), 3.0 * np.eye(3))
    assert found.lengths == (50,)
    assert str(found) == "1 chain of 50 beads"


def test_residues_count_where_distances_agree_with_them() -> None:
    """Residues that are molecules are chains; those that are monomers, or one for all, are not."""
    positions, box = melt((12,) * 6, 1), 3.0 * np.eye(3)
    assert "by the residues" in find_chains(positions, box, resids=np.arange(72) // 12).how
    for resids in (np.arange(72), np.arange(72) // 3, np.zeros(72)):
        found = find_chains(positions, box, resids=resids)
        assert found.lengths == (12,) * 6
        assert "by gaps" in found.how


def test_names_count_where_distances_agree_with_them() -> None:
    """F1 ... F3, F1 ... says where trimers begin, whatever the residues say."""
    names = ["F1", "F2", "F3"] * 40
    found = find_chains(melt((3,) * 40, 2), 3.0 * np.eye(3), names=names, resids=np.zeros(120))
    assert found.lengths == (3,) * 40
    assert "by the names" in found.how


def test_bonds_and_given_counts_come_first() -> None:
    """What is said outright is taken, whatever the distances look like."""
    positions = melt((4, 4, 2), 1)
    bonds = np.array([[0, 1], [2, 1], [2, 3], [4, 5], [5, 6], [6, 7], [8, 9], [9, 8]])
    found = find_chains(positions, None, bonds=bonds, names=["A"] * 10)
    assert found.lengths == (4, 4, 2)
    assert "by the bonds" in found.how
    assert find_chains(positions, 3.0 * np.eye(3), per_chain=2).how == "5 chains of 2 beads, as given"


@pytest.mark.parametrize(
    ("bonds", "words"),
    [
        ([[0, 1], [1, 2], [1, 3]], "bead 2 has 3 bonds: molecules that branch"),
        ([[0, 1], [1, 2], [2, 3], [0, 3]], "the molecule of bead 1 is a ring of 4 beads"),
        ([[0, 2], [1, 3]], "beads 1 and 3 are bonded, but do not follow one another"),
        ([[0, 4]], "outside 0..3"),
    ],
)
def test_molecules_that_are_not_linear_are_refused(bonds: list[list[int]], words: str) -> None:
    """Branched, ring, shuffled: one sentence each."""
    with pytest.raises(TopologyError, match=words):
        find_chains(melt((4,)), None, bonds=np.array(bonds))


def test_ambiguous_chains_are_refused() -> None:
    """A structureless fluid has no chains; the sentence says what to give."""
    positions = np.random.default_rng(0).uniform(0, 3, (101, 3))
    with pytest.raises(TopologyError, match=r"cannot be told.*--per-chain"):
        find_chains(positions, 3.0 * np.eye(3))
    with pytest.raises(TopologyError, match=r"no box"):
        find_chains(melt((20,) * 4, edge=1.0), None)


def test_counts_that_do_not_fit_are_refused() -> None:
    """Not a whole number of chains, or chains with bonds across the box."""
    positions, box = melt((10,) * 6), 3.0 * np.eye(3)
    with pytest.raises(TopologyError, match="60 beads are not a whole number of chains of 7 beads"):
        find_chains(positions, box, per_chain=7)
    with pytest.raises(TopologyError, match="would have bonds of up to"):
        find_chains(positions, box, per_chain=15)
    with pytest.raises(TopologyError, match="without beads"):
        find_chains(np.zeros((0, 3)), box)


@pytest.mark.parametrize(
    ("file", "n_chains", "size"),
    [
        ("kg/kg_kappa1.5_200x200.gro", 200, 200),
        ("fritz/kg/1.gro", 24, 24),
        ("fritz/cg/1.gro", 24, 192),
        ("dodecane/400K_martini_rescaled/1.gro", 875, 3),
        ("dodecane/400K_mapped/30.gro", 875, 3),
    ],
)
@pytest.mark.filterwarnings(f"ignore::{MsbWarning.__module__}.MsbWarning")  # one column too few
def test_published_files(msb_data: Path, file: str, n_chains: int, size: int) -> None:
    """Chains of melts and liquids by residues, and by distances alone."""
    trajectory = open_trajectory(msb_data / file)
    frame = trajectory.read(0, 1)
    assert frame.boxes is not None
    positions, box = frame.positions[0], frame.boxes[0]
    for hints in ({"resids": trajectory.resids}, {"names": trajectory.names}, {}):
        found = find_chains(positions, box, **hints)
        assert found.lengths == (size,) * n_chains, found.how


def test_topology_shares_templates_of_equal_chains() -> None:
    """Equal chains are one template, neighbours one block; names, types and residues are the file's."""
    names = ["E", "M", "E"] * 3 + ["E", "E"]
    topology = chain_topology([3, 3, 3, 2], names, ["C"] * 11, resnames=["DOD"] * 9 + ["DIM"] * 2, mass=56.0)
    assert [(t.name, count) for t, count in topology.molecules] == [("DOD", 3), ("DIM", 1)]
    assert topology.bonds.tolist() == [[0, 1], [1, 2], [3, 4], [4, 5], [6, 7], [7, 8], [9, 10]]
    assert topology.atom_names.tolist() == names
    assert set(topology.elements) == {"C"}
    assert set(topology.masses) == {56.0}


def test_unlike_chains_of_one_residue_name_have_their_own_names() -> None:
    """Analyses tell molecules apart by the names of their templates."""
    topology = chain_topology([3, 2, 3, 4], ["A"] * 12, ["A"] * 12, resnames=["KG"] * 12)
    assert [template.name for template, _ in topology.molecules] == ["KG", "KG.2", "KG", "KG.3"]
    assert set(topology.residue_names) == {"KG"}


def test_topology_refuses_lengths_that_do_not_fit() -> None:
    """Names one a bead; no empty chains."""
    with pytest.raises(TopologyError, match="5 beads in all, but 4 names"):
        chain_topology([3, 2], ["A"] * 4, ["A"] * 5)
    with pytest.raises(TopologyError, match="has no beads"):
        chain_topology([3, 0], ["A"] * 3, ["A"] * 3)
