"""Repair: defects go, everything else stays bit for bit, and what cannot be repaired is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openmm
import pytest

from msb.cli.main import main
from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.topology import Topology
from msb.energy.local import LocalRelaxer
from msb.errors import ConfigError, EnergyError
from msb.io import open_trajectory
from msb.jobs.check.repair import RepairSettings, repair
from msb.jobs.check.repair_regions import regions_of
from msb.quality import Checker, Reference
from planted_defects import clean, first_atom, planted, write_gro, write_top

SIGMA = {"H": 0.22, "C": 0.33, "F": 0.29, "Cl": 0.34, "Br": 0.36}


def force_field(topology: Topology, x: np.ndarray, box: np.ndarray) -> openmm.System:
    """Springs at the clean box's lengths and angles, and Lennard-Jones spheres."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*box.astype(float))
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    spheres = openmm.NonbondedForce()
    spheres.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    spheres.setCutoffDistance(0.9)
    for element, mass in zip(topology.elements, topology.masses, strict=True):
        system.addParticle(mass)
        spheres.addParticle(0.0, SIGMA[element], 0.3)
    for i, j in topology.bonds.tolist():
        bonds.addBond(i, j, float(np.linalg.norm(x[i] - x[j])), 3e5)
    for i, j, k in topology.expand(lambda t: t.angles).tolist():
        a, b = x[i] - x[j], x[k] - x[j]
        angles.addAngle(i, j, k, float(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))), 400.0)
    spheres.createExceptionsFromBonds(topology.bonds.tolist(), 0.5, 0.5)
    for force in (bonds, angles):
        force.setUsesPeriodicBoundaryConditions(True)
    for force in (bonds, angles, spheres):
        system.addForce(force)
    return system


@pytest.fixture(scope="module")
def tools() -> tuple[Checker, LocalRelaxer]:
    topology, x, box = clean()
    checker = Checker(topology, reference=Reference.of(topology, x, box))
    return checker, LocalRelaxer(force_field(topology, x.astype(float), box))


@pytest.mark.parametrize("defect", ["hand", "piercing", "clash", "bond", "swapped"])
def test_planted_defects_are_repaired(tools, defect: str) -> None:
    checker, relaxer = tools
    topology, x, box = planted(defect)
    done = repair(x, None, checker, box=box, relaxer=relaxer)
    assert done.before
    assert done.succeeded, done.remaining
    assert not checker.check(done.positions, box)
    still = ~done.moved
    assert still.sum() > 100
    np.testing.assert_array_equal(done.positions[still], x[still])
    touched = set(topology.molecule_index[done.moved].tolist())
    named = {int(topology.molecule_index[a]) for f in done.before for a in f.indices}
    assert touched <= named


def test_a_lost_atom_finds_its_place(tools) -> None:
    checker, relaxer = tools
    _, x, box = clean()
    x[first_atom("BNZ") + 7] = np.nan
    done = repair(x, None, checker, box=box, relaxer=relaxer)
    assert done.succeeded
    assert np.isfinite(done.positions).all()


def test_nothing_wrong_nothing_moved(tools) -> None:
    checker, relaxer = tools
    _, x, box = clean()
    done = repair(x, None, checker, box=box, relaxer=relaxer)
    assert (done.tries, done.moved.any(), done.before) == (0, False, ())
    np.testing.assert_array_equal(done.positions, x)


def test_the_same_seed_repairs_alike(tools) -> None:
    checker, relaxer = tools
    _, x, box = planted("piercing")
    runs = [
        repair(x, None, checker, box=box, relaxer=relaxer, settings=RepairSettings(seed=3)).positions
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*runs)


