"""`msb morph`: what it writes and says, and every kind of bad input it may be given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from morph_case import BEADS, BOX, CHAINS, Case, bare, melt_topology, shared_case, walks, write
from msb.io.trajectory import open_trajectory


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return shared_case(tmp_path_factory.getbasetemp())


def test_it_morphs_a_structure_and_tells_all(msb: Callable, case: Case, tmp_path: Path) -> None:
    out, folder = tmp_path / "morphed.gro", tmp_path / "report"
    said = msb("morph", case.structure, "-m", *case.models.values(), "-o", out, "--report", folder)
    assert said.code == 0, said.err
    for words in (
        f"{CHAINS} chains of {BEADS} beads, by the residues of the file",
        'a mean bond of 0.0967 "nm" against 0.49',
        "these are reduced units",
        "the density becomes the target's",
        "bound of toy_s2: the centres of 2 beads differ from the target's by bond ",
        "bound of toy_s3",
        "are kept exactly",
        "toy_s3, scheme B",
        "contour length",
    ):
        assert words in said.out, words
    lines = said.out.splitlines()
    order = [next(k for k, line in enumerate(lines) if word in line) for word in ("bound of", "morphed.gro:")]
    assert order == sorted(order)  # the bound comes before anything is morphed
    told = json.loads((folder / "morph.json").read_text())
    assert set(told["divergences"]) == {"before", "after", "bound", "floor", "bound_floor"}
    assert len(told["trials"]) == 4
    assert (told["model"], told["scheme"]) == (told["trials"][0]["model"], told["trials"][0]["scheme"])
    page = (folder / "index.html").read_text()
    for words in ("What the bottleneck lets through", "Outside the target", "kg.gro, morphed", "<svg"):
        assert words in page, words
    before, after = open_trajectory(case.structure), open_trajectory(out)
    assert list(after.names) == list(before.names) == ["FE"] * (CHAINS * BEADS)
    assert list(after.resnames) == list(before.resnames)
    assert list(after.resids) == list(before.resids)
    np.testing.assert_allclose(after.read().boxes, before.read().boxes * told["scale"], atol=1e-4)


def test_the_same_words_make_the_same_file(msb: Callable, case: Case, tmp_path: Path) -> None:
    words = ("morph", case.structure, "-m", case.models[2], "--scheme", "A", "--sweeps", 0, "--json")
    made = []
    for name in ("one.gro", "other.gro"):
        said = msb(*words, "--seed", 3, "-o", tmp_path / name)
        assert said.code == 0, said.err
        made.append((tmp_path / name).read_bytes())
        assert json.loads(said.out)["scheme"] == "A"
    assert made[0] == made[1]
    msb(*words, "--seed", 4, "-o", tmp_path / "third.gro")
    assert (tmp_path / "third.gro").read_bytes() != made[0]


def test_beads_at_the_targets_lengths_are_not_scaled(msb: Callable, case: Case, tmp_path: Path) -> None:
    x = walks(np.random.default_rng(0), 1, 0.5, 0.02, 120, BOX)
    beads = write(tmp_path / "x.gro", melt_topology(), x, BOX)
    words = ("morph", beads, "-m", case.models[2], "--scheme", "A", "--sweeps", 0, "--json")
    told = json.loads(msb(*words, "-o", tmp_path / "out.gro").out)
    assert told["scale"] == 1.0
    assert any("taken as nm" in line for line in told["said"])
    told = json.loads(msb(*words, "-o", tmp_path / "twice.gro", "--scale", 1.1).out)
    assert told["scale"] == 1.1


def test_trajectories_keep_their_clock(msb: Callable, case: Case, tmp_path: Path) -> None:
    words = ("morph", case.structure, case.trajectory, "-m", case.models[2], "--scheme", "A", "--sweeps", 0)
    said = msb(*words, "-o", tmp_path / "out.xtc")
    assert said.code == 0, said.err
    assert said.warnings == [
        "warning: the 3 frames are morphed independently of each other: their distributions are right, the "
        "local motion from frame to frame is not"
    ]
    assert open_trajectory(tmp_path / "out.pdb", tmp_path / "out.xtc").timestep == 1.0


def test_ambiguous_chains(refused: Callable, case: Case, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(0, BOX, (1, CHAINS * BEADS, 3))
    loose = bare(write(tmp_path / "loose.gro", melt_topology(), x, BOX))
    said = refused("morph", loose, "-m", case.models[2], "-o", tmp_path / "out.gro")
    assert "the chains cannot be told" in said
    assert "--per-chain" in said


def test_chains_shorter_than_s(refused: Callable, case: Case, tmp_path: Path) -> None:
    x = walks(np.random.default_rng(0), 1, 0.5, 0.02, 120, BOX)
    words = ("-m", case.models[3], "-o", tmp_path / "out.gro", "--per-chain", 2)
    said = refused("morph", write(tmp_path / "x.gro", melt_topology(), x, BOX), *words)
    assert "have 2 beads, fewer than the 3" in said


def test_an_unfinished_run_is_no_place_to_begin(
    refused: Callable, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before models and schemes are tried, which takes long."""
    (tmp_path / "out.gro.parts").mkdir()
    (tmp_path / "out.gro.parts/job.json").write_text("{}")
    monkeypatch.setattr("msb.jobs.morph.choice.choose", lambda *_, **__: pytest.fail("it began to work"))
    words = refused("morph", case.structure, "-m", case.models[2], "-o", tmp_path / "out.gro")
    assert "go on with --resume" in words


