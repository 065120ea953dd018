"""Whole assessments of a small box: exact where atoms are known, the same whatever the workers and a kill."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from melt_case import CELL, Case, make_case

from msb.assess import Assessment, AssessOptions, CGSet, assess, in_memory
from msb.assess.forces import BeadForces
from msb.assess.frame_work import Assessor, Work
from msb.energy.protocols import Finish, Stage
from msb.errors import ConfigError, MappingError, MsbError, MsbWarning, TrajectoryError
from small_melt import wrapped

MINIMISED = Finish((Stage("all", 25),))
FAST = AssessOptions(workers=1, replicates=50, radial=0.6)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def found(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    """One with everything: two models, own forces of one, polish, two samples."""
    good = case.model("good", 0.0)
    good = replace(
        good, **dict.fromkeys(("forces", "reference_forces"), lambda _: np.zeros_like(case.beads[0]))
    )
    options = replace(FAST, polish=True, finish=MINIMISED, samples=2)
    folder = tmp_path_factory.mktemp("work") / "frames"
    models = [good, case.model("noisy", 0.03)]
    return assess(case.reference(), models, case.backmapper, options, folder=folder)


def test_forces_of_the_reference_are_those_of_its_atoms(case: Case, found: Assessment) -> None:
    expected = BeadForces(case.system, case.mapping, platform="Reference")(case.positions[:4], case.boxes[:4])
    reference = found.reference
    np.testing.assert_allclose(reference.bead_forces, expected.bead_forces, rtol=1e-3, atol=0.5)
    np.testing.assert_allclose(reference.beads, case.beads[:4], atol=1e-5)
    assert reference.deviation is None
    assert reference.bead_types == tuple(case.mapping.bead_topology().atom_types)
    assert reference.molecule[-1] == 3


def test_sets_columns_and_samples(found: Assessment) -> None:
    assert [(own.name, own.column) for own in found.results] == [
        ("reference", "raw"),
        *[(name, column) for name in ("in-distribution", "good", "noisy") for column in ("raw", "polished")],
    ]
    for own in found.results[1:]:
        assert own.frames.tolist() == [0, 1, 2, 3] * 2
        assert own.samples is not None
        assert own.samples.tolist() == [0] * 4 + [1] * 4
        assert {"forces", "quality", "rdf"} < set(own.seconds)
        assert own.deviation is not None
        assert own.deviation.max() < 0.05
    assert found.result("good", "raw").deviation.max() > 1e-4  # before the projection, after which it is zero


def test_same_beads_same_forces_as_in_distribution(found: Assessment) -> None:
    one, other = found.result("in-distribution"), found.result("good")
    np.testing.assert_allclose(one.bead_forces, other.bead_forces, rtol=1e-5, atol=0.01)


def test_noise_ranks_last(found: Assessment) -> None:
    assert found.ranking["raw"].order == ("good", "noisy")
    assert set(found.ranking["polished"].order) == {"good", "noisy"}  # minimised forces tell nothing
    pooled = {place: scores["pooled"].js for place, scores in found.scores.items()}
    assert pooled["good", "raw"] < pooled["noisy", "raw"]
    assert set(found.scores["good", "raw"]) == {"B", "V", "pooled"}
    assert 0.0 <= found.overflow["noisy", "raw"]["pooled"] <= 1.0


def test_a_model_without_forces_has_the_mean_square_force_as_residual(found: Assessment) -> None:
    matching = found.matching["good", "raw"]
    forces = found.result("good").bead_forces.astype(np.float64)
    assert matching.n_samples == 2
    assert matching.chi2.value == pytest.approx(np.square(forces).mean(), rel=1e-6)
    both = matching.chi2.value + np.square(found.reference.bead_forces, dtype=np.float64).mean()
    assert found.augmented["good", "raw"].value == pytest.approx(both, rel=1e-6)
    assert "force_matching_augmented" in found.to_dict()["sets"][3]


def test_what_the_beads_show_is_beside_it(found: Assessment) -> None:
    names = [compared.label for compared in found.cg_level]
    assert names == ["good", "noisy"]
    kinds = {(own.quantity.kind, own.quantity.name) for own in found.cg_level[0].compared}
    assert {("bond", "B-V"), ("rdf", "B-B")} <= kinds
    bond = next(own for own in found.cg_level[0].compared if own.quantity.kind == "bond")
    assert np.array_equal(bond.reference, bond.test)
    assert {"C-C", "C-H"} <= set(found.radial["reference", "raw"])


def test_atoms_of_a_frame_can_be_looked_at(case: Case, found: Assessment) -> None:
    atoms, box = found.positions("good", "raw", 2, 1)
    assert atoms.shape == (case.mapping.n_atoms, 3)
    np.testing.assert_allclose(case.mapping.beads(atoms), found.result("good").beads[2], atol=1e-4)
    assert np.array_equal(box, CELL)
    with pytest.raises(MsbError, match="frame 77"):
        found.positions("good", "raw", 77)


def test_everything_is_json(found: Assessment) -> None:
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["ranking"]["raw"]["order"] == ["good", "noisy"]
    assert [own["name"] for own in told["sets"]][:2] == ["reference", "in-distribution"]
    assert len(told["sets"][2]["counts"]["pooled"]) == len(told["bins"]["pooled"])


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on_and_grows(case: Case, tmp_path: Path) -> None:
    models = [case.model("noisy", 0.03)]
    whole = assess(case.reference(), models, None, FAST, folder=tmp_path / "whole")

    made: list[int] = []

    def stop(done: int, total: int) -> None:
        made.append(done)
        if sum(made) == 3:
            raise Killed

    with pytest.raises(Killed):
        assess(case.reference(), models, None, FAST, folder=tmp_path / "part", progress=stop)
    with pytest.raises(ConfigError, match="--resume"):
        assess(case.reference(), models, None, FAST, folder=tmp_path / "part")
    counted: list[tuple[int, int]] = []
    again = assess(
        *(case.reference(), models, None, FAST),
        folder=tmp_path / "part",
        resume=True,
        progress=lambda *two: counted.append(two),
    )
    assert counted == [(1, 5)] * 5
    for one, other in zip(whole.results, again.results, strict=True):
        assert np.array_equal(one.bead_forces, other.bead_forces)
    counted.clear()
    more = [case.model("noisy", 0.03, frames=5)]
    grown = assess(
        *(case.reference(5), more, None, FAST),
        folder=tmp_path / "part",
        resume=True,
        progress=lambda *two: counted.append(two),
    )
    assert counted == [(1, 2)] * 2
    assert grown.reference.n_frames == 5
    with pytest.raises(ConfigError, match="set noisy"):
        assess(
            case.reference(), [case.model("noisy", 0.01)], None, FAST, folder=tmp_path / "part", resume=True
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_kills_at_any_moment_change_nothing(case: Case, tmp_path: Path) -> None:
    models = [case.model("noisy", 0.03)]
    began = time.perf_counter()
    whole = assess(case.reference(), models, None, FAST, folder=tmp_path / "whole")
    took = time.perf_counter() - began
    folder, moments = tmp_path / "killed", np.random.default_rng(3).uniform(0.0, 0.6, 10)
    for moment in moments * took:
        child = get_context("fork").Process(
            target=assess,
            args=(case.reference(), models, None, FAST),
            kwargs={"folder": folder, "resume": True},
        )
        child.start()
        child.join(float(moment))
        child.kill()
        child.join()
    again = assess(case.reference(), models, None, FAST, folder=folder, resume=True)
    for one, other in zip(whole.results, again.results, strict=True):
        assert np.array_equal(one.bead_forces, other.bead_forces)


def test_workers_get_all_they_need(case: Case, tmp_path: Path) -> None:
    """What is pickled and sent makes the same files as what stays."""
    from msb.assess.plan import Plan
    from msb.assess.store import Key, Store

    options = replace(FAST, polish=True, finish=MINIMISED)
    plan = Plan(case.reference(), [], case.backmapper, options)
    kept = []
    for name in ("here", "there"):
        store = Store(tmp_path / name)
        assessor = Assessor(plan.jobs, store, 0)
        if name == "there":
            assessor = pickle.loads(pickle.dumps(assessor))
        assert assessor.make(Work(1, 0, 0, case.beads[0], CELL, ("raw", "polished"))) == 2
        kept.append(store.read(Key("in-distribution", "polished", 0), positions=True))
    assert np.array_equal(kept[0].positions, kept[1].positions)
    assert np.array_equal(kept[0].measured.bead_forces, kept[1].measured.bead_forces)


def test_wrapped_atoms_and_beads_are_made_whole_and_it_is_said(case: Case) -> None:
    cut = wrapped(case.positions.astype(np.float64) + 1.0).astype(np.float32)
    reference = replace(case.reference(), read=in_memory(cut, case.boxes))
    beads = wrapped(case.beads.astype(np.float64)).astype(np.float32)
    model = replace(case.model("same", 0.0), read=in_memory(beads, case.boxes))
    whole = assess(case.reference(), [case.model("same", 0.0)], None, FAST)
    found = assess(reference, [model], None, FAST)
    assert any("cross the box" in note for note in found.notes)
    for one, other in zip(whole.results, found.results, strict=True):
        np.testing.assert_allclose(one.bead_forces, other.bead_forces, rtol=2e-3, atol=2.0)


def test_three_decimals_are_told(case: Case) -> None:
    rounded = replace(case.reference(), read=in_memory(np.round(case.positions, 3), case.boxes))
    found = assess(rounded, [case.model("same", 0.0)], None, FAST)
    assert found.rounding is not None
    assert found.rounding.decimals == 3
    assert any("coordinates of 3 decimals" in note for note in found.notes)


def test_too_few_frames_to_rank_are_scored_all_the_same(case: Case) -> None:
    found = assess(case.reference(), [case.model("few", 0.01, frames=2)], None, FAST)
    assert not found.ranking
    assert np.isfinite(found.scores["few", "raw"]["pooled"].js)
    assert any("too few frames to rank" in note for note in found.notes)
    with pytest.raises(TrajectoryError, match="two halves"):
        case.reference(1)


def test_other_conditions_are_said_and_not_ranked_without_force(case: Case) -> None:
    reference = replace(case.reference(), temperature=300.0)
    model = replace(case.model("warm", 0.0), temperature=400.0)
    found = assess(reference, [model], None, FAST)
    assert not found.ranking
    assert found.differences == {"warm": ("warm is at 400 K, the reference at 300 K",)}
    assert any("not ranked" in note and "--force" in note for note in found.notes)
    forced = assess(reference, [model], None, replace(FAST, force=True))
    assert forced.ranking["raw"].order == ("warm",)


def test_molecules_in_other_numbers(case: Case, tmp_path: Path) -> None:
    """A smaller box of the same molecules: its own force field and backmapper, the reference's bins."""
    other = make_case(tmp_path, frames=4, copies=1)
    placer = case.backmapper.onto(other.mapping.topology, other.mapping)
    model = replace(other.model("small", 0.0), backmapper=placer)
    found = assess(case.reference(), [model], None, replace(FAST, force=True))
    assert found.result("small").bead_forces.shape == (4, 8, 3)
    assert any("kg/m³" in said for said in found.differences["small"])
    assert set(found.scores["small", "raw"]) == {"B", "V", "pooled"}
    expected = BeadForces(other.system, other.mapping, platform="Reference")
    atoms, box = found.positions("small", "raw", 1)
    np.testing.assert_allclose(
        *(found.result("small").bead_forces[1], expected(atoms[None], box[None]).bead_forces[0]),
        rtol=1e-3,
        atol=0.5,
    )
    with pytest.raises(MappingError, match="small has others"):
        assess(case.reference(), [model], None, replace(FAST, map="optimal"))


def test_the_map_of_least_noise(case: Case) -> None:
    options = replace(FAST, map="optimal", keep_positions=False)
    with pytest.warns(MsbWarning, match="give more frames"):
        found = assess(case.reference(6), [], case.backmapper, options)
    assert found.forces["map"] == "optimal"
    plain = BeadForces(case.system, case.mapping)(case.positions, case.boxes).bead_forces
    assert np.square(found.reference.bead_forces).sum() < np.square(plain).sum()
    with pytest.raises(ConfigError, match="not kept"):
        found.positions("reference", "raw", 0)


def test_a_frame_that_cannot_be_is_named(case: Case) -> None:
    broken = case.beads.copy()
    broken[2, 0] = np.nan
    model = replace(case.model("bad", 0.0), read=in_memory(broken, case.boxes))
    with pytest.raises(MsbError, match="bad, frame 2: "):
        assess(case.reference(), [model], None, FAST)


def test_names_must_differ(case: Case) -> None:
    model: CGSet = case.model("A", 0.0)
    with pytest.raises(ConfigError, match="several CG models are called A"):
        assess(case.reference(), [model, model], None, FAST)
    with pytest.raises(ConfigError, match="cannot be called 'reference'"):
        replace(model, name="reference")
