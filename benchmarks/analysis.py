"""Structure analysis: this package beside MDAnalysis and mdtraj on the same work, in the same process.

Compared are the search for pairs, a radial distribution function and dihedrals; timed alone is the whole
structure of a trajectory (every bond, angle and dihedral, radial distributions, Lennard-Jones energies of
molecules).  The report is the ratio of median times; seconds depend on the machine.  The work is the
polystyrene melt where ``MSB_DATA`` names the reference data (78 frames of 5,832 atoms), else, and with
``--smoke``, random chains.

    python benchmarks/analysis.py [--smoke] [--frames N] [--workers N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import MDAnalysis
import mdtraj
import numpy as np
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.distances import calc_dihedrals, self_capped_distance

from msb.analysis.structure import (
    InternalDistributions,
    LennardJones,
    NonbondedPairs,
    NonbondedStructure,
    PairGroups,
    near_pairs,
    radial_distributions,
    term_values,
)
from msb.core.box import make_whole
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io.gromacs import read_gromacs
from msb.io.trajectory import open_trajectory

EDGES = np.linspace(0.0, 0.8, 161)


@dataclass
class Work:
    """A system and its frames."""

    name: str
    topology: Topology
    positions: np.ndarray
    boxes: np.ndarray
    universe: MDAnalysis.Universe
    parameters: LennardJones


def melt(folder: Path, frames: int) -> Work:
    """Polystyrene, from the reference data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        force_field = read_gromacs(folder / "topol.top")
        universe = MDAnalysis.Universe(str(folder / "aa.gro"), str(folder / "t568" / "aa.xtc"))
    read = open_trajectory(folder / "aa.gro", folder / "t568" / "aa.xtc").read(0, frames)
    topology, parameters = force_field.topology, LennardJones.from_gromacs(force_field)
    return Work("polystyrene", topology, read.positions, read.boxes, universe, parameters)


def chains(frames: int) -> Work:
    """Random walks in a tilted box."""
    rng = np.random.default_rng(0)
    n, count = 20, 20
    bonds = [(k, k + 1) for k in range(n - 1)]
    template = MoleculeTemplate.from_atoms("P", [f"C{k}" for k in range(n)], bonds=bonds, elements=["C"] * n)
    topology = Topology.from_template(template, count)
    steps = rng.normal(size=(frames, count, n, 3))
    steps *= 0.15 / np.linalg.norm(steps, axis=-1, keepdims=True)
    x = rng.uniform(0, 2.5, (frames, count, 1, 3)) + steps.cumsum(-2)
    box = np.array([[2.5, 0, 0], [0.5, 2.5, 0], [0.3, -0.4, 2.5]])
    positions = x.reshape(frames, -1, 3).astype(np.float32)
    universe = topology.to_universe(positions[0], box)
    dimensions = np.array(universe.dimensions)
    universe.load_new(positions * 10, dimensions=dimensions)
    parameters = LennardJones.from_sigma_epsilon(np.zeros(n * count), [0.35], [0.3])
    return Work("random chains", topology, positions, np.tile(box, (frames, 1, 1)), universe, parameters)


def pairs_here(work: Work) -> Any:
    """Search for pairs."""
    return len(near_pairs(work.positions[0], work.boxes[0], 0.8))


def pairs_there(work: Work) -> Any:
    """Search for pairs as MDAnalysis does."""
    work.universe.trajectory[0]
    box = work.universe.dimensions
    return len(self_capped_distance(work.positions[0] * 10, 8.0, box=box, return_distances=False))


def rdf_here(work: Work) -> Any:
    """Radial distribution of the heavy atoms, all pairs."""
    atoms = np.flatnonzero(work.topology.elements == "C")
    groups = PairGroups.between(work.topology.n_atoms, {"C": atoms})
    found = radial_distributions(
        work.positions, work.topology, work.boxes, EDGES, groups=groups, exclude_bonds=0
    )
    return found["C"].counts.sum()


def rdf_there(work: Work) -> Any:
    """Count the same with MDAnalysis."""
    carbons = work.universe.atoms[np.flatnonzero(work.topology.elements == "C")]
    rdf = InterRDF(carbons, carbons, nbins=160, range=(0.0, 8.0), exclusion_block=(1, 1), norm="none")
    return rdf.run(stop=len(work.positions)).results.count.sum() / 2


