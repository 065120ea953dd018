"""MD from backmapped structures: runs go on where they stopped, means are compared in block errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.energy.gromacs import read_gromacs_system

pytestmark = pytest.mark.filterwarnings("ignore:.*left out. posres.itp")  # a file that was never published
Study = Callable[[str, str], ModuleType]
LIQUID = """
[ defaults ]
1 2 yes 1.0 1.0
[ atomtypes ]
C 14.027 0.0 A 0.30 0.5
[ moleculetype ]
DIM 3
[ atoms ]
1 C 1 DIM C1 1 0
2 C 1 DIM C2 1 0
[ bonds ]
1 2 1 0.154 10000
[ system ]
dimers
[ molecules ]
DIM 64
"""


@pytest.fixture
def liquid(tmp_path: Path) -> tuple:
    (tmp_path / "dimers.top").write_text(LIQUID)
    box = np.eye(3) * 2.0
    system = read_gromacs_system(tmp_path / "dimers.top", box, cutoff=0.7).system
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 1, 3) * 0.5
    return system, (grid + np.array([[0, 0, 0], [0.13, 0.05, 0.0]])).reshape(-1, 3), box


def test_a_run_goes_on_where_it_stopped(study: Study, liquid: tuple, tmp_path: Path) -> None:
    dynamics = study("sps_md", "dynamics")
    system, positions, box = liquid

    def run(ps: float, key: str = "") -> object:
        made = dynamics.Run(tmp_path / "a.npz", positions, box, 300.0, ps, 1, key, 0.02)
        return dynamics.carry_on(made, system, 1)

    first = run(0.2)
    np.testing.assert_allclose(first.times, np.arange(11) * 0.02, atol=1e-9)
    changed = (tmp_path / "a.npz").stat().st_mtime_ns
    run(0.2)
    assert (tmp_path / "a.npz").stat().st_mtime_ns == changed
    longer = run(0.4)
    assert len(longer.times) == 21
    np.testing.assert_array_equal(longer.potential[:11], first.potential)
    assert np.isfinite(longer.potential).all()
    assert abs(longer.volume - 8.0).max() < 2.0
    assert len(run(0.2, "another model").times) == 11
    np.testing.assert_array_equal(dynamics.read_energies(tmp_path / "a.npz").times, first.times)


def test_a_run_that_blows_up_says_when(study: Study, liquid: tuple, tmp_path: Path) -> None:
    dynamics = study("sps_md", "dynamics")
    system, positions, box = liquid
    broken = positions.copy()
    broken[2] = np.nan
    made = dynamics.Run(tmp_path / "b.npz", broken, box, 300.0, 0.1, 1, "", 0.02, 0)
    assert "after" in dynamics.carry_on(made, system, 1).failed
    assert dynamics.read_energies(tmp_path / "b.npz").failed


def keep(dynamics: ModuleType, path: Path, mean: float, failed: str = "") -> None:
    times = np.arange(0.0, 100.1, 0.25)
    values = mean + np.random.default_rng(0).normal(0, 30.0, len(times))
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = json.dumps({"key": "", "failed": failed})
    arrays = {"times": times, "potential": values, "volume": np.full(len(times), 65.0)}
    np.savez(path, meta=np.array(meta), state=np.array(""), **arrays)


def test_table_of_finished_runs(study: Study, msb_data: Path, tmp_path: Path, capsys) -> None:
    run, dynamics = study("sps_md", "run"), study("sps_md", "dynamics")
    means = {
        "md": 8300,
        "deepbackmap": 8300,
        "baseline": 14000,
        "fragment, raw": 8302,
        "fragment, polished": 8600,
    }
    for start, mean in means.items():
        keep(dynamics, run.path_of(tmp_path, "t568", start, 40), mean)
    given = [
        "--data",
        msb_data / "sps",
        "--runs",
        tmp_path,
        "--out",
        tmp_path / "out",
        "--set",
        "t568",
        "--table",
    ]
    given = [str(word) for word in (*given, "--any-backmapper", "fragment")]
    assert run.main(given) == 1
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [v["passed"] for v in found["verdicts"]] == [True, False]
    rows = {row["start"]: row for row in found["rows"]}
    assert rows["baseline"]["gap"] == pytest.approx(5700, abs=1)
    assert rows["md"]["density"] == pytest.approx(0.93, abs=0.06)
    keep(dynamics, run.path_of(tmp_path, "t568", "fragment, polished", 40), 8300, "NaN after 3 ps")
    assert run.main(given) == 1
    assert "NaN after 3 ps" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx is not installed")
def test_gromacs_goes_on_from_the_same_start(study: Study, msb_data: Path, tmp_path: Path) -> None:
    run, dynamics = study("sps_md", "run"), study("sps_md", "dynamics")
    words = ["--data", msb_data / "sps", "--runs", tmp_path, "--smoke", "--any-backmapper", "linear"]
    assert run.main([str(word) for word in (*words, "--threads", 1)]) == 0
    path = run.path_of(tmp_path, "t568", "md", 40)
    found = dynamics.read_energies(path)
    np.testing.assert_allclose(found.times, np.arange(6) * 0.02, atol=1e-6)
    assert not found.failed
    assert found.volume[0] == pytest.approx(66.96, abs=0.3)  # the frame's own box
    assert (
        "NaN before dynamics"
        in dynamics.read_energies(run.path_of(tmp_path, "t568", "linear, raw", 40)).failed
    )
