"""Nonbonded forces in every method, with and without a box, against OpenMM."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
import torch

from msb.energy import Energy, make_bonded_periodic, pairs
from msb.errors import EnergyError

N = 60
CUBE = np.diag([2.0, 2.2, 2.4])
TILTED = np.array([[2.2, 0, 0], [0.7, 2.1, 0], [-0.6, 0.5, 2.3]])


@pytest.fixture(scope="module")
def fluid() -> np.ndarray:
    """Three configurations of 60 atoms on a jittered grid, some outside the box, nm."""
    rng = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(*[np.arange(4) * 0.5] * 3, indexing="ij"), -1).reshape(-1, 3)[:N]
    return grid + rng.normal(0, 0.05, (3, N, 3)) + rng.integers(-1, 2, (3, N, 1)) * CUBE[0]


def empty_system() -> openmm.System:
    system = openmm.System()
    for _ in range(N):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*CUBE)
    return system


def lennard_jones(method: int, **options: float | bool) -> openmm.System:
    """Charged spheres of three kinds with exceptions along a chain."""
    force = openmm.NonbondedForce()
    for k in range(N):
        force.addParticle((-1) ** k * 0.3, 0.2 + 0.05 * (k % 3), 0.1 * (k % 3))
    for k in range(N - 2):
        force.addException(k, k + 1, 0.0, 1.0, 0.0)
        force.addException(k + 2, k, -0.05, 0.25, 0.2)
    force.setNonbondedMethod(method)
    force.setCutoffDistance(0.9)
    force.setUseDispersionCorrection(bool(options.get("tail", False)))
    force.setReactionFieldDielectric(options.get("dielectric", 78.3))
    if "switching" in options:
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(options["switching"])
    system = empty_system()
    system.addForce(force)
    return system


NB = openmm.NonbondedForce


@pytest.mark.parametrize("box", [CUBE, TILTED], ids=["cube", "tilted"])
@pytest.mark.parametrize(
    "options",
    [{}, {"tail": True}, {"tail": True, "switching": 0.7}, {"dielectric": 2.5}, {"dielectric": 1.0}],
)
def test_periodic_cutoff(fluid, assert_agrees, box, options):
    assert_agrees(lennard_jones(NB.CutoffPeriodic, **options), fluid, box)


@pytest.mark.parametrize("options", [{}, {"switching": 0.6}])
@pytest.mark.parametrize("method", [NB.NoCutoff, NB.CutoffNonPeriodic])
def test_without_a_box(fluid, assert_agrees, method, options):
    assert_agrees(lennard_jones(method, **options), fluid)


def test_every_configuration_has_its_own_box(fluid, assert_agrees):
    boxes = np.stack([CUBE, 1.1 * CUBE, TILTED])
    assert_agrees(lennard_jones(NB.CutoffPeriodic, tail=True), fluid, boxes)


def test_exceptions_across_the_box(fluid, assert_agrees):
    system = lennard_jones(NB.CutoffPeriodic)
    make_bonded_periodic(system)
    assert_agrees(system, fluid, CUBE)


def test_parameter_offsets_count_at_their_defaults(fluid, assert_agrees):
    system = lennard_jones(NB.NoCutoff)
    force = system.getForce(0)
    force.addGlobalParameter("scale", 0.4)
    force.addParticleParameterOffset("scale", 3, 0.5, 0.02, 0.1)
    force.addExceptionParameterOffset("scale", 1, 0.5, 0.0, 0.1)
    assert_agrees(system, fluid)


@pytest.mark.parametrize("method", [NB.PME, NB.Ewald, NB.LJPME])
def test_ewald_sums_are_refused_or_replaced(fluid, method):
    system = lennard_jones(method)
    with pytest.raises(EnergyError, match=r"Ewald or PME.*reaction_field_for_pme"):
        Energy.from_openmm(system)
    x, box = torch.as_tensor(fluid), torch.as_tensor(CUBE)
    replaced = Energy.from_openmm(system, reaction_field_for_pme=True)(x, box)
    field = Energy.from_openmm(lennard_jones(NB.CutoffPeriodic))(x, box)
    torch.testing.assert_close(replaced, field)


@pytest.mark.parametrize("method", [NB.NoCutoff, NB.CutoffPeriodic])
def test_chunks_change_neither_energy_nor_forces(fluid, monkeypatch, method):
    energy = Energy.from_openmm(lennard_jones(method, tail=True))
    x, box = torch.as_tensor(fluid), torch.as_tensor(CUBE)
    whole, forces = energy(x, box), energy.forces(x, box)
    monkeypatch.setattr(pairs, "CHUNK", 101)
    torch.testing.assert_close(energy(x, box), whole, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(energy.forces(x, box), forces, rtol=1e-9, atol=1e-7)


def test_second_derivatives_exist(fluid):
    energy = Energy.from_openmm(lennard_jones(NB.CutoffPeriodic))
    x = torch.as_tensor(fluid[:1]).requires_grad_(True)
    (force,) = torch.autograd.grad(energy(x, torch.as_tensor(CUBE)).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(force.square().sum(), x)
    assert torch.isfinite(second).all()
    assert second.abs().max() > 0


def custom(text: str, method: int, **options: float | bool) -> openmm.CustomNonbondedForce:
    force = openmm.CustomNonbondedForce(text)
    for name in ("C", "A"):
        force.addPerParticleParameter(name)
    for k in range(N):
        force.addParticle([0.01 + 0.02 * (k % 3), 1e-3 + 5e-4 * (k % 2)])
    for k in range(N - 1):
        force.addExclusion(k + 1, k)
    force.setNonbondedMethod(method)
    force.setCutoffDistance(0.9)
    force.setUseLongRangeCorrection(bool(options.get("tail", False)))
    if "switching" in options:
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(options["switching"])
    return force


RULE_3 = "A1*A2/r^12-C1*C2/r^6"
CUSTOM = openmm.CustomNonbondedForce


@pytest.mark.parametrize("options", [{}, {"tail": True}, {"tail": True, "switching": 0.7}])
@pytest.mark.parametrize("text", [RULE_3, "C1*C2*exp(-8*r)/r"])
def test_custom_with_a_periodic_cutoff(fluid, assert_agrees, text, options):
    system = empty_system()
    system.addForce(custom(text, CUSTOM.CutoffPeriodic, **options))
    assert_agrees(system, fluid, CUBE)


@pytest.mark.parametrize("method", [CUSTOM.NoCutoff, CUSTOM.CutoffNonPeriodic])
def test_custom_without_a_box(fluid, assert_agrees, method):
    system = empty_system()
    system.addForce(custom(RULE_3, method, switching=0.8))
    assert_agrees(system, fluid)


@pytest.mark.parametrize("method", [CUSTOM.NoCutoff, CUSTOM.CutoffPeriodic])
def test_interaction_groups(fluid, assert_agrees, method):
    force = custom(RULE_3, method)
    force.addInteractionGroup(range(10), range(5, 30))
    force.addInteractionGroup([2, 3], range(40))
    system = empty_system()
    system.addForce(force)
    assert_agrees(system, fluid, CUBE)


def test_custom_forms_that_are_not_known_are_refused():
    force = custom(RULE_3, CUSTOM.CutoffPeriodic, tail=True)
    force.addInteractionGroup([0], [1])
    system = empty_system()
    system.addForce(force)
    with pytest.raises(EnergyError, match="interaction groups and a long-range correction"):
        Energy.from_openmm(system)
    force = custom("A1*A2*v1*v2/r", CUSTOM.NoCutoff)
    force.addComputedValue("v", "C")
    system = empty_system()
    system.addForce(force)
    with pytest.raises(EnergyError, match="computed values"):
        Energy.from_openmm(system)


@pytest.mark.parametrize("told", [False, True])
def test_molecules_straddling_the_box(told, assert_agrees, reference):
    force = openmm.HarmonicBondForce()
    force.addBond(0, 1, 0.15, 1e5)
    angle = openmm.HarmonicAngleForce()
    angle.addAngle(0, 1, 2, 1.9, 500.0)
    torsion = openmm.PeriodicTorsionForce()
    torsion.addTorsion(0, 1, 2, 3, 3, 0.3, 5.0)
    system = openmm.System()
    for _ in range(4):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*TILTED)
    for each in (force, angle, torsion):
        system.addForce(each)
    whole = np.array([[[0.0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.3, 0.2, 0.1]]])
    torn = whole + np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [1, 1, 1]]) @ TILTED
    if told:
        make_bonded_periodic(system)
        assert_agrees(system, torn, TILTED)
    energy = Energy.from_openmm(system, periodic_bonded=True)
    wanted = Energy.from_openmm(system, periodic_bonded=False)(torch.as_tensor(whole))
    torch.testing.assert_close(energy(torch.as_tensor(torn), torch.as_tensor(TILTED)), wanted)
