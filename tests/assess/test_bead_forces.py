"""Bead forces of frames: against GROMACS, csg_map and torch; rigid bonds; overlaps; what must be refused."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
import openmm
import pytest
from MDAnalysis.coordinates.TRR import TRRReader, TRRWriter

from msb.assess.forces import LARGEST, BeadForces, relative_error
from msb.assess.rigid import constrained_pairs, rigid_bonds_of, without_rigid_terms
from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.energy import constrain_bonds, read_gromacs_system
from msb.errors import EnergyError
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

BOX = 3.0 * np.eye(3)


@dataclass
class Melt:
    topology: Topology
    mapping: Mapping
    positions: np.ndarray
    boxes: np.ndarray
    system: Any


@pytest.fixture(scope="module")
def melt() -> Melt:
    """Two frames of the bundled polystyrene melt, coordinates with four decimals."""
    frames = open_trajectory(sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc")).read(
        0, 2
    )
    topology = read_topology(sample("polystyrene.top"))
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    read = read_gromacs_system(sample("polystyrene.top"), frames.boxes[0], cutoff=1.0, dielectric=2.5)
    return Melt(topology, mapping, frames.positions, frames.boxes, read.system)


@pytest.fixture(scope="module")
def chains(melt, tmp_path_factory) -> Melt:
    """Two of its chains in a box of their own."""
    path = tmp_path_factory.mktemp("chains") / "two.top"
    path.write_text(sample("polystyrene.top").read_text().rpartition("[ molecules ]")[0])
    with path.open("a") as file:
        file.write("[ molecules ]\nPS1 2\n")
    topology = read_topology(path)
    system = read_gromacs_system(path, BOX, cutoff=1.0, dielectric=2.5).system
    positions = melt.positions[:, : topology.n_atoms].astype(np.float64)
    positions[:, topology.n_atoms // 2 :] += [0.0, 0.0, 1.0]
    mapping = Mapping(list(melt.mapping.templates), topology)
    return Melt(topology, mapping, positions, np.stack([BOX, BOX]), system)


MDP = """integrator = md
nsteps = 0
nstfout = 1
nstxout = 1
verlet-buffer-tolerance = -1
rlist = 1.05
coulombtype = Reaction-Field
rcoulomb = 1.0
rvdw = 1.0
epsilon_rf = 2.5
vdw-modifier = none
coulomb-modifier = none
"""


def run(folder: Path, command: str) -> None:
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_forces_are_those_of_gromacs(melt, tmp_path):
    """Of the melt, all bonds flexible; GROMACS adds the reaction field of excluded pairs, which is 7e-5."""
    if shutil.which("gmx") is None:
        pytest.skip("gmx is not installed: this test compares with GROMACS")
    gro = sample("polystyrene_snapshot.gro")
    universe = MDAnalysis.Universe(str(gro))
    universe.atoms.positions = 10 * melt.positions[0]
    universe.dimensions = [*(10 * np.diag(melt.boxes[0])), 90, 90, 90]
    universe.trajectory.ts.time = 0.0
    with TRRWriter(str(tmp_path / "x.trr"), len(universe.atoms)) as writer:
        writer.write(universe)
    (tmp_path / "m.mdp").write_text(MDP)
    run(tmp_path, f"gmx grompp -f m.mdp -c {gro} -p {sample('polystyrene.top')} -o t.tpr -maxwarn 5")
    run(tmp_path, "gmx mdrun -s t.tpr -rerun x.trr -o f.trr -ntmpi 1 -ntomp 1")
    frame = TRRReader(str(tmp_path / "f.trr"), convert_units=False)[0]
    theirs = frame.forces.astype(np.float64)
    bead_forces = BeadForces(melt.system, melt.mapping, threads=1)
    ours = bead_forces.atom_forces(frame.positions[None], frame.triclinic_dimensions[None])[0]
    assert bead_forces.platform == "CPU"
    assert bead_forces.precision < 1e-5, "single against double precision of OpenMM"
    assert relative_error(ours, theirs) < 1e-4
    assert relative_error(bead_forces.project(ours), bead_forces.project(theirs)) < 1e-5


def test_torch_says_the_same(chains):
    kept = rigid_bonds_of(chains.positions, chains.mapping, chains.boxes)
    quick = BeadForces(chains.system, chains.mapping, rigid=kept, threads=1)
    torch = BeadForces(chains.system, chains.mapping, rigid=kept, engine="torch")
    one, other = (forces(chains.positions, chains.boxes) for forces in (quick, torch))
    assert (quick.platform, torch.platform, torch.precision) == ("CPU", "torch", 0.0)
    assert relative_error(one.bead_forces, other.bead_forces) < 1e-5
    np.testing.assert_allclose(one.atom_rms, other.atom_rms, rtol=1e-4)
    np.testing.assert_allclose(one.strongest, other.strongest, rtol=1e-4)


def test_projected_forces_are_those_of_csg_map(tmp_path):
    """Beads that share no atoms; VOTCA's own hexane."""
    folder = Path("/usr/share/votca/csg-tutorials/hexane/atomistic")
    if shutil.which("csg_map") is None or not (folder / "hexane.xml").is_file():
        pytest.skip("csg_map (VOTCA) and its hexane tutorial are not installed")
    count = 6
    top = tmp_path / "few.top"
    top.write_text((folder / "topol.top").read_text().rpartition("[ molecules ]")[0])
    with top.open("a") as file:
        file.write(f"[ molecules ]\nProtein {count}\n")
    topology = read_topology(top)
    universe = MDAnalysis.Universe(str(folder / "conf.gro")).atoms[: 20 * count]
    universe.write(str(tmp_path / "few.gro"))
    mapping = Mapping(read_mapping(folder / "hexane.xml", topology), topology)
    forces = BeadForces(read_gromacs_system(top).system, mapping)
    atoms = forces.atom_forces(universe.positions[None] / 10)
    small = MDAnalysis.Merge(universe)
    small.trajectory.ts.dimensions = [80, 80, 80, 90, 90, 90]
    small.trajectory.ts.forces = atoms[0] / 10  # MDAnalysis: kJ/mol/A
    with TRRWriter(str(tmp_path / "few.trr"), len(universe)) as writer:
        writer.write(small)
    (tmp_path / "top.xml").write_text(
        f'<topology base="{tmp_path / "few.gro"}"><molecules><clear/><define name="Protein" first="1" '
        f'nbeads="20" nmols="{count}"/></molecules></topology>'
    )
    run(
        tmp_path,
        f"csg_map --top top.xml --trj few.trr --cg {folder / 'hexane.xml'} --force --out beads.trr",
    )
    theirs = TRRReader(str(tmp_path / "beads.trr"), convert_units=False)[0].forces
    assert np.abs(theirs).max() > 300
    np.testing.assert_allclose(forces.project(atoms)[0], theirs, atol=1e-3, rtol=0)


