"""`msb demo`: the shipped model on the first frames of the shipped beads, and the page it makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from msb import data
from msb.io import open_trajectory, open_writer

N_FRAMES = 1600


@pytest.fixture
def short_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundled sample, cut to its first frames."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("adp_beads", "adp_reference"):
        source = open_trajectory(data.sample(f"{name}.pdb"), data.sample(f"{name}.xtc"))
        with open_writer(folder / f"{name}.xtc", source) as writer:
            writer.write(source.read(0, N_FRAMES))
    monkeypatch.setattr(data, "sample", lambda name: folder / name)
    return folder


def test_the_page(msb: Callable, short_sample: Path, tmp_path: Path) -> None:
    said = msb("demo", "-o", tmp_path / "out", "--device", "cpu", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["n_frames"] == N_FRAMES
    assert told["bead_error_nm"] < 1e-4
    assert told["broken_frames"] == 0
    assert told["quantities"]["Potential energy"]["excess"] < 0.05
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for title in ("Alanine dipeptide", "In three dimensions", "Timescales", "Free energy of the backbone"):
        assert title in page
    assert page.count("<svg") == 4
    assert not re.search(r"""(?:src|href)\s*=\s*["']https?:""", page)
    atoms = open_trajectory(tmp_path / "out" / "atoms.pdb", tmp_path / "out" / "atoms.xtc")
    assert (atoms.n_frames, atoms.n_atoms) == (N_FRAMES, 22)


def test_a_place_that_cannot_be_written(refused: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "file" in refused("demo", "-o", tmp_path / "file")


def test_the_melt(msb: Callable, tmp_path: Path) -> None:
    said = msb("demo", "--condensed", "--frames", "1", "--relax", "none", "-o", tmp_path / "melt", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["frames"], told["atoms"]) == (1, 36 * 162)
    assert told["how"] == "fragment, relax none, polish none, 568 K"
    assert told["quality"]["counts"]["hand"] == 0
    assert told["comparison"] is None  # one frame has no even and odd
    page = (tmp_path / "melt" / "index.html").read_text(encoding="utf-8")
    for title in ("Polystyrene melt", "In three dimensions", "What was found", "Do it by hand"):
        assert title in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']https?:""", page)
    atoms = open_trajectory(tmp_path / "melt" / "atoms.pdb", tmp_path / "melt" / "atoms.xtc")
    assert (atoms.n_frames, atoms.n_atoms) == (1, 36 * 162)


def test_the_melt_has_four_frames(refused: Callable, tmp_path: Path) -> None:
    assert "--frames" in refused("demo", "--condensed", "--frames", "5", "-o", tmp_path / "melt")
