"""The same histograms as GROMACS' own programs on the polystyrene melt, in its tilted box, bin by bin."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from msb.analysis.structure import (
    NonbondedPairs,
    PairGroups,
    bonded_terms,
    internal_distributions,
    radial_distributions,
)
from msb.analysis.structure.distributions import InternalCounter
from msb.analysis.structure.terms import term_values
from msb.core.box import make_whole
from msb.errors import MsbWarning
from msb.io.gromacs import read_gromacs
from msb.io.trajectory import open_trajectory

FRAMES = 12
_MDP = "integrator = md\nnsteps = 0\nrcoulomb = 0.8\nrvdw = 0.8\nrlist = 0.8\nverlet-buffer-tolerance = -1\n"


@pytest.fixture(scope="module")
def melt(msb_data):
    if shutil.which("gmx") is None:
        pytest.skip("gmx is not installed: this test compares with GROMACS")
    folder = msb_data / "sps"
    frames = open_trajectory(folder / "aa.gro", folder / "t568" / "aa.xtc").read(0, FRAMES)
    with pytest.warns(MsbWarning, match="posres"):
        topology = read_gromacs(folder / "topol.top").topology
    return folder, topology, frames


def gmx(folder, *words, answer=""):
    command = ["gmx", "-quiet", "-nobackup", *map(str, words)]
    done = subprocess.run(command, cwd=folder, input=answer, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def table(path):
    lines = [line.split() for line in path.read_text().splitlines() if line[:1] not in "#@&"]
    return np.array(lines, dtype=float)


def index_file(path, atoms):
    path.write_text(
        "[ chosen ]\n" + "\n".join(" ".join(map(str, row)) for row in (atoms + 1).tolist()) + "\n"
    )


def term_of(topology, name):
    return next(term for term in bonded_terms(topology) if term.name == name)


def near_edges(values, edges, tolerance):
    """How many values lie so near to an edge that single precision may count them on either side."""
    place = np.clip(np.searchsorted(edges, values), 1, len(edges) - 1)
    return int((np.minimum(abs(values - edges[place - 1]), abs(values - edges[place])) < tolerance).sum())


@pytest.mark.parametrize(
    "name", ["angle C-C-H", "angle C_AR-C_AR-C_AR", "dihedral C-C-C-C", "improper C_AR-C_AR-C_AR-H_AR"]
)
def test_angles_and_dihedrals(melt, tmp_path, name):
    folder, topology, frames = melt
    term, width = term_of(topology, name), 1.0 if name.startswith("angle") else 2.0
    kind = "angle" if term.kind == "angle" else "dihedral"
    index_file(tmp_path / "a.ndx", term.atoms)
    gmx(
        tmp_path, "angle", "-f", folder / "t568" / "aa.xtc", "-n", "a.ndx", "-type", kind, "-od", "d.xvg",
        "-e", frames.times[-1], "-binwidth", width,
    )  # fmt: skip
    theirs = table(tmp_path / "d.xvg")
    total = FRAMES * len(term.atoms)
    counts = np.rint(theirs[:, 1] * total * width).astype(int)
    twice = counts[-1] if kind == "dihedral" else 0  # -180 and 180 degrees are one bin, shown at both ends
    assert counts.sum() - twice == total
    # GROMACS' bins are centred on whole multiples of their width
    centres = theirs[:, 0]
    inner = np.abs(centres) < 179.5 if kind == "dihedral" else centres > 0
    centres, counts = centres[inner], counts[inner]
    edges = np.deg2rad(np.append(centres - width / 2, centres[-1] + width / 2))
    x = make_whole(frames.positions.astype(np.float64), frames.boxes.astype(np.float64), topology)
    values = term_values(x, kind, term.atoms).ravel()
    values = values[(values >= edges[0]) & (values < edges[-1])]
    counter = InternalCounter(topology, [_as(term, kind)], {kind: edges})
    mine = counter.result(*counter.count(frames.positions, frames.boxes))[_as(term, kind).name].counts
    outside = FRAMES * len(term.atoms) - len(values)
    difference = np.abs(mine - counts).sum() - outside  # what lies beyond counts in the end bins here
    assert difference <= 2 * near_edges(values, edges, 1e-6)


def _as(term, kind):
    """The same atoms as a plain dihedral: GROMACS does not fold impropers."""
    return type(term)(kind, term.types, term.atoms)


def test_bond_lengths(melt, tmp_path):
    folder, topology, frames = melt
    term = term_of(topology, "bond C_AR-H_AR")
    index_file(tmp_path / "a.ndx", term.atoms)
    gmx(
        tmp_path, "distance", "-f", folder / "t568" / "aa.xtc", "-n", "a.ndx", "-select", "0", "-oh", "h.xvg",
        "-e", frames.times[-1], "-len", "0.15", "-tol", "0.5", "-binw", "0.0005",
    )  # fmt: skip
    theirs = table(tmp_path / "h.xvg")[:, 1]
    counts = np.rint(theirs * FRAMES * len(term.atoms) * 0.0005).astype(int)
    edges = 0.075 + 0.0005 * np.arange(len(counts) + 1)
    found = internal_distributions(
        frames.positions, topology, frames.boxes, terms=[term], bins={"bond": edges}
    )
    x = make_whole(frames.positions.astype(np.float64), frames.boxes.astype(np.float64), topology)
    lengths = term_values(x, "bond", term.atoms).ravel()
    assert counts.sum() == found[term.name].counts.sum() == lengths.size
    assert np.abs(found[term.name].counts - counts).sum() <= 2 * near_edges(lengths, edges, 1e-6)


def test_radial_distribution_of_carbons(melt, tmp_path):
    """Exclusions up to three bonds come from a run input made for that: nrexcl 3, no others."""
    folder, topology, frames = melt
    _run_input(folder, tmp_path)
    carbons = "type C or type C_AR"
    gmx(
        tmp_path, "rdf", "-f", folder / "t568" / "aa.xtc", "-s", "t.tpr", "-e", frames.times[-1], "-excl",
        "-ref", carbons, "-sel", carbons, "-norm", "none", "-bin", "0.005", "-rmax", "0.8", "-o", "r.xvg",
    )  # fmt: skip
    theirs = table(tmp_path / "r.xvg")[1:]
    mask = topology.elements == "C"
    counts = theirs[:, 1] * FRAMES * mask.sum() * 0.005 / 2  # by reference atom and width, both ways
    np.testing.assert_allclose(counts, np.rint(counts), atol=0.1)
    edges = np.append(theirs[:, 0] - 0.0025, theirs[-1, 0] + 0.0025)
    groups = PairGroups.between(topology.n_atoms, {"C": mask})
    found = radial_distributions(frames.positions, topology, frames.boxes, edges, groups=groups)["C"]
    assert found.counts.sum() > 1e6
    pairs = NonbondedPairs(topology)
    frames = zip(frames.positions, frames.boxes, strict=True)
    near = sum(
        near_edges(p.distances[mask[p.first] & mask[p.second]], edges, 1e-6)
        for p in (pairs.find(x, box, edges[-1]) for x, box in frames)
    )  # single precision of positions up to 10 nm
    assert np.abs(found.counts - np.rint(counts)).sum() <= min(2 * near, 1e-4 * counts.sum())


def _run_input(folder, tmp_path):
    molecule, section = [], ""
    for line in (folder / "topol_PS1.itp").read_text().splitlines():
        section = line.strip("[] ") if line.startswith("[") else section
        if line.startswith("#") or section == "exclusions":
            continue
        molecule.append("PS1 3" if section == "moleculetype" and line.startswith("PS1") else line)
    top = (folder / "topol.top").read_text().replace('#include "topol_PS1.itp"', "\n".join(molecule))
    (tmp_path / "t.top").write_text(top)
    (tmp_path / "t.mdp").write_text(_MDP)
    start = folder / "aa.gro"
    gmx(tmp_path, "grompp", "-f", "t.mdp", "-c", start, "-p", "t.top", "-o", "t.tpr", "-maxwarn", "20")
