"""Kremer-Grest melts and their target: right potentials, a resumable simulation, the published mapping."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from morph_case import BEADS, BOND, BOX, melt_topology, shared_case, walks, write
from msb.core.box import make_whole, minimum_image
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MsbWarning
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.morph import find_chains

Study = Callable[[str, str], ModuleType]
GMX = pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx (GROMACS) is not installed")


@pytest.fixture
def melt(study: Study) -> ModuleType:
    return study("kg_morph", "melt")


@pytest.fixture
def target(study: Study) -> ModuleType:
    return study("kg_morph", "target")


def test_melt_is_the_thesis(melt: ModuleType) -> None:
    """Density, box and bending of section 7.2.1."""
    system = melt.Melt(24, 32)
    assert system.size / system.edge**3 == pytest.approx(0.85)
    angle, energy, force = np.array([line.split() for line in system.bending().splitlines()], float).T
    assert energy == pytest.approx(1 - np.cos(np.pi - np.radians(angle)), abs=1e-9)  # eq. 2.44
    assert np.gradient(energy, angle)[1:-1] == pytest.approx(-force[1:-1], abs=1e-6)


def test_walks_are_as_stiff_as_said(melt: ModuleType) -> None:
    """The mean cosine of free chains: Boltzmann's, of cosines that keep second neighbours apart."""
    system = melt.Melt(400, 30, kappa=2.0)
    x = system.walks(np.random.default_rng(0)).reshape(400, 30, 3)
    steps = np.diff(x, axis=1) / melt.BOND
    cosines = (steps[:, 1:] * steps[:, :-1]).sum(-1)
    grid = np.linspace((1 / melt.BOND) ** 2 / 2 - 1, 1, 2001)
    weight = np.exp(2.0 * grid)
    assert cosines.mean() == pytest.approx((grid * weight).sum() / weight.sum(), abs=0.01)


