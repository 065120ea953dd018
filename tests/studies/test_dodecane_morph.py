"""Martini's dodecane: a model goes through every step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from msb.jobs.train_model import train_model

Study = Callable[[str, str], ModuleType]
CONFIG = Path(__file__).resolve().parents[2] / "configs/morph/dodecane.yaml"


def test_smoke_run(study: Study, msb_data: Path, tmp_path: Path) -> None:
    run = study("dodecane_morph", "run")
    changes = ["s=2", "training.steps=2", "sampling.sweeps=1", "sampling.candidates=2"]
    changes += ["data.snapshots=dodecane/400K_mapped/3*.gro"]
    model = str(train_model(CONFIG, tmp_path / "s2", overrides=changes).bundle)
    assert run.main(["--smoke", "--runs", str(tmp_path), "--models", model]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    before = results["columns"]["before"]["scores"]
    assert before["bond"]["js"] == pytest.approx(0.08, abs=0.01)  # nats
    names = {name for name in results["columns"] if name.startswith("morph")}
    assert names == {f"morph s2 {way}" for way in ("A", "A, polished", "B", "B, polished")}
    texts = [verdict["text"] for verdict in results["verdicts"]]
    assert texts[:5] == ["JS of bond", "JS of rdf", "excess of bond", "excess of rdf", "excess of angle"]
