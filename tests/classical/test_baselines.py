"""Lookup and linear mean: exact where they must be, and what every method promises."""

from __future__ import annotations

import numpy as np
import pytest

from msb.backmapper import Backmapper, load_model
from msb.classical import LinearConfig, LookupConfig, linear, lookup
from msb.errors import TrajectoryError

DATA = {"structure": "-", "trajectory": "-", "mapping": "-", "temperature": 300, "lag": 1}


@pytest.fixture(scope="module", params=["lookup", "linear"])
def model(request, paired, tmp_path_factory):
    module, config = {"lookup": (lookup, LookupConfig), "linear": (linear, LinearConfig)}[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_paired", lambda *_: paired)
        return module.train(config.parse({"name": request.param, "data": DATA}), folder, folder)


def test_it_satisfies_the_protocol(model):
    assert isinstance(model, Backmapper)
    assert model.lag is None


def test_beads_are_reproduced(model, paired):
    beads = paired.beads[1800:1900]
    atoms = model.backmap(beads)
    assert np.abs(paired.mapping.beads(atoms) - beads).max() < 1e-5


def test_segments_are_frames(model, paired):
    beads = paired.beads[1800:1900]
    both = model.backmap(beads.reshape(2, 50, 6, 3))
    assert np.abs(both.reshape(100, 22, 3) - model.backmap(beads)).max() < 1e-5


def test_a_saved_model_is_the_same_model(model, paired, tmp_path):
    model.save(tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", device="cpu")
    assert np.array_equal(again.backmap(paired.beads[:10]), model.backmap(paired.beads[:10]))


def test_atoms_that_are_kept_stay(model, paired):
    only = np.zeros(22, dtype=bool)
    only[:6] = True
    start = paired.positions[1799]
    atoms = model.backmap(paired.beads[1800:1803], start=start, only=only)
    assert np.array_equal(atoms[:, 6:], np.broadcast_to(start[6:], (3, 16, 3)))
    with pytest.raises(TrajectoryError, match="needs `start`"):
        model.backmap(paired.beads[1800:1803], only=only)


def test_a_wrong_number_of_beads_is_a_sentence(model, paired):
    with pytest.raises(TrajectoryError, match="5 beads, the model places 6"):
        model.backmap(paired.beads[:3, :5])


def test_lookup_finds_a_frame_of_its_own_library(paired):
    """A library frame's beads, turned and shifted, bring back that frame."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "load_paired", lambda *_: paired)
        model = lookup.train(LookupConfig.parse({"name": "l", "data": DATA}), None, None)
    turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
    atoms = paired.positions[100:110] @ turn + 2
    found = model.backmap(paired.beads[100:110] @ turn + 2)
    assert np.abs(found - atoms).max() < 2e-4


def test_linear_mean_beats_the_mean_frame(paired):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "load_paired", lambda *_: paired)
        model = linear.train(LinearConfig.parse({"name": "l", "data": DATA}), None, None)
    heavy = [1, 5, 15, 18]
    error = model.backmap(paired.beads[1800:])[:, heavy] - paired.positions[1800:][:, heavy]
    assert np.sqrt((error**2).sum(-1).mean()) < 0.03
