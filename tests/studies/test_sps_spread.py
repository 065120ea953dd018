"""The spread at fixed beads: periods of torsions, files for GROMACS, a smoke run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.box import make_whole

pytestmark = pytest.mark.filterwarnings("ignore:.*left out. posres.itp")  # a file that was never published
Study = Callable[[str, str], ModuleType]


def test_kinds_and_a_known_spread(study: Study, msb_data: Path) -> None:
    run = study("sps_spread", "run")
    torsions = study("sps_spread", "torsions")
    melt = study("sps_common", "melt").Melt(msb_data / "sps")
    kinds = {kind.name: kind for kind in torsions.kinds_of(melt.observer.system)}
    assert kinds["C-C-C-H, methyl"].period == pytest.approx(2 * np.pi / 3)
    assert kinds["C-C-C-C"].period == pytest.approx(2 * np.pi)
    assert sum(len(kind.atoms) for name, kind in kinds.items() if "methyl" in name) == 36 * 9
    rng, x = np.random.default_rng(0), melt.read("aa", "t568", 0)[0].astype(np.float64)
    sets = [[x + rng.normal(0, width, x.shape) for _ in range(40)] for width in (0.004, 0.004, 0.008)]
    names = torsions.Names.of(melt.topology, x)
    md = torsions.spread_of(sets[0], list(kinds.values()), names, 0, torsions.BLOCKS)
    for own, passed in ((sets[1], True), (sets[2], False)):
        test = torsions.spread_of(own, list(kinds.values()), names, 0)
        rows = run.rows_of("t568", "raw", test, md, list(kinds.values()), melt.topology)
        assert len(rows) == len(kinds)
        assert all(v.passed is passed for v in run.judge(rows, "own") if "C_AR-C_AR-C_AR" in v.text)


def test_names_that_mean_nothing(study: Study, msb_data: Path) -> None:
    """Hydrogens of CH2 exchanged and rings turned over are named back."""
    torsions = study("sps_spread", "torsions")
    melt = study("sps_common", "melt").Melt(msb_data / "sps")
    atoms, box = melt.read("aa", "t568", 0)
    x = np.asarray(make_whole(atoms[None].astype(np.float64), box[None], melt.topology))[0]
    names = torsions.Names.of(melt.topology, x)
    assert (len(names.twins), names.rings.shape) == (36 * 10, (360, 4, 2))
    usual = names.given_to(x)
    renamed = x.copy()
    for one, other in np.concatenate([names.twins[::3, 2:], names.rings[::2].reshape(-1, 2)]):
        renamed[one], renamed[other] = x[other], x[one]
    np.testing.assert_array_equal(names.given_to(renamed), usual)
    np.testing.assert_array_equal(usual[names.rings], x[names.rings])
    np.testing.assert_array_equal(np.sort(usual, axis=0), np.sort(x, axis=0))


def test_rotamers_of_the_last_unit(study: Study, msb_data: Path, tmp_path: Path, capsys) -> None:
    ends = study("sps_spread", "ends")
    np.testing.assert_array_equal(ends.rotamers(np.radians([180, -179, -60, 61, 115])), [0, 0, 1, 2, 2])
    melt = study("sps_common", "melt").Melt(msb_data / "sps")
    x = melt.read("aa", "t568", 3)[0]
    (tmp_path / "t568/sps").mkdir(parents=True)
    np.savez(tmp_path / "t568/sps/003.npz", **{"raw/positions": x, "polished/positions": x})
    words = ["--data", str(msb_data / "sps"), "--frames-of", str(tmp_path), "--smoke"]
    assert ends.main(words) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| t568")]
    assert rows[0][4:7] == rows[2][4:7]
    assert sum(map(int, rows[0][4:7])) == 36
    assert float(rows[2][7]) == 0.0


def test_tables_are_kept(study: Study, tmp_path: Path) -> None:
    torsions = study("sps_spread", "torsions")
    values = np.exp(1j * np.arange(6.0)).reshape(2, 3)
    torsions.write_spread(tmp_path / "new" / "a.npz", torsions.Spread({"C-C": values}, 7, 40))
    again = torsions.read_spread(tmp_path / "new" / "a.npz")
    np.testing.assert_allclose(again.resultants["C-C"], values, atol=1e-6)
    assert (again.structures, again.frame) == (7, 40)


def test_smoke_run(study: Study, msb_data: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    run = study("sps_spread", "run")
    monkeypatch.setattr(run, "reference_path", lambda subset: tmp_path / "none.npz")
    given = [
        "--data",
        msb_data / "sps",
        "--runs",
        tmp_path / "runs",
        "--out",
        tmp_path / "out",
        "--workers",
        0,
    ]
    given = [str(word) for word in (*given, "--smoke", "--any-backmapper", "linear")]
    assert run.main(given) == 0
    assert "no reference for t568, t313" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["rows"]) == 2 * 15
    assert all(row["variance"] < 1e-6 for row in results["rows"])  # a method without noise
    assert run.main(given) == 0
    assert "s] t568" not in capsys.readouterr().out  # the samples are there


def test_held_beads_for_gromacs(study: Study, msb_data: Path, tmp_path: Path) -> None:
    reference = study("sps_spread", "reference")
    melt = reference.Melt(msb_data / "sps")
    reference.prepare(melt, "t568", tmp_path)
    lines = (tmp_path / "start.gro").read_text().splitlines()
    assert int(lines[1]) == 36 * (162 + 2 * 20) == len(lines) - 3
    text = (tmp_path / "held.top").read_text()
    sites = text.split("[ virtual_sitesn ]")[1].split("[ system ]")[0].split("\n\n")[0].strip().splitlines()
    assert len(sites) == 20
    weights = [sum(map(float, line.split()[3::2])) for line in sites]
    np.testing.assert_allclose(weights, 1, atol=1e-6)
    assert text.count("  6  0.0  3e+06") == 20
    places = np.array([[float(line[20 + 10 * k : 30 + 10 * k]) for k in range(3)] for line in lines[2:-1]])
    chains = places.reshape(36, -1, 3)
    assert np.linalg.norm(chains[:, 162:182] - chains[:, 182:], axis=-1).max() < 0.002
