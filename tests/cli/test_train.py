"""`msb train`: a small training on the bundled sample, killed and resumed, and wrong configurations."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from msb.cli.main import main

SMALL = """
method: temporal
name: small
seed: 1
data:
  structure: adp_reference.pdb
  trajectory: adp_reference.xtc
  mapping: adp_mapping.yaml
  temperature: 300.0
  lag: 1.0
  library: 20
network: {kind: flow, width: 16, layers: 2}
training: {steps: 12, batch: 32, validate_every: 4, checkpoint_minutes: 1.0e-6}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_it_trains_a_model_that_backmaps(msb: Callable, config: Path, tmp_path: Path) -> None:
    said = msb("train", config, "-o", tmp_path / "run", "--device", "cpu", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["bundle"] == str(tmp_path / "run" / "model")
    assert told["method"] == "temporal"
    assert json.loads(msb("info", tmp_path / "run" / "model", "--json").out)["n_atoms"] == 22
    assert "small" in msb("info", tmp_path / "run" / "model").out


def test_kill_and_resume_give_the_same_weights(msb: Callable, config: Path, tmp_path: Path) -> None:
    assert msb("train", config, "-o", tmp_path / "whole", "--device", "cpu").code == 0
    words = ["train", str(config), "-o", str(tmp_path / "cut"), "--device", "cpu"]
    child = os.fork()
    if child == 0:
        try:
            main(words)
        finally:
            os._exit(0)
    checkpoint = tmp_path / "cut" / "checkpoint.pt"
    limit = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < limit:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert checkpoint.exists()
    assert not (tmp_path / "cut" / "model").exists(), "the run ended before it could be killed"
    assert msb(*words, "--resume").code == 0
    weights = [tmp_path / run / "model" / "model.safetensors" for run in ("whole", "cut")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.parametrize("room", [2_000, 60_000])
def test_a_full_disk_is_a_sentence_and_loses_nothing(
    msb: Callable, refused: Callable, config: Path, tmp_path: Path, room: int
) -> None:
    assert msb("train", config, "-o", tmp_path / "whole", "--device", "cpu").code == 0
    words = ["train", config, "-o", tmp_path / "cut", "--device", "cpu"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        sentence = refused(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "could not be written" in sentence
    assert msb(*words, "--resume").code == 0
    weights = [tmp_path / run / "model" / "model.safetensors" for run in ("whole", "cut")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_checkpoint_of_another_configuration_is_refused(
    msb: Callable, refused: Callable, config: Path, tmp_path: Path
) -> None:
    words = ["train", config, "-o", tmp_path / "run", "--device", "cpu"]
    assert msb(*words).code == 0
    assert "another configuration" in refused(*words, "--resume", "--set", "seed=2")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("lag: 1.0", "lagg: 1.0", "unknown key `data.lagg`; did you mean `lag`?"),
        ("width: 16", "widht: 16", "did you mean `width`?"),
        ("lag: 1.0", "lag: -1.0", "`data.lag`: input should be greater than 0 (got -1.0)"),
        ("batch: 32", "batch: many", "`training.batch`"),
        ("method: temporal", "method: temporall", "known methods: backmap, fragment, "),
        ("method: temporal", "", "the key `method` is missing"),
        ("name: small", "", "key `name` is missing"),
        ("seed: 1", "seed: [", "not valid YAML"),
        ("adp_reference.xtc", "nowhere.xtc", "nowhere.xtc"),
    ],
)
def test_wrong_configurations(refused: Callable, config: Path, old: str, new: str, sentence: str) -> None:
    assert old in SMALL
    config.write_text(SMALL.replace(old, new))
    assert sentence in refused("train", config, "-o", config.parent / "run")


def test_wrong_words(refused: Callable, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such configuration file" in refused("train", config.with_name("nothing.yaml"))
    output = ["-o", config.parent / "run"]
    assert "write an override as section.key=value" in refused("train", config, *output, "--set", "seed")
    assert "did you mean `seed`" in refused("train", config, *output, "--set", "sead=1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no CUDA device here" in refused("train", config, *output, "--device", "cuda")
