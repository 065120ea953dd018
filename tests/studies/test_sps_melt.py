"""The studies of a trained model on the melt: smoke runs with a classical one, bars that MD meets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from msb.backmap.record import Sampled

pytestmark = pytest.mark.filterwarnings("ignore:.*left out. posres.itp")  # a file that was never published
Study = Callable[[str, str], ModuleType]


@pytest.fixture(autouse=True)
def few_replicates(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of figures are not what is tested here."""
    monkeypatch.setattr(study("sps_common", "columns"), "REPLICATES", 20)


def words(data: Path, folder: Path, *more: str) -> list[str]:
    own = ["--data", data / "sps", "--runs", folder / "runs", "--out", folder / "out", "--workers", 0]
    return [str(word) for word in (*own, "--smoke", "--any-backmapper", "linear", *more)]


def test_smoke_run_of_the_melt(study: Study, msb_data: Path, tmp_path: Path, capsys) -> None:
    run = study("sps_melt", "run")
    given = [*words(msb_data, tmp_path), "--frames", "4"]
    assert run.main(given) == 0
    told = capsys.readouterr().out
    assert "12 frames, 12 to make" in told
    assert "too few to judge" in told
    assert run.main(given) == 0
    assert "12 frames, 0 to make" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    columns = [(c["set"], c["method"], c["column"]) for c in results["columns"]]
    assert columns == [("t568", who, "raw") for who in ("md", "deepbackmap", "linear")]
    missed = {v["text"].split(": ", 2)[2] for v in results["verdicts"] if not v["passed"]}
    assert {"angle C-C-C ring", "LJ energy per chain, all atoms", "bond sd, Å: C-H"} <= missed
    assert "beads off, rms, nm" not in missed


def test_smoke_run_at_another_temperature(study: Study, msb_data: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("dscribe")
    run = study("sps_temperature", "run")
    assert run.main(words(msb_data, tmp_path)) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {(row["set"], row["entrant"]): row for row in results["phases"]["rows"]}
    assert rows["t313", "md"]["beta"] > 0.9
    assert rows["t568", "md"]["amorphous"] > 0.8
    assert rows["t313", "baseline"]["outside"] > 0.9
    assert rows["t313", "linear"]["trans"] > 0.95
    for row in rows.values():
        assert sum(row[name] for name in ("beta", "alpha", "amorphous", "outside")) == pytest.approx(1)
    assert "Width of the ring dihedral" in capsys.readouterr().out


def test_smoke_run_in_a_hurry(study: Study, msb_data: Path, tmp_path: Path, capsys) -> None:
    run = study("sps_quick", "run")
    own = ["--data", msb_data / "sps", "--runs", tmp_path / "runs", "--workers", 0, "--smoke"]
    assert run.main([str(word) for word in (*own, "--model", "linear")]) == 0
    told = capsys.readouterr().out
    for subset in ("t568", "t313"):
        for who in ("linear_quick", "fragment_usual", "fragment_short"):
            assert f"| {subset} | 4 | {who} |" in told
    own, beside = run.entrants_of(_usual(run))
    assert own.sampling == (("sweeps", "0"), ("candidates", "4"))
    assert [e.plan[-1][1] for e in (own, *beside)] == ["thermal 0.25", "thermal", "thermal 0.25"]


def _usual(run: ModuleType) -> SimpleNamespace:
    """What `sps_quick` is asked for without options."""
    plain = {"no_polish": False, "polish_ps": None, "smoke": False, "sampling": [], "model": "sps"}
    return SimpleNamespace(**plain)


def test_entropy_match(study: Study) -> None:
    phases = study("sps_temperature", "phases")
    rng = np.random.default_rng(0)
    x = rng.random((5, 4, 9))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    kernel = phases.entropy_match(x, x)
    np.testing.assert_allclose(np.diag(kernel), 1)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-6)
    assert (kernel[~np.eye(5, dtype=bool)] < 1).all()
    np.testing.assert_allclose(phases.entropy_match(x, x[:, [2, 0, 3, 1]]), kernel, atol=1e-12)
    average = np.einsum("aid,bjd->ab", x, x)
    average /= np.sqrt(np.outer(np.diag(average), np.diag(average)))
    np.testing.assert_allclose(phases.entropy_match(x, x, 1e4), average, atol=1e-4)


def test_regions_are_named_by_who_lives_there(study: Study) -> None:
    name = study("sps_temperature", "phases").label_regions
    members = {568.0: np.array([0, 0, 1, -1]), 313.0: np.array([2, 2, 2, 1])}
    trans = {568.0: np.array([0.7, 0.6, 1.0, 0]), 313.0: np.ones(4)}
    assert name(members, trans) == ["amorphous", "alpha", "beta"]