def two_beads() -> tuple[Any, Mapping]:
    """Butane's carbons as a chain of four with two beads, bonds and an angle, no others; no box."""
    bonds = [(0, 1), (1, 2), (2, 3)]
    molecule = MoleculeTemplate.from_atoms("BUT", ["C1", "C2", "C3", "C4"], bonds=bonds, elements=["C"] * 4)
    groups = [("A", [0, 1]), ("B", [2, 3])]
    template = MappingTemplate.from_mass(molecule, [BeadGroup(name, atoms) for name, atoms in groups])
    system, spring, bend = openmm.System(), openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    for mass in molecule.masses:
        system.addParticle(float(mass))
    for i, j in bonds:
        spring.addBond(i, j, 0.15, 1000.0)
    bend.addAngle(0, 1, 2, 1.9, 300.0)
    for force in (spring, bend, openmm.CMMotionRemover()):
        system.addForce(force)
    return system, Mapping([template], Topology(((molecule, 1),)))


def test_rigid_bonds_have_no_force_and_those_across_beads_are_named():
    system, mapping = two_beads()
    line = 0.2 * np.arange(4)[:, None] * np.array([1.0, 0.0, 0.0])
    flexible = BeadForces(system, mapping)
    assert not flexible.crossing_words()
    np.testing.assert_allclose(flexible(line[None]).bead_forces[0, :, 0], [50.0, -50.0], rtol=1e-5)
    assert constrain_bonds(system) == 3
    rigid = BeadForces(system, mapping)
    np.testing.assert_array_equal(rigid.rigid, [[0, 1], [1, 2], [2, 3]])
    np.testing.assert_array_equal(rigid.crossing, [[1, 2]])
    np.testing.assert_allclose(rigid(line[None]).bead_forces, 0.0, atol=1e-6)
    assert "1 of 3 rigid bonds" in rigid.crossing_words()
    assert "BUT: C2-C3" in rigid.crossing_words()
    assert rigid.describe()["crossing"] == 1
    assert system.getNumConstraints() == 3, "the System given stays as it is"


