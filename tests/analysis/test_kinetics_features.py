"""Features of trajectories: the same numbers from MDAnalysis, mdtraj and msb, mdtraj's own torsions."""

from __future__ import annotations

import shutil
from pathlib import Path

import MDAnalysis
import mdtraj
import numpy as np
import pytest

from msb.analysis.kinetics import BackboneTorsions, CaDistances, backbone_quads, featurise
from msb.data.samples import sample
from msb.errors import ConfigError, TopologyError, TrajectoryError
from msb.io.trajectory import open_trajectory

FILES = [str(sample("adp_reference.pdb")), str(sample("adp_reference.xtc"))]


@pytest.fixture(scope="module")
def peptide() -> mdtraj.Trajectory:
    return mdtraj.load(FILES[1], top=FILES[0])[:300]


def test_torsions_are_mdtrajs(peptide: mdtraj.Trajectory) -> None:
    theirs = np.concatenate([mdtraj.compute_phi(peptide)[1], mdtraj.compute_psi(peptide)[1]], axis=1)
    ours = BackboneTorsions("angles")(peptide)
    np.testing.assert_allclose(np.cos(ours - theirs), 1.0, atol=1e-6)


def test_every_kind_of_trajectory_gives_the_same(peptide: mdtraj.Trajectory, tmp_path: Path) -> None:
    # copies: MDAnalysis writes offsets beside the file
    universe = MDAnalysis.Universe(
        *(shutil.copy(file, tmp_path) for file in FILES)
    )  # it writes offsets there
    found = [featurise(source, "phi-psi") for source in (peptide, open_trajectory(*FILES), universe)]
    assert found[0].names == ("cos phi ALA 2", "cos psi ALA 2", "sin phi ALA 2", "sin psi ALA 2")
    assert all(item.names == found[0].names for item in found)
    for item in found[1:]:
        np.testing.assert_allclose(item.runs[0][:300], found[0].runs[0], atol=1e-4)


def test_a_chain_ends_where_its_letter_changes() -> None:
    names, resnames = ["N", "CA", "C"] * 4, ["GLY"] * 4
    universe = MDAnalysis.Universe.empty(
        12, 4, 2, atom_resindex=np.repeat(range(4), 3), residue_segindex=[0, 0, 1, 1], trajectory=True
    )
    universe.add_TopologyAttr("name", names)
    universe.add_TopologyAttr("resname", resnames)
    universe.add_TopologyAttr("resid", [1, 2, 3, 4])
    universe.add_TopologyAttr("segid", ["A", "B"])
    quads, labels = backbone_quads(universe)
    assert labels == ("phi GLY 2", "phi GLY 4", "psi GLY 1", "psi GLY 3")
    assert quads.tolist() == [[2, 3, 4, 5], [8, 9, 10, 11], [0, 1, 2, 3], [6, 7, 8, 9]]
    pairs, labels = CaDistances(2).pairs(universe)
    assert pairs.tolist() == [[1, 7], [1, 10], [4, 10]]
    assert labels == ("CA 1-3", "CA 1-4", "CA 2-4")
    universe.atoms.positions = np.arange(36.0).reshape(12, 3)
    expected = 0.1 * np.sqrt(3) * 9 * np.array([2, 3, 2])
    np.testing.assert_allclose(featurise(universe, CaDistances(2)).runs[0][0], expected, rtol=1e-6)


def test_any_function_and_several_trajectories(peptide: mdtraj.Trajectory) -> None:
    found = featurise([peptide, peptide[:50]], lambda t: mdtraj.compute_rg(t))
    assert [run.shape for run in found.runs] == [(300, 1), (50, 1)]
    assert found.names == ("feature 0",)
    assert found.joined.shape == (350, 1)


def test_sentences(peptide: mdtraj.Trajectory) -> None:
    with pytest.raises(ConfigError, match="a Trajectory needs a feature function"):
        featurise(peptide)
    with pytest.raises(TopologyError, match="at least two atoms named CA, there are 1"):
        featurise(peptide, "ca-distances")
    with pytest.raises(TopologyError, match="no backbone torsions"):
        featurise(peptide.atom_slice([0, 1]), "phi-psi")
    with pytest.raises(TrajectoryError, match="no trajectories"):
        featurise([])
    broken = peptide[:20]
    broken.xyz[4, 8] = np.nan
    with pytest.raises(TrajectoryError, match="in 1 frames, the first in frame 4: cos phi ALA 2"):
        featurise(broken, "phi-psi")