def judged(study: Study, subset: str, column: str, name: str, data: Path, **cost: float) -> list:
    """Verdicts of a published trajectory in place of a model's."""
    melt, columns = study("sps_common", "melt").Melt(data / "sps"), study("sps_common", "columns")
    entrants, goals = study("sps_common", "entrants"), study("sps_common", "goals")
    own = {}
    for who in ("aa", name):
        seen = []
        for k in range(4):
            (x, box), (beads, _) = melt.read(who, subset, k), melt.beads(subset, k)
            seen.append(melt.observer.look(x, box, beads))
        arrays = {key: np.stack([frame[key] for frame in seen]) for key in seen[0]}
        meta = {"wall": 1.0, "cpu": 2.0, "peak_mb": 100.0, "succeeded": True}
        own[who] = columns.Column(tuple(range(4)), arrays, (meta,) * 4)
    reference = own["aa"]
    rows = {row.name: row for row in columns.rows_of(own[name], reference)}
    made = entrants.Judged(own[name], reference, rows, columns.costs(own[name]) | cost)
    found = entrants.Findings({(subset, "own", column): made})
    return goals.raw_goals(found, subset, "own") + goals.polished_goals(found, subset, "own")


def test_md_meets_the_bars_of_a_polished_model(study: Study, msb_data: Path) -> None:
    verdicts = judged(study, "t568", "polished", "aa", msb_data)
    assert len(verdicts) == 10 + 2 + 1 + 3 + 2 + 1 + 2 + 1 + 2
    assert [v.text for v in verdicts if not v.passed] == []


def test_the_published_model_misses_what_it_is_known_to_miss(study: Study, msb_data: Path) -> None:
    cost = {"network_share": 0.4, "bead_rms_before": 0.0035}
    verdicts = {
        v.text.split(": ", 2)[2]: v.passed
        for v in judged(study, "t568", "raw", "deepbackmap", msb_data, **cost)
    }
    for name in ("ring-dihedral sd, deg", "bond sd, Å: C-C", "inverted stereocentres, %"):
        assert not verdicts[name]
    assert not verdicts["share of the time inside the network"]
    assert not verdicts["beads off, rms, nm"]
    assert verdicts["beads off before projection, rms, nm"]
    assert verdicts["pierced rings a frame"]


def test_what_a_trained_model_tells(study: Study, msb_data: Path) -> None:
    told_by, melt = study("sps_common", "facts").told_by, study("sps_common", "melt").Melt(msb_data / "sps")
    beads, box = melt.beads("t568", 0)
    assert told_by(SimpleNamespace(), beads, box) == {}
    last = Sampled(
        np.zeros((1, 1, 3)),
        np.full((1, 720), 0.003),
        np.ones(1, bool),
        ["forward", "gibbs"],
        [30, 12],
        {"total": 20.0, "network": 14.0},
        1440,
        144,
        0,
        0,
    )
    seen = []

    def unfamiliar(given: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        seen.append((given.shape, boxes.shape))
        return np.array([0.02])

    model = SimpleNamespace(last=last, mapping=melt.observer.mapping, unfamiliar=unfamiliar)
    facts = told_by(model, beads, box)
    assert seen == [((1, 720, 3), (1, 3, 3))]
    told = study("sps_common", "columns")._told([json.loads(json.dumps(facts))] * 2)
    assert told == pytest.approx(
        {
            "network_share": 0.7,
            "bead_rms_before": 0.003,
            "stages": 42,
            "redrawn": 0.1,
            "above": 0,
            "unfamiliar": 0.02,
        }
    )


def test_fragments_against_themselves(study: Study, msb_data: Path) -> None:
    entrants, goals = study("sps_common", "entrants"), study("sps_common", "goals")
    columns, files = study("sps_common", "columns"), study("sps_common", "frame_files")
    results = goals.committed()
    kept = {c["column"]: c for c in results["columns"] if (c["set"], c["method"]) == ("t568", "fragment")}
    found = entrants.Findings({})
    for column in ("raw", "polished"):
        rows = {row["name"]: columns.Row(**row) for row in kept[column]["rows"]}
        whole = columns.Column(tuple(files.frames_of("t568")), {}, ())
        found.columns["t568", "own", column] = entrants.Judged(whole, whole, rows, kept[column])
    verdicts = goals.against_fragment(found, "t568", "own", results)
    raw = [v.passed for v in verdicts if ", raw," in v.text]
    polished = [v.passed for v in verdicts if ", polished," in v.text]
    assert raw == [False] * 6  # nobody is better than himself
    assert all(polished)
    assert len(polished) == 13 + 2
