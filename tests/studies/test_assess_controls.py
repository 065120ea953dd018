"""Controls of the assessment: perturbations that do what they say, and judgements of what came of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import TrajectoryError
from msb.frame_method import Request

BOX = np.eye(3, dtype=np.float32) * 4.0


def mapping_of(count: int = 8) -> Mapping:
    """Chains of six atoms, two a bead."""
    names = [f"C{k}" for k in range(6)]
    chain = MoleculeTemplate.from_atoms(
        "CHN", names, elements=["C"] * 6, bonds=[(k, k + 1) for k in range(5)], masses=np.full(6, 12.0)
    )
    groups = [BeadGroup(name, (2 * k, 2 * k + 1)) for k, name in enumerate("ABD")]
    beads = MappingTemplate.from_mass(chain, groups)
    return Mapping({"CHN": beads}, Topology(((chain, count),)))


def frames_of(mapping: Mapping, count: int = 3) -> np.ndarray:
    """Stretched chains at random places (F, N, 3), some across a face of the box."""
    rng = np.random.default_rng(1)
    n = mapping.topology.n_molecules
    start = rng.uniform(0, 4, (count, n, 1, 3))
    way = rng.normal(size=(count, n, 1, 3))
    way *= 0.15 / np.linalg.norm(way, axis=-1, keepdims=True)
    x = start + way * np.arange(6)[:, None]
    return x.reshape(count, -1, 3).astype(np.float32)


@pytest.fixture
def controls(study: Callable[[str, str], ModuleType]) -> ModuleType:
    return study("assess_controls", "controls")


def test_noise_has_its_size_and_is_the_same_draw_whatever_the_batch(controls: ModuleType) -> None:
    beads = np.zeros((4, 3000, 3), dtype=np.float32)
    small, large = (controls.noisy(beads, sigma, 1, range(4)) for sigma in (0.01, 0.04))
    assert small.std() == pytest.approx(0.01, rel=0.03)
    np.testing.assert_allclose(4 * small, large, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(controls.noisy(beads[2:3], 0.01, 1, [2])[0], small[2])
    np.testing.assert_array_equal(controls.noisy(beads, 0.0, 1, range(4)), beads)


def test_pushed_beads_are_as_near_as_asked_and_only_their_chains_move(controls: ModuleType) -> None:
    mapping = mapping_of()
    chains = mapping.bead_topology()
    beads = np.asarray(mapping.beads(frames_of(mapping)))
    for frame, pushed in zip(
        beads, controls.push_all(beads, BOX[None].repeat(3, 0), chains, 0.1), strict=True
    ):
        i, j = pushed.pair
        own = chains.molecule_index
        assert own[i] != own[j]
        away = pushed.beads[j] - pushed.beads[i]
        away -= 4.0 * np.rint(away / 4.0)
        assert np.linalg.norm(away) == pytest.approx(min(0.1, pushed.before), abs=1e-5)
        moved = np.flatnonzero(np.abs(pushed.beads - frame).max(-1) > 1e-6)
        assert set(own[moved]) <= {own[i], own[j]}
        assert len(moved) in (0, 6)


def test_the_references_own_atoms_come_back_in_the_beads_image(controls: ModuleType) -> None:
    mapping = mapping_of()
    atoms = frames_of(mapping)
    exact = controls.Exact.of(mapping, [5, 7, 9], atoms, 300.0)
    beads = np.asarray(mapping.beads(atoms))
    boxes = BOX[None].repeat(2, 0)
    np.testing.assert_allclose(exact.backmap(beads[:2], frames=np.array([5, 7])), atoms[:2], atol=1e-5)
    shifted = beads[:2] + np.repeat(4.0 * np.array([1, -2, 0] * 8).reshape(8, 3), 3, 0).astype(np.float32)
    placed = exact.backmap(shifted, boxes=boxes, frames=np.array([5, 7]))
    np.testing.assert_allclose(mapping.beads(placed), shifted, atol=1e-5)
    away = (placed - atoms[:2]).reshape(2, 8, 6, 3)
    np.testing.assert_allclose(away, away[:, :, :1].repeat(6, 2), atol=1e-5)  # rigid moves
    noise = controls.noisy(beads[:2], 0.02, 0, [5, 7])
    placed = exact.place(Request(noise, boxes, 0, np.array([5, 7])))
    np.testing.assert_allclose(mapping.beads(placed), noise, atol=1e-5)
    assert exact.onto(mapping.topology, mapping) is exact
    with pytest.raises(TrajectoryError, match="frame 6"):
        exact.backmap(beads[:1], frames=np.array([6]))
    other = mapping_of(3)
    with pytest.raises(TrajectoryError, match="system only"):
        exact.onto(other.topology, other)


def test_bars_want_a_rise_in_every_column(study: Callable[[str, str], ModuleType]) -> None:
    run = study("assess_controls", "run")

    def row(name: str, column: str, excess: float) -> object:
        score = {"js": excess, "floor": 0.0, "excess": excess, "low": excess, "high": excess}
        return run.Row(name, "generalisation", column, 2, None, {"pooled": score}, 0.0, 1.0, 1.0, 0, {})

    rows = [row(name, "raw", k) for k, name in enumerate("abc")] + [row(n, "polished", 1.0) for n in "abc"]
    raw, polished = run.judge(rows, "exact", "abc")
    assert raw.passed
    assert not polished.passed
    assert raw.found == "0.0000 < 1.0000 < 2.0000"


def test_smoke_run_has_every_row_and_names_the_pair(
    study: Callable[[str, str], ModuleType], tmp_path: Path
) -> None:
    run = study("assess_controls", "run")
    told = ["--smoke", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert run.main(told) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {row["name"]: row for row in found["rows"]["exact"]}
    assert list(rows) == ["reference", "in-distribution", "noise_0.01", "noise_0.04", "pushed"]
    assert rows["in-distribution"]["scores"]["pooled"]["js"] == pytest.approx(
        rows["in-distribution"]["scores"]["pooled"]["floor"], abs=1e-9
    )
    assert all(verdict["passed"] for verdict in found["verdicts"]), found["verdicts"]


def test_committed_results_are_whole_and_judged_as_now(study: Callable[[str, str], ModuleType]) -> None:
    run = study("assess_controls", "run")
    found = json.loads((run.OUT / "results.json").read_text())
    passed = {verdict["text"]: verdict["passed"] for verdict in found["verdicts"]}
    order = [run.IN_DISTRIBUTION, *(run.named(sigma) for sigma in run.SIGMAS)]
    assert "exact" in found["rows"]
    for backmapper, rows in found["rows"].items():
        own = [run.Row(**row) for row in rows]
        for verdict in run.judge(own, backmapper, order):
            assert verdict.passed
            assert passed[verdict.text]
        assert f"## {backmapper}" in (run.OUT / "TABLE.md").read_text()
    assert passed["exact, raw: the largest force is on a pushed pair"]
