"""GROMACS topologies: small ones of every combination rule, and two published boxes, against OpenMM."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from openmm import app

from msb.energy import Energy, gro_box, read_gromacs_system
from msb.energy.nonbonded_parameters import NonbondedParameters
from msb.energy.preprocess import gromacs_folder
from msb.errors import EnergyError, FileFormatError, MsbWarning
from msb.units import COULOMB

SMALL = """
#define gb_5 0.153 7.15e6
[ defaults ]
1 {rule} {generate} 0.5 0.8333
[ atomtypes ]
CA 6 12.011 0.0 A {ca}
HA 1 1.008 0.0 A {ha}
{tables}
[ moleculetype ]
BUT 3
[ atoms ]
1 CA 1 BUT C1 1 -0.1
2 CA 1 BUT C2 2 0.1
3 CA 1 BUT C3 3 0.1
4 CA 1 BUT C4 4 -0.2
5 HA 1 BUT H5 5 0.1
[ bonds ]
1 2 2 gb_5
2 3 1 0.153 2.2e5
3 4 2 gb_5
4 5 2 0.109 1.23e7
[ pairs ]
1 4 1
2 5 1
[ angles ]
1 2 3 2 111.0 530.0
2 3 4 1 109.5 450.0
3 4 5 5 109.5 450.0 0.21 3000.0
[ dihedrals ]
1 2 3 4 1 0.0 5.92 3
2 3 4 5 3 9.28 12.16 -13.12 -3.06 26.24 -31.5
1 3 2 4 2 35.264 334.8
[ {extra} ]
1 2 3
[ system ]
butanes
[ molecules ]
BUT 12
"""
KINDS = {
    1: {"ca": "2.3e-3 4.9e-6", "ha": "8.4e-5 1.5e-8"},
    2: {"ca": "0.35 0.28", "ha": "0.25 0.13"},
    3: {"ca": "0.35 0.28", "ha": "0.25 0.13"},
}
NBFIX = "[ nonbond_params ]\nCA HA 1 3e-4 2e-7\n"
PAIRS = "[ pairtypes ]\nCA CA 1 2e-3 3e-6\nCA HA 1 4e-4 3e-7\n"


def small_topology(folder: Path, rule: int, tables: str = "", extra: str = "exclusions") -> Path:
    path = folder / "small.top"
    generate = "no" if "pairtypes" in tables else "yes"
    text = SMALL.format(rule=rule, tables=tables, extra=extra, generate=generate, **KINDS[rule])
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def butanes() -> np.ndarray:
    """Two configurations of twelve molecules in a box of 2.4 nm, torn apart at its border."""
    rng = np.random.default_rng(11)
    molecule = np.array([[0.0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.35, 0.15, 0.03], [0.38, 0.24, 0.1]])
    grid = np.stack(np.meshgrid(*[np.arange(3) * 0.8] * 3, indexing="ij"), -1).reshape(-1, 3)[:12]
    x = (grid[:, None] + molecule).reshape(-1, 3) + rng.normal(0, 0.01, (2, 60, 3)) + 1.8
    return np.mod(x, 2.4)


@pytest.mark.parametrize("tables", ["", NBFIX + PAIRS], ids=["rules", "tables"])
@pytest.mark.parametrize("rule", [1, 2, 3])
def test_combination_rules_and_tables(tmp_path, butanes, assert_agrees, rule, tables):
    box = 2.4 * np.eye(3)
    read = read_gromacs_system(small_topology(tmp_path, rule, tables), box, cutoff=1.1, switching=0.9)
    energy = assert_agrees(read.system, butanes, box)
    assert {"GROMOSBondForce", "GROMOSAngleForce", "RBTorsionForce", "HarmonicTorsionForce"} <= set(
        energy.groups
    )
    assert read.topology.getNumAtoms() == 60


@pytest.mark.parametrize("method", ["none", "cutoff", "reaction-field"])
def test_without_a_box(tmp_path, butanes, assert_agrees, method):
    read = read_gromacs_system(small_topology(tmp_path, 2), method=method, cutoff=0.8)
    assert read.box is None
    assert_agrees(read.system, butanes[:1])


def test_options_and_files_that_do_not_work(tmp_path):
    path = small_topology(tmp_path, 2)
    with pytest.raises(EnergyError, match="`method` must be one of"):
        read_gromacs_system(path, method="ewald")
    with pytest.raises(EnergyError, match="PME needs a box"):
        read_gromacs_system(path, method="PME")
    with pytest.raises(EnergyError, match="span a volume"):
        read_gromacs_system(path, np.zeros((3, 3)))
    path.write_text(path.read_text().replace("CA CA", "").replace("1 CA 1 BUT C1", "1 CX 1 BUT C1"))
    with pytest.raises(FileFormatError, match=r"small.top.*CX"):
        read_gromacs_system(path)
    with pytest.warns(MsbWarning, match=r"no energy is taken from \[ distance_restraints \]"):
        read_gromacs_system(small_topology(tmp_path, 2, extra="distance_restraints"))


def test_box_of_a_gro_file(tmp_path):
    path = tmp_path / "a.gro"
    path.write_text("t\n0\n   3.0   4.0   5.0\n")
    np.testing.assert_array_equal(gro_box(path), np.diag([3.0, 4.0, 5.0]))
    path.write_text("t\n0\n 1 2 3 0 0 -0.25 0 0.5 0.75\n")
    np.testing.assert_array_equal(gro_box(path), [[1, 0, 0], [-0.25, 2, 0], [0.5, 0.75, 3]])
    path.write_text("t\n0\n")
    with pytest.raises(FileFormatError, match="line 2: the last line should hold the box"):
        gro_box(path)


def frame(path: Path) -> np.ndarray:
    return app.GromacsGroFile(str(path)).getPositions(asNumpy=True)._value[None]


def test_polystyrene_box(msb_data, assert_agrees):
    gro = msb_data / "sps" / "train" / "aa" / "135.gro"
    with pytest.warns(MsbWarning, match="missing include left out: posres.itp"):
        read = read_gromacs_system(msb_data / "sps" / "topol.top", gro, cutoff=0.85, dielectric=2.5)
    energy = assert_agrees(read.system, frame(gro), read.box)
    single = energy(torch.as_tensor(frame(gro), dtype=torch.float32), torch.as_tensor(read.box))
    torch.testing.assert_close(
        single.double(), energy(torch.as_tensor(frame(gro)), torch.as_tensor(read.box)), rtol=1e-5, atol=0
    )


@pytest.fixture(scope="module")
def octane(msb_data, tmp_path_factory) -> Path:
    """Topology of the published octane box, which comes as an .itp with macros of gromos54a7."""
    if gromacs_folder() is None:
        pytest.skip("GROMACS' force fields are not installed (Debian: gromacs-data)")
    path = tmp_path_factory.mktemp("octane") / "topol.top"
    itp = msb_data / "octane" / "L49C_aa.itp"
    includes = f'#include "gromos54a7.ff/forcefield.itp"\n#include "{itp}"\n'
    path.write_text(includes + "[ system ]\noctane\n[ molecules ]\nL49C 215\n")
    return path


def test_octane_box(msb_data, octane, assert_agrees):
    gro = msb_data / "octane" / "train" / "aa" / "1000.gro"
    read = read_gromacs_system(octane, gro, cutoff=1.0)
    assert_agrees(read.system, frame(gro), read.box)


MDP = """
integrator = md
nsteps = 0
coulombtype = Reaction-Field
rcoulomb = 1.0
rvdw = 1.0
epsilon_rf = 78.3
vdw-modifier = none
coulomb-modifier = none
verlet-buffer-tolerance = -1
rlist = 1.1
nstenergy = 1
nstcalcenergy = 1
"""


def test_octane_agrees_with_gromacs_itself(msb_data, octane, tmp_path):
    """One step of GROMACS in double precision; its Coulomb energy counts what OpenMM's leaves out."""
    if shutil.which("gmx_d") is None:
        pytest.skip("GROMACS in double precision (gmx_d) is not installed")
    gro = msb_data / "octane" / "train" / "aa" / "1000.gro"
    (tmp_path / "run.mdp").write_text(MDP)
    for command in (
        f"gmx_d grompp -f run.mdp -c {gro} -p {octane} -o run.tpr -maxwarn 5",
        "gmx_d mdrun -s run.tpr -nt 1 -deffnm run",
        "gmx_d energy -f run.edr -o run.xvg",
    ):
        terms = "1 2 3 4 5\n"  # bonds, angles, dihedrals, Lennard-Jones, Coulomb
        subprocess.run(command.split(), cwd=tmp_path, input=terms, text=True, check=True, capture_output=True)
    bonds, angles, dihedrals, dispersion, coulomb = np.loadtxt(tmp_path / "run.xvg", comments=["#", "@"])[1:6]
    read = read_gromacs_system(octane, gro, cutoff=1.0, dispersion_correction=False)
    energy = Energy.from_openmm(read.system)
    x, box = torch.as_tensor(frame(gro)), torch.as_tensor(read.box)
    ours = {name: float(value) for name, value in energy.terms(x, box).items()}
    assert ours["GROMOSBondForce"] == pytest.approx(bonds, rel=1e-6)
    assert ours["GROMOSAngleForce"] == pytest.approx(angles, rel=1e-6)
    assert ours["PeriodicTorsionForce"] == pytest.approx(dihedrals, rel=1e-6)
    assert ours["LennardJonesForce"] == pytest.approx(dispersion, rel=1e-5)
    force = next(f for f in read.system.getForces() if isinstance(f, openmm.NonbondedForce))
    p, term = NonbondedParameters.from_openmm(force), energy["NonbondedForce"]
    vectors = x[0, p.pairs[:, 1]] - x[0, p.pairs[:, 0]]
    vectors -= torch.round(vectors / box.diagonal()) * box.diagonal()
    inside = term.krf * vectors.square().sum(-1).numpy() - term.crf
    products = p.charge[p.pairs[:, 0]] * p.charge[p.pairs[:, 1]]
    left_out = COULOMB * (np.sum(products * inside) - 0.5 * term.crf * np.sum(p.charge**2))
    assert ours["NonbondedForce"] + left_out == pytest.approx(coulomb, abs=0.1)


def test_nothing_warns_where_nothing_is_left_out(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", MsbWarning)
        read_gromacs_system(small_topology(tmp_path, 2))
