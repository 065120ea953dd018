"""Lookup and linear mean: exact where they must be, and what every method promises."""

from __future__ import annotations

import numpy as np
import pytest

from backmapper_contract import BackmapperContract
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


class TestContract(BackmapperContract):
    """Both baselines keep what every method promises, at any frame spacing."""

    def test_any_spacing_will_do(self, model):
        assert model.lag is None


def test_atoms_that_are_kept_stay(model, paired):
    only = np.zeros(22, dtype=bool)
    only[:6] = True
    start = paired.positions[1799]
    atoms = model.backmap(paired.beads[1800:1803], start=start, only=only)
    assert np.array_equal(atoms[:, 6:], np.broadcast_to(start[6:], (3, 16, 3)))
    with pytest.raises(TrajectoryError, match="needs `start`"):
        model.backmap(paired.beads[1800:1803], only=only)


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
