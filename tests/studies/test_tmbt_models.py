"""TMBT's coarse-grained models: terms as OpenMM has them, inversions that invert, pressure, all three."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import openmm
import pytest

from msb.core.geometry import angles, dihedrals
from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.frames import Frames
from msb.io.gromacs import read_gromacs
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

Study = Callable[[str, str], ModuleType]
COUNT, EDGE = 4, 4.5


@pytest.fixture
def tmbt(study: Study) -> ModuleType:
    study("melt_data", "systems")
    return study("tmbt", "tmbt")


@pytest.fixture
def potentials(tmbt: ModuleType, study: Study) -> ModuleType:
    return study("tmbt", "potentials")


@pytest.fixture
def derive(potentials: ModuleType, study: Study) -> ModuleType:
    return study("tmbt", "derive")


def atoms_of(tmbt: ModuleType, frames: int, noise: float) -> tuple[Topology, np.ndarray]:
    """Molecules turned at random on a grid, atoms shaken: (F, 4 * 69, 3), nm."""
    topology = Topology(((tmbt.tmbt(), COUNT),))
    one = open_trajectory(tmbt.TOPOLOGY.with_suffix(".gro")).read(0, None).positions[0].astype(float)
    one -= one.mean(axis=0)
    rng = np.random.default_rng(5)
    turns = np.linalg.qr(rng.normal(size=(COUNT, 3, 3)))[0]
    turns[:, 0] *= np.linalg.det(turns)[:, None]
    places = EDGE * np.array([[0.25, 0.25, 0.25], [0.75, 0.75, 0.25], [0.75, 0.25, 0.75], [0.25, 0.75, 0.75]])
    still = (np.einsum("ai,mij->maj", one, turns) + places[:, None]).reshape(-1, 3)
    return topology, still + rng.normal(scale=noise, size=(frames, *still.shape))


def beads_of(tmbt: ModuleType, frames: int = 40) -> tuple[np.ndarray, np.ndarray, Topology]:
    topology, x = atoms_of(tmbt, frames, 0.02)
    mapping = tmbt.mapping_of(topology)
    boxes = np.tile(np.eye(3) * EDGE, (frames, 1, 1))
    return np.asarray(mapping.beads(x)), boxes, mapping.bead_topology()


@pytest.fixture
def fields(derive: ModuleType, tmbt: ModuleType) -> SimpleNamespace:
    beads, boxes, topology = beads_of(tmbt)
    target = derive.radial(beads, boxes, topology)
    made = derive.first_guess(beads, target)
    return SimpleNamespace(made=made, beads=beads, boxes=boxes, topology=topology, target=target)


def test_values_are_the_librarys(potentials: ModuleType) -> None:
    x = np.random.default_rng(2).normal(size=(3, 14, 3))
    one = x.reshape(-1, 7, 3)
    for term, members in potentials.TERMS.items():
        place = np.array(members)
        if place.shape[1] == 2:
            wanted = np.linalg.norm(one[:, place[:, 1]] - one[:, place[:, 0]], axis=-1)
        else:
            what = angles if place.shape[1] == 3 else dihedrals
            import torch

            wanted = what(torch.as_tensor(one), torch.as_tensor(place)).numpy()
        assert potentials.values(term, x) == pytest.approx(wanted.ravel(), abs=1e-6), term


def test_every_bead_has_its_terms(potentials: ModuleType, tmbt: ModuleType) -> None:
    beads = tmbt.mapping_of(Topology(((tmbt.tmbt(), 1),))).bead_topology().templates[0]
    terms = potentials.TERMS
    assert {tuple(sorted(p)) for t in ("A-B", "B-B") for p in terms[t]} == {
        tuple(p) for p in beads.bonds.tolist()
    }
    assert {min(a, a[::-1]) for t in ("A-B-B", "B-A-B") for a in terms[t]} == {
        min(tuple(a), tuple(a[::-1])) for a in beads.angles.tolist()
    }
    assert {min(a, a[::-1]) for a in terms[potentials.PROPER]} == {
        min(tuple(a), tuple(a[::-1])) for a in beads.dihedrals.tolist()
    }


@pytest.mark.parametrize("model", ["A", "B", "C"])
def test_openmm_has_the_energy_of_the_terms(
    potentials: ModuleType, fields: SimpleNamespace, model: str
) -> None:
    bare = replace(fields.made, pairs={k: (0.0,) * len(v) for k, v in fields.made.pairs.items()})
    bare = bare.scaled({"A-B-B": 1.3, potentials.PROPER: 0.7, "B-B": 2.0})
    system = potentials.bead_system(bare, model, fields.topology, EDGE)
    assert system.getNumConstraints() == (6 * COUNT if model == "A" else 0)
    integrator = openmm.VerletIntegrator(0.001)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    ours, theirs = [], []
    for x in fields.beads[:4]:
        context.setPositions(x)
        theirs.append(context.getState(getEnergy=True).getPotentialEnergy()._value)
        own = [
            bare.scales[term] * bare.energy(term, potentials.values(term, x)).sum()
            for term in potentials.MODELS[model]
        ]
        ours.append(sum(own))
    assert np.diff(ours) == pytest.approx(np.diff(theirs), abs=0.02)


@pytest.mark.skipif(not hasattr(openmm, "PythonForce"), reason="needs OpenMM 8.4 or newer (PythonForce)")
def test_tables_in_numpy_are_openmms(potentials: ModuleType, fields: SimpleNamespace) -> None:
    """The tables end smoothly, so that OpenMM's, which are joined to one, are the same to the last bin."""
    r = potentials.SPACING * np.arange(round(potentials.CUTOFF / potentials.SPACING) + 1)
    fade = np.where(r < potentials.CUTOFF, (1 - r / potentials.CUTOFF) ** 3, 0.0)
    shapes = {"A-A": 40 * fade, "A-B": 30 * fade * np.cos(5 * r), "B-B": 20 * fade * (1 - 3 * r)}
    made = replace(fields.made, pairs={kind: tuple(table.tolist()) for kind, table in shapes.items()})
    edge = 2.8
    x = np.random.default_rng(6).uniform(-edge, 2 * edge, (COUNT, 1, 3)) + fields.beads[0].reshape(
        COUNT, 7, 3
    )
    found = []
    for tables in (potentials.openmm_tables, potentials.python_tables):
        system = openmm.System()
        for mass in fields.topology.masses.tolist():
            system.addParticle(mass)
        system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge).tolist())
        system.addForce(tables(made, fields.topology))
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(x.reshape(-1, 3))
        state = context.getState(getEnergy=True, getForces=True)
        found.append((state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value))
    (energy, forces), (ours, own) = found
    assert ours == pytest.approx(energy, abs=0.01)
    assert own == pytest.approx(forces, abs=0.02)
    assert np.abs(forces).max() > 20


