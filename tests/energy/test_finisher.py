"""Frames are finished: relaxed by named protocols, hands kept or mended, polished; failures are told."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import openmm
import pytest
from scipy import sparse

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.stereo import hands, signed_volumes
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.energy import PROTOCOLS, Finish, Finisher, Stage, peptide_system, read_gromacs_system, stages
from msb.energy.umbrella import mirrored, volumes_at_rest
from msb.errors import ConfigError, EnergyError

BACKBONE = [4, 6, 8, 10, 14, 16]
CENTRE = 8  # of alanine


@pytest.fixture(scope="module")
def peptide(dipeptide) -> openmm.System:
    return peptide_system(dipeptide.topology)


@pytest.fixture(scope="module")
def ideal(dipeptide) -> np.ndarray:
    return dipeptide.getPositions(asNumpy=True)._value


@pytest.fixture(scope="module")
def around(dipeptide) -> list[int]:
    """The four neighbours of the centre."""
    bonds = [(a.index, b.index) for a, b in dipeptide.topology.bonds()]
    return sorted({a for bond in bonds for a in bond if CENTRE in bond} - {CENTRE})


@pytest.fixture(scope="module")
def residues() -> sparse.csr_matrix:
    """A bead for each residue."""
    rows = np.repeat([0, 1, 2], [6, 10, 6])
    weights = sparse.csr_matrix((np.ones(22), (rows, np.arange(22))), shape=(3, 22))
    return sparse.csr_matrix(sparse.diags(1 / np.asarray(weights.sum(1)).ravel()) @ weights)


def hand(positions: np.ndarray, around: list[int]) -> int:
    return int(hands(signed_volumes(np.asarray(positions, dtype=float), [around]))[0])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_lowers_the_energy(peptide, ideal, residues, name):
    start = ideal + 0.02 * np.random.default_rng(1).standard_normal(ideal.shape)
    finisher = Finisher(peptide, residues, Finish(relax=name))
    result = finisher.run(start, residues @ ideal)
    assert result.succeeded
    assert result.notes == ()
    if name == "none":
        np.testing.assert_array_equal(result.positions, start)
        assert result.energy == result.energy_before
        assert result.steps == 0
    else:
        assert result.energy < 0 < result.energy_before
        assert 0 < result.steps <= sum(stage.steps for stage in PROTOCOLS[name])
        held = PROTOCOLS[name][-1].held
        assert (result.bead_max < 0.001) == held
    bead = residues @ result.positions - residues @ ideal
    assert result.bead_max == pytest.approx(np.linalg.norm(bead, axis=1).max(), abs=1e-9)


def test_the_papers_protocols_are_as_published():
    assert [(s.terms, s.steps, s.held) for s in PROTOCOLS["papers"]] == [
        ("bonded", 200, False),
        ("all", 5000, False),
    ]
    assert [(s.terms, s.held) for s in PROTOCOLS["votca"]] == [
        ("angles", True),
        ("bonded", True),
        ("all", True),
        ("all", False),
    ]


def test_energies_before_and_after_are_those_of_openmm(peptide, ideal, residues, reference):
    start = ideal + 0.02 * np.random.default_rng(1).standard_normal(ideal.shape)
    result = Finisher(peptide, residues).run(start, residues @ ideal)
    system = openmm.XmlSerializer.clone(peptide)
    terms, _ = reference(system, np.stack([start, result.positions]))
    totals = sum(terms.values())
    np.testing.assert_allclose([result.energy_before, result.energy], totals, rtol=1e-6)


def test_overlaps_come_apart(peptide, ideal, residues):
    start = ideal.copy()
    start[[0, 2, 3]] = start[19]
    result = Finisher(peptide, residues).run(start, residues @ ideal)
    assert result.succeeded
    assert result.energy < 100
    assert not np.isfinite(result.energy_before)


def test_an_inverted_centre_is_mended(peptide, ideal, residues, around):
    wanted = hand(ideal, around)
    masses = np.array([peptide.getParticleMass(k)._value for k in range(22)])
    neighbours: list[list[int]] = [[] for _ in range(22)]
    finisher = Finisher(peptide, residues, centres=[[CENTRE, *around]], hands=[wanted])
    for i, j in finisher._prepared.bonds.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    turned = mirrored(ideal, np.array([[CENTRE, *around]]), masses, neighbours)
    assert hand(turned, around) == -wanted
    result = finisher.run(turned, residues @ ideal)
    assert result.succeeded
    assert hand(result.positions, around) == wanted
    kept = Finisher(peptide, residues, centres=[[CENTRE, *around]]).run(turned, residues @ ideal)
    assert hand(kept.positions, around) == -wanted  # nobody said what it should be
    flat = Finisher(
        peptide, residues, Finish(relax=(Stage("all", 0),)), centres=[[CENTRE, *around]], hands=[wanted]
    )
    mended = flat.run(turned, residues @ ideal)
    assert mended.notes == ("1 inverted centres mended",)
    assert hand(mended.positions, around) == wanted
    assert mended.energy < -100


def test_what_cannot_be_mended_is_named(peptide, ideal, residues, around, monkeypatch):
    wanted = hand(ideal, around)
    names = [f"number {k}" for k in range(22)]
    finisher = Finisher(peptide, residues, names=names, centres=[[CENTRE, *around]], hands=[-wanted])
    monkeypatch.setattr(stages, "descend", lambda context, x, *_: (stages.snapshot(context, ideal), 1))
    result = finisher.run(ideal, residues @ ideal)
    assert not result.succeeded
    assert "1 inverted centres could not be mended: number 8" in result.notes


def test_volumes_at_rest_are_those_of_molecules(ideal, around):
    bonds = np.array([sorted((CENTRE, a)) for a in around])
    lengths = np.linalg.norm(ideal[bonds[:, 0]] - ideal[bonds[:, 1]], axis=1)
    rest = volumes_at_rest(np.array([[CENTRE, *around]]), bonds, lengths)
    assert rest[0] == pytest.approx(abs(signed_volumes(ideal, [around])[0]), rel=0.1)


def test_a_worse_outcome_is_not_taken(peptide, ideal, residues, monkeypatch):
    finisher = Finisher(peptide, residues, names=[f"number {k}" for k in range(22)])
    monkeypatch.setattr(stages, "descend", lambda context, x, *_: (stages.snapshot(context, 1.05 * x), 7))
    result = finisher.run(ideal, residues @ ideal)
    assert not result.succeeded
    assert "nothing better than its input" in result.notes[0]
    assert "number" in result.notes[0]
    np.testing.assert_array_equal(result.positions, ideal)


def test_polished_frames_depend_on_their_seed_alone(peptide, ideal, residues):
    finisher = Finisher(peptide, residues, Finish(polish="thermal", temperature=300.0, steps=50))
    first = finisher.run(ideal, residues @ ideal, seed=5)
    other = finisher.run(ideal + 0.01, residues @ ideal, seed=6)
    again = finisher.run(ideal, residues @ ideal, seed=5)
    sent = pickle.loads(pickle.dumps(finisher)).run(ideal, residues @ ideal, seed=5)
    for same in (again, sent):
        np.testing.assert_array_equal(same.positions, first.positions)
    assert np.abs(other.positions - first.positions).max() > 1e-3
    assert first.succeeded
    assert first.energy > Finisher(peptide, residues).run(ideal, residues @ ideal).energy


def test_a_polish_that_fails_is_tried_again_with_smaller_steps(peptide, ideal, residues):
    names = [f"number {k}" for k in range(22)]
    wild = Finish(polish="thermal", temperature=300.0, steps=50, timestep=0.012, constrain=False)
    result = Finisher(peptide, residues, wild, names=names).run(ideal, residues @ ideal)
    assert result.succeeded
    assert "polish with steps of 12 fs failed after" in result.notes[0]
    hopeless = Finish(polish="thermal", temperature=300.0, steps=50, timestep=0.5, constrain=False)
    result = Finisher(peptide, residues, hopeless, names=names).run(ideal, residues @ ideal)
    assert not result.succeeded
    assert result.notes[-1] == "the polish failed: the frame is as before it"
    assert np.isfinite(result.positions).all()
    assert result.energy < -100


def test_settings_that_make_no_sense_are_sentences():
    with pytest.raises(ConfigError, match="no relaxation 'melt'; there are none, em, staged, papers, votca"):
        Finish(relax="melt")
    with pytest.raises(ConfigError, match="no polish 'wax'"):
        Finish(polish="wax")
    with pytest.raises(ConfigError, match="needs the temperature"):
        Finish(polish="thermal")
    with pytest.raises(ConfigError, match="`temperature` must be positive, got -1"):
        Finish(polish="thermal", temperature=-1.0)
    with pytest.raises(ConfigError, match="`timestep` must be positive"):
        Finish(timestep=0.0)
    with pytest.raises(ConfigError, match="`steps` must not be negative"):
        Finish(steps=-1)
    with pytest.raises(ConfigError, match="terms `angles`, `bonded` or `all`"):
        Stage("torsions", 5)
    with pytest.raises(ConfigError, match="0 < shrink <= 1"):
        Stage("all", 5, shrink=1.5)


def test_parts_that_do_not_fit_are_sentences(peptide, ideal, residues, around):
    with pytest.raises(EnergyError, match="1 stereocentres, but hands of shape"):
        Finisher(peptide, residues, centres=[[CENTRE, *around]], hands=[1, 1])
    with pytest.raises(EnergyError, match="names atom 31 of 22"):
        Finisher(peptide, residues, centres=[[30, *around]])
    heavy = openmm.XmlSerializer.clone(peptide)
    heavy.setParticleMass(3, 0.0)
    with pytest.raises(
        EnergyError, match=r"1 atoms of the force field have no mass.*atom 4; give them masses"
    ):
        Finisher(heavy, residues)
    broken = ideal.copy()
    broken[7] = np.nan
    finisher = Finisher(peptide, residues)
    with pytest.raises(EnergyError, match="no finite position: atom 7"):
        finisher.run(broken, residues @ ideal)


def test_a_box_too_small_for_the_cutoff_is_a_sentence():
    system, spheres = openmm.System(), openmm.NonbondedForce()
    spheres.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    spheres.setCutoffDistance(0.9)
    for _ in range(2):
        system.addParticle(12.0)
        spheres.addParticle(0.0, 0.3, 0.5)
    system.addForce(spheres)
    x, mapping = np.array([[0.0, 0, 0], [0.4, 0, 0]]), sparse.csr_matrix([[0.5, 0.5]])
    for platform in ("Reference", "CPU"):
        finisher = Finisher(system, mapping, platform=platform)
        assert finisher.run(x, x.mean(0)[None], 2 * np.eye(3)).succeeded
        with pytest.raises(EnergyError, match="box"):
            finisher.run(x, x.mean(0)[None], np.eye(3))


def test_virtual_sites_follow_their_atoms(residues):
    """A rigid rod with a massless site in its middle."""
    system = openmm.System()
    for mass in (12.0, 12.0, 0.0):
        system.addParticle(mass)
    system.setVirtualSite(2, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    bond = openmm.HarmonicBondForce()
    bond.addBond(0, 1, 0.15, 2e5)
    system.addForce(bond)
    mapping = sparse.csr_matrix([[0.5, 0.5, 0.0]])
    x = np.array([[0.0, 0, 0], [0.2, 0, 0], [0.4, 0.3, 0]])
    finish = Finish(polish="thermal", temperature=300.0, steps=50)
    result = Finisher(system, mapping, finish).run(x, np.array([[0.1, 0, 0]]))
    assert result.succeeded
    np.testing.assert_allclose(result.positions[2], result.positions[:2].mean(0), atol=1e-6)


def alanine_mapping(dipeptide) -> Mapping:
    top = dipeptide.topology
    atoms = list(top.atoms())
    template = MoleculeTemplate.from_atoms(
        "ADP",
        [a.name for a in atoms],
        bonds=[(a.index, b.index) for a, b in top.bonds()],
        elements=[a.element.symbol for a in atoms],
        residue_index=[a.residue.index for a in atoms],
        residue_names=[r.name for r in top.residues()],
        residue_numbers=[int(r.id) for r in top.residues()],
    )
    groups = [BeadGroup(r.name, tuple(a.index for a in r.atoms())) for r in top.residues()]
    beads = MappingTemplate.from_mass(template, groups)
    return Mapping([beads], Topology(((template, 1),)))


def test_a_mapping_brings_its_names_and_centres(dipeptide, peptide, ideal, around):
    mapping = alanine_mapping(dipeptide)
    finisher = Finisher.of(peptide, mapping)
    assert finisher._centres.tolist() == [[CENTRE, *around]]
    assert finisher._names[CENTRE] == "ALA2-CA"
    result = finisher.run(ideal, mapping.beads(ideal))
    assert result.succeeded
    assert result.bead_max < 0.001


CHAINS = 3
GROMACS = """
integrator = md
nsteps = 0
coulombtype = Reaction-Field
rcoulomb = 0.9
rvdw = 0.9
epsilon_rf = 2.5
vdw-modifier = none
coulomb-modifier = none
verlet-buffer-tolerance = -1
rlist = 1.0
nstenergy = 1
nstcalcenergy = 1
"""


def test_the_energy_of_a_relaxed_melt_is_that_of_gromacs(msb_data, tmp_path):
    if shutil.which("gmx") is None:
        pytest.skip("GROMACS, the oracle, is not installed")
    data = msb_data / "sps"
    gro = openmm.app.GromacsGroFile(str(data / "train" / "aa" / "135.gro"))
    box, x = np.array(gro.getPeriodicBoxVectors()._value), gro.getPositions(asNumpy=True)._value
    x = x[: 162 * CHAINS]
    (tmp_path / "few.top").write_text(
        (data / "topol.top").read_text().replace("PS1       36", f"PS1 {CHAINS}")
    )
    options = {"include_dirs": [data], "cutoff": 0.9, "dielectric": 2.5, "dispersion_correction": False}
    with pytest.warns(UserWarning, match="posre"):
        system = read_gromacs_system(tmp_path / "few.top", box, **options).system
    weights = sparse.kron(sparse.eye(CHAINS), np.full((1, 162), 1 / 162)).tocsr()
    finisher = Finisher(system, weights, Finish(relax=(Stage("all", 12, stiff=False),)))
    frame = finisher._prepared.whole(x, box)
    result = finisher.run(frame, weights @ frame, box)
    assert result.succeeded
    found = energies_of_gromacs(data, result.positions, box, tmp_path)
    ours = terms(system, result.positions, box)
    assert ours["HarmonicBondForce"] == pytest.approx(found["Bond"], rel=1e-3)
    assert ours["HarmonicAngleForce"] == pytest.approx(found["Angle"], rel=1e-3)
    assert ours["NonbondedForce"] == pytest.approx(found["LJ (SR)"], rel=1e-3)


def terms(system: openmm.System, positions: np.ndarray, box: np.ndarray) -> dict[str, float]:
    """Energies by force, charges left out."""
    system = openmm.XmlSerializer.clone(system)
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
        if isinstance(force, openmm.NonbondedForce):
            for k in range(force.getNumParticles()):
                force.setParticleParameters(k, 0.0, *force.getParticleParameters(k)[1:])
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("CPU"))
    context.setPeriodicBoxVectors(*box)
    context.setPositions(positions)
    return {
        force.getName(): context.getState(energy=True, groups={k}).getPotentialEnergy()._value
        for k, force in enumerate(system.getForces())
    }


def energies_of_gromacs(data: Path, positions: np.ndarray, box: np.ndarray, folder: Path) -> dict[str, float]:
    (folder / "run.mdp").write_text(GROMACS)
    shutil.copy(data / "topol_PS1.itp", folder)
    (folder / "posres.itp").write_text("")
    names = [line.split()[1][:8] for line in (data / "aa.gro").read_text().splitlines()[2:164]]
    lines = ["relaxed", str(len(positions))]
    for k, x in enumerate(positions):
        place = "".join(f"{v:12.7f}" for v in x)
        lines.append(f"{k // 162 + 1:5d}PS1  {names[k % 162][-5:]:>5s}{k + 1:5d}{place}")
    off_diagonal = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    lines.append(" ".join(f"{box[i]:.7f}" for i in (*((k, k) for k in range(3)), *off_diagonal)))
    (folder / "run.gro").write_text("\n".join(lines) + "\n")
    commands = (
        "gmx grompp -f run.mdp -c run.gro -p few.top -o run.tpr -maxwarn 5",
        "gmx mdrun -s run.tpr -nt 1 -deffnm run",
        "gmx energy -f run.edr -o run.xvg",
    )
    wanted = "Bond\nAngle\nLJ-(SR)\n\n"
    for command in commands:
        subprocess.run(command.split(), cwd=folder, input=wanted, text=True, check=True, capture_output=True)
    values = np.loadtxt(folder / "run.xvg", comments=["#", "@"])[1:]
    return dict(zip(("Bond", "Angle", "LJ (SR)"), values.tolist(), strict=True))


def test_a_polish_lasts_as_long_as_is_asked() -> None:
    lengths = [Finish.lasting(ps, polish="thermal", temperature=300.0).steps for ps in (None, 0.25, 1e-9)]
    assert lengths == [500, 250, 1]
