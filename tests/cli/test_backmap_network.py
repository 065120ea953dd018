"""`msb train` and `msb backmap` with the method backmap: what is said, written and refused.

The network is a stand-in that places atoms about their beads; everything around it is the real thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from msb.backmap.kinds import register_kind
from msb.io import open_trajectory
from small_melt import BOX, Box, bead_rows, butane, chain, placed, write_box, write_gro
from stand_in_kind import NAME, stand_in

CONFIG = {
    "method": "backmap",
    "name": "small",
    "data": {
        "topology": "topol.top",
        "mapping": "mapping.yaml",
        "snapshots": "aa.gro",
        "validation": "aa.gro",
        "temperature": 300.0,
    },
    "network": {"kind": NAME},
    "sampling": {"redraw": False},
}


@pytest.fixture(scope="module", autouse=True)
def _kind() -> Iterator[None]:
    before = stand_in()
    yield
    register_kind(NAME, before)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Three chains and two butanes, three decimals, beads wrapped."""
    made = write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)
    (made.top.parent / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return made


@pytest.fixture(scope="module")
def network(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a trained model."""
    from msb.jobs.train_model import train_model

    return train_model(box.top.parent / "config.yaml", tmp_path_factory.mktemp("run"), device="cpu").bundle


@pytest.fixture
def words(box: Box, network: Path, tmp_path: Path) -> list[object]:
    """A command that works and takes no time."""
    return ["backmap", box.beads, "-m", network, "--polish", "none", "-o", tmp_path / "aa.gro"]


def train_with(refused: Callable, box: Box, folder: Path, **data: object) -> str:
    """What `msb train` refuses, with some keys of the data section changed."""
    changed = {**CONFIG, "data": {**CONFIG["data"], **data}}  # type: ignore[dict-item]
    path = box.top.parent / "changed.yaml"
    path.write_text(yaml.safe_dump(changed))
    return str(refused("train", path, "-o", folder, "--device", "cpu"))


def test_training_writes_a_model_and_its_figures(msb: Callable, box: Box, tmp_path: Path) -> None:
    said = msb("train", box.top.parent / "config.yaml", "-o", tmp_path, "--device", "cpu")
    assert said.code == 0
    assert "a model of the method 'backmap'" in said.out
    assert "score = 1" in said.out
    told = msb("info", tmp_path / "model")
    assert "1 PVC, 1 BUT" in told.out
    assert "300 K" in told.out


def test_atoms_come_out_on_their_beads(msb: Callable, words: list[object], tmp_path: Path) -> None:
    said = msb(*words)
    assert said.code == 0, said.err
    assert f"{tmp_path}/aa.gro: 1 frame of 124 atoms" in said.out
    assert "backmap, relax none, polish none, 300 K" in said.out
    assert "stages at most" in said.out
    assert "have surroundings unlike any in training" in said.out
    assert open_trajectory(tmp_path / "aa.gro").n_atoms == 124


def test_sampling_options_and_json(msb: Callable, words: list[object], tmp_path: Path) -> None:
    said = msb(*words, "--sweeps", 0, "--candidates", 3, "--select", "min", "--json")
    told = json.loads(said.out)
    assert told["placing"][0].keys() == {"frame", "unfamiliar", "stages", "seconds", "network", "deviation"}
    assert told["spread"] is None
    more = json.loads(msb(*words, "--sweeps", 3, "--json").out)
    assert more["placing"][0]["stages"] > told["placing"][0]["stages"]


def test_polish_is_the_default_where_the_model_knows_the_force_field(
    msb: Callable, box: Box, network: Path, tmp_path: Path
) -> None:
    said = msb("backmap", box.beads, "-m", network, "--relax", "staged", "-o", tmp_path / "aa.gro")
    assert said.code == 0, said.err
    assert "backmap, relax staged, polish thermal, 300 K" in said.out


def test_samples_come_with_their_spread(msb: Callable, words: list[object], tmp_path: Path) -> None:
    said = msb(*words, "--samples", 3, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    path = Path(told["spread"]["file"])
    assert path == tmp_path / "aa_spread.pdb"
    factors = [float(line[60:66]) for line in path.read_text().splitlines() if line.startswith("ATOM")]
    x = np.stack([open_trajectory(tmp_path / f"aa_s{k}.gro").read().positions[0] for k in (1, 2, 3)])
    wanted = 8 * np.pi**2 / 3 * 100 * x.astype(float).var(0, ddof=1).sum(-1)
    assert np.allclose(factors, np.minimum(wanted, 999.99), atol=0.5, rtol=0.02)
    assert told["spread"]["mean_nm"] == pytest.approx(np.sqrt(x.var(0, ddof=1).sum(-1).mean()), rel=0.01)


def test_chains_of_other_lengths_and_other_numbers(
    msb: Callable, box: Box, network: Path, tmp_path: Path
) -> None:
    molecules = [butane(), chain(6), chain(6)]
    beads = write_gro(tmp_path / "cg.gro", bead_rows(molecules, placed(molecules)))
    said = msb("backmap", beads, "-m", network, "--polish", "none", "-o", tmp_path / "aa.gro")
    assert said.code == 0, said.err
    assert open_trajectory(tmp_path / "aa.gro").n_atoms == 14 + 2 * len(chain(6).names)


def test_a_model_on_other_molecules_of_its_types(
    msb: Callable, network: Path, tmp_path: Path, refused: Callable
) -> None:
    other = write_box(tmp_path / "other", [chain(2, name="DIM")] * 2)
    words = ["backmap", other.beads, "-m", network, "--polish", "none", "-o", tmp_path / "aa.gro"]
    assert "does not know: residue DIM" in refused(*words)
    assert "give --top and --mapping" in refused(*words, "--mapping", other.mapping)
    said = msb(*words, "--mapping", other.mapping, "--top", other.top)
    assert said.code == 0, said.err
    assert "DIM" in (tmp_path / "aa.gro").read_text()


def test_unknown_residues_and_beads(
    msb: Callable, refused: Callable, box: Box, network: Path, tmp_path: Path
) -> None:
    text = box.beads.read_text().replace("BUT  ", "BUX  ")
    beads = tmp_path / "odd.gro"
    beads.write_text(text)
    words = ["backmap", beads, "-m", network, "--polish", "none", "-o", tmp_path / "aa.gro"]
    assert "the model does not know: residue BUX 2 times (B1 B2) (nearest: BUT)" in refused(*words)
    assert msb(*words, "--unknown", "skip").code == 0
    assert open_trajectory(tmp_path / "aa.gro").n_atoms == 124 - 28
    assert msb(*words, "--unknown", "copy").code == 0
    assert open_trajectory(tmp_path / "aa.gro").n_atoms == 124 - 28 + 4


def test_types_that_training_did_not_have(refused: Callable, box: Box, network: Path, tmp_path: Path) -> None:
    other = write_box(tmp_path / "other", [butane()] * 2)
    other.mapping.write_text(other.mapping.read_text().replace("type: B,", "type: BB,"))
    other.top.write_text(other.top.read_text().replace(" H 1 BUT", " HC 1 BUT"))
    words = ["backmap", other.beads, "-m", network, "--mapping", other.mapping, "--top", other.top]
    sentence = refused(*words, "-o", tmp_path / "aa.gro")
    assert "the model has never seen bead type BB of BUT (nearest: B); atom type HC of BUT" in sentence
    assert "it knows the bead types B, V and the atom types C, CL, H" in sentence


def test_surroundings_unlike_any_in_training_are_warned_of(
    msb: Callable, box: Box, network: Path, tmp_path: Path
) -> None:
    lines = box.beads.read_text().splitlines()
    for k in range(2, len(lines) - 1):
        x = [0.75 * float(lines[k][20 + 8 * d : 28 + 8 * d]) for d in range(3)]
        lines[k] = lines[k][:20] + "".join(f"{v:8.3f}" for v in x)
    lines[-1] = " ".join(f"{0.75 * float(word):9.5f}" for word in lines[-1].split())
    beads = tmp_path / "dense.gro"
    beads.write_text("\n".join(lines) + "\n")
    said = msb("backmap", beads, "-m", network, "--polish", "none", "-o", tmp_path / "aa.gro")
    assert said.code == 0, said.err
    assert "in 1 of 1 frames more than 5% of the beads have surroundings beyond" in said.err


def test_options_of_sampling_are_for_this_method(refused: Callable, box: Box, tmp_path: Path) -> None:
    known = ["--method", "fragment", "--from", box.atoms, "--top", box.top, "--mapping", box.mapping]
    sentence = refused("backmap", box.beads, *known, "--sweeps", 1, "-o", tmp_path / "aa.gro")
    assert "--sweeps: the method `fragment` does not sample beads" in sentence


def test_molecules_broken_over_a_box_that_is_not_there(
    refused: Callable, words: list[object], box: Box, tmp_path: Path
) -> None:
    lines = box.beads.read_text().splitlines()
    lines[2] = lines[2][:20] + f"{9.0:8.3f}" + lines[2][28:]
    lines[-1] = "0.0 0.0 0.0"
    words[1] = tmp_path / "broken.gro"
    words[1].write_text("\n".join(lines) + "\n")
    assert "the molecule is broken over a box that the file does not have" in refused(*words)


def test_a_box_smaller_than_the_cutoff(msb: Callable, network: Path, tmp_path: Path) -> None:
    small = BOX * 0.15
    beads = write_gro(tmp_path / "cg.gro", bead_rows([butane()], placed([butane()])), small)
    said = msb("backmap", beads, "-m", network, "--polish", "none", "-o", tmp_path / "aa.gro")
    assert said.code == 0
    assert any("nm wide, smaller than the cutoff" in line for line in said.warnings)


def test_two_beads_at_one_point(refused: Callable, words: list[object], box: Box, tmp_path: Path) -> None:
    lines = box.beads.read_text().splitlines()
    lines[-2] = lines[-2][:20] + lines[-3][20:]
    words[1] = tmp_path / "same.gro"
    words[1].write_text("\n".join(lines) + "\n")
    sentence = refused(*words)
    assert "at one point are bead B1 of BUT 2 and bead B2 of BUT 2" in sentence
    assert "two beads cannot share a place" in sentence


def test_a_single_bead_molecule_works(msb: Callable, tmp_path: Path) -> None:
    made = write_box(tmp_path, [butane()] * 4)
    mapping = "msb_mapping: 1\nmolecules:\n  BUT:\n    beads:\n      - {name: A, atoms: [%s]}\n"
    made.mapping.write_text(mapping % ", ".join(str(k + 1) for k in range(14)))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert msb("train", tmp_path / "config.yaml", "-o", tmp_path / "run", "--device", "cpu").code == 0
    assert msb("map", made.atoms, "--mapping", made.mapping, "-o", tmp_path / "one.gro").code == 0
    words = ["backmap", tmp_path / "one.gro", "-m", tmp_path / "run" / "model", "--polish", "none"]
    said = msb(*words, "-o", tmp_path / "out.gro")
    assert said.code == 0, said.err
    assert open_trajectory(tmp_path / "out.gro").n_atoms == 56


def test_a_mapping_that_leaves_an_atom_out(refused: Callable, box: Box, tmp_path: Path) -> None:
    text = box.mapping.read_text()
    last = max(
        int(word)
        for word in text.split("BUT:")[1].replace("]", ",").replace("[", ",").split(",")
        if word.strip().isdigit()
    )
    (tmp_path / "short.yaml").write_text(text.replace(f", {last}]", "]"))
    sentence = train_with(refused, box, tmp_path / "run", mapping=str(tmp_path / "short.yaml"))
    assert "mapping of " in sentence
    assert "no bead" in sentence or "no owner" in sentence


def test_a_mapping_that_counts_an_atom_twice(refused: Callable, box: Box, tmp_path: Path) -> None:
    text = box.mapping.read_text()
    (tmp_path / "twice.yaml").write_text(text.replace("atoms: [1,", "atoms: [1, 1,"))
    sentence = train_with(refused, box, tmp_path / "run", mapping=str(tmp_path / "twice.yaml"))
    assert "twice" in sentence or "more than once" in sentence


def test_a_bead_without_heavy_atoms(msb: Callable, box: Box, tmp_path: Path) -> None:
    made = write_box(tmp_path, [butane()] * 4)
    light = [k + 1 for k, e in enumerate(butane().elements) if e == "H"]
    heavy = [k + 1 for k, e in enumerate(butane().elements) if e == "C"]
    beads = [f"      - {{name: {n}, atoms: {a}}}" for n, a in (("C", heavy), ("H", light))]
    made.mapping.write_text("\n".join(["msb_mapping: 1", "molecules:", "  BUT:", "    beads:", *beads, ""]))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    said = msb("train", tmp_path / "config.yaml", "-o", tmp_path / "run", "--device", "cpu")
    assert said.code == 0
    assert any("mapping of BUT: no heavy atoms are placed by H" in line for line in said.warnings)
