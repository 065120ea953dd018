"""`msb backmap`: what it writes and says, and every kind of bad input it may be given."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.backmapper import build_model
from msb.cli.main import main
from msb.io import open_trajectory
from msb.io.gromacs import read_gromacs
from msb.jobs.backmap.library import read_snapshots
from small_melt import Box, bead_rows, butane, chain, grompp, placed, write_box, write_gro


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Three chains and two butanes in a triclinic box, beads wrapped, three decimals."""
    return write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)


@pytest.fixture
def words(box: Box, tmp_path: Path) -> list[object]:
    """A command that works and takes no time."""
    known = ["--method", "fragment", "--from", box.atoms, "--top", box.top, "--mapping", box.mapping]
    return ["backmap", box.beads, *known, "--relax", "none", "-o", tmp_path / "aa.gro"]


def without(words: list[object], option: str) -> list[object]:
    place = words.index(option)
    return [*words[:place], *words[place + 2 :]]


def changed(box: Box, folder: Path, old: str, new: str) -> Path:
    text = box.top.read_text()
    assert old in text
    (folder / "changed.top").write_text(text.replace(old, new))
    return folder / "changed.top"


def test_it_writes_atoms_relaxes_them_and_says_so(msb: Callable, words: list[object], tmp_path: Path) -> None:
    said = msb(*without(words, "--relax"), "--top-out", tmp_path / "out.top")
    assert said.code == 0
    assert f"{tmp_path}/aa.gro: 1 frame of 124 atoms" in said.out
    assert "fragment, relax staged, polish none" in said.out
    assert "no --temperature: the atoms are relaxed and not polished" in said.out
    assert "0 of 1 frames failed" in said.out
    assert f"check: {tmp_path}/aa.gro: nothing wrong in 1 frame" in said.err
    assert said.warnings == []
    atoms = open_trajectory(tmp_path / "aa.gro")
    assert atoms.names[:3].tolist() == ["C1", "H2", "H3"]
    assert set(atoms.resnames.tolist()) == {"PVC", "BUT"}
    assert read_gromacs(tmp_path / "out.top").topology.n_atoms == 124


def test_polish_where_the_temperature_is_known_and_json(
    msb: Callable, words: list[object], tmp_path: Path
) -> None:
    said = msb(*without(words, "--relax"), "--temperature", 300, "--polish-ps", 0.5, "--json")
    told = json.loads(said.out)
    assert (told["polish"], told["polish_ps"]) == ("thermal", 0.5)
    assert (told["temperature"], told["atoms"]) == (300.0, 124)
    assert told["outputs"] == [str(tmp_path / "aa.gro")]
    assert told["molecules"] == [["PVC", 3], ["BUT", 2]]
    assert told["relaxed"][0]["failed"] == 0
    assert told["relaxed"][0]["bead_max_nm"] < 0.01
    assert told["quality"][0]["counts"]["hand"] == 0
    assert "findings" in told["quality"][0]


@pytest.mark.parametrize("method", ["random", "geometric"])
def test_methods_that_need_no_snapshot(
    msb: Callable, refused: Callable, box: Box, tmp_path: Path, method: str
) -> None:
    words = ["backmap", box.beads, "--method", method, "--top", box.top, "--mapping", box.mapping]
    words += ["--relax", "none", "-o", tmp_path / "aa.gro"]
    assert "give --tacticity iso, syndio, atactic:P" in refused(*words)
    said = msb(*words, "--tacticity", "iso", "--json")
    assert said.code == 0
    if method == "geometric":  # rigid pieces turned at random tear the centres between them
        quality = json.loads(said.out)["quality"][0]
        assert quality["counts"]["hand"] == 0
        assert quality["statistics"]["meso_share"] == 1.0


@pytest.mark.parametrize("method", ["library", "linear"])
def test_methods_that_learn(msb: Callable, words: list[object], method: str) -> None:
    words[words.index("fragment")] = method
    assert msb(*words).code == 0