class Drawing:
    """Draws the clean molecules' atoms around their beads; badly with an even seed."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping, self.topology, self.calls = mapping, mapping.topology, []

    def backmap(self, beads, *, start, only, temperature, seed, frames, boxes):
        self.calls.append((seed, int(only.sum())))
        out = np.array(start)
        good = clean()[1]
        out[only] = good[only] if seed % 2 else start[only]
        out[~only] = 99.0  # what a caller must not look at
        return out[None]


def beads_of(topology: Topology) -> Mapping:
    whole = {
        t.name: MappingTemplate.from_mass(t, [BeadGroup("B", tuple(range(t.n_atoms)))])
        for t in topology.templates
    }
    return Mapping(whole, topology)


def test_a_model_draws_the_afflicted_beads_only(tools) -> None:
    checker = tools[0]
    topology, x, box = planted("bond")
    mapping = beads_of(topology)
    model = Drawing(mapping)
    done = repair(x, None, checker, beads=mapping.beads(clean()[1]), box=box, mapping=mapping, model=model)
    assert done.succeeded
    assert model.calls == [(0, 5), (1, 5)]  # the first draw changed nothing, the second was good
    np.testing.assert_allclose(done.positions, clean()[1], atol=1e-6)
    np.testing.assert_array_equal(done.positions[~done.moved], x[~done.moved])


def test_what_cannot_be_repaired_is_left_and_said(tools) -> None:
    checker = tools[0]
    topology, x, box = planted("bond")
    mapping = beads_of(topology)
    settings = RepairSettings(tries=1)
    beads = mapping.beads(clean()[1])
    done = repair(
        x, None, checker, beads=beads, box=box, mapping=mapping, model=Drawing(mapping), settings=settings
    )
    assert [f.kind for f in done.remaining] == ["bond"]
    np.testing.assert_array_equal(done.positions, x)


def test_it_needs_something_to_repair_with(tools) -> None:
    checker = tools[0]
    _, x, box = planted("bond")
    with pytest.raises(ConfigError, match="--top"):
        repair(x, None, checker, box=box)
    with pytest.raises(ConfigError, match="--cg"):
        repair(x, None, checker, box=box, model=Drawing(beads_of(checker.topology)))


def test_regions_are_whole_beads_with_their_neighbours(tools) -> None:
    checker = tools[0]
    topology, x, box = planted("piercing")
    found = checker.check(x, box)
    (region,) = regions_of(found, topology, beads_of(topology))
    ring, chain = first_atom("BNZ", 1), first_atom("BUT")
    np.testing.assert_array_equal(region.atoms, [*range(ring, ring + 12), *range(chain, chain + 14)])
    assert len(region.findings) == len(found)
    assert regions_of([], topology) == []


def test_local_relaxation_refuses_what_does_not_fit(tools) -> None:
    relaxer = tools[1]
    _, x, box = clean()
    with pytest.raises(EnergyError, match="192 atoms needs positions"):
        relaxer.minimise(x[:10], np.ones(10, dtype=bool), box=box)
    x[3] = np.nan
    with pytest.raises(EnergyError, match="atom 4 has no finite position"):
        relaxer.minimise(x, np.ones(192, dtype=bool), box=box)


def test_through_the_command(tmp_path: Path, capsys) -> None:
    write_top(tmp_path / "box.top")
    write_gro(tmp_path / "ideal.gro")
    for name in ("hand", "bond", "clash"):
        write_gro(tmp_path / "wrong.gro", name)
        words = ["check", tmp_path / "wrong.gro", "--top", tmp_path / "box.top"]
        words += ["--reference", tmp_path / "ideal.gro", "--repair", tmp_path / "fixed.gro", "--json"]
        assert main([str(word) for word in words]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["repair"]["before"][name] > 0
        assert told["total"] == 0
        before, after = (
            open_trajectory(tmp_path / f"{f}.gro").read().positions[0] for f in ("wrong", "fixed")
        )
        assert 0 < (before != after).any(axis=1).sum() <= told["repair"]["moved_atoms"] < 40


def test_what_is_left_is_listed(tmp_path: Path, capsys) -> None:
    write_top(tmp_path / "box.top")
    write_gro(tmp_path / "wrong.gro", "broken")
    words = ["check", tmp_path / "wrong.gro", "--top", tmp_path / "box.top", "--tries", 1]
    words += ["--limit", "bond_most=0.01", "--limit", "bond_least=0.01", "--limit", "angle_least=0.1"]
    words += ["--limit", "angle_most=0.1", "--repair", tmp_path / "fixed.gro"]
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr()
    assert "not repaired: frame 0: " in said.out
    assert "before: " in said.out
    assert "quality: " in said.err


def test_the_output_may_not_be_an_input(tmp_path: Path, capsys) -> None:
    write_top(tmp_path / "box.top")
    path = write_gro(tmp_path / "wrong.gro", "bond")
    assert main(["check", str(path), "--top", str(tmp_path / "box.top"), "--repair", str(path)]) == 1
    assert "is an input too" in capsys.readouterr().err
