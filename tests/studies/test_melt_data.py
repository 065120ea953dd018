"""The melt and the liquids: published parameters, chains of the wanted tacticity, a resumable run."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.template import Interaction, MoleculeTemplate
from msb.io.gromacs import read_gromacs
from msb.io.trajectory import open_trajectory

Study = Callable[[str, str], ModuleType]
GMX = pytest.mark.skipif(shutil.which("gmx") is None, reason="the program gmx (GROMACS) is not installed")


@pytest.fixture
def systems(study: Study) -> ModuleType:
    return study("melt_data", "systems")


@pytest.fixture
def build(study: Study) -> ModuleType:
    return study("melt_data", "build")


@pytest.fixture
def chain(study: Study) -> MoleculeTemplate:
    return study("melt_data", "polystyrene").polystyrene()


def entries(template: MoleculeTemplate) -> Counter[tuple]:
    def canonical(entry: Interaction) -> tuple:
        turned = entry.function in (0, 1)  # impropers have an order
        atoms = min(entry.atoms, entry.atoms[::-1]) if turned else entry.atoms
        return entry.kind, atoms, entry.function, tuple(float(v) for v in entry.parameters)

    return Counter(map(canonical, template.interactions))


@pytest.mark.filterwarnings("ignore:.*left out. posres.itp")
def test_polystyrene_is_the_published_one(systems: ModuleType, msb_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "melt.top"
    path.write_text(systems.topology_text(systems.SYSTEMS["sps568"]))
    ours, theirs = read_gromacs(path), read_gromacs(msb_data / "sps" / "topol.top")
    [(own, count)], [(published, other)] = ours.topology.molecules, theirs.topology.molecules
    assert (own.name, count, own.nrexcl) == (published.name, other, published.nrexcl)
    assert own.atom_names == published.atom_names
    assert own.atom_types == published.atom_types
    np.testing.assert_array_equal(own.bonds, published.bonds)
    np.testing.assert_array_equal(own.charges, published.charges)
    np.testing.assert_array_equal(own.masses, published.masses)
    assert entries(own) == entries(published)
    assert ours.defaults == theirs.defaults
    for name, kind in theirs.atom_types.items():
        assert ours.atom_types[name].parameters == kind.parameters


@pytest.mark.parametrize("name", ["sps568", "octane350", "cumene350", "tetracosane400"])
def test_topologies(systems: ModuleType, name: str, tmp_path: Path) -> None:
    system = systems.SYSTEMS[name]
    template, path = system.template(), tmp_path / "system.top"
    path.write_text(systems.topology_text(system))
    [(read, count)] = read_gromacs(path).topology.molecules
    assert (read.to_dict(), count) == (template.to_dict(), system.count)
    assert template.charges.sum() == pytest.approx(0.0, abs=1e-12)
    path.write_text(systems.topology_text(system, heavy=True))
    [(heavy, _)] = read_gromacs(path).topology.molecules
    assert heavy.masses.sum() == pytest.approx(template.masses.sum(), abs=1e-6)
    assert heavy.masses.min() > 2.9


def test_longer_and_shorter_chains(study: Study) -> None:
    polystyrene = study("melt_data", "polystyrene").polystyrene
    for monomers in (1, 3, 12):
        template = polystyrene(monomers)
        assert Counter(template.elements) == {"C": 8 * monomers, "H": 8 * monomers + 2}
        assert template.charges.sum() == pytest.approx(0.0, abs=1e-12)
        assert len(template.rings) == monomers
    with pytest.raises(ValueError, match="at least one monomer"):
        polystyrene(0)


@pytest.mark.parametrize("hands", [(1, -1) * 4 + (1,), (1,) * 9, (1, 1, -1, 1, -1, -1, -1, 1, 1)])
def test_chains_have_the_wanted_hands(build: ModuleType, chain: MoleculeTemplate, hands: tuple) -> None:
    x = build.chain(chain, hands, np.random.default_rng(5))
    assert tuple(chain.chirality(x).tolist()) == hands
    rest = {e.atoms: e.parameters[0] for e in chain.interactions if e.kind == "bonds"}
    for (i, j), length in rest.items():
        assert np.linalg.norm(x[i] - x[j]) == pytest.approx(length, abs=1e-9)
    u, v = (x[chain.angles[:, k]] - x[chain.angles[:, 1]] for k in (0, 2))
    cosines = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    assert np.degrees(np.arccos(cosines)).min() > 109.0
    assert build.closest(x, chain) > 0.12  # the rest is for minimisation


def test_syndiotactic_is_what_the_published_chains_are(build: ModuleType, chain: MoleculeTemplate) -> None:
    assert build.syndiotactic(10) == (1, -1, 1, -1, 1, -1, 1, -1, 1)
    with pytest.raises(ValueError, match="9 stereocentres, but 3 hands"):
        build.chain(chain, (1, -1, 1), np.random.default_rng(0))


def test_packed_molecules_keep_apart(build: ModuleType, systems: ModuleType) -> None:
    rod = np.array([[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.4, 0.0, 0.0]])
    x = build.pack(lambda _: rod, 12, 2.0, 0.25, np.random.default_rng(1)).reshape(12, 3, 3)
    away = x[:, None, :, None] - x[None, :, None, :]
    away -= 2.0 * np.round(away / 2.0)
    distances = np.linalg.norm(away, axis=-1).min(axis=(2, 3))
    assert distances[np.triu_indices(12, 1)].min() >= 0.25
    with pytest.raises(ValueError, match=r"no place for molecule \d+ of 90"):
        build.pack(lambda _: rod, 90, 0.8, 0.25, np.random.default_rng(1))


def test_parameters_of_the_liquids(study: Study) -> None:
    """A torsion's polynomial is zero at trans; a barrier of three times CT-CT-CT-HC about ethane's bond."""
    hydrocarbons = study("melt_data", "hydrocarbons")
    for coefficients in hydrocarbons.TORSIONS.values():
        assert sum(coefficients) == pytest.approx(0.0, abs=1e-6)
    octane, cumene = hydrocarbons.octane(), hydrocarbons.cumene()
    assert Counter(octane.elements) == {"C": 8, "H": 18}
    assert Counter(cumene.elements) == {"C": 9, "H": 12}
    assert [len(octane.neighbours[k]) for k, e in enumerate(octane.elements) if e == "C"] == [4] * 8
    assert len(octane.pairs14) == sum(e.kind == "pairs" for e in octane.interactions) == 63
    assert len(cumene.rings) == 1


@GMX
def test_smoke_run_is_taken_up(study: Study, tmp_path: Path, capsys) -> None:
    simulate, snapshots = study("melt_data", "simulate"), study("melt_data", "snapshots")
    assert simulate.main(["--out", str(tmp_path), "--smoke"]) == 0
    folder, system = tmp_path / "sps568", simulate.smoke(simulate.SYSTEMS["sps568"])
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.gro")}
    assert set(written) == {"start.gro", "run001.gro", *(f"{s.name}.gro" for s in system.preparation)}
    (folder / "run001.gro").unlink()  # as if it had been stopped
    assert simulate.main(["--out", str(tmp_path), "--smoke"]) == 0
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.gro")}
    assert {name for name in again if again[name] != written[name]} == {"run001.gro"}
    assert snapshots.collect(system, folder, tmp_path / "out", simulate.SMOKE_PS) == 1
    frames = open_trajectory(tmp_path / "out" / "sps568.pdb", tmp_path / "out" / "sps568.xtc").read()
    [(template, count)] = system.topology.molecules
    x = frames.positions.reshape(count, template.n_atoms, 3)
    assert (template.chirality(x) == [1, -1, 1, -1, 1, -1, 1, -1, 1]).all()
    i, j = template.bonds.T
    assert np.linalg.norm(x[:, i] - x[:, j], axis=-1).max() < 0.16  # whole molecules
