"""Alanine dipeptide in three AMBER force fields and CHARMM36 against OpenMM, in two precisions."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
import torch

from msb.energy import Energy, peptide_system, system_from_xml, system_to_xml
from msb.errors import EnergyError

AMBER = (("amber96.xml",), ("amber99sbildn.xml",), ("amber14-all.xml",))


@pytest.mark.parametrize("force_field", AMBER)
def test_agrees_with_openmm(dipeptide, dipeptide_positions, assert_agrees, force_field):
    assert_agrees(peptide_system(dipeptide.topology, force_field), dipeptide_positions)


def test_float32_is_close_and_keeps_its_dtype(dipeptide, dipeptide_positions):
    energy = Energy.from_openmm(peptide_system(dipeptide.topology))
    exact = energy(torch.as_tensor(dipeptide_positions))
    single = energy(torch.as_tensor(dipeptide_positions, dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=1e-3)


def test_gradients_are_right(dipeptide, dipeptide_positions):
    energy = Energy.from_openmm(peptide_system(dipeptide.topology))
    x = torch.as_tensor(dipeptide_positions[:1]).requires_grad_(True)
    assert torch.autograd.gradcheck(energy, (x,), eps=1e-7, atol=1e-2, rtol=1e-4)


def test_leading_axes_are_kept(dipeptide, dipeptide_positions):
    energy = Energy.from_openmm(peptide_system(dipeptide.topology))
    x = torch.as_tensor(dipeptide_positions)
    assert energy(x[0]).shape == ()
    assert energy(x[:4].reshape(2, 2, 22, 3)).shape == (2, 2)
    torch.testing.assert_close(energy(x[:4].reshape(2, 2, 22, 3)).reshape(4), energy(x)[:4])


def test_translation_and_rotation_change_nothing(dipeptide, dipeptide_positions):
    energy = Energy.from_openmm(peptide_system(dipeptide.topology))
    x = torch.as_tensor(dipeptide_positions)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.manual_seed(1), dtype=torch.float64))
    rotation = rotation * torch.det(rotation)
    torch.testing.assert_close(energy(x @ rotation + 3.0), energy(x), rtol=1e-9, atol=1e-9)


def test_modes_of_torch_change_nothing(dipeptide, dipeptide_positions):
    energy = Energy.from_openmm(peptide_system(dipeptide.topology))
    x = torch.as_tensor(dipeptide_positions, dtype=torch.float32)
    with torch.inference_mode():
        wanted = energy(x).clone()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(energy(x), wanted)
    leaf = x.clone().requires_grad_(True)
    energy(leaf).sum().backward()  # what was kept in inference mode serves gradients too
    torch.testing.assert_close(-leaf.grad, energy.forces(x))


def test_wrong_shapes_are_refused(dipeptide):
    energy = Energy.from_openmm(peptide_system(dipeptide.topology))
    with pytest.raises(EnergyError, match=r"22 atoms.*\(4, 21, 3\)"):
        energy(torch.zeros(4, 21, 3))
    for dtype in (torch.long, torch.bfloat16):
        with pytest.raises(EnergyError, match="float32 or float64"):
            energy(torch.zeros(4, 22, 3, dtype=dtype))
    with pytest.raises(EnergyError, match="box must have shape"):
        energy(torch.zeros(4, 22, 3), torch.ones(3))


def test_implicit_solvent_is_refused_by_name_and_can_be_left_out(dipeptide, dipeptide_positions):
    system = peptide_system(dipeptide.topology, implicit="amber96_obc.xml")
    with pytest.raises(EnergyError, match=r"GBSAOBCForce.*implicit solvent"):
        Energy.from_openmm(system)
    vacuum = Energy.from_openmm(peptide_system(dipeptide.topology))
    left = Energy.from_openmm(system, exclude=("GBSAOBCForce",))
    x = torch.as_tensor(dipeptide_positions)
    torch.testing.assert_close(left(x), vacuum(x))


def test_unknown_forces_and_names_are_refused(dipeptide):
    system = peptide_system(dipeptide.topology)
    with pytest.raises(EnergyError, match=r"no force named Nonbonded;.*NonbondedForce"):
        Energy.from_openmm(system, include=("Nonbonded",))
    system.addForce(openmm.CustomManyParticleForce(3, "r"))
    with pytest.raises(EnergyError, match="CustomManyParticleForce"):
        Energy.from_openmm(system)
    names = {"HarmonicBondForce", "HarmonicAngleForce"}
    assert set(Energy.from_openmm(system, include=names).groups) == names


def test_forces_of_the_same_name_are_numbered(dipeptide, dipeptide_positions):
    system = peptide_system(dipeptide.topology)
    for force in system.getForces():
        if force.getName() == "HarmonicBondForce":
            copy = openmm.XmlSerializer.clone(force)
    system.addForce(copy)
    terms = Energy.from_openmm(system).terms(torch.as_tensor(dipeptide_positions))
    np.testing.assert_array_equal(terms["HarmonicBondForce"], terms["HarmonicBondForce 2"])


def test_system_survives_xml(dipeptide):
    text = system_to_xml(peptide_system(dipeptide.topology, constraints="h-bonds"))
    assert system_to_xml(system_from_xml(text)) == text
    assert system_from_xml(text).getNumConstraints() == 12
    with pytest.raises(EnergyError, match="cannot be read"):
        system_from_xml("<no system>")
    with pytest.raises(EnergyError, match="HarmonicBondForce, not a System"):
        system_from_xml(openmm.XmlSerializer.serialize(openmm.HarmonicBondForce()))


def test_bad_options_are_sentences(dipeptide):
    with pytest.raises(EnergyError, match="constraints"):
        peptide_system(dipeptide.topology, constraints="hbonds")
    with pytest.raises(EnergyError, match=r"amber00.xml"):
        peptide_system(dipeptide.topology, force_field=("amber00.xml",))
