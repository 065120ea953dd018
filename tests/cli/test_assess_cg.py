"""`msb assess-cg`: what it writes and says, and every kind of bad input it may be given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assess_case import Case, write_case, write_frames
from msb.io import open_trajectory
from small_melt import BOX, butane, chain, wrapped, write_box, write_gro


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("liquid"))


def without(words: list[object], option: str, values: int = 1) -> list[object]:
    place = words.index(option)
    return [*words[:place], *words[place + 1 + values :]]


@pytest.fixture(scope="module")
def report_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


def test_it_ranks_models_and_says_so(msb: Callable, case: Case, report_folder: Path) -> None:
    said = msb(*case.words, "-o", report_folder)
    assert said.code == 0, said.err
    first = said.out.splitlines()[0]
    assert first.startswith("As backmapped: good ")
    assert "< bad " in first
    assert "learned from the first frame of the reference" in said.out
    told = json.loads((report_folder / "assess.json").read_text())
    assert told["ranking"]["raw"]["order"] == ["good", "bad"]
    assert told["told"][0] == first
    page = (report_folder / "index.html").read_text()
    assert first.split(":")[0] in page
    assert "What the CG level sees" in page
    pairs, beads = (open_trajectory(report_folder / name) for name in ("worst.pdb", "worst_beads.pdb"))
    assert (pairs.n_atoms, beads.n_atoms) == (28, 4)
    worst = told["worst_configurations"]
    assert {own["name"] for own in worst} == {"good", "bad"}
    assert worst[0]["name"] == "bad"
    assert pairs.n_frames == beads.n_frames == len(worst)
    assert [own["force"] for own in worst] == sorted((own["force"] for own in worst), reverse=True)


def test_a_second_run_needs_resume_and_then_works_on_nothing(
    msb: Callable, refused: Callable, case: Case, report_folder: Path
) -> None:
    assert "--resume" in refused(*case.words, "-o", report_folder)
    before = (report_folder / "assess.json").read_text()
    said = msb(*case.words, "-o", report_folder, "--resume", "--json")
    assert said.code == 0
    ours, theirs = json.loads(said.out), json.loads(before)
    assert ours["ranking"] == theirs["ranking"]
    assert "of other inputs" in refused(*case.words, "-o", report_folder, "--resume", "--cutoff", 0.9)


def test_fail_above_exits_with_2(msb: Callable, case: Case, report_folder: Path) -> None:
    said = msb(*case.words, "-o", report_folder, "--resume", "--fail-above", 0.001)
    assert said.code == 2
    assert "quality: bad, raw: excess " in said.err
    assert msb(*case.words, "-o", report_folder, "--resume", "--fail-above", 0.7).code == 0


def sets_of(folder: Path) -> dict[str, dict[str, object]]:
    return {own["name"]: own for own in json.loads((folder / "assess.json").read_text())["sets"]}


def test_torch_finds_the_same_forces(msb: Callable, case: Case, report_folder: Path, tmp_path: Path) -> None:
    said = msb(*case.words, "-o", tmp_path / "out", "--engine", "torch")
    assert said.code == 0, said.err
    ours, theirs = sets_of(tmp_path / "out"), sets_of(report_folder)
    for name in ("reference", "in-distribution", "good", "bad"):
        for what in ("force_rms", "force_median"):
            assert ours[name][what] == pytest.approx(theirs[name][what], rel=1e-4), (name, what)
    assert "torch" in (tmp_path / "out/index.html").read_text()


def test_optimal_map_ranks_the_same(msb: Callable, case: Case, tmp_path: Path) -> None:
    said = msb(*case.words, "-o", tmp_path / "out", "--map", "optimal")
    assert said.code == 0, said.err
    assert said.out.startswith("As backmapped: good ")
    assert "optimal map" in (tmp_path / "out/index.html").read_text()


def with_forces(path: Path, case: Case, push: float) -> Path:
    """A TRR of the good model's beads with the same force in kJ/mol/nm on each of them."""
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    n = case.mapping.n_beads
    with TRRFile(str(path), "w") as file:
        for k, beads in enumerate(case.beads.astype(np.float32)):
            forces = np.full((n, 3), push, np.float32)
            file.write(beads, None, forces, BOX.astype(np.float32), k, float(k), 0.0, n)
    return path


