"""`msb map`: the bundled atoms give the bundled beads, and what does not fit is a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.data import sample
from msb.io import Frames, open_trajectory, open_writer

ATOMS = ("adp_reference.pdb", "adp_reference.xtc")


@pytest.fixture
def atoms() -> list[Path]:
    return [sample(name) for name in ATOMS]


@pytest.mark.parametrize("chunk", [7, 8000])
def test_the_bundled_atoms_give_the_bundled_beads(
    msb: Callable, atoms: list[Path], tmp_path: Path, chunk: int
) -> None:
    short = tmp_path / "aa.xtc"
    source = open_trajectory(*atoms)
    with open_writer(short, source) as writer:
        writer.write(source.read(0, 30))
    words = ["map", short.with_suffix(".pdb"), short, "--mapping", "adp_mapping.yaml", "--chunk", chunk]
    said = msb(*words, "-o", tmp_path / "cg.xtc", "--json")
    assert json.loads(said.out)["n_beads"] == 6
    made = open_trajectory(tmp_path / "cg.pdb", tmp_path / "cg.xtc")
    bundled = open_trajectory(sample("adp_beads.pdb"), sample("adp_beads.xtc"))
    assert np.abs(made.read().positions - bundled.read(0, 30).positions).max() <= 1.1e-5  # of 5 decimals
    assert made.timestep == 1.0
    assert [list(getattr(made, name)) for name in ("names", "resnames")] == [
        list(getattr(bundled, name)) for name in ("names", "resnames")
    ]


def test_a_models_mapping_and_one_structure(msb: Callable, model: Path, tmp_path: Path) -> None:
    pdb = sample("adp_reference.pdb")
    assert msb("map", pdb, "--mapping", model, "-o", tmp_path / "cg.gro").code == 0
    assert open_trajectory(tmp_path / "cg.gro").n_atoms == 6


def test_bundled_samples_go_by_name_where_there_is_no_such_file(
    msb: Callable, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["map", ATOMS[0], "--mapping", "adp_mapping.yaml", "-o", "cg.gro"]
    assert msb(*words).code == 0
    for name in ("adp_mapping.yaml", ATOMS[0]):
        (tmp_path / name).write_text("")
        said = msb(*words)
        assert said.code == 1  # the file that is there, though it is empty
        assert name in said.err


def test_molecules_cut_by_the_box_are_made_whole(msb: Callable, model: Path, tmp_path: Path) -> None:
    source = open_trajectory(*(sample(name) for name in ATOMS))
    box = np.diag([1.5, 1.5, 1.5]).astype(np.float32)[None]
    whole = source.read(0, 1).positions
    cut = np.mod(whole, 1.5)
    assert np.abs(cut - whole).max() > 1  # it is cut, or at least moved
    for name, positions in (("whole", whole), ("cut", cut)):
        with open_writer(tmp_path / f"{name}.trr", source) as writer:
            writer.write(Frames(positions, box, np.zeros(1)))
        words = [tmp_path / f"{name}.pdb", tmp_path / f"{name}.trr", "--mapping", "adp_mapping.yaml"]
        assert msb("map", *words, "-o", tmp_path / f"{name}_cg.trr").code == 0
    beads = [
        open_trajectory(tmp_path / f"{name}_cg.pdb", tmp_path / f"{name}_cg.trr").read().positions[0]
        for name in ("whole", "cut")
    ]
    moved = beads[1] - beads[0]
    assert np.abs(moved - moved[0]).max() < 1e-5  # one shift for all: the molecule was put together


def test_bad_input(refused: Callable, model: Path, tmp_path: Path) -> None:
    atoms, output = sample("adp_reference.pdb"), ["-o", tmp_path / "cg.xtc"]
    beads = sample("adp_beads.pdb")
    assert "has no mapping" in refused("map", beads, "--mapping", model, *output)
    assert "no-such.yaml" in refused("map", atoms, "--mapping", tmp_path / "no-such.yaml", *output)
    assert "no shipped model" in refused("map", atoms, "--mapping", "nothing-like-it", *output)
    (tmp_path / "wrong.yaml").write_text("msb_mapping: 1\nmolecules: {}\n")
    assert "wrong.yaml" in refused("map", atoms, "--mapping", tmp_path / "wrong.yaml", *output)
    assert "required: --mapping" in refused("map", atoms, *output)
    assert not list(tmp_path.glob("cg*"))
