"""`start_from`: training goes on from the weights of another model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from small_melt import Box, butane, chain, write_box


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Three chains and two butanes."""
    return write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)


@pytest.fixture
def config(msb: Callable, box: Box, tmp_path: Path) -> dict[str, object]:
    """What `msb new-config` writes for them."""
    path = tmp_path / "written.yaml"
    words = ["--top", box.top, "--mapping", box.mapping, "--temperature", 350]
    assert msb("new-config", box.atoms, *words, "-o", path).code == 0
    return dict(yaml.safe_load(path.read_text()))


SMALL = {"kind": "mixture", "width": 16, "blocks": 1, "components": 2, "atoms_around": 6, "beads_around": 3}


def mixture(config: dict[str, object], box: Box, name: str, start: object, **network: object) -> Path:
    """A configuration of one step that changes next to nothing."""
    training = {"steps": 1, "batch": 2, "learning_rate": 1e-9, "weight_decay": 0.0}
    changed = {**config, "start_from": str(start), "network": {**SMALL, **network}, "training": training}
    path = box.top.parent / f"{name}.yaml"
    path.write_text(yaml.safe_dump(changed))
    return path


def test_training_begins_with_the_weights_of_a_model(
    msb: Callable, refused: Callable, config: dict[str, object], box: Box, tmp_path: Path
) -> None:
    first = msb(
        "train", mixture(config, box, "first", "", around_width=6), "-o", tmp_path / "a", "--device", "cpu"
    )
    assert first.code == 0, first.err
    wider = mixture(config, box, "wider", tmp_path / "a" / "model", around_width=8)
    assert msb("train", wider, "-o", tmp_path / "b", "--device", "cpu").code == 0
    began, went_on = (load_file(tmp_path / run / "model" / "model.safetensors") for run in "ab")
    own = next(name for name in began if name.endswith("near_deep.weight"))
    assert torch.allclose(went_on[own][:6, :6], began[own], atol=1e-6)
    assert torch.allclose(went_on[own][:6, 6:], torch.zeros(6, 2), atol=1e-6)
    narrower = mixture(config, box, "narrower", tmp_path / "a" / "model", around_width=4)
    assert "only be widened" in refused("train", narrower, "-o", tmp_path / "c", "--device", "cpu")
    foreign = mixture(config, box, "foreign", "adp", around_width=6)
    assert "of the method" in refused("train", foreign, "-o", tmp_path / "d", "--device", "cpu")
    missing = mixture(config, box, "missing", tmp_path / "nowhere")
    assert "nowhere" in refused("train", missing, "-o", tmp_path / "e", "--device", "cpu")
