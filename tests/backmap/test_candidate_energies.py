"""Energies of candidates against those of whole systems by OpenMM, and what they must not depend on."""

from __future__ import annotations

import dataclasses

import numpy as np
import openmm
import pytest
import torch
from energy_oracle import ALL, LIQUID, Case, chains, displaced, liquid, mapped, worst
from openmm import app

from msb.backmap.energies import KINDS, CandidateEnergy
from msb.backmap.placer import Candidates
from msb.core.mapping import Mapping
from msb.core.scene import Phase
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.energy import (
    Energy,
    constrain_bonds,
    peptide_system,
    split_system,
    system_from_xml,
    system_of,
    system_to_xml,
)
from msb.units import BOLTZMANN

HEAVY, LIGHT = Phase(True, "heavy", 0), Phase(True, "hydrogens", 1)
TOLERANCE = 1e-3  # kJ/mol


@pytest.fixture(scope="module")
def melt(tmp_path_factory) -> Case:
    """Three chains of polystyrene in the box of the melt."""
    return chains(tmp_path_factory.mktemp("melt"), 3)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Case:
    """Two kinds of molecules in a tilted box."""
    return liquid(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def peptide() -> Case:
    """Alanine dipeptide in a force field with torsion maps, without a box."""
    pdb = app.PDBFile(str(sample("adp_reference.pdb")))
    system = peptide_system(pdb.topology, ("amber19/protein.ff19SB.xml",))
    topology = Topology.from_openmm(pdb.topology, system)
    template = topology.molecules[0][0]
    groups = [("A", "A", [*range(6)]), ("B", "B", [*range(6, 16)]), ("C", "C", [*range(16, 22)])]
    x = np.array(pdb.getPositions(asNumpy=True)._value)
    return Case(system, Mapping({template.name: mapped(template, groups)}, topology), x, None)


# --- the whole system is the judge ---


def test_polystyrene_in_its_box(melt):
    assert worst(melt, 1.6, [0, 1, 2, 3, 22, 39, 41, 59]) < TOLERANCE


def test_polystyrene_without_a_box(tmp_path):
    case = chains(tmp_path, 1, periodic=False)
    assert worst(case, 9.0, [0, 1, 2, 5, 18, 19]) < TOLERANCE


@pytest.mark.parametrize("rule", [1, 2, 3])
def test_mixtures_in_a_tilted_box_under_every_combination_rule(tmp_path, rule):
    text = LIQUID
    if rule == 1:  # the same numbers as coefficients of r^-6 and r^-12
        for sigma, epsilon in ((0.35, 0.28), (0.31, 0.65), (0.23, 0.13)):
            c6 = 4 * epsilon * sigma**6
            text = text.replace(f"{sigma} {epsilon}", f"{c6:.12g} {c6 * sigma**6:.12g}")
    case = liquid(tmp_path, rule, text=text)
    custom = any(isinstance(force, openmm.CustomNonbondedForce) for force in case.system.getForces())
    assert custom == (rule != 2)
    assert worst(case, 1.5) < TOLERANCE


def test_switched_lennard_jones(tmp_path):
    assert worst(liquid(tmp_path, switching=0.5), 1.5) < TOLERANCE
    assert worst(liquid(tmp_path, 3, switching=0.5), 1.5) < TOLERANCE


def test_all_pairs_without_a_cutoff(tmp_path):
    assert worst(liquid(tmp_path, box=None), 20.0) < TOLERANCE


def test_peptides_with_torsion_maps(peptide):
    assert any(type(force).__name__ == "CMAPTorsionForce" for force in peptide.system.getForces())
    assert worst(peptide, 9.0) < TOLERANCE


def test_forces_are_those_of_the_system(small):
    tables = small.tables()
    scene = small.scene(tables, 1.5)
    bead = torch.arange(tables.n_beads)
    atoms = tables.own
    x = scene.positions[0][atoms.clamp(min=0)][:, None].requires_grad_(True)
    energy = CandidateEnergy(small.system, tables)
    total = energy(scene, ALL, torch.zeros_like(bead), bead, Candidates(atoms, x)).sum()
    (gradient,) = torch.autograd.grad(total, x)
    whole = Energy.from_openmm(small.system).forces(scene.positions[0], torch.as_tensor(small.box))
    rows = atoms >= 0
    torch.testing.assert_close(-gradient[:, 0][rows], whole[atoms[rows]], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    ("edges", "cutoff", "counts"), [((1.7, 1.7, 1.7), 0.8, (5, 6)), ((1.0, 2.4, 2.4), 0.6, (1, 0))]
)
def test_images_count_one_by_one(tmp_path, edges, cutoff, counts):
    """A box of two cells holds the same as one whose images are seen, even where a molecule sees its own.

    In the narrow box atoms of the same molecule are left out as neighbours in the chain, but not as images.
    """
    liquids = liquid(tmp_path, box=np.eye(3) * 2.2, cutoff=cutoff)
    parts = split_system(liquids.system, liquids.mapping.topology)
    templates = {t.molecule: t for t in liquids.mapping.templates}
    kinds = [(t, n) for (t, _), n in zip(liquids.mapping.topology.molecules, counts, strict=True) if n]
    narrow = np.diag(edges)
    found = []
    for copies in (1, 2):
        topology = Topology(tuple(kinds * copies))
        n_atoms = topology.n_atoms // copies
        x = np.concatenate([liquids.positions[:n_atoms] + k * narrow[0] for k in range(copies)])
        box = narrow * [[copies], [1], [1]]
        names = {t.name: templates[t.name] for t, _ in kinds}
        case = Case(system_of(topology, parts, box), Mapping(names, topology), x, box)
        tables = case.tables()
        scene = case.scene(tables, 1.5)
        bead = torch.arange(tables.n_beads // copies)
        energy = CandidateEnergy(case.system, tables)
        found.append(energy.terms(scene, ALL, torch.zeros_like(bead), bead, displaced(scene, bead, 2)))
    for name in KINDS:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=0, atol=1e-8)
    assert found[0]["lj"].abs().min() > 1e-3


# --- rigid bonds ---


def test_rigid_bonds_are_springs_of_a_thermal_width(small):
    rigid = system_from_xml(system_to_xml(small.system))
    constrain_bonds(rigid)
    tables = small.tables()
    scene = small.scene(tables, 1.5)
    bead = torch.arange(tables.n_beads)
    candidates = displaced(scene, bead, 2)
    given = (scene, ALL, torch.zeros_like(bead), bead, candidates)
    soft = CandidateEnergy(small.system, tables).terms(*given)
    without = CandidateEnergy(rigid, tables, bond_sd=None).terms(*given)
    springs = CandidateEnergy(rigid, tables, bond_sd=0.002, temperature=400.0).terms(*given)
    assert (without["bond"] == 0).all()
    for name in set(KINDS) - {"bond"}:
        torch.testing.assert_close(without[name], soft[name])
        torch.testing.assert_close(springs[name], soft[name])
    last = tables.n_beads - 1  # two atoms, one bond
    x = candidates.positions[last][:, candidates.atoms[last] >= 0]
    stretch = (x[:, 0] - x[:, 1]).norm(dim=-1) - 0.143
    wanted = 0.5 * BOLTZMANN * 400.0 * (stretch / 0.002) ** 2
    torch.testing.assert_close(springs["bond"][last], wanted)


# --- what is invisible does not count ---


@pytest.mark.parametrize("phase", [HEAVY, LIGHT, Phase(False, "heavy", 2), Phase(False, "hydrogens", 3)])
def test_what_is_invisible_may_be_anywhere(melt, phase):
    tables = melt.tables(hydrogens=True)
    scene = melt.scene(tables, 1.4)
    bead, frame = torch.tensor([21, 4]), torch.tensor([0, 0])
    if not phase.gibbs:
        heavy = ~tables.hydrogen if phase.atoms == "hydrogens" else torch.zeros_like(tables.hydrogen)
        scene.placed[0] = heavy | (tables.owner < 20)
    candidates = displaced(scene, bead, 2, phase)
    energy = CandidateEnergy(melt.system, tables)
    before = energy(scene, phase, frame, bead, candidates)
    for row in range(2):
        atoms, seen = scene.visible(frame[row : row + 1], bead[row : row + 1], phase)
        hidden = torch.ones(tables.n_atoms, dtype=torch.bool)
        hidden[atoms[seen]] = False
        dark = dataclasses.replace(scene, positions=scene.positions.clone())
        dark.positions[0][hidden] = torch.nan
        x = candidates.positions[row : row + 1].clone().requires_grad_(True)
        some = Candidates(candidates.atoms[row : row + 1], x)
        got = energy(dark, phase, frame[:1], bead[row : row + 1], some)
        torch.testing.assert_close(got, before[row : row + 1], rtol=0, atol=1e-9)
        (gradient,) = torch.autograd.grad(got.sum(), x)
        assert torch.isfinite(gradient).all()


def test_unplaced_molecules_are_not_there(melt, tmp_path):
    alone = chains(tmp_path, 1)
    bead = torch.arange(20)
    found = []
    for case in (melt, alone):
        tables = case.tables()
        scene = case.scene(tables, 1.4)
        scene.placed[:, 162:] = False
        energy = CandidateEnergy(case.system, tables)
        found.append(energy(scene, ALL, torch.zeros_like(bead), bead, displaced(scene, bead, 2)))
    torch.testing.assert_close(*found, rtol=0, atol=1e-9)


def test_heavy_atoms_and_hydrogens_make_up_all(melt):
    """With nothing hidden but what is placed, moving some atoms costs the same whoever says so."""
    tables = melt.tables(hydrogens=True)
    scene = melt.scene(tables, 1.4)
    bead = torch.tensor([5, 30])
    frame = torch.zeros_like(bead)
    energy = CandidateEnergy(melt.system, tables)
    light = displaced(scene, bead, 2, LIGHT)
    plain = melt.tables()
    everything = displaced(scene, bead, 2)
    x = scene.positions[0][everything.atoms.clamp(min=0)][:, None].repeat(1, 2, 1, 1)
    for row in range(2):
        for column, atom in enumerate(light.atoms[row].tolist()):
            x[row, :, everything.atoms[row].tolist().index(atom) if atom >= 0 else 0] = (
                light.positions[row, :, column] if atom >= 0 else x[row, :, 0]
            )
    got = energy(scene, LIGHT, frame, bead, light)
    whole = CandidateEnergy(melt.system, plain)
    wanted = whole(melt.scene(plain, 1.4), ALL, frame, bead, Candidates(everything.atoms, x))
    torch.testing.assert_close(got[:, 1] - got[:, 0], wanted[:, 1] - wanted[:, 0], rtol=0, atol=1e-8)


# --- how it is asked does not matter ---


def test_the_batch_does_not_matter(melt, monkeypatch):
    tables = melt.tables(hydrogens=True)
    scene = melt.scene(tables, 1.2)
    bead = torch.as_tensor(np.random.default_rng(0).permutation(60)[:24])
    frame = torch.zeros_like(bead)
    candidates = displaced(scene, bead, 5)
    energy = CandidateEnergy(melt.system, tables)
    whole = energy(scene, ALL, frame, bead, candidates)
    rows = []
    for k in range(24):
        one = Candidates(candidates.atoms[k : k + 1], candidates.positions[k : k + 1])
        rows.append(energy(scene, ALL, frame[:1], bead[k : k + 1], one))
    torch.testing.assert_close(torch.cat(rows), whole, rtol=1e-12, atol=1e-9)
    monkeypatch.setattr("msb.backmap.energies._ROWS", 3000)
    monkeypatch.setattr("msb.backmap.energies._TERMS", 500)
    monkeypatch.setattr("msb.backmap.energy_surroundings._PAIRS", 5000)
    torch.testing.assert_close(energy(scene, ALL, frame, bead, candidates), whole, rtol=1e-12, atol=1e-9)
    nothing = Candidates(candidates.atoms[:0], candidates.positions[:0])
    assert energy(scene, ALL, frame[:0], bead[:0], nothing).shape == (0, 5)


def test_single_precision(melt):
    tables = melt.tables(hydrogens=True)
    bead = torch.arange(tables.n_beads)
    scenes = [melt.scene(tables, 1.2, dtype) for dtype in (torch.float64, torch.float32)]
    shift = torch.tensor([40.0, 0.0, 0.0], dtype=torch.float64)  # far from the origin
    candidates = displaced(scenes[0], bead, 4, width=0.003)
    energy = CandidateEnergy(melt.system, tables)
    wanted = energy(scenes[0], ALL, torch.zeros_like(bead), bead, candidates)
    single = Candidates(candidates.atoms, candidates.positions.float())
    got = energy(scenes[1], ALL, torch.zeros_like(bead), bead, single)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=0.02)
    for scene in scenes:
        scene.positions += shift.to(scene.positions)
        scene.beads += shift.to(scene.beads)
    far = Candidates(candidates.atoms, (candidates.positions + shift).float())
    got = energy(scenes[1], ALL, torch.zeros_like(bead), bead, far)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-2, atol=1.0)


def test_kinds_of_beads_are_shared_between_systems(melt, tmp_path):
    tables = melt.tables(hydrogens=True)
    kinds = CandidateEnergy(melt.system, tables).kinds
    assert len(kinds.keys) < 10
    other = chains(tmp_path, 1)
    assert CandidateEnergy(other.system, other.tables(hydrogens=True)).kinds.keys == kinds.keys
    assert torch.equal(kinds.kind[:20], kinds.kind[40:])
