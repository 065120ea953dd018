"""Merged beads, other chemistry, fewer snapshots: what is prepared, smoke runs, bars."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from msb.data import sample
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.jobs.train_model import load_config

pytestmark = pytest.mark.filterwarnings("ignore:.*left out. posres.itp")  # a file that was never published
Study = Callable[[str, str], ModuleType]
STUDIES = Path(__file__).resolve().parents[2] / "studies"


@pytest.fixture(autouse=True)
def few_replicates(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of figures are not what is tested here."""
    monkeypatch.setattr(study("sps_common", "columns"), "REPLICATES", 20)


def words(data: Path, folder: Path, *more: str) -> list[str]:
    own = ["--data", data / "sps", "--runs", folder / "runs", "--out", folder / "out", "--workers", 0]
    return [str(word) for word in (*own, "--smoke", "--frames", 4, *more)]


def results(folder: Path) -> dict:
    return json.loads((folder / "out" / "results.json").read_text())


def test_merged_beads(study: Study) -> None:
    merge = study("sps_merged_bead", "merge")
    text = merge.merged_text(sample("polystyrene_mapping.yaml").read_text())
    assert text == merge.MAPPING.read_text()
    topology = read_topology(sample("polystyrene.top"))
    [both] = read_mapping(sample("polystyrene_mapping.yaml"), topology).values()
    [one] = read_mapping(merge.MAPPING, topology).values()
    assert one.n_beads == 10
    assert {tuple(pair) for pair in one.bead_bonds.tolist()} == {(k, k + 1) for k in range(9)}
    np.testing.assert_array_equal(one.owner, both.owner // 2)
    masses = [np.asarray(m.fractions.todense()) @ topology.templates[0].masses for m in (both, one)]
    x = np.random.default_rng(0).random((162, 3))
    weighted = masses[0][:, None] * (both.weights @ x)
    np.testing.assert_allclose(
        masses[1][:, None] * (one.weights @ x), weighted[0::2] + weighted[1::2], atol=1e-9
    )


def test_configurations_load(study: Study, tmp_path: Path) -> None:
    assert load_config(STUDIES / "sps_merged_bead" / "config.yaml").name == "sps_merged"
    run = study("sps_learning_curve", "run")
    (tmp_path / "train" / "aa").mkdir(parents=True)
    for name in ("2.gro", "1.gro", "3.gro"):
        (tmp_path / "train" / "aa" / name).touch()
    config = load_config(run.CONFIG, run.overrides(tmp_path, 2, ["training.steps=7"]))
    assert config.data.snapshots == ("sps/train/aa/1.gro", "sps/train/aa/2.gro")
    assert (config.name, config.training.steps) == ("sps_2", 7)


def test_small_molecules_in_polystyrenes_field(study: Study, msb_data: Path, tmp_path: Path) -> None:
    prepare = study("sps_chemistry", "prepare")
    configs = [load_config(path) for path in prepare.prepare(msb_data, tmp_path)]
    assert [c.training.regulariser.kind for c in configs] == ["minimise", "match", "none"] * 2
    assert configs[0].data.rename_beads == {"A": "S"}
    assert yaml.safe_load((tmp_path / "specific_C2.yaml").read_text())["data"]["topology"] == "sps/topol.top"

    def entries(name: str, kind: str) -> Counter:
        [(template, _)] = read_topology(name).molecules
        found = []
        for entry in template.interactions:
            types = tuple(template.atom_types[a] for a in entry.atoms)
            if entry.kind == kind and not any(t in ("C", "H") for t in types):
                found.append((min(types, types[::-1]), entry.function, entry.parameters))
        return Counter(found)

    for kind in ("bonds", "angles", "dihedrals", "exclusions"):  # a ring is a ring
        ten = entries(sample("polystyrene.top"), kind)
        assert entries(tmp_path / "cumene.top", kind) == {key: n / 10 for key, n in ten.items()}
    [(octane, count)] = read_topology(tmp_path / "octane.top").molecules
    assert count == 215
    assert len([e for e in octane.interactions if e.kind == "dihedrals"]) == 7


def test_smoke_run_of_merged_beads(
    study: Study, msb_data: Path, tmp_path: Path, published_frames: Callable
) -> None:
    run = study("sps_merged_bead", "run")
    published_frames(msb_data / "sps", tmp_path / "runs")
    assert run.main(words(msb_data, tmp_path, "--no-model", "--fragments", "linear")) == 0
    [*_, linear] = results(tmp_path)["columns"]
    rows = {row["name"]: row["value"] for row in linear["rows"]}
    assert linear["method"] == "linear"
    assert rows["beads off, rms, nm"] < 1e-5  # of the ten beads that it was given


def test_smoke_run_of_the_learning_curve(
    study: Study, msb_data: Path, tmp_path: Path, published_frames: Callable, capsys
) -> None:
    run = study("sps_learning_curve", "run")
    published_frames(msb_data / "sps", tmp_path / "runs")
    assert run.main(words(msb_data, tmp_path, "--any-backmapper", "linear", "--numbers", "1", "2")) == 0
    assert "| linear_02 | raw |" in capsys.readouterr().out
    assert [v["passed"] for v in results(tmp_path)["verdicts"]] == [True, True]
    own = {c["method"]: c for c in results(tmp_path)["columns"]}
    assert own["linear_01"]["rows"] != own["linear_02"]["rows"]


def test_smoke_run_of_other_chemistry(
    study: Study, msb_data: Path, tmp_path: Path, published_frames: Callable, capsys
) -> None:
    pytest.importorskip("dscribe")
    run = study("sps_chemistry", "run")
    published_frames(msb_data / "sps", tmp_path / "runs")
    assert run.main(words(msb_data, tmp_path, "--entrant", "own=linear")) == 0
    found = results(tmp_path)
    rows = {row["entrant"]: row for row in found["map"]["rows"]}
    assert rows["deepbackmap"]["js"] < rows["own"]["js"]
    assert sum(map(sum, rows["own"]["confusion"])) == 360
    assert "Confusion of deepbackmap, raw" in capsys.readouterr().out


def test_bars_of_the_priors(study: Study) -> None:
    run = study("sps_chemistry", "run")
    columns, entrants = study("sps_common", "columns"), study("sps_common", "entrants")

    def judged(lj: float, energy: float) -> object:
        rows = {name: columns.Row(name, 0.1, 0.001, 0.002) for name in run.ANGLES}
        rows[run.LJ_ROWS[0]] = columns.Row(run.LJ_ROWS[0], lj, 0.01, lj)
        own, md = (columns.Column((0,), {"energies": np.full((1, 2, 3), e)}, ()) for e in (energy, -325.0))
        return entrants.Judged(own, md, rows, {})

    found = entrants.Findings({})
    for name, lj, energy in (
        ("transferred_C1", 0.1, -300.0),
        ("transferred_none", 0.3, -200.0),
        ("specific_C1", 0.3, -350.0),
        ("transferred_min", 0.3, -300.0),
        ("transferred_random", 0.1, -300.0),
        ("own", 0.02, -325.0),
    ):
        found.columns["t568", name, "raw"] = judged(lj, energy)
    verdicts = run.goals(found)
    assert len(verdicts) == 4 * 4 + 1 + 1 + 1
    assert [v.text for v in verdicts if not v.passed] == [
        "Lennard-Jones of all atoms: min is the best when transferred"
    ]


def test_mixture_models_choose_in_three_ways(study: Study, tmp_path: Path) -> None:
    run = study("sps_chemistry", "run")
    model = tmp_path / "models" / "octane_cumene" / "model"
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")
    args = argparse.Namespace(
        entrant=[], models=tmp_path / "models", sampling=["candidates=4"], no_polish=True, smoke=False
    )
    args.polish_ps = None
    own = {entrant.name: dict(entrant.sampling) for entrant in run.entrants_of(args)}
    assert own["transferred_min"] == {"candidates": "4", "select": "min"}
    assert own["own"] == {"candidates": "4"}
    assert own["specific_random"]["select"] == "random"
