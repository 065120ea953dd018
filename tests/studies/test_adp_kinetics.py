"""The kinetics study: its smoke mode from the command line, its committed results, its regions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

STUDY = Path(__file__).resolve().parents[2] / "studies" / "adp_kinetics"
FIGURES = ("timescales", "chapman_kolmogorov", "eigenvectors", "free_energy", "comparison")


def test_smoke(msb_data: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(STUDY / "run.py"), "--smoke", "--out", str(tmp_path)],
        env=os.environ | {"MSB_DATA": str(msb_data)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert "Chapman-Kolmogorov" in run.stdout
    numbers = json.loads((tmp_path / "results.json").read_text())
    assert set(numbers) == {"ensembles", "similarity", "clocks", "populations"}
    for name in FIGURES:
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_regions(study: Callable[[str, str], ModuleType]) -> None:
    module = study("adp_kinetics", "run")
    points = np.radians([[-150, 150], [-70, 150], [-70, -40], [-150, -160], [55, 40], [60, -150]])
    assert module.regions(points).tolist() == [0, 0, 1, 0, 2, 2]
    shares = module.populations(np.repeat(points, 20, axis=0))
    assert [round(shares[k][0], 6) for k in ("beta", "alpha_R", "alpha_L")] == [0.5, 0.166667, 0.333333]
    assert all(low <= share <= high for share, low, high in shares.values())


def test_committed_results_are_whole() -> None:
    numbers = json.loads((STUDY / "out" / "results.json").read_text())
    readme = (STUDY / "README.md").read_text(encoding="utf-8")
    for name in FIGURES:
        assert f"out/{name}.png" in readme
        assert (STUDY / "out" / f"{name}.png").is_file()
    own = numbers["ensembles"]["reference"]
    slowest = own["timescales_ps"][own["lags_ps"].index(own["lag_ps"])]
    assert all(f"{value:.1f}" in readme for value in slowest)
