"""Tetracosane: both liquids are simulated, morphed and taken to all atoms, a dozen molecules of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.jobs.train_model import train_model

Study = Callable[[str, str], ModuleType]
STUDY = Path(__file__).resolve().parents[2] / "studies" / "tetracosane_morph"
GMX = pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx (GROMACS) is not installed")


def test_parts_follow_each_other_in_time(study: Study) -> None:
    liquids = study("tetracosane_morph", "make_liquids")
    for number in (8, 60, 100):
        parts = list(liquids.parts_of(number).values())
        assert all(len(part) for part in parts)
        assert all(before.stop <= after.start for before, after in pairwise(parts))
        assert parts[-1].stop == number


def test_four_carbons_make_a_bead(study: Study) -> None:
    hydrocarbons, martini = study("melt_data", "hydrocarbons"), study("tetracosane_morph", "martini")
    chain = hydrocarbons.tetracosane()
    topology = Topology(((chain, 1),))
    mapping = Mapping(read_mapping(STUDY / "tetracosane.yaml", topology), topology)
    assert mapping.n_beads == martini.BEADS
    groups = mapping.blocks[0].template.owner
    elements = np.asarray(chain.elements)
    assert [int((elements[groups == k] == "C").sum()) for k in range(6)] == [4] * 6
    assert [int((elements[groups == k] == "H").sum()) for k in range(6)] == [9, 8, 8, 8, 8, 9]


def test_martinis_topology_is_read_back(study: Study, tmp_path: Path) -> None:
    martini = study("tetracosane_morph", "martini")
    (tmp_path / "system.top").write_text(martini.top_text(5))
    [(read, count)] = read_gromacs(tmp_path / "system.top").topology.molecules
    assert (read.to_dict(), count) == (martini.molecule().to_dict(), 5)


@GMX
def test_smoke_runs(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice the same command: the second finds everything there."""
    liquids = study("tetracosane_morph", "make_liquids")
    out = tmp_path / "out"
    for _ in range(2):
        assert liquids.main(["--smoke", "--runs", str(tmp_path)]) == 0
    beads = open_trajectory(out / "target.gro", out / "target_train.xtc").read()
    bonds = np.linalg.norm(np.diff(beads.positions.reshape(-1, 12, 6, 3), axis=2), axis=-1)
    assert 0.3 < bonds.mean() < 0.6  # nm; whole chains
    changes = ["training.steps=2", "sampling.sweeps=1", "sampling.candidates=2"]
    changes += [f"data.snapshots=[{out}/target.gro, {out}/target_train.xtc]"]
    changes += [f"data.validation=[{out}/target.gro, {out}/target_validation.xtc]"]
    model = str(train_model(STUDY / "config.yaml", tmp_path / "s2", overrides=changes).bundle)
    words = ["--smoke", "--runs", str(tmp_path), "--liquids", str(out)]
    assert study("tetracosane_morph", "run").main([*words, "--models", model]) == 0
    results = json.loads((out / "results.json").read_text())
    ways = {name for name in results["columns"] if name.startswith("morph")}
    assert ways == {f"morph s2 {way}" for way in ("A", "A, polished", "B", "B, polished")}
    assert np.isfinite(results["columns"]["before"]["scores"]["angle"]["excess"])
    assert study("tetracosane_morph", "down").main([*words, "--model", model]) == 0
    [level] = json.loads((out / "after.json").read_text())["levels"]
    rows = {row["name"]: row for row in level["rows"]}
    assert "pierced rings" not in rows
    assert rows["clashes"]["sets"]["the fragments' snapshots"] == 0
    capsys.readouterr()
