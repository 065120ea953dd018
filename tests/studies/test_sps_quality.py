"""The study of defects: all rows in a smoke run, and committed figures that are whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def run(study: Callable[[str, str], ModuleType]) -> ModuleType:
    return study("sps_quality", "run")


def test_smoke_run_has_every_row(
    run: ModuleType, msb_data: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SMOKE", 1)
    output = tmp_path / "new" / "results.json"
    assert run.main(["--smoke", "--data", str(msb_data / "sps"), "--output", str(output)]) == 0
    results = json.loads(output.read_text())
    committed = json.loads(run.RESULTS.read_text())
    names = [(row["temperature"], row["name"], row["column"], row["target"]) for row in results["rows"]]
    assert names == [(r["temperature"], r["name"], r["column"], r["target"]) for r in committed["rows"]]
    assert all(math.isfinite(row["value"]) for row in results["rows"])
    assert not any(results["counts"]["568 md"].values())
    assert "too few to judge" in capsys.readouterr().out


def test_committed_results_match_what_is_known(run: ModuleType) -> None:
    results = json.loads(run.RESULTS.read_text())
    assert not results["smoke"]
    assert (results["judged"], results["missed"]) == (30, 0)
    for row in results["rows"]:
        again = run.Row(row["temperature"], row["name"], row["column"], row["target"], row["value"])
        assert again.matched == row["matched"]
    for temperature in (568, 313):
        assert not any(results["counts"][f"{temperature} md"].values())


def test_tolerance(run: ModuleType) -> None:
    def matched(name: str, target: float | None, value: float) -> bool | None:
        return run.Row(568, name, "md", target, value).matched

    assert matched("findings", 0.0, 0.0)
    assert not matched("findings", 0.0, 1.0)
    assert matched("pairs below 0.17 nm a frame", 2.31, 2.3077)
    assert not matched("pairs below 0.17 nm a frame", 2.31, 2.4)
    assert not matched("inverted stereocentres, share", 0.0, 1e-4)
    assert matched("anything", None, 5.0) is None