def test_fields_go_to_json_and_back(potentials: ModuleType, fields: SimpleNamespace) -> None:
    read = potentials.Fields.from_dict(json.loads(json.dumps(fields.made.to_dict())))
    assert read == fields.made


def test_inversion_of_normals_gives_springs_back(derive: ModuleType, fields: SimpleNamespace) -> None:
    stiffness = 2.0e4  # kJ/mol/nm^2
    width = (derive.KT / stiffness) ** 0.5
    drawn = np.random.default_rng(4).normal(0.43, width, 40_000)
    keep = np.random.default_rng(5).uniform(0, drawn.max() ** 2, len(drawn)) < drawn**2  # the Jacobian
    curve = derive.Mixture.fit(drawn[keep], drawn[keep] ** -2.0, derive.NORMALS)
    made = replace(fields.made, curves={**fields.made.curves, "A-B": curve})
    r = 0.43 + width * np.array([-1.5, 0.0, 1.5])
    energy = made.energy("A-B", r)
    assert energy[[0, 2]] - energy[1] == pytest.approx([0.5 * 1.5**2 * derive.KT] * 2, rel=0.06)


def test_cosines_fit_an_inverted_torsion(derive: ModuleType) -> None:
    rng = np.random.default_rng(3)
    trial = rng.uniform(-np.pi, np.pi, 400_000)
    height = 3.0  # kJ/mol, of sin^2
    kept = trial[rng.uniform(size=len(trial)) < np.exp(-height * np.sin(trial) ** 2 / derive.KT)]
    found = derive._cosines(kept)
    at = np.linspace(0, np.pi, 7)
    energy = np.polynomial.polynomial.polyval(np.cos(at - np.pi), found)
    assert energy - energy[0] == pytest.approx(height * np.sin(at) ** 2, abs=0.15)


def test_iteration_leaves_what_is_right_and_mends_what_is_not(
    derive: ModuleType, fields: SimpleNamespace
) -> None:
    r = derive.SPACING * (np.arange(round(derive.CUTOFF / derive.SPACING)) + 0.5)
    g = {kind: 1 / (1 + np.exp(-(r - 0.45) / 0.02)) for kind in fields.target}
    fit = {kind: tuple(derive._table(-derive.KT * np.log(own), own > 0.05)) for kind, own in g.items()}
    good = replace(fields.made, pairs=fit)
    crowd = 1 + 0.5 * np.exp(-(((r - 0.7) / 0.1) ** 2))
    same, mended = derive.improve(good, g, g), derive.improve(good, {k: v * crowd for k, v in g.items()}, g)
    for kind in g:
        before, after, up = (np.array(f.pairs[kind]) for f in (good, same, mended))
        assert after[48:] == pytest.approx(before[48:], abs=0.1)
        assert up[70] - after[70] == pytest.approx(derive.DAMPING * derive.KT * np.log(1.5), rel=0.05)
        assert up[100:] == pytest.approx(after[100:], abs=0.05)
        assert (np.diff(up[:45]) < 0).all()


