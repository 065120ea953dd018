"""The ADP study's own simulations: names as in the data, resume to the same bytes, smoke runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def system(study: Callable[[str, str], ModuleType]) -> ModuleType:
    return study("adp_backmapping", "adp_system")


def test_names_are_the_datas(system: ModuleType, msb_data: Path) -> None:
    def names(path: Path) -> list[tuple[str, str, str]]:
        lines = [line for line in path.read_text().splitlines() if line.startswith("ATOM")]
        return [(line[12:16].strip(), line[17:20], line[22:26].strip()) for line in lines]

    ours = names(Path(system.__file__).parent / "adp.pdb")
    assert ours == names(msb_data / "adp" / "adp.pdb")
    assert tuple(ours[k][0] for k in system.BEADS) == system.BEAD_NAMES


def test_bonds_are_openmms(system: ModuleType) -> None:
    topology, _ = system.make_system(Path(system.__file__).parent / "adp.pdb")
    bonds = sorted(tuple(sorted((a.index, b.index))) for a, b in topology.bonds())
    assert bonds == sorted(system.BONDS)
    assert tuple(atom.element.symbol for atom in topology.atoms()) == system.ELEMENTS


def test_chains_of_atoms(system: ModuleType) -> None:
    assert [len(system.paths(n)) for n in (2, 3, 4)] == [9, 11, 10]
    assert len(system.paths(2, heavy=False)) == 21
    for quad in (*system.FREE_TORSIONS.values(), *system.placing_torsions()[1][:1]):
        assert all(tuple(sorted(pair)) in system.BONDS for pair in pairwise(quad))


def test_split(system: ModuleType) -> None:
    parts = system.split(165000)
    assert (parts["train"].stop, parts["select"].stop, parts["test"].stop) == (115500, 132000, 165000)


def test_an_interrupted_run_ends_with_the_same_bytes(
    study: Callable[[str, str], ModuleType], tmp_path: Path
) -> None:
    simulate, segments = (study("adp_backmapping", name) for name in ("simulate", "segments"))
    for name in ("whole", "killed"):
        assert simulate.main([str(tmp_path / name), "--smoke"]) == 0
    first, second = (sorted((tmp_path / name / "segments_300K").iterdir()) for name in ("whole", "killed"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    second[-1].unlink()  # killed in the last segment: the first one stays
    second[-1].with_name("segment_00001.npz.part").write_bytes(b"half")
    kept = second[0].stat().st_mtime_ns
    assert simulate.main([str(tmp_path / "killed"), "--smoke"]) == 0
    assert second[0].stat().st_mtime_ns == kept
    assert first[-1].read_bytes() == second[-1].read_bytes()
    written = (tmp_path / name / "adp_300K.dcd" for name in ("whole", "killed"))
    assert len({path.read_bytes() for path in written}) == 1
    frames = segments.gather(first)
    assert frames.shape == (len(frames), 22, 3)
    assert np.linalg.norm(frames[:, 9] - frames[:, 8], axis=-1) == pytest.approx(0.109, abs=1e-5)


def test_structures_are_like_the_datas(study: Callable[[str, str], ModuleType], tmp_path: Path) -> None:
    simulate, structure = (study("adp_backmapping", name) for name in ("simulate", "structure_rows"))
    simulate.main([str(tmp_path), "--smoke"])
    from msb.io import open_trajectory

    frames = open_trajectory(tmp_path / "adp.pdb", tmp_path / "adp_300K.dcd").read().positions
    assert not structure.broken_frames(frames).any()


def test_boltzmann_inversion_returns_the_distributions(
    study: Callable[[str, str], ModuleType], tmp_path: Path
) -> None:
    """A run on the inverted potential has the means and widths it was inverted from."""
    import openmm

    cg, segments = (study("adp_backmapping", name) for name in ("cg_simulation", "segments"))
    with np.load(Path(cg.__file__).parent / "out" / "frozen_beads.npz") as file:
        beads = file["positions"][..., cg.BEADS, :].reshape(-1, 6, 3).astype(float)
    system = cg.cg_system(cg.invert(beads))

    def context(seed: int) -> openmm.Context:
        integrator = openmm.LangevinMiddleIntegrator(300.0, 5.0, 0.002)
        integrator.setRandomNumberSeed(seed)
        made = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
        made.setPositions(beads[0])
        made.setVelocitiesToTemperature(300.0, seed)
        return made

    paths = segments.run_segments(tmp_path, context, 250, steps=25, segment=250, seed=3, burn_in=250)
    found, expected = (cg.internal_coordinates(x) for x in (segments.gather(paths), beads))
    for name, tolerance in (("bonds", 0.0008), ("angles", 0.025), ("phase", 0.03)):
        np.testing.assert_allclose(found[name].mean(0), expected[name].mean(0), atol=tolerance)
        np.testing.assert_allclose(found[name].std(0), expected[name].std(0), rtol=0.25)
    assert (found["phase"] < 0).all()  # the chirality is held


def test_map_of_a_histogram(study: Callable[[str, str], ModuleType]) -> None:
    cg = study("adp_backmapping", "cg_simulation")
    angles = np.random.default_rng(0).normal([-1.5, 2.0], 0.5, (100000, 2))
    surface = cg.free_energy_map(angles)
    width = 2 * np.pi / cg.MAP_SIZE
    centre = np.rint(np.array([-1.5, 2.0]) / width).astype(int) % cg.MAP_SIZE
    assert surface.min() == 0.0
    assert surface[tuple(centre)] < 0.1
    off = surface[centre[0] + round(0.5 / width), centre[1]]
    assert off == pytest.approx(0.5 * cg.KT, abs=0.25)
    assert np.isfinite(surface).all()


@pytest.mark.parametrize(
    ("module", "product"), [("cg_simulation", "cg_beads.npz"), ("frozen_beads", "frozen_beads.npz")]
)
def test_smoke(
    study: Callable[[str, str], ModuleType], msb_data: Path, tmp_path: Path, module: str, product: str
) -> None:
    script = study("adp_backmapping", module)
    assert script.main([str(tmp_path), "--data", str(msb_data / "adp"), "--smoke"]) == 0
    with np.load(tmp_path / product) as file:
        assert np.isfinite(file["positions"]).all()