def dihedrals_here(work: Work) -> Any:
    """All proper dihedrals of all frames."""
    x = make_whole(work.positions.astype(np.float64), work.boxes.astype(np.float64), work.topology)
    return np.abs(term_values(x, "dihedral", work.topology.expand(lambda t: t.dihedrals))).sum()


def dihedrals_mdanalysis(work: Work) -> Any:
    """Do the same frame by frame with MDAnalysis."""
    i, j, k, m = work.topology.expand(lambda t: t.dihedrals).T
    total = 0.0
    for ts in work.universe.trajectory[: len(work.positions)]:
        p = ts.positions
        total += np.abs(calc_dihedrals(p[i], p[j], p[k], p[m], box=ts.dimensions)).sum()
    return total


def dihedrals_mdtraj(work: Work) -> Any:
    """Do the same with mdtraj."""
    trajectory = mdtraj.Trajectory(work.positions, None)
    trajectory.unitcell_vectors = work.boxes.astype(np.float32)
    atoms = work.topology.expand(lambda t: t.dihedrals)
    return np.abs(mdtraj.compute_dihedrals(trajectory, atoms)).sum()


def structure(work: Work, workers: int) -> float:
    """Seconds for everything, streamed from the file."""
    options: dict[str, Any] = {"stop": len(work.positions)}
    if workers > 1:
        options |= {"backend": "multiprocessing", "n_workers": workers}
    start = time.perf_counter()
    InternalDistributions(work.universe, work.topology).run(**options)
    carbons = work.topology.elements == "C"
    NonbondedStructure(
        work.universe, work.topology, edges=EDGES, lennard_jones=work.parameters,
        selections={"all": np.ones(len(carbons), bool), "carbons": carbons},
    ).run(**options)  # fmt: skip
    return time.perf_counter() - start


def compared(
    name: str, work: Work, here: Callable[[Work], Any], there: Callable[[Work], Any], repeats: int
) -> dict[str, Any]:
    """Median times of both, alternating, and whether they agree."""
    times: tuple[list[float], list[float]] = ([], [])
    values = [0.0, 0.0]
    for _ in range(repeats):
        for k, version in enumerate((here, there)):
            start = time.perf_counter()
            values[k] = float(version(work))
            times[k].append(time.perf_counter() - start)
    own, other = map(statistics.median, times)
    return {
        "work": name,
        "here_s": round(own, 4),
        "there_s": round(other, 4),
        "ratio": round(other / own, 2),
        "relative_difference": abs(values[0] - values[1]) / abs(values[1]),
    }


def main() -> None:
    """Print the table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="three frames of a few random chains")
    parser.add_argument("--frames", type=int, default=78)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
    arguments = parser.parse_args()
    data = os.environ.get("MSB_DATA")
    work = chains(3) if arguments.smoke or not data else melt(Path(data) / "sps", arguments.frames)
    few = Work(**{**vars(work), "positions": work.positions[:10], "boxes": work.boxes[:10]})
    repeats = 1 if arguments.smoke else arguments.repeats
    rows = [
        compared("pairs within 0.8 nm / MDAnalysis", few, pairs_here, pairs_there, repeats),
        compared("RDF of carbons / MDAnalysis", few, rdf_here, rdf_there, repeats),
        compared("proper dihedrals / MDAnalysis", few, dihedrals_here, dihedrals_mdanalysis, repeats),
        compared("proper dihedrals / mdtraj", few, dihedrals_here, dihedrals_mdtraj, repeats),
    ]
    print(f"{work.name}: {len(few.positions)} frames of {work.topology.n_atoms} atoms")
    for row in rows:
        print(f"  {row['work']:36} {row['here_s']:9} s {row['there_s']:9} s   ratio {row['ratio']}")
    workers = 1 if arguments.smoke else arguments.workers
    seconds = structure(work, workers)
    found = len(NonbondedPairs(work.topology).find(work.positions[0], work.boxes[0], 0.8))
    print(
        f"  all structure, RDF and energies, {len(work.positions)} frames, {workers} workers: "
        f"{seconds:.1f} s ({found} non-bonded pairs a frame)"
    )
    if arguments.json is not None:
        report = {"rows": rows, "structure_s": seconds, "frames": len(work.positions), "workers": workers}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
