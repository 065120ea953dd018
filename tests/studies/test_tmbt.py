"""TMBT: the molecule from its SMILES, its force field, its beads, a resumable run, and beads that move."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.errors import MsbError
from msb.io.gromacs import read_gromacs
from msb.io.trajectory import open_trajectory

Study = Callable[[str, str], ModuleType]
GMX = pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx (GROMACS) is not installed")
OPLS = Path("/usr/share/gromacs/top/oplsaa.ff")
SHIPPED = pytest.mark.skipif(not OPLS.exists(), reason="GROMACS' oplsaa.ff is not installed")
WITHOUT_RDKIT = importlib.util.find_spec("rdkit") is None
RDKIT = pytest.mark.skipif(WITHOUT_RDKIT, reason="rdkit is not installed (pip install rdkit)")


@pytest.fixture
def tmbt(study: Study) -> ModuleType:
    study("melt_data", "systems")
    return study("tmbt", "tmbt")


def lines(path: Path, section: str) -> list[list[str]]:
    text = path.read_text()
    found = [part for part in re.split(r"(?m)^\s*\[\s*", text) if part.startswith(section)]
    rows = [row.split(";")[0].split() for part in found for row in part.splitlines()[1:]]
    return [row for row in rows if row and not row[0].startswith("#")]


@RDKIT
def test_files_are_what_the_smiles_gives(
    study: Study, tmbt: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDBASE", str(tmp_path))  # rdkit sets it where it is not
    made = study("tmbt", "build_molecule")
    assert made.main(["--out", str(tmp_path)]) == 0
    for name in ("tmbt.top", "tmbt_mapping.yaml"):
        assert (tmp_path / name).read_text() == (tmbt.TOPOLOGY.with_name(name)).read_text()
    assert read_gromacs(tmp_path / "tmbt.top").topology.templates[0] == tmbt.tmbt()


@pytest.mark.skipif(not WITHOUT_RDKIT, reason="rdkit is installed")
def test_without_rdkit_it_says_what_to_install(study: Study) -> None:
    with pytest.raises(MsbError, match="pip install rdkit"):
        study("tmbt", "build_molecule").build()


def test_molecule_is_neutral_ring_by_ring_and_complete(tmbt: ModuleType) -> None:
    read = read_gromacs(tmbt.TOPOLOGY)
    template = read.topology.templates[0]
    assert sorted(template.elements) == ["C"] * 39 + ["H"] * 27 + ["N"] * 3
    assert read.without_parameters() == []
    assert len(template.rings) == 7
    assert len(template.bonds) == 42 + 27 + 6
    beads = tmbt.mapping_of(read.topology).templates[0]
    assert np.bincount(beads.owner, template.charges) == pytest.approx(np.zeros(7), abs=1e-9)
    planes = [entry for entry in template.interactions if entry.kind == "dihedrals" and entry.function == 4]
    assert len(planes) == 39
    assert {entry.atoms[2] for entry in planes} == {k for k, e in enumerate(template.elements) if e == "C"}


def test_rings_of_the_conformation_are_planar(tmbt: ModuleType) -> None:
    x = open_trajectory(tmbt.TOPOLOGY.with_suffix(".gro")).read(0, None).positions[0].astype(np.float64)
    for ring in tmbt.tmbt().rings:
        atoms = x[list(ring)] - x[list(ring)].mean(axis=0)
        assert np.linalg.svd(atoms)[1][2] < 0.01
    bonds = tmbt.tmbt().bonds
    lengths = np.linalg.norm(x[bonds[:, 0]] - x[bonds[:, 1]], axis=1)
    assert lengths.min() > 0.1
    assert lengths.max() < 0.155


@SHIPPED
def test_numbers_are_oplsaas(study: Study) -> None:
    chemistry = study("tmbt", "chemistry")
    theirs = {row[0]: row for row in lines(OPLS / "ffnonbonded.itp", "atomtypes")}
    for kind, (name, number, mass, *rest) in chemistry.ATOM_TYPES.items():
        row = theirs[name]
        assert (row[1], int(row[2]), float(row[3])) == (kind, number, pytest.approx(mass, abs=1e-3))
        assert [float(row[k]) for k in (4, 6, 7)] == pytest.approx(rest)
    for section, table in (("bondtypes", chemistry.BONDS), ("angletypes", chemistry.ANGLES)):
        size = 2 if section == "bondtypes" else 3
        found = {}
        for row in lines(OPLS / "ffbonded.itp", section):
            numbers = tuple(float(word) for word in row[size + 1 : size + 3])
            found[tuple(row[:size])] = found[tuple(row[size - 1 :: -1])] = numbers
        for key, numbers in table.items():
            source = chemistry.BORROWED.get(key, key)
            assert found[source] == pytest.approx(numbers), key
            assert (key in found) == (key not in chemistry.BORROWED), key


def test_beads_are_centres_of_mass_of_rings(tmbt: ModuleType) -> None:
    topology = read_gromacs(tmbt.TOPOLOGY).topology
    mapping, template = tmbt.mapping_of(topology), topology.templates[0]
    own = mapping.templates[0]
    assert own.bead_types == ("A", *"BBBBBB")
    assert own.bead_names == ("A", "B1", "E1", "B2", "E2", "B3", "E3")
    assert own.bead_bonds.tolist() == [[0, 1], [0, 3], [0, 5], [1, 2], [3, 4], [5, 6]]
    assert np.bincount(own.owner).tolist() == [6, 10, 11, 10, 11, 10, 11]
    x = np.random.default_rng(1).normal(size=(2, 69, 3))
    beads = np.asarray(mapping.beads(x))
    for bead in range(7):
        atoms = own.owner == bead
        centre = np.average(x[:, atoms], axis=1, weights=template.masses[atoms])
        assert beads[:, bead] == pytest.approx(centre, abs=1e-6)


@GMX
def test_grompp_takes_the_topology(tmbt: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "run.mdp").write_text(
        "integrator = steep\ncutoff-scheme = Verlet\nrcoulomb = 0.8\nrvdw = 0.8\n"
    )
    words = ["gmx", "grompp", "-f", "run.mdp", "-p", str(tmbt.TOPOLOGY), "-o", "run.tpr"]
    words += ["-c", str(tmbt.TOPOLOGY.with_suffix(".gro"))]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]


@GMX
def test_simulation_goes_through_every_stage_and_on(study: Study, tmbt: ModuleType, tmp_path: Path) -> None:
    simulate = study("tmbt", "simulate")
    words = ["--out", str(tmp_path), "--smoke"]
    assert simulate.main(words) == 0
    folder = tmp_path / tmbt.LIQUID.name
    before = (folder / "run001.gro").stat().st_mtime_ns
    assert simulate.main(words) == 0
    assert (folder / "run001.gro").stat().st_mtime_ns == before
    frames = open_trajectory(folder / "start.gro", folder / "run001.xtc").read(0, None)
    assert frames.positions.shape[1:] == (4 * 69, 3)
    assert np.isfinite(frames.positions).all()
    press = open_trajectory(folder / "start.gro", folder / f"{tmbt.EQUALISE}.xtc").read(0, None)
    mean = (press.boxes[len(press.boxes) // 2 :, 0, 0].astype(float) ** 3).mean() ** (1 / 3)
    assert frames.boxes[:, 0, 0] == pytest.approx(mean, abs=2e-4)