def test_pull_lowers_a_pressure_that_is_too_high(
    derive: ModuleType, potentials: ModuleType, fields: SimpleNamespace
) -> None:
    def pressure(f: object) -> float:
        system = potentials.bead_system(f, "B", fields.topology, 2.7)
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        x = fields.beads[0].reshape(COUNT, 7, 3)
        x = x + x.mean(axis=1, keepdims=True) * (2.7 / EDGE - 1)
        return potentials._pressure(context, x.reshape(-1, 3), 2.7)

    flat = replace(fields.made, pairs={k: (0.0,) * len(v) for k, v in fields.made.pairs.items()})
    ideal = COUNT * derive.KT / 2.7**3 * potentials.BAR
    assert pressure(flat) == pytest.approx(ideal, rel=1e-4)
    pulled, pushed = derive.press(flat, 2000.0), derive.press(flat, -2000.0)
    assert pressure(pulled) < ideal < pressure(pushed)
    table = np.array(pulled.pairs["B-B"])
    assert table[0] == pytest.approx(-0.1 * derive.KT)
    assert table[-1] == 0.0
    assert derive.press(flat, 101.0).pairs["B-B"][0] == pytest.approx(-0.01 * derive.KT)


def test_weak_terms_are_made_stronger(derive: ModuleType, fields: SimpleNamespace) -> None:
    middle = fields.beads.mean(axis=0)
    wide = middle + 1.5 * (fields.beads - middle)
    same = derive.factors(fields.made, "B", fields.beads, fields.beads)
    assert same == pytest.approx(dict.fromkeys(derive.TERMS, 1.0))
    assert all(
        1.0 < factor <= 2.0 for factor in derive.factors(fields.made, "C", wide, fields.beads).values()
    )


def test_models_from_a_run_go_on_and_are_assessed(tmbt: ModuleType, study: Study, tmp_path: Path) -> None:
    """The all-atom run is made up: no GROMACS is needed."""
    simulate, cg_models, run = (study("tmbt", name) for name in ("simulate", "cg_models", "run"))
    folder = tmp_path / tmbt.LIQUID.name
    folder.mkdir()
    topology, x = atoms_of(tmbt, 5, 0.015)
    box = np.tile(np.eye(3, dtype=np.float32) * EDGE, (5, 1, 1))
    times = simulate.SMOKE_PS / 4 * np.arange(5)
    for name in ("start.gro", "run001.xtc"):
        with open_writer(folder / name, topology, 5) as writer:
            n = 1 if name.endswith("gro") else 5
            writer.write(Frames(x[:n].astype(np.float32), box[:n], times[:n]))
    (folder / "system.top").write_text(simulate.topology_text(simulate.smoke(tmbt.LIQUID)))
    words = ["--out", str(tmp_path), "--smoke"]
    assert cg_models.main(words) == 0
    known = json.loads((folder / "potentials.json").read_text())
    assert len(known["iterations"]) == 2
    assert set(known["rescalings"]) == {"A", "B", "C"}
    before = (folder / "tmbt_A.xtc").stat().st_mtime_ns
    assert cg_models.main(words) == 0
    assert (folder / "tmbt_A.xtc").stat().st_mtime_ns == before
    assert json.loads((folder / "potentials.json").read_text()) == known
    rigid = open_trajectory(folder / "tmbt_A.gro", folder / "tmbt_A.xtc").read(0, None).positions
    lengths = np.linalg.norm(rigid.reshape(-1, 7, 3)[:, 1] - rigid.reshape(-1, 7, 3)[:, 0], axis=-1)
    assert np.ptp(lengths) < 1e-4

    learn = study("tmbt", "training_set")
    assert learn.main(words) == 0
    assert open_trajectory(folder / "tmbt_train.gro", folder / "tmbt_train.xtc").n_frames == 2
    with pytest.raises(MsbError, match="no frames at 85, 100 ps yet"):
        learn.cut(
            simulate.smoke(tmbt.LIQUID), folder, (simulate.SMOKE_PS / 4, 85.0), 100.0, simulate.SMOKE_PS / 4
        )

    out = tmp_path / "out"
    words = ["--from", str(tmp_path), "--smoke", "--runs", str(tmp_path / "runs"), "--out", str(out)]
    assert run.main(words) == 0
    text = (out / "TABLE.md").read_text()
    assert "Table 6.1" in text
    assert "Table 6.2" in text
    found = json.loads((out / "results.json").read_text())
    assert {row["name"] for row in found["rows"]["fragment"]} == {
        "reference",
        "in-distribution",
        "A",
        "B",
        "C",
    }
    assert read_gromacs(folder / "system.top").topology.n_molecules == COUNT
