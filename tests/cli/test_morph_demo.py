"""`msb morph --demo`: what it writes and refuses, and how near the shipped model comes to its target."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.data import sample
from msb.io import open_trajectory
from msb.jobs.morph.demo import MODEL, TITLE, demo_request
from msb.jobs.morph.request import check_request
from msb.morph.morpher import load_morpher


def test_the_demo_comes_near_its_target(msb: Callable, tmp_path: Path) -> None:
    """Measured 0.510 to 0.016, 0.080 to 0.010 and 0.0084 to 0.0004 nats: the bars are twice that and more."""
    folder = tmp_path / "shown"
    said = msb("morph", "--demo", "--json", "--workers", 1, "-o", folder)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told == json.loads((folder / "morph.json").read_text())
    assert (told["model"], told["s"], told["frames"], told["beads"]) == (MODEL, 2, 4, 640)
    before, after = told["divergences"]["before"], told["divergences"]["after"]
    assert after["bond"] < before["bond"] / 10
    assert after["rdf"] < before["rdf"] / 10
    assert after["angle"] < before["angle"] / 4
    assert told["centres_moved_nm"] < 1e-5
    sizes = told["chain_sizes_nm"]
    assert sizes["after"]["end_to_end"] == pytest.approx(sizes["before"]["end_to_end"], rel=0.02)
    assert sizes["after"]["contour"] == pytest.approx(sizes["target_contour"], rel=0.04)
    outside = told["beyond_per_1000_beads"]
    assert outside["bonds"][1] < outside["bonds"][0]
    page = (folder / "index.html").read_text()
    for words in (TITLE, "Which model and scheme", "kg-demo, scheme A", "<svg"):
        assert words in page, words
    made = open_trajectory(folder / "morphed.pdb", folder / "morphed.xtc")
    given = open_trajectory(sample("kremer_grest.gro"), sample("kremer_grest.xtc"))
    assert (made.n_frames, list(made.resids)) == (given.n_frames, list(given.resids))
    np.testing.assert_allclose(made.read().boxes, given.read().boxes * told["scale"], atol=1e-3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("kg.gro",), "leave out structure, or --demo"),
        (("kg.gro", "kg.xtc", "-m", "sps", "--s", 4), "leave out structure, trajectory, model, s, or --demo"),
        (("--scale", 2), "leave out scale"),
        (("--top", "kg.top", "--per-chain", 10, "--lag", 1), "leave out top, per-chain, lag"),
        (("--report", "page"), "leave out report"),
        (("-o", "morphed.gro"), "with --demo, name a folder"),
        (("-o", "taken"), "-o taken is a file; name a folder"),
        (("--scheme", "B", "--sweeps", 0, "-o", "out"), "scheme B without sweeps changes nothing"),
    ],
)
def test_the_demo_refuses_what_it_brings(
    refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[object, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    assert words in refused("morph", "--demo", *more)


def test_beads_or_the_demo(refused: Callable) -> None:
    assert "give the top-down beads, or --demo" in refused("morph")


def test_the_request_is_complete_and_the_model_fits_it() -> None:
    request = demo_request()
    check_request(request)
    melt = open_trajectory(request.structure, request.trajectory)
    assert (melt.n_frames, melt.n_atoms) == (4, 640)
    morpher = load_morpher(MODEL)
    assert (morpher.name, morpher.s, morpher.temperature) == (MODEL, 2, 568.0)
    assert (morpher.target.frames, morpher.held_out.frames) == (200, 60)
    assert morpher.target.mean_bond == pytest.approx(0.561, abs=0.001)
    floor = morpher.target.divergences(morpher.held_out)
    assert floor["bond"] < 0.002
    assert floor["rdf"] < 0.0002
