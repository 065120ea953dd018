"""`msb new-config`: from files to a configuration that trains as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from msb.backmap.kinds import register_kind
from msb.jobs.train_model import load_config
from small_melt import Box, butane, chain, write_box
from stand_in_kind import NAME, stand_in


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)


def test_it_writes_what_it_found_and_what_to_look_at(msb: Callable, box: Box, tmp_path: Path) -> None:
    path = tmp_path / "melt.yaml"
    said = msb("new-config", box.atoms, "--top", box.top, "--mapping", box.mapping, "-o", path)
    assert said.code == 0, said.err
    assert said.warnings == []
    assert f"{path}: 1 snapshot to train on, with 3 PVC, 2 BUT" in said.out
    assert "bead types B V; atom types C CL H" in said.out
    assert "look at this: temperature: 300 K is a guess" in said.out
    text = path.read_text()
    assert "# BUT: 14 atoms, 2 beads, in order of placement:" in text
    assert "#   B1 (B; axis B2; 2 heavy): C1 C5 H2 H3 H4 H6 H7" in text
    assert "#   V1 (V; axis B1, plane B2; 2 heavy): C5 CL6 H7" in text
    config = load_config(path)
    assert config.name == "melt"
    assert config.data.temperature == 300.0


def test_the_configuration_trains_from_where_it_stands(msb: Callable, box: Box, tmp_path: Path) -> None:
    words = ["--top", box.top, "--mapping", box.mapping, "--temperature", 350]
    assert msb("new-config", box.atoms, *words, "-o", tmp_path / "melt.yaml").code == 0
    before = stand_in()
    try:
        said = msb("train", tmp_path / "melt.yaml", "-o", tmp_path / "run", "--device", "cpu")
    finally:
        register_kind(NAME, before)
    assert said.code == 0, said.err
    assert "350 K" in msb("info", tmp_path / "run" / "model").out


def test_channels_of_a_voxel_network_are_written_out(msb: Callable, box: Box, tmp_path: Path) -> None:
    path = tmp_path / "voxel.yaml"
    words = ["--top", box.top, "--mapping", box.mapping, "--network", "voxel", "--json"]
    told = json.loads(msb("new-config", box.atoms, *words, "-o", path).out)
    assert told["force_field"] is True
    assert told["molecules"] == {"PVC": 3, "BUT": 2}
    channels = yaml.safe_load(path.read_text())["network"]["channels"]
    assert channels["beads"]
    assert load_config(path).network.channels == channels


def test_an_itp_and_no_parameters(msb: Callable, box: Box, tmp_path: Path) -> None:
    text = box.top.read_text()
    kinds = text[text.index("[ moleculetype ]") : text.index("[ system ]")]
    (tmp_path / "molecules.itp").write_text(kinds)
    words = ["--top", tmp_path / "molecules.itp", "--mapping", box.mapping]
    said = msb("new-config", box.atoms, *words, "-o", tmp_path / "itp.yaml")
    assert said.code == 0
    assert "look at this: no force field is known" in said.out
    assert load_config(tmp_path / "itp.yaml").data.force_field == "none"


def test_it_overwrites_nothing(refused: Callable, box: Box, tmp_path: Path) -> None:
    path = tmp_path / "there.yaml"
    path.write_text("mine")
    sentence = refused("new-config", box.atoms, "--top", box.top, "--mapping", box.mapping, "-o", path)
    assert "there.yaml is there already" in sentence
    assert path.read_text() == "mine"


def test_files_that_do_not_fit(refused: Callable, box: Box, tmp_path: Path) -> None:
    words = ["--mapping", box.mapping, "-o", tmp_path / "c.yaml"]
    assert "is neither a file in" in refused("new-config", tmp_path / "no.gro", "--top", box.top, *words)
    assert "give GROMACS .top or .itp files" in refused("new-config", box.atoms, "--top", box.atoms, *words)
