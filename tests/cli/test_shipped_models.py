"""The trained melt models of the package, as a user calls them: one pass, raw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.data import sample
from msb.io import open_trajectory

MELTS = Path(__file__).resolve().parents[2] / "studies" / "melt_data" / "out"
QUICK = ["--sweeps", 0, "--candidates", 1, "--select", "random", "--polish", "none", "--json"]


def test_sps_places_the_bundled_melt(msb: Callable, tmp_path: Path) -> None:
    said = msb("backmap", sample("polystyrene_beads.gro"), "-m", "sps", *QUICK, "-o", tmp_path / "aa.gro")
    assert said.code == 0, said
    told = json.loads(said.out)
    assert (told["atoms"], told["temperature"]) == (5832, 568.0)
    counts = told["quality"][0]["counts"]
    assert counts["hand"] == counts["broken"] == counts["bead"] == 0
    assert told["placing"][0]["unfamiliar"] < 0.01


def test_octane_places_its_liquid(msb: Callable, tmp_path: Path) -> None:
    beads = tmp_path / "cg.gro"
    words = ["map", MELTS / "octane350.pdb", "--mapping", "octane_mapping.yaml", "-o", beads]
    assert msb(*words).code == 0
    said = msb("backmap", beads, "-m", "octane", *QUICK, "-o", tmp_path / "aa.gro")
    assert said.code == 0, said
    told = json.loads(said.out)
    assert (told["atoms"], told["molecules"], told["temperature"]) == (5590, [["OCT", 215]], 350.0)
    counts = told["quality"][0]["counts"]
    assert counts["broken"] == counts["bead"] == 0
    assert told["placing"][0]["unfamiliar"] < 0.02
    x = open_trajectory(tmp_path / "aa.gro").read().positions[0].reshape(215, 26, 3)
    carbons = x[:, [1, 4, 7, 10, 13, 16, 19, 22]]
    bonds = np.linalg.norm(np.diff(carbons, axis=1), axis=-1)
    assert bonds == pytest.approx(0.1529, abs=0.0015)  # gro: three decimals
    steps = np.diff(carbons, axis=1)
    cosine = (steps[:, 1:] * -steps[:, :-1]).sum(-1) / 0.1529**2
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() == pytest.approx(113.5, abs=2)