@GMX
def test_smoke_run_goes_on_where_it_stopped(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage; a second call runs nothing; the snapshots are a melt of chains in reduced units."""
    study("melt_data", "systems")
    simulate = study("kg_morph", "simulate")
    words = ["--smoke", "--runs", str(tmp_path), "--snapshots", "2"]
    assert simulate.main(words) == 0
    monkeypatch.setattr("engine._call", None)
    assert simulate.main([*words, "--copies", "2"]) == 0
    frames = open_trajectory(tmp_path / "out/kg_12x8.gro", tmp_path / "out/kg_12x8.xtc").read()
    assert frames.positions.shape == (2, 96, 3)
    bonds = np.linalg.norm(np.diff(frames.positions.reshape(2, 12, 8, 3), axis=2), axis=-1)
    assert 0.09 < bonds.mean() < 0.105
    assert bonds.max() < 0.15
    big = open_trajectory(tmp_path / "kg_96x8.gro")
    frame = big.read()
    assert frame.boxes is not None
    assert find_chains(frame.positions[0], frame.boxes[0], resids=big.resids).lengths == (8,) * 96


def test_mapping_of_four_monomers_is_the_published_one(target: ModuleType, msb_data: Path) -> None:
    """The masses: four monomers to a bead are the published fritz/kg to the last written digit."""
    topology = Topology(((target.monomers(), target.CHAINS),))
    mapping = Mapping({"PSR": target.bead_mapping(4)}, topology)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)
        fine = open_trajectory(msb_data / "fritz/cg/5.gro").read()
    coarse = open_trajectory(msb_data / "fritz/kg/5.gro").read()
    assert fine.boxes is not None
    beads = mapping.beads(make_whole(fine.positions.astype(np.float64), fine.boxes, topology))
    apart = minimum_image(np.asarray(beads) - coarse.positions, fine.boxes.astype(np.float64))
    assert np.linalg.norm(apart, axis=-1).max() < 0.001


def test_target_is_parted_in_time(target: ModuleType, msb_data: Path, tmp_path: Path) -> None:
    """32 beads a chain; the committed mapping is the module's; no snapshot serves twice."""
    used = [number for numbers in target.SPLIT.values() for number in numbers]
    assert sorted(used) == list(range(1, 11))
    own = read_mapping(target.MAPPING, Topology(((target.monomers(), 1),)))["PSR"]
    assert own.content_hash == target.bead_mapping().content_hash
    assert target.write_target(msb_data, tmp_path, {"test": (2,)}) == {"test": 1}
    beads = open_trajectory(tmp_path / "test/2.gro")
    frame = beads.read()
    assert frame.boxes is not None
    assert find_chains(frame.positions[0], frame.boxes[0], resids=beads.resids).lengths == (32,) * 24


def test_judging_a_model_makes_both_tables(
    study: Study, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A model that hardly knows anything goes through every step, rivals and verdicts included."""
    case = shared_case(tmp_path_factory.getbasetemp())
    run = study("kg_morph", "run")
    rng = np.random.default_rng(1)
    for part, count in (("train", 3), ("validation", 1), ("test", 2)):
        (tmp_path / "target" / part).mkdir(parents=True)
        for k in range(count):
            x = walks(rng, 1, BOND, 0.04, 115.0, BOX)
            write(tmp_path / "target" / part / f"{k}.gro", melt_topology(), x, BOX)
    words = ["--smoke", "--runs", str(tmp_path), "--top-down", str(case.structure)]
    assert run.main([*words, "--models", str(case.models[2]), str(case.models[3])]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["frames"] == 2
    assert set(results["bounds"]) == {"2", "3"}
    columns = results["columns"]
    made = {name for name in columns if name.startswith("morph")}
    raw = {f"morph s{s} {scheme}" for s in (2, 3) for scheme in "AB"}  # 3 is no multiple of 2
    assert made == raw | {f"{name}, polished" for name in raw}
    assert columns["before"]["scores"]["bond"]["excess"] > 0.1
    assert columns["fragment s2"]["scores"]["bond"]["js"] < columns["before"]["scores"]["bond"]["js"]
    assert "Sizes of chains" in (tmp_path / "out/TABLE.md").read_text()
    assert len(results["verdicts"]) == 15  # three quantities in two ways


def test_a_narrow_bottleneck_follows_a_wide_one_that_it_divides(
    study: Study, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The wide one's centres stay; what is kept of it has a place of its own."""
    judged, sets = study("morph_common", "morph_study"), study("morph_common", "sets")
    models = [(Path(str(s)), SimpleNamespace(s=s)) for s in (2, 3, 4, 6)]
    assert [(s, own[1].s) for s, own in judged.nested(models)] == [(4, 2), (6, 2), (6, 3)]
    case = shared_case(tmp_path_factory.getbasetemp())
    known = sets.read_set("target", [case.target])
    found = judged.Study(judged.Case(known, known, known, known, "", "", None, {}), 1, tmp_path)
    moved = known.moved_to("s4A_0", known.positions + np.float32(0.003))
    narrow = judged.ready(case.models[2], found, "")
    own, _ = found.placed(case.models[2], narrow, "B", start=moved)
    assert own.name.startswith("s4A_0_s2B_")
    assert np.abs(own.positions - moved.positions).max() > 0.01
    finished, _ = found.polished(own, moved, narrow, 1)
    for made in (own, finished):
        wide = [sets.centres_of(x, 4).positions for x in (made, moved)]
        np.testing.assert_allclose(*wide, atol=1e-5)
    assert np.abs(finished.positions - own.positions).max() > 0.01
    assert list(found.bound(BEADS, with_map=True)) == ["rdf"]  # one centre a chain: no bonds, no map


def test_rivals_keep_the_bottleneck(study: Study) -> None:
    """Fragments and conformers of the target stand on the centres of the top-down melt."""
    sets = study("morph_common", "sets")
    rng = np.random.default_rng(2)
    boxes = np.repeat(BOX * np.eye(3, dtype=np.float32)[None], 2, axis=0)
    train = sets.BeadSet("train", walks(rng, 2, BOND, 0.04, 115.0, BOX), boxes, melt_topology())
    own = sets.BeadSet("own", walks(rng, 2, 0.36, 0.02, 150.0, BOX), boxes, melt_topology())
    for rival in (sets.fragments, sets.conformers):
        made = own.moved_to("made", rival(train, own, 3))
        assert sets.centres_of(made, 3).positions == pytest.approx(
            sets.centres_of(own, 3).positions, abs=1e-4
        )
        inside = np.linalg.norm(np.diff(made.positions.reshape(-1, BEADS, 3)[:, :2], axis=1), axis=-1)
        assert inside.mean() == pytest.approx(BOND, rel=0.05)


def test_scores_of_a_perfect_set_are_zero(study: Study) -> None:
    """The excess of draws from one distribution is zero, that of another is not."""
    scores = study("morph_common", "scores")
    rng = np.random.default_rng(3)
    weights = np.arange(1, 21) / 210
    reference = rng.multinomial(700, weights, size=40)
    same, other = rng.multinomial(700, weights, size=40), rng.multinomial(700, weights[::-1], size=40)
    assert abs(scores.score(same, reference).excess) < 5e-4
    assert scores.score(other, reference).excess > 0.1


def test_expected_chains_grow_as_their_kuhn_length(study: Study) -> None:
    """Long chains: as many bonds times the Kuhn length; flexible melts: the known 1.8 sigma."""
    literature = study("kg_morph", "literature")
    assert literature.kuhn_length(0.0) == pytest.approx(1.86, abs=0.01)
    long = literature.expected(5001)["end_to_end"] / 5000 / literature.BOND
    assert long == pytest.approx(literature.kuhn_length(literature.KAPPA), rel=1e-3)