def test_a_model_brings_molecules_mapping_and_temperature(
    msb: Callable, refused: Callable, box: Box, tmp_path: Path
) -> None:
    """Saved once, it serves other numbers and other lengths."""
    shown = read_snapshots([box.atoms], read_gromacs(box.top), [box.mapping])
    build_model("fragment", shown, shown.topology, shown.mapping, temperature=300.0).save(tmp_path / "model")
    molecules = [butane(), chain(8), chain(), chain(), butane()]
    beads = write_gro(tmp_path / "cg.gro", bead_rows(molecules, placed(molecules, 2)))
    said = msb("backmap", beads, "-m", tmp_path / "model", "-o", tmp_path / "aa.gro")
    assert said.code == 0, said
    assert "300 K, the model's training temperature" in said.out
    assert open_trajectory(tmp_path / "aa.gro").n_atoms == 2 * 14 + 2 * 32 + 50
    sentence = refused(
        "backmap", beads, "-m", tmp_path / "model", "--mapping", box.mapping, "-o", tmp_path / "b.gro"
    )
    assert "a model brings its own" in sentence


def test_the_stub_model_works_here_too(
    msb: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    said = msb("backmap", *beads, "-m", model, "-o", tmp_path / "aa.xtc", "--workers", 1, "--seed", 2)
    assert said.code == 0
    assert f"{tmp_path}/aa.xtc: 40 frames of 22 atoms" in said.out


def test_top_out_passes_grompp(msb: Callable, box: Box, tmp_path: Path) -> None:
    """Another order than in the .top, a chain of another length, includes: one file that stands alone."""
    if shutil.which("gmx") is None:
        pytest.skip("GROMACS is not installed")
    head, rest = box.top.read_text().split("[ atomtypes ]")
    (tmp_path / "types.itp").write_text("[ atomtypes ]" + rest.split("[ moleculetype ]")[0])
    molecules = "[ moleculetype ]" + "[ moleculetype ]".join(rest.split("[ moleculetype ]")[1:])
    restraints = '#ifdef POSRES\n#include "posre.itp"\n#endif\n#include "posre_missing.itp"\n'
    (tmp_path / "topol.top").write_text(
        f'{head}#include "types.itp"\n{molecules.replace("[ system ]", restraints + "[ system ]")}'
    )
    kinds = [butane(), chain(7), chain(), butane()]
    beads = write_gro(tmp_path / "cg.gro", bead_rows(kinds, placed(kinds, 2)))
    known = [
        "--method",
        "fragment",
        "--from",
        box.atoms,
        "--top",
        tmp_path / "topol.top",
        "--mapping",
        box.mapping,
    ]
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "aa.gro"
    said = msb("backmap", beads, *known, "--top-out", tmp_path / "out" / "aa.top", "-o", out)
    assert said.code == 0, said
    assert "WARNING" not in grompp(tmp_path / "out")
    assert "PVC_2" in (tmp_path / "out" / "aa.top").read_text()


def test_more_than_99999_atoms(msb: Callable, box: Box, tmp_path: Path) -> None:
    count, side = 7200, 20.0
    lattice = np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"), -1).reshape(-1, 3)[:count]
    rows = [(k + 1, "BUT", f"B{b}", x + 0.125 * b) for k, x in enumerate(lattice) for b in (1, 2)]
    beads = write_gro(tmp_path / "cg.gro", rows, np.diag([side] * 3))
    words = ["--method", "random", "--top", box.top, "--mapping", box.mapping, "--relax", "none"]
    said = msb("backmap", beads, *words, "-o", tmp_path / "aa.gro")
    assert said.code == 0, said
    atoms = open_trajectory(tmp_path / "aa.gro")
    assert atoms.n_atoms == 14 * count
    assert len(np.unique(atoms.atoms.residue)) == count


def test_everything_unknown_at_once(
    msb: Callable, refused: Callable, words: list[object], box: Box, tmp_path: Path
) -> None:
    text = box.beads.read_text().replace("BUT     B2", "BUT     BX").replace("3PVC  ", "3PVX  ")
    beads = tmp_path / "cg.gro"
    beads.write_text(text)
    words[1] = beads
    sentence = refused(*words)
    assert "residue PVX (B1 V1" in sentence
    assert "(nearest: PVC" in sentence
    assert "bead BX (nearest: B" in sentence
    said = msb(*words, "--unknown", "skip")
    assert said.code == 0
    assert any("1 PVX, 2 BUT are left out" in line for line in said.warnings)
    said = msb(*words, "--unknown", "copy", "--json")
    told = json.loads(said.out)
    assert told["atoms"] == 2 * 32 + 10 + 2 * 2
    assert told["unplaced"][0] == {"residue": "PVX", "count": 1, "solvent": False, "fate": "copied"}


def test_solvent_beads_are_left_out_kept_or_filled(
    msb: Callable, words: list[object], tmp_path: Path
) -> None:
    molecules = [chain()] * 3 + [butane()] * 2
    wet = [(60 + k, "W", "W", np.array([0.5 * k, 3.0, 1.0])) for k in range(4)]
    rows = [*bead_rows(molecules, placed(molecules, 1)), *wet, (70, "ION", "NA+", np.ones(3))]
    words[1] = write_gro(tmp_path / "wet.gro", rows)
    atoms = {}
    for what, said in (
        ("drop", "are left out"),
        ("keep", "stay beads"),
        ("fill", "are filled with molecules"),
    ):
        told = msb(*words, "--solvent", what)
        assert told.code == 0, told
        assert any(f"4 W, 1 ION {said}" in line for line in told.warnings)
        atoms[what] = open_trajectory(tmp_path / "aa.gro")
    assert [atoms[what].n_atoms - 124 for what in ("drop", "keep", "fill")] == [0, 5, 4 * 4 * 3 + 1]
    oxygens = atoms["fill"].read().positions[0][124:-1:3].reshape(4, 4, 3)
    assert np.abs(oxygens.mean(1) - np.array([place for *_, place in wet])).max() < 2e-3


def test_what_the_check_finds_is_repaired(msb: Callable, box: Box, tmp_path: Path) -> None:
    words = ["backmap", box.beads, "--method", "random", "--tacticity", "syndio", "--relax", "none", "--json"]
    words += ["--top", box.top, "--mapping", box.mapping, "-o", tmp_path / "aa.gro"]
    before = json.loads(msb(*words).out)["quality"][0]["total"]
    told = json.loads(msb(*words, "--repair").out)
    assert before > 20
    assert told["quality"][0]["total"] < before / 2
    assert "findings repaired in" in told["notes"][0]


def test_a_force_field_that_lacks_something_names_all_of_it(
    refused: Callable, words: list[object], box: Box, tmp_path: Path
) -> None:
    words = without(words, "--relax")
    top = words.index("--top") + 1
    words[top] = changed(box, tmp_path, "CL  35.450  0.0 A 0.34 1.00\n", "")
    assert "PVC has atom types CL that no [ atomtypes ] gives" in refused(*words)
    words[top] = changed(box, tmp_path, "C CL 1 0.179 180000\n", "")
    assert "bonds of PVC between types C-CL have no parameters" in refused(*words)
    words[top] = changed(box, tmp_path, "CL  35.450", "CL  0.0   ")
    assert "15 atoms of the force field have no mass and are no virtual sites" in refused(*words)
    text = box.top.read_text()
    cut = text.index("[ bonds ]", text.index("PVC 3"))
    (tmp_path / "loose.top").write_text(text[:cut] + text[text.index("[ angles ]", cut) :])
    words[top] = tmp_path / "loose.top"
    assert "molecule PVC has 32 atoms in 32 pieces that no bond joins" in refused(*words)


def test_names_that_look_like_two_letter_elements(msb: Callable, box: Box, tmp_path: Path) -> None:
    """Carbons called CA, CD and CO: the topology's masses and types say what they are."""
    text, atoms = box.top.read_text(), box.atoms.read_text()
    for number, odd in ((1, "CA1"), (5, "CD5"), (8, "CO8")):
        text = text.replace(f" C{number} ", f" {odd} ")
        atoms = atoms.replace(f"{f'C{number}':>5}", f"{odd:>5}")
    (tmp_path / "topol.top").write_text(text)
    (tmp_path / "aa.gro").write_text(atoms)
    words = [
        "--method",
        "fragment",
        "--from",
        tmp_path / "aa.gro",
        "--mapping",
        box.mapping,
        "--relax",
        "none",
    ]
    said = msb(
        "backmap", box.beads, *words, "--top", tmp_path / "topol.top", "-o", tmp_path / "out.gro", "--json"
    )
    assert said.code == 0, said
    assert json.loads(said.out)["quality"][0]["total"] == 0
    assert msb("backmap", box.beads, *words, "-o", tmp_path / "own.gro").code == 0


def test_virtual_sites_are_where_the_atoms_they_are_made_of_put_them(msb: Callable, tmp_path: Path) -> None:
    box = write_box(tmp_path / "box", [butane()] * 3)
    site = "15 MW 1 BUT MW 15 0.0 0.0\n[ virtual_sites2 ]\n15 1 5 1 0.5\n[ bonds ]"
    text = (
        box.top.read_text()
        .replace("CL  35.450", "MW 0.0 0.0 V 0.0 0.0\nCL  35.450")
        .replace("[ bonds ]", site)
    )
    box.top.write_text(text)
    box.mapping.write_text(box.mapping.read_text().replace("6, 7]", "6, 7, {atom: 15, fraction: 0}]"))
    words = ["--method", "random", "--top", box.top, "--mapping", box.mapping, "--temperature", 300, "--json"]
    said = msb("backmap", box.beads, *words, "-o", tmp_path / "aa.pdb")
    assert said.code == 0, said
    assert json.loads(said.out)["quality"][0]["total"] == 0
    x = open_trajectory(tmp_path / "aa.pdb").read().positions[0].reshape(3, 15, 3)
    assert np.abs(x[:, 14] - (x[:, 0] + x[:, 4]) / 2).max() < 2e-4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: without(w, "--method"), "give either a model (-m MODEL) or a method (--method NAME)"),
        (lambda w: [*w, "-m", "adp"], "give either a model (-m MODEL) or a method (--method NAME)"),
        (lambda w: without(w, "--mapping"), "--method fragment needs --mapping"),
        (lambda w: without(w, "--from"), "learns from all-atom structures of these molecules"),
        (lambda w: [*without(w, "--top"), "--top-out", "x.top"], "--top-out is made of a topology"),
        (lambda w: [*w, "--polish", "thermal"], "--polish thermal needs --temperature K"),
        (lambda w: [*w, "--polish-ps", 0.1], "--polish-ps 0.1 without a polish: add --polish thermal"),
        (
            lambda w: [*without(without(w, "--relax"), "--top"), "--relax", "em"],
            "--relax em needs a force field",
        ),
        (lambda w: [*w, "--option", "bast=3"], "did you mean `best`?"),
        (lambda w: [*w, "--option", "best"], "write KEY=X"),
        (lambda w: [*w, "--tacticity", "isotactic"], "neither iso, syndio nor atactic:P"),
        (
            lambda w: [*w[:3], "fragments", *w[4:]],
            "known methods: backmap, fragment, geometric, library, linear",
        ),
        (lambda w: [*w[:-1], w[1]], "is an input too"),
        (lambda w: [*w[:-1], w[5]], "is an input too"),
        (lambda w: [*w[:-1], "aa.xyzzy"], "not '.xyzzy'"),
        (lambda w: [w[0], "nowhere.gro", *w[2:]], "nowhere.gro does not exist"),
    ],
)
def test_options_that_do_not_go_together(
    refused: Callable, words: list[object], tmp_path: Path, change: Callable, sentence: str
) -> None:
    assert sentence in refused(*change(words))
    assert not (tmp_path / "aa.gro").exists()


