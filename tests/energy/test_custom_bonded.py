"""Custom bonds, angles and torsions, correction maps and tables, each against OpenMM."""

from __future__ import annotations

import math
import pickle

import numpy as np
import openmm
import pytest
import torch

from msb.energy import Energy
from msb.energy.splines import bicubic_coefficients, cubic_coefficients
from msb.energy.tabulated import tabulated_functions
from msb.errors import EnergyError


@pytest.fixture
def cluster() -> np.ndarray:
    """Four configurations of ten atoms, nm."""
    return np.random.default_rng(3).uniform(0, 0.6, (4, 10, 3))


def system_of(*forces: openmm.Force, n: int = 10) -> openmm.System:
    system = openmm.System()
    for _ in range(n):
        system.addParticle(12.0)
    for force in forces:
        system.addForce(force)
    return system


def random_tuples(width: int, count: int = 12) -> list[list[int]]:
    rng = np.random.default_rng(width)
    return [rng.choice(10, width, replace=False).tolist() for _ in range(count)]


def test_quartic_bonds_and_cosine_angles(cluster, assert_agrees):
    bonds = openmm.CustomBondForce("0.25*k*(r^2-r0^2)^2")
    angles = openmm.CustomAngleForce("0.5*k*(cos(theta)-cos(theta0))^2")
    for force, per in ((bonds, "addPerBondParameter"), (angles, "addPerAngleParameter")):
        getattr(force, per)("r0" if force is bonds else "theta0")
        getattr(force, per)("k")
    for atoms in random_tuples(2):
        bonds.addBond(*atoms, [0.15, 7.15e4])
    for atoms in random_tuples(3):
        angles.addAngle(*atoms, [1.9, 530.0])
    assert_agrees(system_of(bonds, angles), cluster)


def test_harmonic_impropers_wrap_around(cluster, assert_agrees):
    torsions = openmm.CustomTorsionForce(
        "0.5*k*(thetap-theta0)^2; thetap = step(-(theta-theta0+pi))*2*pi+theta"
        f"+step(theta-theta0-pi)*(-2*pi); pi = {math.pi:.15g}"
    )
    torsions.addPerTorsionParameter("theta0")
    torsions.addPerTorsionParameter("k")
    for k, atoms in enumerate(random_tuples(4, 20)):
        torsions.addTorsion(*atoms, [(-1) ** k * 3.0, 167.0])
    assert_agrees(system_of(torsions), cluster)


def test_ryckaert_bellemans(cluster, assert_agrees):
    force = openmm.RBTorsionForce()
    for k, atoms in enumerate(random_tuples(4)):
        force.addTorsion(*atoms, 9.28, 12.16, -13.12 + k, -3.06, 26.24, -31.5)
    assert_agrees(system_of(force), cluster)


def test_global_parameters_keep_their_defaults(cluster, assert_agrees):
    force = openmm.CustomBondForce("scale*k*(r-shift)^2")
    force.addPerBondParameter("k")
    force.addGlobalParameter("scale", 0.7)
    force.addGlobalParameter("shift", 0.1)
    for atoms in random_tuples(2):
        force.addBond(*atoms, [100.0])
    assert_agrees(system_of(force), cluster)


def test_forces_without_interactions_are_zero(cluster, assert_agrees):
    custom = openmm.CustomAngleForce("theta")
    assert_agrees(
        system_of(openmm.HarmonicBondForce(), openmm.CMAPTorsionForce(), openmm.RBTorsionForce(), custom),
        cluster,
    )


def test_correction_maps_of_different_sizes(cluster, assert_agrees):
    rng = np.random.default_rng(0)
    force = openmm.CMAPTorsionForce()
    for size in (6, 24):
        force.addMap(size, rng.normal(0, 5, size * size).tolist())
    for k, (first, second) in enumerate(zip(random_tuples(4), reversed(random_tuples(4)), strict=True)):
        force.addTorsion(k % 2, *first, *second)
    assert_agrees(system_of(force), cluster)


def test_charmm_dipeptide_has_a_correction_map(charmm_dipeptide, dipeptide_positions, assert_agrees):
    energy = assert_agrees(charmm_dipeptide, dipeptide_positions)
    custom = {"CMAPTorsionForce", "LennardJones", "LennardJones14", "CustomTorsionForce"}
    assert custom <= set(energy.groups)