def test_the_map_of_least_noise_is_fitted_once_and_travels():
    system, mapping = two_beads()
    rng = np.random.default_rng(0)
    x = 0.15 * np.arange(4)[:, None] * np.array([1.0, 0.2, 0.0]) + rng.normal(0, 0.02, (60, 4, 3))
    plain = BeadForces(system, mapping)
    fitted = pickle.loads(pickle.dumps(BeadForces(system, mapping, map="optimal").fit(x)))
    assert np.square(fitted(x).bead_forces).mean() < np.square(plain(x).bead_forces).mean()
    np.testing.assert_array_equal(fitted(x[:3]).bead_forces, fitted(x).bead_forces[:3])
    assert fitted.describe()["map"] == "optimal"


def by_name(system: Any) -> dict[str, Any]:
    return {type(force).__name__: force for force in system.getForces()}


def test_angles_between_rigid_sides_go_too():
    system, _ = two_beads()
    kept = by_name(without_rigid_terms(system, np.array([[0, 1], [1, 2]])))
    assert kept["HarmonicAngleForce"].getNumAngles() == 1
    assert kept["HarmonicBondForce"].getNumBonds() == 1
    assert "CMMotionRemover" not in kept
    triangle = by_name(without_rigid_terms(system, np.array([[0, 1], [1, 2], [2, 0]])))
    assert triangle["HarmonicAngleForce"].getNumAngles() == 0


def test_rigid_bonds_are_found_in_frames(melt):
    found = rigid_bonds_of(melt.positions, melt.mapping, melt.boxes)
    assert len(found) == sum(len(t.bonds) * n for t, n in melt.topology.molecules), "this melt has all rigid"
    constrained = openmm.XmlSerializer.clone(melt.system)
    constrain_bonds(constrained)
    np.testing.assert_array_equal(constrained_pairs(constrained), found)


def test_images_and_batches_do_not_matter(chains):
    forces = BeadForces(chains.system, chains.mapping, threads=1)
    whole = forces(chains.positions, chains.boxes).bead_forces
    cut = np.mod(chains.positions, 3.0)
    again = np.concatenate([forces(cut[k : k + 1], BOX[None]).bead_forces for k in range(2)])
    assert relative_error(again, whole) < 1e-4


def test_copies_do_the_same(chains):
    forces = BeadForces(chains.system, chains.mapping, threads=1)
    first = forces(chains.positions[:1], chains.boxes[:1]).bead_forces
    copy = pickle.loads(pickle.dumps(forces))
    assert copy.precision == forces.precision
    np.testing.assert_array_equal(copy(chains.positions[:1], chains.boxes[:1]).bead_forces, first)


def test_atoms_on_top_of_each_other_give_numbers(chains):
    forces = BeadForces(chains.system, chains.mapping, threads=1)
    forces.measure(chains.positions[0], BOX)
    bad = chains.positions[:1].copy()
    bad[0, 200] = bad[0, 1]
    bad[0, 220] = bad[0, 30] + 1e-5
    found = forces(bad, BOX[None])
    assert found.cut[0] == 4
    assert found.strongest[0] == pytest.approx(LARGEST)
    assert np.isfinite(found.bead_forces).all()
    assert np.isfinite(np.linalg.norm(found.bead_forces, axis=-1)).all()


def test_single_precision_that_is_not_good_enough_is_not_taken(chains, monkeypatch):
    forces = BeadForces(chains.system, chains.mapping, threads=1)
    monkeypatch.setattr("msb.assess.forces._TOLERANCE", 1e-12)
    assert forces.measure(chains.positions[0], BOX) > 1e-12
    assert forces.platform == "Reference"


def test_what_does_not_fit_is_refused(chains, melt):
    with pytest.raises(EnergyError, match="of 324 atoms and the mapping of 5832"):
        BeadForces(chains.system, melt.mapping)
    with pytest.raises(EnergyError, match="consistent or optimal"):
        BeadForces(chains.system, chains.mapping, map="best")
    forces = BeadForces(chains.system, chains.mapping, threads=1)
    with pytest.raises(EnergyError, match="the frames have no box"):
        forces(chains.positions)
    with pytest.raises(EnergyError, match=r"positions \(frames, 324, 3\)"):
        forces(chains.positions[0], BOX)
    with pytest.raises(EnergyError, match="box"):
        forces(chains.positions, 1.5 * np.stack([np.eye(3)] * 2))
    broken = chains.positions.copy()
    broken[1, 7] = np.nan
    with pytest.raises(EnergyError, match="frame 1 has a coordinate"):
        forces(broken, chains.boxes)
    with pytest.raises(EnergyError, match="must be fitted"):
        BeadForces(chains.system, chains.mapping, map="optimal", threads=1)(chains.positions, chains.boxes)