def test_kill_and_resume_give_the_same_bytes(
    msb: Callable, refused: Callable, box: Box, tmp_path: Path
) -> None:
    frames = [box.beads.read_text()] * 10
    series = tmp_path / "series.gro"
    series.write_text("".join(frames))
    known = ["--method", "fragment", "--from", box.atoms, "--top", box.top, "--mapping", box.mapping]
    words = ["backmap", box.beads, series, *known, "--relax", "none", "--option", "best=3", "--workers", 1]
    words = [str(word) for word in [*words, "--chunk", 1, "-o"]]
    assert msb(*words, tmp_path / "whole.xtc").code == 0
    output, parts = tmp_path / "aa.xtc", tmp_path / "aa.xtc.parts"
    child = os.fork()
    if child == 0:
        try:
            main([*words, str(output)])
        finally:
            os._exit(0)
    limit = time.monotonic() + 60
    while not (parts / "000002.json").exists() and time.monotonic() < limit:
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert parts.exists(), "the run ended before it could be killed"
    assert "go on with --resume" in refused(*words, output)
    assert "seed" in refused(*words, output, "--resume", "--seed", 1)
    assert msb(*words, output, "--resume").code == 0
    assert output.read_bytes() == (tmp_path / "whole.xtc").read_bytes()