def test_splines_hit_their_values_and_join_smoothly():
    values = np.random.default_rng(1).normal(size=9)
    for periodic in (False, True):
        nodes = np.append(values, values[0]) if periodic else values
        c = cubic_coefficients(nodes, periodic)
        np.testing.assert_allclose(c[:, 0], nodes[:-1], atol=1e-12)
        np.testing.assert_allclose(c.sum(1), nodes[1:], atol=1e-12)
        slopes = c @ [0, 1, 2, 3]
        np.testing.assert_allclose(slopes[:-1], c[1:, 1], atol=1e-12)
    plane = np.add.outer(np.arange(4.0), 2 * np.arange(5.0))  # a plane is its own spline
    c = bicubic_coefficients(plane, periodic=False)
    np.testing.assert_allclose(c[:, :, 1, 0], 1, atol=1e-12)
    np.testing.assert_allclose(c[:, :, 0, 1], 2, atol=1e-12)


RNG = np.random.default_rng(5)
SHAPES = {
    "f(r)": openmm.Continuous1DFunction(RNG.normal(size=12).tolist(), 0.1, 0.7),
    "f(3*r)": openmm.Continuous1DFunction([*(x := RNG.normal(size=7).tolist()), x[0]], 0.0, 0.5, True),
    "f(r, 2*r)": openmm.Continuous2DFunction(5, 7, RNG.normal(size=35).tolist(), 0.0, 0.8, 0.0, 1.2),
    "f(kind1)*r": openmm.Discrete1DFunction([3.0, 1.0, 2.0]),
    "f(kind1, kind2)*r + f(kind2, kind1)": openmm.Discrete2DFunction(3, 4, RNG.normal(size=12).tolist()),
    "f(kind1, kind2, 1)*r + f(kind2, kind1, 0)": openmm.Discrete3DFunction(
        3, 3, 2, RNG.normal(size=18).tolist()
    ),
}


@pytest.mark.parametrize("text", SHAPES)
def test_tabulated_functions(cluster, assert_agrees, text):
    force = openmm.CustomNonbondedForce(f"a + {text}; a = 0.1*r")
    force.addTabulatedFunction("f", openmm.XmlSerializer.clone(SHAPES[text]))
    force.addPerParticleParameter("kind")
    for k in range(10):
        force.addParticle([k % 3])
    assert_agrees(system_of(force), cluster)


def test_tables_say_when_they_are_left_or_unknown(cluster):
    force = openmm.CustomNonbondedForce("f(kind1 + kind2)")
    force.addTabulatedFunction("f", openmm.Discrete1DFunction([1.0, 2.0]))
    force.addPerParticleParameter("kind")
    for _ in range(10):
        force.addParticle([1.0])
    with pytest.raises(EnergyError, match="place outside"):
        Energy.from_openmm(system_of(force))(torch.as_tensor(cluster))
    force = openmm.CustomNonbondedForce("f(r, r, r)")
    force.addTabulatedFunction("f", openmm.Continuous3DFunction(2, 2, 2, [0.0] * 8, 0, 1, 0, 1, 0, 1))
    with pytest.raises(EnergyError, match="Continuous3DFunction"):
        tabulated_functions(force)


def test_energies_survive_pickling(charmm_dipeptide, dipeptide_positions):
    energy = Energy.from_openmm(charmm_dipeptide)
    x = torch.as_tensor(dipeptide_positions)
    torch.testing.assert_close(pickle.loads(pickle.dumps(energy))(x), energy(x), rtol=0, atol=0)


def test_torsions_have_finite_gradients_where_undefined():
    force = openmm.PeriodicTorsionForce()
    force.addTorsion(0, 1, 2, 3, 3, 0.0, 5.0)
    angle = openmm.HarmonicAngleForce()
    angle.addAngle(0, 1, 2, 2.0, 100.0)
    energy = Energy.from_openmm(system_of(force, angle, n=4))
    line = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [0.3, 0, 0]])
    assert torch.isfinite(energy.forces(line[None])).all()
