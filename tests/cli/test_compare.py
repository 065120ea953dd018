"""`msb compare`: page and numbers agree, the exit code keeps the bar, what does not fit is a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.core.topology import Topology
from msb.data import sample
from msb.io import Frames, open_trajectory, open_writer
from msb.io.atoms import quiet

N_FRAMES = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the bundled simulation, the next ones, and both with every atom shaken."""
    place = tmp_path_factory.mktemp("compare")
    source = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc"))
    topology = Topology.from_universe(source.universe)
    rng = np.random.default_rng(0)
    for name, start, noise in (("ref", 0, 0.0), ("next", N_FRAMES, 0.0), ("shaken", 0, 0.01)):
        frames = source.read(start, start + N_FRAMES)
        x = frames.positions + rng.normal(scale=noise or 1e-9, size=frames.positions.shape).astype(np.float32)
        with open_writer(place / f"{name}.xtc", topology) as writer:
            writer.write(Frames(x, None, np.arange(float(N_FRAMES))))
    return place


@pytest.fixture(autouse=True)
def _figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw in the tests that look at the page only: drawing takes longer than all the rest."""
    monkeypatch.setattr("msb.jobs.compare.kinetics._SAMPLES", 4)
    if request.node.name != "test_page_and_numbers":
        monkeypatch.setattr("msb.report.compare.overlays", lambda panels, labels: "<svg></svg>")


@pytest.fixture
def structure() -> Path:
    return sample("adp_reference.pdb")


def test_page_and_numbers(msb: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    files = [folder / "ref.xtc", folder / "ref.xtc", folder / "shaken.xtc"]
    said = msb("compare", structure, *files, "--ff", "amber96", "-o", out, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told == json.loads((out / "compare.json").read_text())
    same, shaken = told["tests"]
    assert all(q["agrees"] for q in same["quantities"])
    assert max(abs(q["excess"]) for q in same["quantities"] if "excess" in q) == 0.0
    kinds = {q["kind"] for q in shaken["quantities"]}
    assert kinds == {"bond", "angle", "dihedral", "improper", "rdf", "energy"}
    constrained = [q["name"] for q in shaken["quantities"] if q["constrained"]]
    assert constrained == ["C4-H", "H-N3"]
    assert shaken["largest_excess"][1] > 0.3
    assert all(sum(q["reference"]) == sum(q["test"]) for q in shaken["quantities"] if q["kind"] != "rdf")
    html = (out / "index.html").read_text()
    assert html.count("<svg") == 6
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", html)
    assert told["verdict"][1] in html


def test_the_bar_decides_the_exit_code(msb: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    words = ("compare", structure, folder / "ref.xtc", folder / "shaken.xtc", "-o", tmp_path)
    crossed = msb(*words, "--fail-above", "0.05")
    assert crossed.code == 2
    assert "quality: shaken" in crossed.err
    assert msb(*words[:3], folder / "ref.xtc", *words[4:], "--fail-above", "1e-9").code == 0


def test_kinetics(msb: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    words = (
        "compare",
        structure,
        folder / "ref.xtc",
        folder / "next.xtc",
        "--lag",
        "3",
        "--json",
        "-o",
        tmp_path,
    )
    said = msb(*words, "--kinetics", "phi-psi")
    assert said.code == 0, said.err
    found = json.loads(said.out)["tests"][0]["kinetics"]
    assert found["lags_ps"] == [1.0, 2.0, 3.0]
    assert np.array(found["reference_timescales"]).shape == (3, 3)
    assert 0 <= found["surface"]["floor"] < 0.693
    assert "Slow processes" in (tmp_path / "index.html").read_text()


def test_features_from_a_file(msb: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    listed = tmp_path / "features.txt"
    listed.write_text("5 7 9 15  # phi\n7 9 15 17\n5 15\n")
    words = ("compare", structure, folder / "ref.xtc", folder / "next.xtc", "--lag", "2", "-o", tmp_path)
    assert msb(*words, "--kinetics", listed).code == 0


@pytest.mark.parametrize(
    ("line", "part"), [("5 7 99", "line 2: atoms go from 1 to 22"), ("5", "line 2: expected the numbers")]
)
def test_a_wrong_line_of_features_is_named(
    refused: Callable, folder: Path, structure: Path, tmp_path: Path, line: str, part: str
) -> None:
    listed = tmp_path / "features.txt"
    listed.write_text(f"5 7 9 15\n{line}\n")
    words = ("compare", structure, folder / "ref.xtc", folder / "next.xtc", "-o", tmp_path)
    assert part in refused(*words, "--kinetics", listed)


def short(folder: Path, n_frames: int) -> Path:
    source = open_trajectory(sample("adp_reference.pdb"), folder / "ref.xtc")
    path = folder / f"short{n_frames}.xtc"
    with open_writer(path, source) as writer:
        writer.write(source.read(0, n_frames))
    return path


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--kinetics", "phi-psi", "--lag", "300"], ["400 frames of 1 ps", "too few for a lag of 300 ps"]),
        (["--kinetics", "psi"], ["'psi' is neither phi-psi"]),
        (["--lag", "3"], ["it needs --kinetics"]),
        (["--kinetics", "phi-psi", "--lag", "0.1"], ["shorter than the frames are apart"]),
        (["--ff", "nothing"], ["nothing.xml"]),
    ],
)
def test_options_that_do_not_fit(
    refused: Callable, folder: Path, structure: Path, tmp_path: Path, words: list[str], parts: list[str]
) -> None:
    said = refused("compare", structure, folder / "ref.xtc", folder / "next.xtc", "-o", tmp_path, *words)
    assert all(part in said for part in parts), said


def test_too_few_frames(refused: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    words = ("compare", structure, folder / "ref.xtc")
    assert "short1.xtc has 1 frame;" in refused(*words, short(folder, 1), "-o", tmp_path)
    empty = folder / "empty.xtc"
    empty.write_bytes(b"")
    assert "is empty" in refused(*words, empty, "-o", tmp_path)


def test_different_lengths_are_cut_and_told(
    msb: Callable, folder: Path, structure: Path, tmp_path: Path
) -> None:
    said = msb("compare", structure, folder / "ref.xtc", short(folder, 20), "-o", tmp_path, "--json")
    assert said.code == 0, said.err
    assert "the first 20 of each are compared" in said.warnings[0]
    assert json.loads(said.out)["tests"][0]["n_frames"] == 20


def rewritten(folder: Path, name: str, order: list[int], rename: dict[int, str] | None = None) -> Path:
    """The reference with its atoms in another order or under other names, its structure beside it."""
    import MDAnalysis as mda

    universe = mda.Universe(str(folder / "ref.pdb"))
    for atom, new in (rename or {}).items():
        universe.atoms[atom].name = new
    path = folder / f"{name}.xtc"
    group = universe.atoms[order]
    with quiet():
        group.write(str(folder / f"names_of_{name}.pdb"))
    x = open_trajectory(folder / "ref.pdb", folder / "ref.xtc").read().positions[:, order]
    with open_writer(path, open_trajectory(folder / f"names_of_{name}.pdb")) as writer:
        writer.write(Frames(x, None, np.arange(float(len(x)))))
    return path


def test_other_atoms_are_named(refused: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    words = ("compare", structure, folder / "ref.xtc")
    fewer = rewritten(folder, "fewer", [k for k in range(22) if k != 10])
    said = refused(*words, fewer, "-o", tmp_path)
    assert "has 22 atoms" in said
    assert "21" in said
    assert "ALA" in said
    renamed = rewritten(folder, "renamed", list(range(22)), {10: "CG"})
    said = refused(*words, renamed, "-o", tmp_path)
    assert "CG" in said
    assert "residue 2 ALA atom 11 CB" in said


def test_another_order_is_put_right(msb: Callable, folder: Path, structure: Path, tmp_path: Path) -> None:
    turned = rewritten(folder, "turned", [1, 0, *range(2, 22)])
    said = msb("compare", structure, folder / "ref.xtc", turned, "-o", tmp_path, "--json")
    assert said.code == 0, said.err
    assert "stand in another order" in said.warnings[0]
    assert json.loads(said.out)["tests"][0]["largest_excess"][1] < 1e-3


def test_a_force_field_without_parameters(refused: Callable, msb_data: Path, tmp_path: Path) -> None:
    sps = msb_data / "sps"
    text = (sps / "topol.top").read_text()
    top = tmp_path / "topol.top"
    top.write_text(re.sub(r"(?m)^C_AR\s+12.*\n", "", text))
    (tmp_path / "topol_PS1.itp").write_text((sps / "topol_PS1.itp").read_text())
    files = [sps / "t568" / "aa.xtc", sps / "t568" / "deepbackmap.xtc"]
    said = refused("compare", sps / "aa.gro", *files, "--top", top, "-o", tmp_path)
    assert "C_AR" in said
