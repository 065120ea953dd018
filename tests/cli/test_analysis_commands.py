"""`msb msm`, `tica`, `rdf`, `fes`: a table, files that agree with it, and sentences for what does not fit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msb.core.topology import Topology
from msb.data import sample
from msb.io import Frames, open_trajectory, open_writer

KINETIC = (["msm", "--lag", "3", "--states", "12", "--samples", "4"], ["tica", "--lag", "3"], ["fes"])


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The bundled simulation, its first 1,500 frames."""
    path = tmp_path_factory.mktemp("ensemble") / "aa.xtc"
    source = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc"))
    with open_writer(path, source) as writer:
        writer.write(source.read(0, 1500))
    return path.with_suffix(".pdb"), path


@pytest.mark.parametrize("words", [*KINETIC, ["rdf"]], ids=lambda words: words[0])
def test_numbers_table_and_picture(
    msb: Callable, ensemble: tuple[Path, Path], tmp_path: Path, words: list[str]
) -> None:
    name, *options = words
    said = msb(name, *ensemble, *options, "-o", tmp_path / "out")
    assert said.code == 0, said.err
    told = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert told
    with (tmp_path / "out" / f"{name}.csv").open() as file:
        rows = list(csv.reader(file))
    assert len(rows) > 3
    assert len({len(row) for row in rows}) == 1
    assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(msb(name, *ensemble, *options, "--json").out) == told


def test_the_free_energy_is_that_of_the_counts(msb: Callable, ensemble: tuple[Path, Path]) -> None:
    told = json.loads(msb("fes", *ensemble, "--bins", "10", "--temperature", "300", "--json").out)
    counts = np.array(told["counts"], dtype=float)
    assert counts.sum() == 1500
    expected = -0.008314462618 * 300 * np.log(counts[counts > 0] / counts.max())
    energies = np.array(told["free_energy_kj_mol"], dtype=float)
    np.testing.assert_allclose(energies[counts > 0], expected, atol=1e-9)
    assert np.isnan(energies[counts == 0]).all()


def test_tica_of_distances_from_a_file(msb: Callable, ensemble: tuple[Path, Path], tmp_path: Path) -> None:
    listed = tmp_path / "features.txt"
    listed.write_text("5 15  # C-C\n7 17  # N, N\n5 17\n")
    said = msb("tica", *ensemble, "--features", listed, "--lag", "2", "--dim", "2", "--json")
    told = json.loads(said.out)
    assert told["features"] == ["C-C", "N, N", "C-N"]
    assert np.array(told["components"]).shape == (2, 3)
    assert np.all(np.diff(told["eigenvalues"]) <= 0)


def test_an_ideal_gas_has_no_structure(msb: Callable, tmp_path: Path) -> None:
    from msb.core.template import MoleculeTemplate

    rng = np.random.default_rng(1)
    atom = MoleculeTemplate.from_atoms("AR", atom_names=["AR"], elements=["Ar"])
    box = np.array([[2.0, 0, 0], [0.6, 1.9, 0], [-0.5, 0.3, 1.8]])
    x = (rng.random((40, 120, 3)) @ box).astype(np.float32)
    path = tmp_path / "gas.xtc"
    with open_writer(path, Topology.from_template(atom, 120)) as writer:
        writer.write(Frames(x, np.broadcast_to(box, (40, 3, 3)).astype(np.float32), np.arange(40.0)))
    said = msb("rdf", path.with_suffix(".pdb"), path, "--bins", "8", "--cutoff", "1.2", "--json")
    found = json.loads(said.out)["Ar-Ar"]
    np.testing.assert_allclose(found["g(r)"][2:], 1.0, atol=0.02)


@pytest.mark.parametrize("words", KINETIC[:2], ids=lambda words: words[0])
def test_a_trajectory_shorter_than_the_lag(
    refused: Callable, ensemble: tuple[Path, Path], words: list[str]
) -> None:
    said = refused(words[0], *ensemble, "--lag", "5000")
    assert "1500 frames of 1 ps are not longer than a lag of 5000 ps" in said


def test_an_unknown_spacing_is_asked_for(
    refused: Callable, msb: Callable, ensemble: tuple[Path, Path]
) -> None:
    path = ensemble[1].with_name("series.dcd")
    source = open_trajectory(*ensemble)
    with open_writer(path, source) as writer:
        writer.write(source.read(0, 200))
    assert "--timestep" in refused("tica", ensemble[0], path, "--lag", "2")
    assert msb("tica", ensemble[0], path, "--lag", "2", "--timestep", "1").code == 0


def test_features_that_are_not_there(refused: Callable, ensemble: tuple[Path, Path]) -> None:
    assert "CA" in refused("tica", *ensemble, "--features", "ca-distances", "--lag", "2")
    assert "neither phi-psi" in refused("fes", *ensemble, "--features", "phi-chi")