def test_two_samples_of_every_frame_split_the_residual(msb: Callable, case: Case, tmp_path: Path) -> None:
    words = ["random" if word == "fragment" else word for word in case.words]
    words = without(without(without(words, "--cg", 2), "--cg", 2), "--name", 2)
    words += ["--cg", case.good.with_suffix(".pdb"), with_forces(tmp_path / "own.trr", case, 0.0)]
    said = msb(*words, "-o", tmp_path / "out", "--samples", 2, "--frames", 4)
    assert said.code == 0, said.err
    sets = sets_of(tmp_path / "out")
    wanted = {"reference": 1, "in-distribution": 2, "good": 2}
    assert {name: own["samples"] for name, own in sets.items()} == wanted
    assert sets["good"]["force_matching"]["variance"]["value"] > 0


def test_another_density_is_said_and_not_ranked_without_force(
    msb: Callable, case: Case, tmp_path: Path
) -> None:
    wide = write_frames(tmp_path / "wide.trr", case.mapping.bead_topology(), case.beads, 1.2 * BOX)
    words = [*case.words, "--cg", wide.with_suffix(".pdb"), wide]
    words = [*without(words, "--name", 2), "--name", "good", "bad", "wide"]
    said = msb(*words, "-o", tmp_path / "out", "--frames", 4)
    assert said.code == 0
    assert said.out.startswith("The models are not ranked")
    assert "wide" in said.out
    assert "densit" in said.out
    assert "--force" in said.out
    said = msb(*words, "-o", tmp_path / "out", "--frames", 4, "--resume", "--force")
    assert "right with probability" in said.out
    assert "densit" in said.out


def test_too_few_frames_to_rank(msb: Callable, case: Case, tmp_path: Path) -> None:
    said = msb(*case.words, "-o", tmp_path / "out", "--frames", 2)
    assert said.code == 0
    assert said.out.startswith("The models are not ranked")
    assert "too few frames to rank" in " ".join(said.out.split()).lower()


def test_three_decimals_work_with_a_floor(msb: Callable, case: Case, tmp_path: Path) -> None:
    rounded = write_frames(tmp_path / "aa.trr", case.mapping.topology, np.round(case.positions, 3))
    words = [str(rounded) if word == case.reference else word for word in case.words]
    said = msb(*words, "-o", tmp_path / "out", "--frames", 4)
    assert said.code == 0, said.err
    assert "3 decimals put an error of" in said.out


def test_molecules_cut_by_the_box_are_made_whole_and_that_is_said(
    msb: Callable, case: Case, report_folder: Path, tmp_path: Path
) -> None:
    cut = write_frames(tmp_path / "aa.trr", case.mapping.topology, wrapped(case.positions + 1.0))
    words = [str(cut) if word == case.reference else word for word in case.words]
    beads = write_frames(tmp_path / "good.trr", case.mapping.bead_topology(), wrapped(case.beads + 1.0))
    words = [
        {str(case.good): beads, str(case.good.with_suffix(".pdb")): beads.with_suffix(".pdb")}.get(
            str(word), word
        )
        for word in words
    ]
    said = msb(*words, "-o", tmp_path / "out", "--frames", 4)
    assert said.code == 0, said.err
    assert "whole" in said.out.lower()
    assert "the CG model good" in said.err
    assert "cross the box" in said.err


def test_no_box(refused: Callable, case: Case, tmp_path: Path) -> None:
    bare = write_frames(tmp_path / "good.trr", case.mapping.bead_topology(), case.beads, None)
    words = [str(bare) if word == case.good else word for word in case.words]
    told = refused(*words, "-o", tmp_path / "out")
    assert "the CG model good has no box" in told
    bare = write_frames(tmp_path / "aa.trr", case.mapping.topology, case.positions, None)
    words = [str(bare) if word == case.reference else word for word in case.words]
    assert "has no box, but 8 molecules" in refused(*words, "-o", tmp_path / "out")


def test_beads_of_other_numbers_and_names(refused: Callable, case: Case, tmp_path: Path) -> None:
    names = case.mapping.bead_topology()
    fewer = [(1, "BUT", "B1", np.zeros(3)), (1, "BUT", "B2", np.ones(3)), (2, "BUT", "B1", np.ones(3) * 2)]
    other = [(1, "HEX", "A1", np.zeros(3)), (1, "HEX", "A2", np.ones(3))]
    for rows, word in ((fewer, "BUT"), (other, "HEX")):
        structure = write_gro(tmp_path / "cg.gro", rows)
        words = [*without(without(case.words, "--cg", 2), "--cg", 2), "--cg", structure]
        told = refused(*without(words, "--name", 2), "-o", tmp_path / "out")
        assert word in told
        assert "does not know" in told
    structure = write_gro(tmp_path / "one.gro", [(1, "BUT", n, np.ones(3)) for n in names.atom_names[:2]])
    words = [*without(without(case.words, "--cg", 2), "--cg", 2), "--cg", structure, case.good]
    assert "16 atoms a frame" in refused(*without(words, "--name", 2), "-o", tmp_path / "out")


