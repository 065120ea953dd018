"""`msb backmap-traj`, and every kind of bad input it may be given."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.cli.main import main
from msb.io import Frames, open_trajectory, open_writer

from stub_backmapper import StubBackmapper, bead_frames


@pytest.fixture
def backmap(refused: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path) -> Callable[..., str]:
    """Backmap with something wrong; return the sentence, having checked that no output was left."""

    def call(
        *words: object, structure: Path = beads[0], trajectory: Path = beads[1], m: object = model
    ) -> str:
        sentence = refused("backmap-traj", structure, trajectory, "-m", m, "-o", tmp_path / "aa.xtc", *words)
        assert not (tmp_path / "aa.xtc").exists()
        return sentence

    return call


def write(path: Path, positions: np.ndarray, names: object) -> Path:
    with open_writer(path, names) as writer:
        writer.write(Frames(positions, None, np.arange(float(len(positions)))))
    return path


def test_it_writes_atoms_and_says_so(
    msb: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    said = msb("backmap-traj", *beads, "-m", model, "-o", tmp_path / "aa.xtc", "--seed", 7)
    assert said.code == 0
    assert f"{tmp_path}/aa.xtc: 40 frames of 22 atoms" in said.out
    assert "300 K (the model's training temperature)" in said.out
    assert re.fullmatch(r"check: [\d,]+ findings in 40 frames: .*\n", said.err)  # and no progress bar
    atoms = open_trajectory(tmp_path / "aa.pdb", tmp_path / "aa.xtc")
    assert (atoms.n_frames, atoms.n_atoms, atoms.timestep) == (40, 22, 1.0)


def test_every_frame_is_checked(msb: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    words = ("backmap-traj", *beads, "-m", model, "-o")
    said = msb(*words, tmp_path / "aa.xtc", "--json")
    quality = json.loads(said.out)["quality"]
    assert said.code == 0  # writing is no judgement
    assert quality["frames"] == 40
    assert quality["total"] == sum(quality["counts"].values()) > 0
    assert {f["frame"] for f in quality["findings"]} <= set(range(40))
    assert set(quality["findings"][0]) == {"kind", "frame", "residue", "atoms", "value"}
    pieces = msb(*words, tmp_path / "pieces.xtc", "--json", "--segments", 7, "--chunk", 14)
    found = json.loads(pieces.out)["quality"]
    assert found["frames"] == 40
    assert max(map(int, found["by_frame"])) == 39


def test_json_and_samples(msb: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    said = msb("backmap-traj", *beads, "-m", model, "-o", tmp_path / "aa.xtc", "--samples", 2, "--json")
    told = json.loads(said.out)
    assert told["outputs"] == [str(tmp_path / "aa_s1.xtc"), str(tmp_path / "aa_s2.xtc")]
    assert told["n_frames"] == 40


def test_a_structure_alone_is_one_frame(
    msb: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    said = msb("backmap-traj", beads[0], "-m", model, "-o", tmp_path / "aa.gro")
    assert (said.code, said.warnings) == (0, [])
    assert open_trajectory(tmp_path / "aa.gro").n_frames == 1


def test_truncated_trajectory(backmap: Callable, beads: tuple[Path, Path]) -> None:
    beads[1].write_bytes(beads[1].read_bytes()[:-7])
    assert "cg.xtc" in (sentence := backmap())
    assert "truncated" in sentence or "cut" in sentence


def test_empty_trajectory(backmap: Callable, beads: tuple[Path, Path]) -> None:
    beads[1].write_bytes(b"")
    assert "cg.xtc is empty" in backmap()


def test_missing_trajectory(backmap: Callable, tmp_path: Path) -> None:
    assert "nowhere.xtc does not exist" in backmap(trajectory=tmp_path / "nowhere.xtc")


def test_not_a_trajectory(backmap: Callable, beads: tuple[Path, Path]) -> None:
    beads[1].write_bytes(b"this is no trajectory, whatever its name says\n" * 20)
    assert "cg.xtc" in backmap()


def test_nan_names_the_frame(backmap: Callable, stub: StubBackmapper, tmp_path: Path) -> None:
    dcd = write(tmp_path / "nan.dcd", bead_frames(9), stub.mapping.bead_topology())
    raw = bytearray(dcd.read_bytes())
    place = raw.find((10 * bead_frames(9)[5, 0, 0]).tobytes())  # x of a bead in frame 5, in ångström
    raw[place : place + 4] = np.float32(np.nan).tobytes()
    dcd.write_bytes(raw)
    sentence = backmap("--lag", 1, structure=tmp_path / "nan.pdb", trajectory=dcd)
    assert "frame 5" in sentence
    assert "not a finite" in sentence


def test_wrong_number_of_beads(backmap: Callable, stub: StubBackmapper, tmp_path: Path) -> None:
    names = stub.mapping.bead_topology().to_universe().atoms[:5]
    few = write(tmp_path / "few.xtc", bead_frames(3)[:, :5], names)
    sentence = backmap(structure=tmp_path / "few.pdb", trajectory=few)
    assert "5 beads a frame, the model places 6 (C of ACE, N of ALA, CA of ALA" in sentence


def test_structure_of_another_trajectory(backmap: Callable, stub: StubBackmapper, tmp_path: Path) -> None:
    write(tmp_path / "aa.dcd", np.zeros((2, 22, 3), np.float32), stub.topology)
    sentence = backmap(trajectory=tmp_path / "aa.dcd")
    assert "22 atoms a frame, but" in sentence


def test_beads_in_another_order_are_matched_and_it_is_said(
    msb: Callable, beads: tuple[Path, Path], model: Path, stub: StubBackmapper, tmp_path: Path
) -> None:
    order = [5, 2, 0, 1, 4, 3]
    names = stub.mapping.bead_topology().to_universe().atoms[order]
    shuffled = write(tmp_path / "mixed.xtc", bead_frames(40)[:, order], names)
    said = msb("backmap-traj", tmp_path / "mixed.pdb", shuffled, "-m", model, "-o", tmp_path / "a.xtc")
    assert said.code == 0
    assert len(said.warnings) == 1
    assert "matched by residue and name" in said.warnings[0]
    msb("backmap-traj", *beads, "-m", model, "-o", tmp_path / "b.xtc")
    assert (tmp_path / "a.xtc").read_bytes() == (tmp_path / "b.xtc").read_bytes()


def test_unknown_residue(backmap: Callable, beads: tuple[Path, Path]) -> None:
    beads[0].write_text(beads[0].read_text().replace("NME", "NHE"))
    assert "residue NHE 3 is unknown to the model, which knows ACE, ALA, NME" in backmap()


def test_unknown_bead(backmap: Callable, beads: tuple[Path, Path]) -> None:
    beads[0].write_text(beads[0].read_text().replace(" CB  ALA", " CG  ALA"))
    assert "CG" in backmap()


def test_frame_spacing_names_lag(
    backmap: Callable, msb: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    with open_writer(beads[1], open_trajectory(beads[0])) as writer:
        writer.write(Frames(bead_frames(5), None, 10 * np.arange(5.0)))
    assert "10 ps apart, the model was trained on 1 ps" in (sentence := backmap())
    assert "--lag 1" in sentence
    assert msb("backmap-traj", *beads, "-m", model, "-o", tmp_path / "x.xtc", "--lag", 1).code == 0


def test_unknown_spacing_is_assumed_with_a_warning(
    msb: Callable, model: Path, stub: StubBackmapper, tmp_path: Path
) -> None:
    dcd = write(tmp_path / "cg.dcd", bead_frames(4), stub.mapping.bead_topology())
    words = ["backmap-traj", tmp_path / "cg.pdb", dcd, "-m", model, "-o", tmp_path / "aa.xtc"]
    said = msb(*words)
    assert said.code == 0
    assert len(said.warnings) == 1
    assert "1 ps, the model's, are assumed (--lag PS" in said.warnings[0]
    assert msb(*words, "--lag", 1).warnings == []


def test_missing_model(backmap: Callable) -> None:
    assert "there is no folder and no shipped model 'nothing-like-it'" in backmap(m="nothing-like-it")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "something-else"}, "is not a model bundle of msb"),
        ({"format_version": 999}, "update msb"),
        ({"method": "from-the-future"}, "`from-the-future`, which this version does not have"),
        ({"files": {"model.safetensors": "0" * 64}}, "SHA-256"),
        ({"files": None}, "model.safetensors"),
    ],
)
def test_foreign_newer_and_damaged_bundles(
    backmap: Callable, stub: StubBackmapper, tmp_path: Path, change: dict, sentence: str
) -> None:
    stub.save(tmp_path / "model")
    description = tmp_path / "model" / "model.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), **change}))
    assert sentence in backmap(m=tmp_path / "model")


def test_corrupt_weights(backmap: Callable, stub: StubBackmapper, tmp_path: Path) -> None:
    stub.save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert "SHA-256" in backmap(m=tmp_path / "model")


def test_cuda_without_one(backmap: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no CUDA device here" in backmap("--device", "cuda")
    assert "`gpu` is not a device" in backmap("--device", "gpu")


def test_unknown_output_format_and_missing_folder(
    refused: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    words = ["backmap-traj", *beads, "-m", model, "-o"]
    assert "not '.xyzzy'" in refused(*words, tmp_path / "aa.xyzzy")
    assert "there is no folder" in refused(*words, tmp_path / "nowhere" / "aa.xtc")
    assert "is an input too" in refused(*words, beads[1])


def test_full_disk_loses_nothing(
    msb: Callable, refused: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    words = ["backmap-traj", *beads, "-m", model, "--chunk", 10, "-o"]
    assert msb(*words, tmp_path / "whole.xtc").code == 0
    whole = (tmp_path / "whole.xtc").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) - 100, hard))  # the parts fit, the whole does not
    try:
        sentence = refused(*words, tmp_path / "aa.xtc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "could not be written" in sentence
    assert "--resume" in sentence
    assert not (tmp_path / "aa.xtc").exists()
    assert msb(*words, tmp_path / "aa.xtc", "--resume").code == 0
    assert (tmp_path / "aa.xtc").read_bytes() == whole


def test_kill_and_resume_give_the_same_bytes(
    msb: Callable, refused: Callable, beads: tuple[Path, Path], model: Path, tmp_path: Path
) -> None:
    words = [str(word) for word in ["backmap-traj", *beads, "-m", model, "--chunk", 1, "-o"]]
    assert msb(*words, tmp_path / "whole.xtc").code == 0
    output = tmp_path / "aa.xtc"
    child = os.fork()
    if child == 0:
        try:
            main([*words, str(output)])
        finally:
            os._exit(0)
    parts = tmp_path / "aa.xtc.parts"
    limit = time.monotonic() + 30
    while not (parts / "000002.json").exists() and time.monotonic() < limit:
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert parts.exists(), "the run ended before it could be killed"
    assert "go on with --resume" in refused(*words, output)
    assert "seed" in refused(*words, output, "--resume", "--seed", 1)
    assert msb(*words, output, "--resume").code == 0
    assert output.read_bytes() == (tmp_path / "whole.xtc").read_bytes()
