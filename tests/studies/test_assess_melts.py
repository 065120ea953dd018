"""Melts that are assessed: their files, and dodecane's simulation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.spatial import cKDTree

from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.errors import MsbError
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_gromacs
from msb.io.trajectory import Trajectory, open_trajectory
from msb.io.writers import open_writer

Study = Callable[[str, str], ModuleType]
FRAGMENT = """[ moleculetype ]
HYIY 3
[atoms]
1 HC 1 HYIY H1 1 0.1 1.008
2 C 1 HYIY C1 2 -0.1 12.011
[/atoms]
[bonds]
1 2 2 0.1090 1.2300e+07
[/bonds]
"""


def test_a_spring_in_squares_is_as_stiff_as_the_harmonic_one(study: Study, tmp_path: Path) -> None:
    alkane = study("assess_melts", "alkane")
    (tmp_path / "dodecane_aa.itp").write_text(FRAGMENT)
    [bond] = alkane.dodecane(tmp_path).interactions
    length, stiffness = bond.parameters
    assert bond.function == 1

    def quartic(r: float) -> float:  # GROMACS' bonds of function 2
        return 0.25 * 1.23e7 * (r**2 - 0.109**2) ** 2

    step = 1e-4
    curvature = (quartic(length + step) - 2 * quartic(length) + quartic(length - step)) / step**2
    assert stiffness == pytest.approx(curvature, rel=1e-3)


def test_dodecane_fills_the_wanted_cube_and_maps_as_published(study: Study, msb_data: Path) -> None:
    alkane = study("assess_melts", "alkane")
    data = msb_data / "dodecane"
    template, edge = alkane.dodecane(data), alkane.edge_of(data / "400K_mapped")
    assert edge == pytest.approx(7.08, abs=0.02)
    x = alkane.start(data, template, edge, None).reshape(875, 38, 3)
    pairs = template.bonds
    lengths = np.linalg.norm(x[:, pairs[:, 0]] - x[:, pairs[:, 1]], axis=-1)
    assert 0.08 < lengths.min() < lengths.max() < 0.19  # whole molecules, not stretched
    tree = cKDTree(x.mean(1) % edge, boxsize=edge)
    assert tree.query(tree.data, 2)[0][:, 1].min() > 0.2  # molecules moved apart, none into another
    topology = Topology(((template, 1),))
    mapping = Mapping(read_mapping(alkane.MAPPING, topology), topology)
    beads = np.asarray(mapping.beads(x))
    ours = np.linalg.norm(np.diff(beads, axis=1), axis=-1)
    frame = open_trajectory(min((data / "400K_mapped").glob("*.gro"))).read(0, 1)
    away = np.diff(frame.positions[0].reshape(-1, 3, 3), axis=1)
    away -= frame.boxes[0, 0, 0] * np.rint(away / frame.boxes[0, 0, 0])
    assert ours.mean() == pytest.approx(np.linalg.norm(away, axis=-1).mean(), abs=0.02)


@pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx (GROMACS) is not installed")
def test_a_few_molecules_go_through_every_stage(study: Study, msb_data: Path, tmp_path: Path) -> None:
    alkane = study("assess_melts", "alkane")
    assert alkane.main(["--data", str(msb_data / "dodecane"), "--runs", str(tmp_path), "--smoke"]) == 0
    folder = tmp_path / "dodecane"
    made = open_trajectory(folder / "start.gro", folder / "run001.xtc")
    assert made.n_atoms == 2 * 38
    frame = made.read(0, 1)
    assert np.abs(1000 * frame.positions - np.rint(1000 * frame.positions)).max() > 0.05  # not three decimals
    topology = read_gromacs(folder / "system.top").topology
    [template] = topology.templates
    x = np.asarray(make_whole(frame.positions[0], frame.boxes[0], topology)).reshape(2, 38, 3)
    bonds = template.bonds
    lengths = np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=-1)
    wanted = {entry.atoms: entry.parameters[0] for entry in template.interactions if entry.kind == "bonds"}
    rigid = np.array([wanted[tuple(bond)] for bond in bonds.tolist()])
    np.testing.assert_allclose(lengths, rigid[None].repeat(2, 0), atol=2e-4)
    _assess_it_by_its_own_beads(study("assess_melts", "run"), made, topology, msb_data, tmp_path)


def _assess_it_by_its_own_beads(
    run: ModuleType, made: Trajectory, topology: Topology, data: Path, folder: Path
) -> None:
    """The whole of `run.py` on a model whose files are the mapped reference."""
    martini = folder / "data" / "dodecane" / "400K_martini_rescaled"
    martini.mkdir(parents=True)
    (martini.parent / "dodecane_aa.itp").symlink_to(data / "dodecane" / "dodecane_aa.itp")
    mapping = Mapping(read_mapping(run.MAPPING, topology), topology)
    frames = made.read(0, made.n_frames)
    beads = mapping.beads(np.asarray(make_whole(frames.positions, frames.boxes, topology)))
    for number in range(2):
        with open_writer(martini / f"{number}.gro", mapping.bead_topology()) as writer:
            writer.write(Frames(beads[number : number + 1], frames.boxes[:1], None, 0))
    words = ["--smoke", "--only", "dodecane", "--workers", "1", "--out", str(folder / "out")]
    assert run.main([*words, "--data", str(folder / "data"), "--runs", str(folder)]) == 0
    found = json.loads((folder / "out" / "results.json").read_text())["dodecane"]
    assert [row["name"] for row in found["rows"]] == ["reference", "in-distribution", "martini"]
    assert [row["frames"] for row in found["rows"]] == [2, 2, 2]
    assert found["differences"] == {"martini": []}
    assert "| martini | raw | 2 |" in (folder / "out" / "TABLE.md").read_text()


def test_long_chains_get_our_names(study: Study, tmp_path: Path) -> None:
    chains = study("assess_melts", "chains")
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, (2, 48, 3))
    for number, frame in enumerate(x):
        lines = [f"frame t= {number}.0", "48"]
        for k, bead in enumerate(frame):
            kind = f"{'AB'[k % 2]}{k % 24 // 2 + 1}"
            lines.append(f"{k // 24 + 1:5d}PSR  {kind:>5}{k + 1:5d}" + "".join(f"{v:8.3f}" for v in bead))
        (tmp_path / f"{number + 1}.gro").write_text("\n".join([*lines, "3.0 3.0 3.0", ""]))
    files = [tmp_path / "1.gro", tmp_path / "2.gro"]
    given = sample("polystyrene.top"), sample("polystyrene_mapping.yaml")
    assert chains.chain_lengths(files[0]) == (24, 2)
    mapping = chains.long_chains(*given, 24, 2)
    structure, trajectory = chains.joined(files[::-1], mapping.bead_topology(), tmp_path / "made", "long")
    assert (mapping.n_beads, mapping.topology.n_molecules) == (48, 2)
    assert mapping.topology.n_atoms == 2 * (12 * 16 + 2)
    made = open_trajectory(structure, trajectory)
    assert [str(name) for name in made.names[:4]] == ["B1", "S1", "B2", "S2"]
    assert set(map(str, made.resnames)) == {"PS1"}
    np.testing.assert_allclose(made.read(0, 2).positions, x.round(3), atol=2e-5)
    with pytest.raises(MsbError, match="48 beads, not 24"):
        chains.joined(files, chains.long_chains(*given, 24, 1).bead_topology(), tmp_path, "short")


def test_committed_results_say_how_conditions_differ(study: Study) -> None:
    run = study("assess_melts", "run")
    found = json.loads((run.OUT / "results.json").read_text())["polystyrene"]
    rows = {(row["name"], row["column"]): row for row in found["rows"]}
    assert rows["fritz", "raw"]["frames"] == rows["reference", "raw"]["frames"] == 10
    scores = [rows[name, "raw"]["scores"]["pooled"] for name in ("in-distribution", "fritz")]
    assert scores[0]["high"] < scores[1]["low"]
    words = " ".join(found["differences"]["fritz"])
    assert all(part in words for part in ("496 K", "density", "192 beads"))
