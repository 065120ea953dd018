"""Time and memory of the check: a polystyrene melt by frames, a box of a million atoms, a small molecule.

Run by hand: ``python benchmarks/quality.py [--million] [--json FILE]``. With MSB_DATA the melt is that of the
reference data (5,832 atoms); without it, and with --smoke, a lattice of benzene stands for it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msb.core.box import make_whole
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.quality import Checker

LIMITS = {"melt_s": 0.3, "million_s": 60.0, "million_gb": 4.0}  # what the project promises on two cores


@dataclass(frozen=True)
class Work:
    """Frames to check: positions (F, N, 3) and boxes (F, 3, 3), nm."""

    name: str
    topology: Topology
    positions: np.ndarray
    boxes: np.ndarray


def melt(folder: Path, frames: int) -> Work:
    """Read polystyrene at 568 K."""
    from msb.io.topology_files import read_topology
    from msb.io.trajectory import open_trajectory

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        topology = read_topology(folder / "topol.top")
        read = open_trajectory(folder / "aa.gro", folder / "t568" / "aa.xtc").read(0, frames)
    return Work("polystyrene", topology, read.positions, read.boxes)


def benzene(frames: int, cells: int) -> Work:
    """Arrange benzene on a cubic lattice, a little displaced from frame to frame."""
    turn = np.pi / 3 * np.arange(6)
    flat = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    bonds = [(k, (k + 1) % 6) for k in range(6)] + [(k, k + 6) for k in range(6)]
    elements = ["C"] * 6 + ["H"] * 6
    template = MoleculeTemplate.from_atoms("BNZ", elements, elements=elements, bonds=bonds)
    sites = 0.75 * np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    one = (sites + np.concatenate([0.1397 * flat, 0.2477 * flat])).reshape(-1, 3)
    noise = np.random.default_rng(0).normal(0, 0.003, (frames, *one.shape))
    box = 0.75 * cells * np.eye(3)
    return Work(
        "benzene", Topology.from_template(template, cells**3), one + noise, np.tile(box, (frames, 1, 1))
    )


def replicated(work: Work, atoms: int) -> Work:
    """Repeat the first frame in all directions until there are so many atoms."""
    n = work.topology.n_atoms
    edge = np.ones(3, dtype=int)
    while n * edge.prod() < atoms:
        edge[edge.argmin()] += 1
    box = work.boxes[0].astype(np.float64)
    whole = make_whole(work.positions[0].astype(np.float64), box, work.topology)
    shifts = np.stack(np.meshgrid(*map(np.arange, edge), indexing="ij"), axis=-1).reshape(-1, 3) @ box
    positions = (whole + shifts[:, None]).astype(np.float32).reshape(1, -1, 3)
    topology = Topology(tuple(work.topology.molecules) * int(edge.prod()))
    return Work(f"{work.name} x {edge.prod()}", topology, positions, (box * edge[:, None])[None])


def measured(work: Work, repeats: int) -> dict[str, object]:
    """Median seconds a frame, findings, and the largest memory so far."""
    start = time.perf_counter()
    checker = Checker(work.topology)
    ready = time.perf_counter() - start
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        examination = checker.examine(work.positions, work.boxes)
        times.append((time.perf_counter() - start) / len(work.positions))
    return {
        "work": work.name,
        "atoms": work.topology.n_atoms,
        "frames": len(work.positions),
        "prepare_s": round(ready, 3),
        "frame_s": round(statistics.median(times), 5),
        "findings": len(examination.findings),
        "memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    """Print the table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a few molecules")
    parser.add_argument("--million", action="store_true", help="a box of a million atoms as well")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
    arguments = parser.parse_args()
    data = os.environ.get("MSB_DATA")
    frames, repeats = (2, 1) if arguments.smoke else (arguments.frames, 3)
    real = data and not arguments.smoke
    first = melt(Path(data) / "sps", frames) if real else benzene(frames, 3 if arguments.smoke else 8)
    rows = [measured(first, repeats)]
    rows.append(measured(benzene(500 if arguments.smoke else 10_000, 1), repeats))
    if arguments.million or arguments.smoke:
        rows.append(measured(replicated(first, 3_000 if arguments.smoke else 1_000_000), 1))
    for row in rows:
        print(
            f"{row['work']:20} {row['atoms']:8} atoms {row['frames']:6} frames: {row['frame_s']} s a frame, "
            f"{row['findings']} findings, {row['memory_gb']} GB"
        )
    print(f"promised: {LIMITS}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"rows": rows, "promised": LIMITS}, indent=1) + "\n")


if __name__ == "__main__":
    main()
