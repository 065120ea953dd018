"""Snapshots from files: structures and trajectories, whole molecules, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from msb.core.box import bonds_across
from msb.data import sample
from msb.data.snapshots import load_snapshots
from msb.errors import MsbWarning, TrajectoryError
from msb.io.topology_files import read_topology

PDB, XTC = sample("adp_reference.pdb"), sample("adp_reference.xtc")


def test_structures_and_trajectories_go_together() -> None:
    topology = read_topology(PDB)
    one = load_snapshots([PDB], topology, "adp_mapping.yaml")
    assert one.positions.shape == (1, 22, 3)
    assert one.beads.shape == (1, 6, 3)
    many = load_snapshots([PDB, XTC], topology, "adp_mapping.yaml")
    assert np.array_equal(load_snapshots([XTC], topology, "adp_mapping.yaml", PDB).positions, many.positions)
    assert len(many.positions) > 100
    assert set(many.hashes) > {PDB.name, XTC.name}
    assert np.abs(np.asarray(many.mapping.beads(many.positions)) - many.beads).max() < 1e-6
    assert np.array_equal(load_snapshots([PDB], None, "adp_mapping.yaml").positions, one.positions)


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    topology = read_topology(PDB)
    with pytest.raises(TrajectoryError, match="no snapshots"):
        load_snapshots([], topology, "adp_mapping.yaml")
    with pytest.raises(TrajectoryError, match="put the structure"):
        load_snapshots([XTC], topology, "adp_mapping.yaml")
    with pytest.raises(TrajectoryError, match="6 atoms a frame, the topology has 22"):
        load_snapshots([PDB, sample("adp_beads.pdb")], topology, "adp_mapping.yaml")


def test_other_names_are_told(tmp_path: Path) -> None:
    text = PDB.read_text().replace(" HB1 ", " HBX ")
    (tmp_path / "other.pdb").write_text(text)
    with pytest.warns(MsbWarning, match="1 atoms have other names"):
        load_snapshots([tmp_path / "other.pdb"], read_topology(PDB), "adp_mapping.yaml")


def test_molecules_of_a_melt_are_made_whole(msb_data: Path) -> None:
    files = sorted((msb_data / "sps" / "train" / "aa").glob("*.gro"))[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # its posres.itp was never published
        topology = read_topology(msb_data / "sps" / "topol.top")
    found = load_snapshots(files, topology, "polystyrene_mapping.yaml")
    assert found.positions.shape == (2, 5832, 3)
    assert not np.asarray(bonds_across(found.positions, found.boxes, topology)).any()
    bonds = np.linalg.norm(np.diff(found.positions[:, topology.bonds], axis=2), axis=-1)
    assert bonds.max() < 0.17
