"""Systems put together from single molecules have the energy of the whole topology."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm
import pytest

from msb.core.topology import Topology
from msb.energy import read_gromacs_system, split_system, system_of
from msb.energy.preprocess import gromacs_folder
from msb.errors import EnergyError, FileFormatError
from msb.io.topology_files import read_topology

MIXTURE = """
[ defaults ]
1 {rule} yes 0.5 0.5
[ atomtypes ]
C 12.011 0.0 A 0.35 0.28
O 15.999 0.0 A 0.31 0.65
M 0.0 0.0 A 0.0 0.0
[ moleculetype ]
AAA 3
[ atoms ]
1 C 1 AAA C1 1 0.1
2 C 1 AAA C2 1 -0.2
3 C 1 AAA C3 1 0.2
4 O 1 AAA O4 1 -0.1
[ bonds ]
1 2 1 0.153 2e5
2 3 1 0.153 2e5
3 4 1 0.143 2e5
[ pairs ]
1 4 1
[ angles ]
1 2 3 1 111.0 500
2 3 4 1 109.0 400
[ dihedrals ]
1 2 3 4 3 1.0 2.0 0.5 -1.5 0.2 0.1
[ moleculetype ]
BBB 2
[ atoms ]
1 O 1 BBB O1 1 -0.4
2 C 1 BBB C2 1 0.4
3 M 1 BBB M3 1 0.0
[ bonds ]
1 2 1 0.143 3e5
[ virtual_sites2 ]
3 1 2 1 0.4
[ system ]
mixture
[ molecules ]
{molecules}
"""


def write(folder: Path, molecules: str, rule: int = 2) -> Path:
    path = folder / f"{abs(hash((molecules, rule)))}.top"
    path.write_text(MIXTURE.format(molecules=molecules, rule=rule))
    return path


def energy(system: openmm.System, positions: np.ndarray) -> float:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    context.computeVirtualSites()
    return context.getState(energy=True).getPotentialEnergy()._value


def scattered(topology: Topology, box: np.ndarray) -> np.ndarray:
    """Chains of atoms 0.15 nm apart, one molecule at each point of a grid."""
    rng = np.random.default_rng(1)
    n = int(np.ceil(topology.n_molecules ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(n) / n] * 3, indexing="ij"), -1).reshape(-1, 3) @ box
    within = np.concatenate([np.arange(t.n_atoms) for t, k in topology.molecules for _ in range(k)])
    x = grid[topology.molecule_index] + 0.15 * within[:, None] * np.array([0.8, 0.6, 0.0])
    return x + rng.normal(0, 0.01, x.shape)


@pytest.mark.parametrize("rule", [2, 3])
@pytest.mark.parametrize("counts", ["AAA 5\nBBB 4", "BBB 3\nAAA 2\nBBB 1"])
def test_mixtures_have_the_energy_of_their_topology(tmp_path, rule, counts):
    box = np.array([[2.5, 0, 0], [0.3, 2.5, 0], [0.2, -0.3, 2.5]])
    path, single = write(tmp_path, counts, rule), write(tmp_path, "AAA 1\nBBB 1", rule)
    options = {"cutoff": 0.9, "dielectric": 5.0}
    whole = read_gromacs_system(path, box, **options).system
    one = read_gromacs_system(single, box, **options).system
    parts = split_system(one, read_topology(single))
    topology = read_topology(path)
    built = system_of(topology, parts, box)
    x = scattered(topology, box)
    assert energy(built, x) == pytest.approx(energy(whole, x), rel=1e-9)
    dry = read_gromacs_system(single, method="none").system
    again = system_of(topology, split_system(dry, read_topology(single)), box, cutoff=0.9, dielectric=5.0)
    for system in (again, built):
        assert energy(system, x) == pytest.approx(energy(whole, x), rel=1e-9)
    without = system_of(topology, parts)
    assert energy(without, x) == pytest.approx(
        energy(read_gromacs_system(path, method="none").system, x), rel=1e-9
    )


def test_what_does_not_go_together_is_said(tmp_path):
    path = write(tmp_path, "AAA 2\nBBB 1")
    topology = read_topology(path)
    system = read_gromacs_system(path, method="none").system
    parts = split_system(system, topology)
    with pytest.raises(EnergyError, match="no force field for molecules BBB; there are force fields for AAA"):
        system_of(topology, {"AAA": parts["AAA"]})
    with pytest.raises(EnergyError, match="force field of BBB has 4 atoms, the topology's molecule 3"):
        system_of(topology, {"AAA": parts["AAA"], "BBB": parts["AAA"]})
    with pytest.raises(EnergyError, match="the force field has 11 atoms, the topology 22"):
        split_system(system, Topology(tuple((t, 2 * n) for t, n in topology.molecules)))
    near = openmm.XmlSerializer.clone(parts["AAA"])
    for force in near.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setCutoffDistance(0.5)
    with pytest.raises(EnergyError, match="AAA and BBB treat pairs differently"):
        system_of(topology, {"AAA": near, "BBB": parts["BBB"]})
    near.addForce(openmm.CustomExternalForce("x"))
    with pytest.raises(EnergyError, match="AAA has a CustomExternalForce, which cannot be copied"):
        system_of(topology, {"AAA": near, "BBB": parts["BBB"]})
    tied = openmm.HarmonicBondForce()
    tied.addBond(0, 5, 0.1, 1.0)
    system.addForce(tied)
    with pytest.raises(EnergyError, match="ties two molecules together"):
        split_system(system, topology)
    with pytest.raises(EnergyError, match="`method` must be one of"):
        system_of(topology, parts, np.eye(3) * 3, method="ewald")


def test_a_force_field_that_lacks_something_says_what(tmp_path):
    text = MIXTURE.format(rule=2, molecules="AAA 1")
    (tmp_path / "type.top").write_text(text.replace("O 15.999 0.0 A 0.31 0.65\n", ""))
    with pytest.raises(
        FileFormatError, match="'O' is used but never defined: a type that the force field lacks"
    ):
        read_gromacs_system(tmp_path / "type.top")
    (tmp_path / "angle.top").write_text(text.replace("111.0 500", ""))
    with pytest.raises(FileFormatError, match="No parameters specified for angle: 1, 2, 3"):
        read_gromacs_system(tmp_path / "angle.top")


def test_polystyrene(msb_data, tmp_path):
    data = msb_data / "sps"
    gro = openmm.app.GromacsGroFile(str(data / "train" / "aa" / "135.gro"))
    box, x = np.array(gro.getPeriodicBoxVectors()._value), gro.getPositions(asNumpy=True)._value
    (tmp_path / "one.top").write_text((data / "topol.top").read_text().replace("PS1       36", "PS1 1"))
    with pytest.warns(UserWarning, match="posre"):
        whole = read_gromacs_system(data / "topol.top", box, cutoff=0.85, dielectric=2.5)
    with pytest.warns(UserWarning, match="posre"):
        one = read_gromacs_system(tmp_path / "one.top", include_dirs=[data], method="none")
    with pytest.warns(UserWarning, match="posre"):
        topology = read_topology(data / "topol.top")
    built = system_of(topology, {"PS1": one.system}, box, cutoff=0.85, dielectric=2.5)
    assert energy(built, x) == pytest.approx(energy(whole.system, x), rel=1e-6)


def test_octane(msb_data, tmp_path):
    if gromacs_folder() is None:
        pytest.skip("GROMACS' force fields are not installed (Debian: gromacs-data)")
    gro = msb_data / "octane" / "train" / "aa" / "1000.gro"
    itp = msb_data / "octane" / "L49C_aa.itp"
    paths = {}
    for count in (1, 215):
        paths[count] = tmp_path / f"{count}.top"
        includes = f'#include "gromos54a7.ff/forcefield.itp"\n#include "{itp}"\n'
        paths[count].write_text(f"{includes}[ system ]\noctane\n[ molecules ]\nL49C {count}\n")
    whole = read_gromacs_system(paths[215], gro, cutoff=1.0)
    one = read_gromacs_system(paths[1], method="none").system
    x = openmm.app.GromacsGroFile(str(gro)).getPositions(asNumpy=True)._value
    topology = read_topology(paths[215])
    built = system_of(topology, {"L49C": one}, whole.box, cutoff=1.0, dielectric=78.3)
    assert energy(built, x) == pytest.approx(energy(whole.system, x), rel=1e-6)
