"""The driver and the summary of the ADP study, on 600 frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


def test_the_driver_writes_every_row(
    study: Callable[[str, str], ModuleType], msb_data: Path, tmp_path: Path
) -> None:
    run = study("adp_backmapping", "run")
    words = ["adp", "--smoke", "--work", str(tmp_path / "work"), "--output", str(tmp_path / "out")]
    assert run.main([*words, "--data", str(msb_data / "adp"), "--sets", "test", "cg"]) == 0
    written = json.loads((tmp_path / "out/adp/test.json").read_text())
    names = {row["name"] for row in written["rows"]}
    assert {"vacuum energy", "broken structures", "beads: largest deviation"} <= names
    assert any(name.startswith("spread at fixed beads") for name in names)
    assert written["frames"] == 600
    alone = json.loads((tmp_path / "out/adp/cg.json").read_text())
    assert not alone["paired"]
    judged = {row["name"] for row in alone["rows"] if row["passed"] is not None}
    assert "vacuum energy" not in judged
    assert "broken structures" in judged


def test_the_summary_names_every_model_and_what_it_missed(
    study: Callable[[str, str], ModuleType], tmp_path: Path
) -> None:
    summary = study("adp_backmapping", "summary")
    row = {
        "bar": "",
        "unit": "",
        "floor": 0.001,
        "excess": 0.5,
        "measured": 0.5,
        "passed": False,
        "detail": False,
    }
    rows = [{**row, "name": name} for name in summary.SHOWN]
    for model in ("adp", "library"):
        folder = tmp_path / "out" / model
        folder.mkdir(parents=True)
        content = {"frames": 10, "passed": 0, "judged": 5, "rows": rows}
        (folder / "test.json").write_text(json.dumps(content))
    assert summary.main(["--output", str(tmp_path / "out")]) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| adp | library |" in text
    assert "**0.5**" in text
    assert (tmp_path / "out/results.png").stat().st_size > 1000
