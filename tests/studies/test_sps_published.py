"""The polystyrene study: all rows in a smoke run, a perfect set scores zero, committed figures are whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*left out. posres.itp")  # a file that was never published
Study = Callable[[str, str], ModuleType]


@pytest.fixture
def run(study: Study) -> ModuleType:
    return study("sps_published", "run")


def keys(rows: list[dict]) -> list[tuple]:
    return [(row["temperature"], row["name"], row["column"], row["target"]) for row in rows]


def test_smoke_run_has_every_row(run: ModuleType, msb_data: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "new" / "results.json"
    assert run.main(["--smoke", "--data", str(msb_data / "sps"), "--output", str(output)]) == 0
    results = json.loads(output.read_text())
    assert keys(results["rows"]) == list(run.targets())
    assert all(math.isfinite(row["value"]) for row in results["rows"])
    assert sum(row["excess"] is not None for row in results["rows"]) == 2 * 2 * 13
    assert "angle C-C-C ring" in capsys.readouterr().out


def test_md_in_place_of_the_model_scores_zero(study: Study, msb_data: Path) -> None:
    measure = study("sps_common", "measure")
    data = msb_data / "sps"
    system = measure.read_system(data)
    reference = measure.load(data, 568, system, 8)["md"]
    found = measure.figures(system, {"md": reference, "deepbackmap": reference})
    compared = {row: figure for (row, column), figure in found.items() if figure.excess is not None}
    assert len(compared) == 13
    for figure in compared.values():
        assert figure.value == 0.0
        assert figure.excess == pytest.approx(0.0, abs=1e-12)
    assert found["inverted stereocentres vs aa", "deepbackmap"].value == 0.0
    mirrored = measure.Ensemble(reference.positions * [1.0, 1.0, -1.0], reference.boxes)
    assert (measure.heavy_hands(system, mirrored) == -measure.heavy_hands(system, reference)).all()
    assert not measure.wrong_side(system, mirrored).any()


def test_tolerance(run: ModuleType) -> None:
    def matched(target: float | None, value: float) -> bool | None:
        return run.Row(568, "row", "md", target, run.Figure(value)).matched

    assert matched(0.1, 0.1029)
    assert not matched(0.1, 0.1031)
    assert matched(0.001, 0.00129)
    assert not matched(0.001, 0.00131)
    assert matched(None, 5.0) is None


def test_committed_results_are_of_all_rows(run: ModuleType) -> None:
    results = json.loads(run.RESULTS.read_text())
    assert keys(results["rows"]) == list(run.targets())
    assert not results["smoke"]
    judged = [row for row in results["rows"] if row["target"] is not None]
    assert (results["judged"], results["missed"]) == (len(judged), sum(not row["matched"] for row in judged))
    for row in judged:
        near = np.isclose(row["value"], row["target"], rtol=results["relative"], atol=0.0)
        assert row["matched"] == (near or abs(row["value"] - row["target"]) <= results["absolute"])
