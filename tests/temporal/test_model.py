"""What every temporal model promises: exact beads, the same noise whatever the batch, nothing silent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.backmapper import Backmapper, load_model
from msb.errors import BundleError, TrajectoryError


def test_it_satisfies_the_protocol(model):
    assert isinstance(model, Backmapper)
    assert (model.lag, model.temperature) == (1.0, 300.0)


def test_beads_are_reproduced(model, paired):
    beads = paired.beads[1800:1820]
    atoms = model.backmap(beads, seed=3)
    assert atoms.shape == (20, 22, 3)
    assert atoms.dtype == np.float32
    assert np.abs(paired.mapping.beads(atoms) - beads).max() < 1e-5


def test_rigid_bonds_keep_their_length(model, paired):
    atoms = model.backmap(paired.beads[1800:1820], seed=3)
    pairs, lengths = model.rigid
    assert len(pairs) == 12  # the hydrogens of alanine dipeptide
    found = np.linalg.norm(atoms[:, pairs[:, 0]] - atoms[:, pairs[:, 1]], axis=-1)
    assert np.abs(found - lengths).max() < 2e-5


def test_two_identical_calls_agree_to_the_bit(model, paired):
    beads = paired.beads[1800:1810]
    assert np.array_equal(model.backmap(beads, seed=5), model.backmap(beads, seed=5))
    assert not np.array_equal(model.backmap(beads, seed=5), model.backmap(beads, seed=6))


def test_a_trajectory_does_not_depend_on_its_chunks(model, paired):
    beads = paired.beads[1800:1900]
    whole = model.backmap(beads, seed=5)
    first = model.backmap(beads[:37], seed=5, following=beads[37])
    second = model.backmap(beads[37:], seed=5, frames=np.arange(37, 100), start=first[-1])
    assert np.abs(np.concatenate([first, second]) - whole).max() < 1e-4


def test_a_trajectory_does_not_depend_on_its_batch(model, paired):
    beads = paired.beads[1700:1900].reshape(2, 100, 6, 3)
    frames = np.arange(200).reshape(2, 100)
    start = paired.positions[[1699, 1799]]
    both = model.backmap(beads, seed=5, frames=frames, start=start)
    alone = model.backmap(beads[1], seed=5, frames=frames[1], start=start[1])
    assert np.abs(both[1] - alone).max() < 1e-4


def test_atoms_move_with_the_beads(model, paired):
    """Turning and shifting all beads turns and shifts all atoms."""
    beads, start = paired.beads[1800:1810], paired.positions[1799]
    turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
    moved = model.backmap(beads @ turn + 1, seed=5, start=start @ turn + 1)
    assert np.abs(moved - (model.backmap(beads, seed=5, start=start) @ turn + 1)).max() < 1e-4


def test_a_saved_model_is_the_same_model(model, paired, tmp_path):
    model.save(tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", device="cpu")
    beads = paired.beads[1800:1810]
    assert np.array_equal(again.backmap(beads, seed=1), model.backmap(beads, seed=1))
    assert again.mapping.templates == model.mapping.templates
    assert again.topology == model.topology
    assert "small" in (tmp_path / "bundle/card.md").read_text()


def test_a_bundle_with_other_weights_is_refused(flow_model, tmp_path):
    flow_model.network.settings, kept = flow_model.network.settings, flow_model.config
    flow_model.config = kept.model_copy(update={"network": kept.network.model_copy(update={"width": 16})})
    flow_model.save(tmp_path / "bundle")
    flow_model.config = kept
    with pytest.raises(BundleError, match="do not fit"):
        load_model(tmp_path / "bundle")


def test_a_wrong_number_of_beads_is_a_sentence(model, paired):
    with pytest.raises(TrajectoryError, match="5 beads, the model places 6"):
        model.backmap(paired.beads[:3, :5])


def test_part_of_a_molecule_is_refused(model, paired):
    with pytest.raises(TrajectoryError, match="whole"):
        model.backmap(paired.beads[:3], only=np.ones(22, dtype=bool))


def test_the_first_frame_starts_from_the_nearest_in_the_library(flow_model, paired):
    beads = torch.from_numpy(paired.mapping.beads(flow_model.library.numpy()))[7:8]
    start = flow_model._start(beads, None)
    assert torch.allclose(start[0], flow_model.library[7], atol=1e-4)


def test_heat_widens(flow_model, paired):
    beads = np.repeat(paired.beads[1800:1801], 400, axis=0)
    cold, hot = (
        flow_model.backmap(beads, seed=1, temperature=t)[:, [1, 5, 15, 18]].std(0) for t in (100, 900)
    )
    assert (hot > cold).all()
