"""Energies of candidates where spheres are soft, atoms coincide or vanish, and forces are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import openmm
import pytest
import torch
from energy_oracle import ALL, Case, displaced, liquid, worst

from msb.backmap.energies import CandidateEnergy
from msb.backmap.energy_pairs import LennardJonesCoulomb
from msb.backmap.placer import Candidates
from msb.core.scene import Scene
from msb.energy import system_from_xml, system_to_xml
from msb.energy.nonbonded_parameters import NonbondedParameters
from msb.errors import EnergyError

TOLERANCE = 1e-3  # kJ/mol


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Case:
    """Two kinds of molecules in a tilted box."""
    return liquid(tmp_path_factory.mktemp("small"))


def test_soft_spheres(small):
    force = next(f for f in small.system.getForces() if isinstance(f, openmm.NonbondedForce))
    p = NonbondedParameters.from_openmm(force)
    hard = LennardJonesCoulomb.of(p, None, None, 5.0, 0.0)
    soft = LennardJonesCoulomb.of(p, None, None, 5.0, 0.2)
    first, second = np.array([0, 4]), np.array([6, 12])
    columns = {k: torch.as_tensor(v) for k, v in soft.columns(first, second).items()}
    sigma = torch.as_tensor(0.5 * (p.sigma[first] + p.sigma[second]))
    epsilon = torch.as_tensor(np.sqrt(p.epsilon[first] * p.epsilon[second]))
    assert torch.allclose(
        soft.values(torch.zeros(2, dtype=torch.float64), columns)["lj"], 4 * epsilon * (25 - 5), rtol=1e-4
    )
    x = 1 / (0.2 + (0.3 / sigma) ** 6)
    at = soft.values(torch.full((2,), 0.09, dtype=torch.float64), columns)
    torch.testing.assert_close(at["lj"], 4 * epsilon * (x * x - x))
    far = torch.full((2,), 9.0, dtype=torch.float64)
    for name, value in hard.values(far, columns | {"soft": torch.zeros(2)}).items():
        torch.testing.assert_close(soft.values(far, columns)[name], value, rtol=1e-5, atol=0)


def test_atoms_on_top_of_one_another_have_finite_energies(small):
    tables = small.tables()
    scene = small.scene(tables, 1.5, torch.float32)
    bead = torch.tensor([0, 3])
    atoms = tables.own[bead]
    x = scene.positions[0][atoms.clamp(min=0)][:, None].clone()
    x[:] = scene.positions[0][8]
    for soft in (0.0, 0.1):
        energy = CandidateEnergy(small.system, tables, soft=soft)
        y = x.clone().requires_grad_(True)
        got = energy(scene, ALL, torch.zeros_like(bead), bead, Candidates(atoms, y))
        assert torch.isfinite(got).all()
        if soft:
            assert got.max() < 1e5
            assert torch.isfinite(torch.autograd.grad(got.sum(), y)[0]).all()


def test_what_is_not_a_number_stays_with_its_candidate(small):
    tables = small.tables()
    scene = small.scene(tables, 1.5)
    bead = torch.arange(4)
    candidates = displaced(scene, bead, 3)
    energy = CandidateEnergy(small.system, tables)
    wanted = energy(scene, ALL, torch.zeros_like(bead), bead, candidates)
    candidates.positions[2, 1] = torch.nan
    got = energy(scene, ALL, torch.zeros_like(bead), bead, candidates)
    kept = torch.ones_like(got, dtype=torch.bool)
    kept[2, 1] = False
    assert torch.isnan(got[2, 1])
    torch.testing.assert_close(got[kept], wanted[kept])


def test_a_shorter_cutoff(tmp_path):
    assert worst(liquid(tmp_path, cutoff=0.6), 1.5, cutoff=0.9) < TOLERANCE
    short = liquid(tmp_path, cutoff=0.6)
    case = dataclasses.replace(liquid(tmp_path, cutoff=0.9), system=short.system)
    assert worst(case, 1.5, cutoff=0.6) < TOLERANCE


def test_what_cannot_be_done_is_said(small, tmp_path):
    tables = small.tables()
    with pytest.raises(EnergyError, match=r"the force field has 42 atoms and the beads own 5"):
        CandidateEnergy(small.system, dataclasses.replace(tables, n_atoms=5))
    system = system_from_xml(system_to_xml(small.system))
    system.addForce(openmm.CustomExternalForce("x^2"))
    with pytest.raises(EnergyError, match=r"CustomExternalForce.*leave it out with exclude"):
        CandidateEnergy(system, tables)
    CandidateEnergy(system_to_xml(system), tables, exclude=("CustomExternalForce", "AbsentForce"))
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    force.setNonbondedMethod(force.PME)
    with pytest.raises(EnergyError, match="reaction_field_for_pme=True"):
        CandidateEnergy(system, tables, exclude=("CustomExternalForce",))
    CandidateEnergy(system, tables, exclude=("CustomExternalForce",), reaction_field_for_pme=True)
    geometric = liquid(tmp_path, 3)
    with pytest.raises(EnergyError, match="cannot be made soft"):
        CandidateEnergy(geometric.system, tables, soft=0.1)
    grouped = next(f for f in geometric.system.getForces() if isinstance(f, openmm.CustomNonbondedForce))
    grouped.addInteractionGroup([0], [1])
    with pytest.raises(EnergyError, match="InteractionGroups"):
        CandidateEnergy(geometric.system, tables)


def test_only_what_has_no_energy(small):
    """A System of barostats alone gives zeros."""
    system = openmm.System()
    for _ in range(small.system.getNumParticles()):
        system.addParticle(1.0)
    system.addForce(openmm.MonteCarloBarostat(1.0, 300.0))
    tables = small.tables()
    scene = small.scene(tables, 1.0)
    bead = torch.arange(3)
    got = CandidateEnergy(system, tables)(scene, ALL, bead * 0, bead, displaced(scene, bead, 2))
    assert (got == 0).all()


def test_beads_that_place_nothing(small):
    tables = small.tables()
    scene = small.scene(tables, 1.2)
    empty = {
        name: torch.cat([getattr(tables, name), torch.full_like(getattr(tables, name)[:1], -1)])
        for name in ("own", "adjacent", "axis", "plane")
    }
    counts = {
        name: torch.cat([getattr(tables, name), torch.zeros(1, dtype=torch.long)])
        for name in ("n_heavy", "n_own", "ranks", "molecule")
    }
    more = dataclasses.replace(tables, n_beads=tables.n_beads + 1, **empty, **counts)
    beads = np.concatenate([scene.beads.numpy(), [[[0.5, 0.5, 0.5]]]], axis=1)
    wide = Scene.of(more, beads, small.box[None], 1.2, torch.float64, small.positions[None])
    bead = torch.arange(more.n_beads)
    got = CandidateEnergy(small.system, more)(wide, ALL, bead * 0, bead, displaced(wide, bead, 2))
    plain = CandidateEnergy(small.system, tables)
    wanted = plain(scene, ALL, bead[:-1] * 0, bead[:-1], displaced(scene, bead[:-1], 2))
    torch.testing.assert_close(got[:-1], wanted)
    assert (got[-1] == 0).all()
