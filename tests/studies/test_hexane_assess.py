"""Hexane: the tutorial's molecule and beads, potentials that say what distributions say, a resumable run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.topology import Topology
from msb.data import sample
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory

Study = Callable[[str, str], ModuleType]
GMX = pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx (GROMACS) is not installed")
TUTORIAL = Path("/usr/share/votca/csg-tutorials/hexane/atomistic")
VOTCA = pytest.mark.skipif(not TUTORIAL.exists(), reason="the package votca-tutorials is not installed")


@pytest.fixture
def hexane(study: Study) -> ModuleType:
    study("melt_data", "systems")
    return study("hexane_assess", "hexane")


@pytest.fixture
def coarse(study: Study) -> ModuleType:
    return study("hexane_assess", "coarse")


def sections(path: Path, wanted: str) -> list[list[str]]:
    text = re.search(rf"\[ {wanted} \]\n(.*?)(\n\[|\Z)", path.read_text(), re.S).group(1)
    return [line.split() for line in text.splitlines() if line.split() and not line.startswith(";")]


@VOTCA
def test_molecule_is_the_tutorials(hexane: ModuleType) -> None:
    template = hexane.hexane()
    top = TUTORIAL / "topol.top"
    atoms = sections(top, "atoms")
    assert [row[4][0] for row in atoms] == list(template.elements)
    assert template.charges == pytest.approx([float(row[6]) for row in atoms])
    for kind, count in (("bonds", 2), ("pairs", 2), ("angles", 3), ("dihedrals", 4)):
        theirs = {tuple(int(w) - 1 for w in row[:count]) for row in sections(top, kind)}
        ours = [entry.atoms for entry in template.interactions if entry.kind == kind]
        assert len(ours) == len(theirs)
        assert {min(a, a[::-1]) for a in ours} == {min(a, a[::-1]) for a in theirs}, kind


@VOTCA
def test_start_is_a_whole_piece_of_the_tutorials_liquid(hexane: ModuleType) -> None:
    x = hexane.cut(hexane.LIQUID, np.random.default_rng(3)).reshape(hexane.COUNT, 20, 3)
    bonds = np.array(hexane.hexane().bonds)
    lengths = np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=-1)
    assert lengths.max() < 0.2
    assert np.abs(x.mean(axis=1)).max() < 0.55 * hexane.LIQUID.edge


def test_bundled_files_are_the_studys(hexane: ModuleType) -> None:
    top = read_gromacs(sample("hexane.top"))
    own = hexane.hexane()
    assert top.topology.n_molecules == hexane.COUNT
    assert top.topology.templates[0].atom_names == own.atom_names
    read = read_mapping(sample("hexane_mapping.yaml"), top.topology)["HEX"]
    made = hexane.mapping_of(hexane.LIQUID.topology).templates[0]
    assert read.bead_types == made.bead_types == ("A", "B", "A")
    assert abs(read.weights - made.weights).max() < 1e-12
    assert read.bead_bonds.tolist() == [[0, 1], [1, 2]]


def test_bundled_models_have_the_references_beads(hexane: ModuleType) -> None:
    aa = open_trajectory(sample("hexane_reference.gro"), sample("hexane_reference.xtc"))
    frames = aa.read(0, None)
    assert frames.positions.shape == (20, 20 * hexane.COUNT, 3)
    beads = np.asarray(hexane.mapping_of(hexane.LIQUID.topology).beads(frames.positions)).reshape(-1, 3, 3)
    bonds = np.linalg.norm(beads[:, :2] - beads[:, 1:], axis=-1)
    angles, spread = [], {}
    for name in ("bend", "nobend"):
        cg = open_trajectory(sample(f"hexane_{name}.gro"), sample(f"hexane_{name}.xtc")).read(0, None)
        assert cg.boxes[0] == pytest.approx(frames.boxes[0], abs=1e-4)
        x = cg.positions.reshape(-1, 3, 3)
        own = np.linalg.norm(x[:, :2] - x[:, 1:], axis=-1)
        assert own.mean() == pytest.approx(bonds.mean(), abs=0.003)
        spread[name] = np.linalg.norm(x[:, 0] - x[:, 2], axis=-1)
    angles = np.linalg.norm(beads[:, 0] - beads[:, 2], axis=-1)
    assert spread["bend"].mean() == pytest.approx(angles.mean(), abs=0.01)
    assert spread["nobend"].min() < angles.min() - 0.02
    assert spread["nobend"].std() > 1.5 * spread["bend"].std()


def test_mixture_is_found_again_and_its_potential_is_its_logarithm(coarse: ModuleType) -> None:
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(0.24, 0.006, 6000), generator.normal(0.26, 0.004, 4000)])
    fit = coarse.Mixture.fit(values, np.ones(len(values)), 2)
    assert fit.means == pytest.approx((0.24, 0.26), abs=5e-4)
    assert fit.shares == pytest.approx((0.6, 0.4), abs=0.02)
    at = np.array([0.235, 0.24, 0.25, 0.26])
    words = fit.expression("r").replace("^", "**")
    energy = np.array([eval(words, {"exp": np.exp, "log": np.log, "r": r}) for r in at])
    assert np.exp(-energy / coarse.KT) / fit.density(at) == pytest.approx(
        np.full(4, np.exp(-energy[1] / coarse.KT) / fit.density(at[1:2])[0]), rel=1e-3
    )


def chains(hexane: ModuleType, count: int) -> Topology:
    return hexane.mapping_of(Topology(((hexane.hexane(), count),))).bead_topology()


def test_a_bond_in_dynamics_has_the_distribution_that_made_it(hexane: ModuleType, coarse: ModuleType) -> None:
    bond = coarse.Mixture((0.7, 0.3), (0.25, 0.27), (0.006, 0.005))
    flat = tuple(np.zeros(round(coarse.CUTOFF / coarse.SPACING) + 1))
    potentials = coarse.Potentials(bond, None, dict.fromkeys(coarse.TYPES, flat))
    places = np.random.default_rng(2).random((100, 1, 3)) * 6.0
    start = (places + np.array([[0, 0, 0], [0.25, 0, 0], [0.5, 0, 0]])).reshape(-1, 3)
    system = coarse.bead_system(potentials, chains(hexane, 100), 6.0)
    x = np.stack(list(coarse.dynamics(system, start, 500, 20, 50, seed=1))).reshape(-1, 3, 3)
    lengths = np.linalg.norm(x[:, [0, 2]] - x[:, [1, 1]], axis=-1).ravel()
    again = coarse.Mixture.fit(lengths, lengths**-2.0, 2)
    assert again.means == pytest.approx(bond.means, abs=0.002)
    assert again.shares == pytest.approx(bond.shares, abs=0.06)


def test_inversion_brings_g_nearer(study: Study, hexane: ModuleType, coarse: ModuleType) -> None:
    invert = study("hexane_assess", "invert")
    x = open_trajectory(sample("hexane_reference.gro"), sample("hexane_reference.xtc")).read(0, None)
    mapping = hexane.mapping_of(hexane.LIQUID.topology)
    beads = np.asarray(mapping.beads(x.positions.astype(float)))
    target = invert.radial(beads, x.boxes, mapping.bead_topology())
    guess = invert.first_guess(beads, target)
    worse = {kind: 1.1 * g for kind, g in target.items()}
    better = invert.improve(guess, worse, target)
    for kind in coarse.TYPES:
        change = np.array(better.pairs[kind]) - np.array(guess.pairs[kind])
        assert guess.pairs[kind][0] > 100
        assert guess.pairs[kind][-1] == pytest.approx(0, abs=1e-9)
        assert np.abs(change[60:]).max() < 0.4  # all of g too large by as much: only the shift at the cutoff
    assert coarse.Potentials.from_dict(better.to_dict()) == better


@GMX
@VOTCA
def test_simulation_goes_through_every_stage_and_on(study: Study, hexane: ModuleType, tmp_path: Path) -> None:
    study("melt_data", "engine")
    simulate = study("hexane_assess", "simulate")
    words = ["--out", str(tmp_path), "--smoke"]
    assert simulate.main(words) == 0
    made = tmp_path / "hexane300" / "run001.gro"
    before = made.stat().st_mtime_ns
    assert simulate.main(words) == 0
    assert made.stat().st_mtime_ns == before
    x = open_trajectory(made.with_name("start.gro"), made.with_suffix(".xtc")).read(0, None)
    assert x.positions.shape[1] == 80 * 20
    assert np.isfinite(x.positions).all()


def test_smoke_run_ranks_the_bundled_models(study: Study, hexane: ModuleType, tmp_path: Path) -> None:
    study("assess_common", "rows")
    run = study("hexane_assess", "run")
    words = ["--smoke", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert run.main(words) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    [verdict] = found["verdicts"]
    assert verdict["passed"]
    excess = {row["name"]: row["scores"]["pooled"]["excess"] for row in found["rows"]["fragment"][1:]}
    assert excess["in-distribution"] < excess["bend"] < excess["nobend"]
    assert found["beads"]["nobend"]["angle A-B-A"] > 10 * abs(found["beads"]["bend"]["angle A-B-A"])
    residual = found["matching"]["fragment"]
    assert residual["bend/on reference"]["trimmed"]["value"] > 0
    assert "| fragment, raw: bend before nobend |" in (tmp_path / "out" / "TABLE.md").read_text()
