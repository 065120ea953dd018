"""What every temporal model promises: exact beads, the same noise whatever the batch, nothing silent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backmapper_contract import BackmapperContract
from msb.backmapper import load_model
from msb.errors import BundleError, ConfigError, TrajectoryError


class TestContract(BackmapperContract):
    """Both networks keep what every method promises."""


def test_it_knows_its_lag_and_its_seed(model, paired):
    assert model.lag == 1.0
    beads = paired.beads[1800:1810]
    assert not np.array_equal(model.backmap(beads, seed=5), model.backmap(beads, seed=6))


def test_beads_that_are_atoms_need_no_projection(flow_model, voxel_model):
    assert flow_model.metrics["select_projection_nm"] < 1e-5
    assert voxel_model.metrics["select_projection_nm"] > 0


def test_rigid_bonds_keep_their_length(model, paired):
    atoms = model.backmap(paired.beads[1800:1820], seed=3)
    pairs, lengths = model.rigid
    assert len(pairs) == 12  # the hydrogens of alanine dipeptide
    found = np.linalg.norm(atoms[:, pairs[:, 0]] - atoms[:, pairs[:, 1]], axis=-1)
    assert np.abs(found - lengths).max() < 2e-5


def test_a_bundle_with_other_weights_is_refused(flow_model, tmp_path):
    flow_model.network.settings, kept = flow_model.network.settings, flow_model.config
    flow_model.config = kept.model_copy(update={"network": kept.network.model_copy(update={"width": 16})})
    flow_model.save(tmp_path / "bundle")
    flow_model.config = kept
    with pytest.raises(BundleError, match="do not fit"):
        load_model(tmp_path / "bundle")


def test_part_of_a_molecule_is_refused(model, paired):
    with pytest.raises(TrajectoryError, match="whole"):
        model.backmap(paired.beads[:3], only=np.ones(22, dtype=bool))


def test_the_first_frame_starts_from_the_nearest_in_the_library(flow_model, paired):
    beads = torch.from_numpy(paired.mapping.beads(flow_model.library.numpy()))[7:8]
    start = flow_model._start(beads, None)
    assert torch.allclose(start[0], flow_model.library[7], atol=1e-4)


def test_a_voxel_network_knows_one_temperature(voxel_model, paired):
    assert voxel_model.backmap(paired.beads[:2], temperature=300.0).shape == (2, 22, 3)
    with pytest.raises(ConfigError, match="training temperature only"):
        voxel_model.backmap(paired.beads[:2], temperature=400.0)


def test_heat_widens(flow_model, paired):
    beads = np.repeat(paired.beads[1800:1801], 400, axis=0)
    cold, hot = (
        flow_model.backmap(beads, seed=1, temperature=t)[:, [1, 5, 15, 18]].std(0) for t in (100, 900)
    )
    assert (hot > cold).all()
