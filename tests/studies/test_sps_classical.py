"""The study of classical backmapping: rows of a smoke run, frames kept, MD in place of a method passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*left out. posres.itp")  # a file that was never published
Study = Callable[[str, str], ModuleType]


@pytest.fixture
def run(study: Study) -> ModuleType:
    return study("sps_classical", "run")


def test_smoke_run_keeps_its_frames_and_shows_every_row(
    run: ModuleType, msb_data: Path, tmp_path: Path, capsys
) -> None:
    words = ["--data", msb_data / "sps", "--runs", tmp_path / "runs", "--out", tmp_path / "out", "--smoke"]
    words += ["--set", "t568", "--method", "fragment", "--workers", 1]
    assert run.main([str(word) for word in words]) == 0
    assert "16 frames, 16 to make" in capsys.readouterr().out
    kept = sorted((tmp_path / "runs").rglob("*.npz"))
    assert len(kept) == 16
    changed = {path: path.stat().st_mtime_ns for path in kept}
    assert run.main([str(word) for word in words]) == 0
    assert "16 frames, 0 to make" in capsys.readouterr().out
    assert changed == {path: path.stat().st_mtime_ns for path in kept}
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    columns = {(c["set"], c["method"], c["column"]): c for c in results["columns"]}
    assert list(columns) == [("t568", who, "raw") for who in ("fragment", "md", "deepbackmap", "baseline")]
    rows = {row["name"]: row for row in columns["t568", "md", "raw"]["rows"]}
    assert len(rows) == 25
    assert all(row["excess"] in (None, 0.0) for row in rows.values())
    fragment = {row["name"]: row for row in columns["t568", "fragment", "raw"]["rows"]}
    assert fragment["beads off, rms, nm"]["value"] < 1e-5  # placed onto the given beads
    # raw, a centre between two monomers may be flat: 0.03 % in all frames; relaxation leaves none
    assert fragment["inverted stereocentres, %"]["value"] <= 0.2
    assert "| bead" in (tmp_path / "out" / "TABLE.md").read_text()


def column_of(columns: ModuleType, melt: object, name: str) -> object:
    seen = []
    for k in range(4):
        (x, box), (beads, _) = melt.read(name, "t568", k), melt.read("cg", "t568", k)
        seen.append(melt.observer.look(x, box, beads))
    arrays = {name: np.stack([own[name] for own in seen]) for name in seen[0]}
    cost = {"wall": 10.0, "cpu": 16.0, "peak_mb": 1.0, "succeeded": True}
    return columns.Column(tuple(range(4)), arrays, (cost,) * 4)


def test_verdicts(study: Study, msb_data: Path) -> None:
    columns, bars = study("sps_common", "columns"), study("sps_classical", "bars")
    melt = study("sps_common", "melt").Melt(msb_data / "sps")
    own = {name: column_of(columns, melt, name) for name in ("aa", "baseline")}

    def judged(name: str, **cost: float) -> list:
        keys = [("t568", "fragment", c) for c in ("raw", "minimised", "polished")]
        keys.append(("t568", "geometric", "minimised"))
        rows, costs = columns.rows_of(own[name], own["aa"]), columns.costs(own[name]) | cost
        every = [dict.fromkeys(keys, value) for value in (rows, costs, own[name])]
        return bars.verdicts(*every, {"t568": own["aa"]})

    missed = [v.text for v in judged("aa") if not v.passed]  # nothing is narrower or lower than itself
    assert len(missed) == 1 + 5 + 2
    assert all("over-narrow" in text or "too low" in text or "two cores" in text for text in missed)
    assert all(v.passed for v in judged("aa", cpu_mean=13.0) if "two cores" in v.text)
    baseline = {v.text.split(": ", 1)[1]: v for v in judged("baseline", failed=1)}
    failed = {text for text, v in baseline.items() if not v.passed}
    assert {"fragment, staged, polished: angle C-C-C ring"} <= failed
    assert {"fragment, staged, polished: failures in 4 frames"} <= failed
    assert {"geometric, minimised: stereocentres kept"} <= failed
    assert baseline["geometric, minimised: angle C-C-C ring over-narrow"].passed


def test_frames_that_the_library_holds_are_left_out(study: Study) -> None:
    frames = study("sps_common", "frame_files")
    assert len(frames.frames_of("t568")) == 71
    assert not {9, 19, 41, 55, 62, 70, 76} & set(frames.frames_of("t568"))
    assert frames.frames_of("t313") == list(range(78))
    assert len(frames.frames_of("t313", 8)) == 8
