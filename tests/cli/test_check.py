"""`msb check`: planted defects are found, each by its name; what cannot be checked is one sentence."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.core.topology import Topology
from msb.data import sample
from msb.io import Frames, open_trajectory, open_writer
from planted_defects import DEFECTS, clean, first_atom, planted, write_gro

KINDS = {"nan", "broken", "bond", "angle", "clash", "hand", "cis", "piercing", "bead", "energy"}


@pytest.fixture(scope="module")
def ideal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The box in which nothing is wrong."""
    return write_gro(tmp_path_factory.mktemp("ideal") / "ideal.gro")


def findings(said, kind: str | None = None) -> list[dict]:
    return [f for f in json.loads(said.out)["findings"] if kind in (None, f["kind"])]


def test_nothing_is_found_where_nothing_is_wrong(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    said = msb("check", ideal, "--reference", ideal, "--json")
    told = json.loads(said.out)
    assert (said.code, told["passed"], told["findings"]) == (0, True, [])
    assert set(told["counts"]) == KINDS
    assert not said.warnings
    alone = msb("check", ideal)
    assert alone.code == 0
    assert "nothing wrong in 1 frame" in alone.out
    assert "--top or --reference says which there are" in alone.warnings[0]


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_planted_defect_is_found(msb: Callable, ideal: Path, tmp_path: Path, defect: str) -> None:
    path = write_gro(tmp_path / "planted.gro", defect)
    said = msb("check", path, "--reference", ideal, "--json")
    assert said.code == 2, said.err
    assert "quality: " in said.err
    kinds = {f["kind"] for f in findings(said)}
    expected = {
        "hand": {"hand"},
        "piercing": {"piercing", "clash"},
        "clash": {"clash"},
        "bond": {"bond"},
        "broken": {"broken", "clash"},
        "swapped": {"bond", "hand"},
    }[defect]
    assert kinds == expected
    assert set(findings(said)[0]) == {"kind", "frame", "residue", "atoms", "value"}


def test_defects_are_named(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    def only(defect: str, kind: str) -> dict:
        said = msb("check", write_gro(tmp_path / "p.gro", defect), "--reference", ideal, "--json")
        return min(findings(said, kind), key=lambda f: f["value"])

    hand = only("hand", "hand")
    assert (hand["residue"], hand["atoms"][0]) == ("BCF 3", "C1")
    ring = only("piercing", "piercing")
    assert ring["residue"] == "BNZ 14"
    assert ring["atoms"] == ["C1", "C2", "C3", "C4", "C5", "C6", "BUT 17:C2", "BUT 17:C3"]
    contact = only("clash", "clash")
    assert contact["value"] == pytest.approx(0.09, abs=2e-3)
    assert (contact["residue"], contact["atoms"][0]) == ("BCF 1", "F1")
    bond = only("bond", "bond")
    assert (bond["residue"], sorted(bond["atoms"])) == ("BCF 4", ["C1", "F1"])
    assert bond["value"] == pytest.approx(0.18, abs=2e-3)


def test_molecules_cut_by_the_box_are_no_defect(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    topology, x, box = clean()
    path = tmp_path / "cut.gro"
    with open_writer(path, topology) as writer:
        writer.write(Frames(((x + 0.55) % box[0, 0])[None].astype(np.float32), box[None], None))
    said = msb("check", path, "--reference", ideal, "--json")
    assert said.code == 0, said.out
    assert json.loads(said.out)["statistics"]["bonds_across_box"] > 0


def test_frames_are_counted_from_zero(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    topology, good, box = clean()
    x = np.repeat(good[None], 6, 0)
    for frame in (2, 5):
        DEFECTS["bond"](x[frame], box)
    with open_writer(tmp_path / "six.xtc", topology) as writer:
        writer.write(Frames(x, np.repeat(box[None], 6, 0), np.arange(6.0)))
    said = msb("check", ideal, tmp_path / "six.xtc", "--reference", ideal, "--json")
    assert [f["frame"] for f in findings(said)] == [2, 5]
    assert json.loads(said.out)["by_frame"] == {"2": {"bond": 1}, "5": {"bond": 1}}


def test_atoms_without_a_position(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    path = tmp_path / "lost.gro"
    lines = ideal.read_text().splitlines(keepends=True)
    lines[4] = lines[4][:20] + "     nan" * 3 + lines[4][44:]
    path.write_text("".join(lines))
    said = msb("check", path, "--reference", ideal, "--json")
    assert said.code == 2, said.err
    assert [(f["kind"], f["residue"], f["atoms"], f["value"]) for f in findings(said)] == [
        ("nan", "BCF 1", ["F1"], 1.0)
    ]


def test_what_is_allowed_passes(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    path = write_gro(tmp_path / "p.gro", "bond")
    words = ("check", path, "--reference", ideal)
    assert msb(*words, "--allow", "bond=1").code == 0
    assert msb(*words, "--allow", "bond=0.5").code == 2
    assert msb(*words, "--allow", "all=1").code == 0
    assert msb(*words, "--limit", "bond_most=0.5", "--limit", "bond_least=0.4").code == 0


def test_beads_out_of_place(msb: Callable, tmp_path: Path) -> None:
    source = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc"))
    topology = Topology.from_universe(source.universe)
    beads = [4, 6, 8, 10, 14, 16]
    frames = source.read(0, 3)
    with open_writer(tmp_path / "aa.xtc", topology) as writer:
        writer.write(frames)
    moved = frames.positions[:, beads].copy()
    moved[1, 3, 0] += 0.05
    names = open_trajectory(sample("adp_beads.pdb"))
    with open_writer(tmp_path / "cg.xtc", names) as writer:
        writer.write(Frames(moved, None, frames.times))
    words = ("check", sample("adp_reference.pdb"), tmp_path / "aa.xtc", "--mapping", "adp_mapping.yaml")
    said = msb(*words, "--cg", sample("adp_beads.pdb"), tmp_path / "cg.xtc", "--json")
    assert said.code == 2, said.err
    assert [(f["kind"], f["frame"], f["residue"], f["atoms"]) for f in findings(said)] == [
        ("bead", 1, "ALA 2", ["CB"])
    ]
    assert findings(said)[0]["value"] == pytest.approx(0.05, abs=1e-3)


def test_page_and_numbers(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    path = write_gro(tmp_path / "p.gro", "piercing", frames=3)
    said = msb("check", path, "--reference", ideal, "-o", tmp_path / "report", "--json")
    assert json.loads((tmp_path / "report" / "check.json").read_text()) == json.loads(said.out)
    html = (tmp_path / "report" / "index.html").read_text()
    assert html.count("<svg") == 2
    assert "failed" in html
    assert "BUT 17:C2–BUT 17:C3 through the ring of C1" in html
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", html)
    fine = msb("check", ideal, "--reference", ideal, "-o", tmp_path / "fine")
    assert fine.code == 0
    assert "passed" in (tmp_path / "fine" / "index.html").read_text()


def test_a_real_structure_with_a_d_residue(msb: Callable) -> None:
    spec = importlib.util.find_spec("MDAnalysisTests")  # not imported: it sets environment variables
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("MDAnalysisTests is not installed")
    folder = Path(spec.submodule_search_locations[0])
    said = msb("check", folder / "data" / "adk_oplsaa.gro", "--json")
    found = findings(said, "hand")
    assert [(f["residue"], f["atoms"][0]) for f in found] == [("ASP 33", "CA")]


# --- what cannot be checked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--cg", "{ideal}"], ["--cg needs --mapping"]),
        (["--mapping", "m.yaml"], ["--mapping needs --cg"]),
        (["--allow", "clashes=1"], ["--allow clashes=1", "clash"]),
        (["--allow", "clash=much"], ["KIND=N"]),
        (["--limit", "contacts=1"], ["contacts", "contact"]),
        (["--limit", "contact=-1"], ["contact"]),
        (["--reference", "{folder}/none.gro"], ["none.gro does not exist"]),
        (["--top", "{folder}/none.top"], ["none.top"]),
        (["--repair", "{folder}/fixed.gro"], ["--top TOP", "-m MODEL"]),
        (["--repair", "{folder}/fixed.gro", "-m", "adp"], ["needs the beads"]),
    ],
)
def test_options_that_do_not_fit(
    refused: Callable, ideal: Path, tmp_path: Path, words: list[str], parts: list[str]
) -> None:
    said = refused("check", ideal, *(word.format(ideal=ideal, folder=tmp_path) for word in words))
    assert all(part in said for part in parts), said


def test_missing_and_empty_files(refused: Callable, tmp_path: Path) -> None:
    assert "does not exist" in refused("check", tmp_path / "none.gro")
    (tmp_path / "empty.gro").write_bytes(b"")
    assert "empty" in refused("check", tmp_path / "empty.gro")


def test_structures_without_bonds(refused: Callable, tmp_path: Path) -> None:
    path = tmp_path / "far.gro"
    lines = [f"{k:>5}AR      AR{k:>5}{k:8.3f}{0:8.3f}{0:8.3f}\n" for k in range(1, 4)]
    path.write_text("argon\n    3\n" + "".join(lines) + "   9.0   9.0   9.0\n")
    said = refused("check", path)
    assert "no bonds are known for the 3 atoms" in said
    assert "--top" in said


def test_other_molecules_as_reference(refused: Callable, ideal: Path) -> None:
    said = refused("check", ideal, "--reference", sample("adp_reference.pdb"))
    assert "BCF, BNZ, BUT" in said


def test_other_names_are_told(msb: Callable, ideal: Path, tmp_path: Path) -> None:
    path = tmp_path / "renamed.gro"
    path.write_text(ideal.read_text().replace("1BCF     F1", "1BCF     X1", 1))
    said = msb("check", path, "--reference", ideal)
    assert said.code == 0
    assert "1 of 192 atoms have other names" in said.warnings[0]
    assert "X1 of BCF 1" in said.warnings[0]


def test_more_atoms_than_five_digits(msb: Callable, tmp_path: Path) -> None:
    topology, x, _ = clean()
    first, copies, sites = first_atom("BNZ"), 8336, 21  # 100,032 atoms
    ring = x[first : first + 12] - x[first : first + 6].mean(axis=0)
    places = 1.1 * np.stack(np.unravel_index(np.arange(copies), (sites,) * 3), axis=1)
    positions = (ring[None] + places[:, None] + 0.5).reshape(-1, 3).astype(np.float32)
    carbon = 12 * 8335
    positions[carbon + 6] += 0.8 * (positions[carbon + 6] - positions[carbon])  # a hydrogen of the last one
    path = tmp_path / "many.gro"
    with open_writer(path, Topology(((topology.templates[1], copies),))) as writer:
        writer.write(Frames(positions[None], 1.1 * sites * np.eye(3, dtype=np.float32)[None], None))
    said = msb("check", path, "--reference", write_gro(tmp_path / "ideal.gro"), "--json")
    assert json.loads(said.out)["n_atoms"] == 100_032
    assert [(f["kind"], f["residue"], f["atoms"]) for f in findings(said)] == [
        ("bond", "BNZ 8336", ["C1", "H1"])
    ]
    assert said.code == 2


def test_bonds_are_those_of_most_molecules(msb: Callable, tmp_path: Path) -> None:
    topology, x, box = clean()
    a = first_atom("BCF", 3)
    x[a + 2] += 0.8 * (x[a + 2] - x[a])  # too far for a bond by distances
    path = tmp_path / "far.gro"
    with open_writer(path, topology) as writer:
        writer.write(Frames(x[None], box[None], None))
    said = msb("check", path, "--json")
    assert [(f["kind"], f["residue"], f["atoms"]) for f in findings(said)] == [
        ("bond", "BCF 4", ["C1", "F1"])
    ]
    assert "2 atoms have the bonds that most" in said.warnings[0]


# --- repair ----------------------------------------------------------------------------------------------


def test_planted_defects_leave_the_clean_box_alone() -> None:
    good = clean()[1]
    for name in DEFECTS:
        x = planted(name)[1]
        assert 0 < (x != good).any(axis=1).sum() <= 14
