"""`msb arena`: the same frames for everybody, one table of what it cost and what differs; sentences else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.backmapper import METHODS, Method
from msb.core.topology import Topology
from msb.data import sample
from msb.io import Frames, open_trajectory, open_writer

BOX = """\
title: A box of four
structure: 0.gro
mapping: adp_mapping.yaml
library: ["*.gro"]
temperature: 300
frames: 4
methods: [fragment]
tests:
  near:
    reference: [aa.xtc]
    temperature: 300
    leave_out: [1]
    published: {same: same.xtc, shaken: shaken.xtc}
"""
COPIES, EDGE = 4, 1.4  # molecules along a row of cells, nm


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box of four molecules: three snapshots to learn from, six frames to place, two sets of others."""
    folder = tmp_path_factory.mktemp("box")
    source = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc"))
    template = Topology.from_universe(source.universe).only_template()
    topology = Topology(((template, COPIES),))
    x = source.read(0, 9 * COPIES).positions.reshape(9, COPIES, -1, 3)
    x = x - x.mean(2, keepdims=True) + (0.5 + np.arange(COPIES))[:, None, None] * [EDGE, 0, 0] + [0, 0.7, 0.7]
    x = x.reshape(9, -1, 3).astype(np.float32)
    cell = np.diag([COPIES * EDGE, EDGE, EDGE]).astype(np.float32)
    for k in range(3):
        with open_writer(folder / f"{k}.gro", topology, precision=4) as writer:
            writer.write(Frames(x[k : k + 1], cell[None]))
    noise = 0.02 * np.random.default_rng(0).normal(size=x[3:].shape)
    for name, positions in (("aa", x[3:]), ("same", x[3:]), ("shaken", x[3:] + noise)):
        with open_writer(folder / f"{name}.xtc", topology) as writer:
            writer.write(Frames(positions.astype(np.float32), np.repeat(cell[None], 6, axis=0)))
    (folder / "box.yaml").write_text(BOX)
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entrants in processes of this many threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENMM_CPU_THREADS", "1")


def contenders(out: Path) -> dict[tuple[str, str], dict]:
    [contest] = json.loads((out / "arena.json").read_text())["contests"]
    return {(own["entrant"], own["column"]): own for own in contest["contenders"]}


def test_bundled_frames_raw_minimised_and_polished(msb: Callable, tmp_path: Path) -> None:
    out = tmp_path / "report"
    said = msb("arena", "--data", "adp-sample", "--methods", "linear", "--frames", 4, "-o", out)
    assert said.code == 0, said.err
    found = contenders(out)
    columns = ("raw", "minimised", "polished")
    assert list(found) == [("linear", column) for column in columns]
    raw, minimised, polished = (found["linear", column] for column in columns)
    assert 0 < raw["cost"]["wall"] < minimised["cost"]["wall"] < polished["cost"]["wall"]
    assert raw["cost"]["peak_mb"] > 50
    assert raw["bead_max_nm"] < 1e-4
    energies = {
        column: next(q for q in own["comparison"]["quantities"] if q["kind"] == "energy")["means"]
        for column, own in zip(columns, (raw, minimised, polished), strict=True)
    }
    assert energies["minimised"][1] < energies["raw"][1]
    assert energies["minimised"][1] < energies["polished"][1]
    assert sum(polished["quality"]["counts"].values()) == 0
    assert "linear, polished" in said.out
    page = (out / "index.html").read_text()
    assert page.count("<svg") == 1
    for word in ("linear, raw", "linear, polished", "CPU s", "findings", "Every divergence"):
        assert word in page


def test_a_box_with_published_rows_and_one_that_cannot_fight(
    msb: Callable, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report"
    monkeypatch.setitem(METHODS, "gone", Method("msb.gone:Gone", "", "", build="msb.gone:build"))
    said = msb("arena", "--data", box / "box.yaml", "--methods", "fragment,gone", "-o", out, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    [contest] = told["contests"]
    assert contest["frames"] == [0, 2, 3, 5]
    assert not contest["force_field"]
    assert list(contest["missing"]) == ["gone"]
    assert contest["missing"]["gone"].startswith("`gone` is not a method")
    found = contenders(out)
    assert list(found) == [("fragment", "raw"), ("same", "published"), ("shaken", "published")]
    assert found["same", "published"]["cost"] is None
    excess = {
        key: max(abs(q["excess"]) for q in own["comparison"]["quantities"] if "excess" in q)
        for key, own in found.items()
    }
    assert excess["same", "published"] == 0.0
    assert excess["shaken", "published"] > 0.1
    assert found["same", "published"]["quality"]["counts"] == contest["reference"]["counts"]
    assert sum(found["shaken", "published"]["quality"]["counts"].values()) > 0


def test_what_does_not_fit_is_a_sentence(
    refused: Callable, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report"
    known = "adp, adp-sample, dodecane, octane, sps"
    assert f"there are {known}" in refused("arena", "--data", "nowhere", "-o", out)
    assert "`magic` is no method" in refused("arena", "--data", "sps", "--methods", "magic", "-o", out)
    assert "temporal" in refused("arena", "--data", "sps", "--methods", "temporal", "-o", out)
    assert "no test far" in refused("arena", "--data", box / "box.yaml", "--tests", "far", "-o", out)
    assert "no relaxation 'x'" in refused("arena", "--data", "sps", "--relax", "x", "-o", out)
    few = refused("arena", "--data", box / "box.yaml", "--frames", 2, "-o", out)
    assert "too few" in few
    broken = tmp_path / "broken.yaml"
    broken.write_text((box / "box.yaml").read_text().replace("\ntemperature", "\ntemperatur"))
    assert "did you mean `temperature`" in refused("arena", "--data", broken, "-o", out)
    monkeypatch.setenv("MSB_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said = refused("arena", "--data", "adp", "--methods", "linear", "-o", out)
    assert "adp.pdb" in said
    assert "simulate.py" in said