def test_a_force_field_that_lacks_a_type(refused: Callable, case: Case, tmp_path: Path) -> None:
    top = tmp_path / "topol.top"
    top.write_text(case.box.top.read_text().replace("H    1.008  0.0 A 0.23 0.12\n", ""))
    words = [str(top) if word == case.box.top else word for word in case.words]
    told = refused(*words, "-o", tmp_path / "out")
    assert "no whole force field" in told
    assert "atom types H" in told
    assert "forces are made of them" in told


def test_a_topology_of_other_molecules(refused: Callable, case: Case, tmp_path: Path) -> None:
    other = write_box(tmp_path / "other", [chain()] * 2, types=[chain()])
    words = [str(other.top) if word == case.box.top else word for word in case.words]
    assert "holds what no molecule type" in refused(*words, "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda words: without(words, "--method"), "either a model (-m MODEL) or a method"),
        (lambda words: [*words, "-m", "sps"], "either a model (-m MODEL) or a method"),
        (lambda words: without(words, "--top"), "--method fragment needs --top"),
        (lambda words: without(words, "--mapping"), "--method fragment needs --mapping"),
        (lambda words: [*words, "--polish"], "--polish needs --temperature"),
        (lambda words: [*without(words, "--name", 2), "--name", "one"], "1 names and 2 models"),
        (lambda words: [*without(words, "--name", 2), "--name", "one", "one"], "a name of its own"),
        (lambda words: [*words, "--cg-temperature", 300, 310, 320], "3 temperatures and 2 models"),
        (lambda words: [*words, "--demo"], "--demo brings its own files"),
        (lambda words: ["assess-cg"], "or --demo"),
        (lambda words: [*words, "--frames", 0], "must be 1 or more"),
    ],
)
def test_options_that_do_not_go_together(
    refused: Callable, case: Case, tmp_path: Path, change: Callable, expected: str
) -> None:
    assert expected in refused(*change(list(case.words)), "-o", tmp_path / "out")


def test_a_trajectory_for_each_model_only(refused: Callable, case: Case, tmp_path: Path) -> None:
    told = refused(*case.words, "--cg", "a.gro", "a.xtc", "b.xtc", "-o", tmp_path / "out")
    assert "--cg takes a structure and one trajectory, not 3 files" in told
    bare = without(without(without(case.words, "--cg", 2), "--cg", 2), "--name", 2)
    told = refused(*bare, "-o", tmp_path / "out")
    assert "no CG model to judge" in told


def test_butane_is_what_the_case_is_made_of(case: Case) -> None:
    assert case.mapping.topology.n_atoms == 8 * len(butane().names)
    assert BOX.shape == (3, 3)


def test_forces_of_the_models_themselves(
    msb: Callable, refused: Callable, case: Case, tmp_path: Path
) -> None:
    with_forces(tmp_path / "own.trr", case, 0.0)
    with_forces(tmp_path / "rerun.trr", case, 50.0)
    words = without(without(without(case.words, "--cg", 2), "--cg", 2), "--name", 2)
    words += ["--cg", case.good.with_suffix(".pdb"), tmp_path / "own.trr", "--cg-rerun"]
    said = msb(*words, tmp_path / "rerun.trr", "-o", tmp_path / "out", "--frames", 4)
    assert said.code == 0, said.err
    sets = {own["name"]: own for own in json.loads((tmp_path / "out/assess.json").read_text())["sets"]}
    assert sets["good"]["force_matching"]["chi2"]["value"] > 0
    augmented = sets["good"]["force_matching_augmented"]["value"]
    assert augmented > sets["good"]["force_matching"]["chi2"]["value"]
    assert "Force matching" in (tmp_path / "out/index.html").read_text()
    assert "holds no forces" in refused(*words, case.good, "-o", tmp_path / "other", "--frames", 4)
    assert "2 reruns and 1 models" in refused(*words, "a.trr", "b.trr", "-o", tmp_path / "other")