def test_no_box(refused: Callable, case: Case, tmp_path: Path) -> None:
    x = walks(np.random.default_rng(0), 1, 0.5, 0.02, 120, BOX)
    said = refused(
        "morph",
        write(tmp_path / "x.pdb", melt_topology(), x, None),
        "-m",
        case.models[2],
        "-o",
        tmp_path / "o.gro",
    )
    assert "has no box" in said


def test_a_model_of_another_s_or_method(refused: Callable, case: Case, model: Path, tmp_path: Path) -> None:
    words = ("morph", case.structure, "-o", tmp_path / "out.gro")
    assert "trained for s = 2" in refused(*words, "-m", case.models[2], "--s", 4)
    assert "needs one of the method `morph`" in refused(*words, "-m", model)
    assert "nowhere" in refused(*words, "-m", "nowhere")
    words = ("backmap", case.structure, "-o", tmp_path / "out.gro")
    assert "it is for `msb morph`" in refused(*words, "-m", case.models[2])


@pytest.mark.parametrize(
    ("bonds", "words"),
    [([(1, 2), (2, 3), (2, 4)], "branch"), ([(1, 2), (2, 3), (3, 4), (1, 4)], "ring"), ([(1, 3)], "follow")],
)
def test_molecules_that_are_no_chains(
    refused: Callable, case: Case, tmp_path: Path, bonds: list[tuple[int, int]], words: str
) -> None:
    atoms = "".join(f"{k} FE 1 KG FE {k} 0.0 1.0\n" for k in range(1, BEADS + 1))
    lines = "".join(f"{i} {j} 1\n" for i, j in bonds)
    top = tmp_path / "chain.itp"
    top.write_text(f"[ moleculetype ]\nKG 1\n[ atoms ]\n{atoms}[ bonds ]\n{lines}")
    command = ("morph", case.structure, "-m", case.models[2], "-o", tmp_path / "out.gro", "--top", top)
    assert words in refused(*command)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "-o morphed.gro"),
        (("-o", "kg.gro"), "is an input too"),
        (("-o", "out.dat"), "written as"),
        (("-o", "out.gro", "--scale", "big"), "'big' is not a number"),
        (("-o", "out.gro", "--scale", "-1"), "above 0"),
        (("-o", "out.gro", "--scheme", "C"), "invalid choice"),
        (
            ("-o", "out.gro", "--polish", "none", "--refine", "2"),
            "--refine puts right what the polish aims at",
        ),
        (("-o", "out.gro", "--report", "kg.gro"), "is a file; name a folder"),
        (("-o", "nowhere/out.gro", "--scheme", "A"), "there is no folder"),
    ],
)
def test_wrong_words(
    refused: Callable, case: Case, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(case.structure.parent)
    assert words in refused("morph", "kg.gro", "-m", case.models[2], *more)


def test_polish_none_is_what_the_network_has(msb: Callable, case: Case, tmp_path: Path) -> None:
    """The same centres, other beads; told in the numbers."""
    found = {}
    for polish in ("thermal", "none"):
        out = tmp_path / f"{polish}.gro"
        words = (
            "morph",
            case.structure,
            "-m",
            case.models[2],
            "-o",
            out,
            "--scheme",
            "A",
            "--polish",
            polish,
        )
        said = msb(*words, "--scheme", "A", "--json")
        assert said.code == 0, said.err
        told = json.loads(said.out)
        assert told["polish"] == polish
        assert told["refined"]["rounds"] == (3 if polish == "thermal" else 0)
        found[polish] = open_trajectory(out).read().positions[0]
    assert np.abs(found["thermal"] - found["none"]).max() > 0.02
