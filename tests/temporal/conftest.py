"""Small trained models of alanine dipeptide."""

from __future__ import annotations

import pytest

from msb.errors import MsbWarning
from msb.temporal import training
from msb.temporal.config import TemporalConfig

DATA = {"structure": "-", "trajectory": "-", "mapping": "-", "temperature": 300, "lag": 1, "library": 50}
TRAINING = {"steps": 60, "batch": 256, "validate_every": 30}
FLOW = {
    "name": "small",
    "data": DATA,
    "training": TRAINING,
    "network": {"kind": "flow", "width": 32, "layers": 4},
}
VOXEL = {
    "name": "small",
    "data": DATA,
    "training": {"steps": 4, "batch": 8, "validate_every": 2},
    "network": {"kind": "voxel", "width": 4, "latent": 8, "mixture": 2},
}


def fit(settings, paired, folder):
    """Train on data in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "load_paired", lambda *_: paired)
        return training.train(TemporalConfig.parse(settings), folder, folder)


@pytest.fixture(scope="session")
def flow_model(paired, tmp_path_factory):
    return fit(FLOW, paired, tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="session")
def voxel_model(paired, tmp_path_factory):
    with pytest.warns(MsbWarning, match="strains the structure"):  # four steps teach it little
        return fit(VOXEL, paired, tmp_path_factory.mktemp("voxel"))


@pytest.fixture(params=["flow", "voxel"])
def model(request):
    """Each kind of network in turn."""
    return request.getfixturevalue(f"{request.param}_model")
