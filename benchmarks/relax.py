"""Relaxing frames of one system: contexts made once, against OpenMM's minimiser frame by frame.

Both run side by side on the same frames, alternating, with beads held by the same springs and the same limit
of steps; the report is the ratio of their median times and what energies they end at.  Without data: a box of
4-site chains whose atoms were displaced.  With ``--data`` (or ``$MSB_DATA``): published polystyrene
structures, 5,832 atoms.  ``--smoke`` takes two frames of a small box.

    python benchmarks/relax.py [--smoke] [--data FOLDER] [--frames N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from scipy import sparse

from msb.energy import Finish, Finisher, Stage, read_gromacs_system
from msb.energy.restraints import RestrainedSystem, bead_springs
from msb.errors import MsbWarning

Floats = NDArray[np.float64]
CHAINS = """
[ defaults ]
1 2 yes 1.0 1.0
[ atomtypes ]
C 14.027 0.0 A 0.395 0.382
[ moleculetype ]
CHN 3
[ atoms ]
1 C 1 CHN C1 1 0
2 C 1 CHN C2 1 0
3 C 1 CHN C3 1 0
4 C 1 CHN C4 1 0
[ bonds ]
1 2 1 0.154 2.5e5
2 3 1 0.154 2.5e5
3 4 1 0.154 2.5e5
[ angles ]
1 2 3 1 114.0 520
2 3 4 1 114.0 520
[ dihedrals ]
1 2 3 4 3 8.4 -16.8 1.1 26.3 0 0
[ system ]
chains
[ molecules ]
CHN {count}
"""
STEPS = 100
SPRING = 3e6  # kJ/mol/nm^2


@dataclass(frozen=True)
class Case:
    """Frames of one system: positions and beads (F, ..., 3), boxes (F, 3, 3), nm."""

    name: str
    system: Any
    weights: sparse.csr_matrix
    positions: Floats
    beads: Floats
    boxes: Floats


def chains(frames: int, edge: int) -> Case:
    """Chains on a lattice, two to a bead, displaced by 0.02 nm."""
    count, spacing = edge**3, 0.6
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chains.top"
        path.write_text(CHAINS.format(count=count))
        box = np.eye(3) * spacing * edge
        system = read_gromacs_system(path, box, cutoff=min(0.9, 0.49 * spacing * edge)).system
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), -1).reshape(-1, 1, 3) * spacing
    chain = np.array([[0, 0, 0], [0.13, 0.08, 0], [0.26, 0, 0], [0.39, 0.08, 0]])
    rest = (grid + chain).reshape(-1, 3)
    weights = sparse.kron(sparse.eye(2 * count), np.full((1, 2), 0.5)).tocsr()
    noise = np.random.default_rng(0).normal(0, 0.02, (frames, *rest.shape))
    beads = np.repeat((weights @ rest)[None], frames, axis=0)
    return Case(
        f"{4 * count} atoms in chains", system, weights, rest + noise, beads, np.stack([box] * frames)
    )


def polystyrene(data: Path, frames: int) -> Case:
    """Published structures with the centres of their chains' thirds as beads."""
    from msb.io.trajectory import open_trajectory

    source = open_trajectory(data / "aa.gro", data / "t568" / "deepbackmap.xtc").read(0, frames)
    boxes = np.asarray(source.boxes, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # its posres.itp was never published
        read = read_gromacs_system(data / "topol.top", boxes[0], cutoff=0.85, dielectric=2.5)
    weights = sparse.kron(sparse.eye(3 * 36), np.full((1, 54), 1 / 54)).tocsr()
    prepared = RestrainedSystem(read.system, weights)
    positions = [
        prepared.whole(x.astype(np.float64), box) for x, box in zip(source.positions, boxes, strict=True)
    ]
    x = np.stack(positions)
    return Case("polystyrene, 5832 atoms", read.system, weights, x, np.stack([weights @ f for f in x]), boxes)


def plain(case: Case, frame: int) -> float:
    """A context for the frame, and OpenMM's minimiser; returns the energy of the force field."""
    prepared = RestrainedSystem(case.system, case.weights)
    system = prepared.stiff(all_bonds=True)
    constants = np.full(case.weights.shape[0], SPRING)
    system.addForce(bead_springs(case.weights, case.beads[frame], constants))
    system.setDefaultPeriodicBoxVectors(*case.boxes[frame])
    properties = {"Threads": os.environ.get("OPENMM_CPU_THREADS", "1")}
    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, properties)
    context.setPositions(case.positions[frame])
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, STEPS)
    return float(context.getState(energy=True, groups={0}).getPotentialEnergy()._value)


def measure(case: Case) -> dict[str, object]:
    """Median times of both on all frames, after one frame to make the contexts."""
    finisher = Finisher(
        case.system, case.weights, Finish(relax=(Stage("all", STEPS),)), platform="CPU", threads=_threads()
    )
    times: dict[str, list[float]] = {"plain": [], "finisher": []}
    energies: dict[str, list[float]] = {"plain": [], "finisher": []}
    finisher.run(case.positions[0], case.beads[0], case.boxes[0])
    for frame in range(len(case.positions)):
        start = time.perf_counter()
        energies["plain"].append(plain(case, frame))
        between = time.perf_counter()
        done = finisher.run(case.positions[frame], case.beads[frame], case.boxes[frame])
        times["finisher"].append(time.perf_counter() - between)
        times["plain"].append(between - start)
        energies["finisher"].append(done.energy)
    slow, fast = (statistics.median(times[name]) for name in ("plain", "finisher"))
    return {
        "case": case.name,
        "frames": len(case.positions),
        "plain_s": round(slow, 3),
        "finisher_s": round(fast, 3),
        "ratio": round(slow / fast, 2),
        **{f"{name}_energy": round(statistics.median(values), 1) for name, values in energies.items()},
    }


def _threads() -> int:
    return int(os.environ.get("OPENMM_CPU_THREADS", "1"))


def main() -> None:
    """Print the table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="two frames of a small box")
    parser.add_argument("--data", type=Path, default=os.environ.get("MSB_DATA"), help="folder with sps/")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
    arguments = parser.parse_args()
    cases = [chains(2, 3)] if arguments.smoke else [chains(arguments.frames, 10)]
    if arguments.data and not arguments.smoke:
        cases.append(polystyrene(Path(arguments.data) / "sps", arguments.frames))
    rows = [measure(case) for case in cases]
    print(
        f"{'case':28} {'plain, s':>9} {'finisher, s':>12} {'ratio':>6} {'plain, kJ/mol':>14} {'finisher':>10}"
    )
    for row in rows:
        print(
            f"{row['case']:28} {row['plain_s']:9} {row['finisher_s']:12} {row['ratio']:6} "
            f"{row['plain_energy']:14} {row['finisher_energy']:10}"
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
