"""Backmapping a melt: seconds a frame, share inside the network, memory, and cost per atom as the box grows.

The bundled polystyrene beads (36 chains, 5,832 atoms) are repeated into boxes of 1, 2, 4, 8 and 16 times the
size, and every size is backmapped in a process of its own, so that its peak memory is its own.  The report is
the CPU time per atom beside that of one box.  The model is a bundle or a method built from the bundled
snapshot; without ``--model`` the shipped `sps`, or `fragment` where there is none.  Bars of trained models:
30 s a frame, 60 % of it in the network, 2 GB, cost per atom within 15 %.  ``--smoke`` takes two sizes of a
method that is fast.

    python benchmarks/backmap.py [--smoke] [--model sps] [--boxes 1 2 4 8 16] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

BOXES, SMOKE = (1, 2, 4, 8, 16), (1, 2)
SECONDS, SHARE, MEMORY, EVEN = 30.0, 0.6, 2048.0, 0.15


def factors(number: int) -> tuple[int, int, int]:
    """How often a box is repeated along each axis, as evenly as can be."""
    found = [1, 1, 1]
    while number > 1:
        prime = next(p for p in range(2, number + 1) if number % p == 0)
        found[int(np.argmin(found))] *= prime
        number //= prime
    return found[0], found[1], found[2]


def repeated(beads: np.ndarray, box: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Beads (M, 3) and box (3, 3) repeated."""
    times = np.array(factors(number))
    shifts = np.stack(np.meshgrid(*map(np.arange, times), indexing="ij"), -1).reshape(-1, 3) @ box
    return (beads + shifts[:, None]).reshape(-1, 3), box * times[:, None]


def model_of(name: str, boxes: int) -> Any:
    """A model for so many boxes of the bundled melt."""
    from msb.backmapper import METHODS, build_model, load_model
    from msb.core.mapping import Mapping
    from msb.core.topology import Topology
    from msb.data import sample
    from msb.data.snapshots import load_snapshots
    from msb.io.mapping_files import read_mapping
    from msb.io.topology_files import read_topology

    one = read_topology(sample("polystyrene.top"))
    templates = read_mapping(sample("polystyrene_mapping.yaml"), one)
    topology = Topology(tuple((template, count * boxes) for template, count in one.molecules))
    target = topology, Mapping(templates, topology)
    if name in METHODS and METHODS[name].build:
        source = None
        if name not in ("random", "geometric"):
            files = [sample("polystyrene_snapshot.gro")]
            source = load_snapshots(files, one, sample("polystyrene_mapping.yaml"))
        return build_model(name, source, *target, temperature=568.0).onto(*target)
    return load_model(name, "cpu").onto(*target)


def measure(name: str, boxes: int, repeats: int, threads: int) -> dict[str, Any]:
    """Times of one size in this process."""
    import torch

    from msb.data import sample
    from msb.io.trajectory import open_trajectory

    torch.set_num_threads(threads)
    source = open_trajectory(sample("polystyrene_beads.gro"), sample("polystyrene_beads.xtc")).read(0, 1)
    beads, box = repeated(source.positions[0], np.asarray(source.boxes[0]), boxes)
    model = model_of(name, boxes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu, inside = [], [], []
    for number in range(repeats):
        began, busy = time.perf_counter(), time.process_time()
        atoms = model.backmap(
            beads[None].astype(np.float32), boxes=box[None].astype(np.float32), frames=np.array([number])
        )
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - busy)
        last = getattr(model, "last", None)
        if last is not None:
            inside.append(last.seconds["network"] / last.seconds["total"])
    return {
        "model": name,
        "boxes": boxes,
        "atoms": atoms.shape[1],
        "seconds": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "network": statistics.median(inside) if inside else None,
        "stages": sum(last.stages) if last is not None else None,
        "before_mb": before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def apart(name: str, boxes: int, repeats: int, threads: int) -> dict[str, Any]:
    """Measure one size in a fresh process."""
    words = ["--one", str(boxes), "--model", name, "--repeats", str(repeats), "--threads", str(threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(Path(__file__).resolve()), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{boxes} boxes failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(rows: list[dict[str, Any]]) -> None:
    """Print sizes side by side, and the bars."""
    first = rows[0]["cpu"] / rows[0]["atoms"]
    names = ("boxes", "atoms", "s/frame", "CPU s", "ms/atom", "ratio", "network", "peak MB")
    widths = (5, 7, 8, 7, 8, 6, 8, 8)
    print(" ".join(f"{name:>{wide}}" for name, wide in zip(names, widths, strict=True)))
    for row in rows:
        cost = row["cpu"] / row["atoms"]
        size = f"{row['boxes']:5d} {row['atoms']:7d}"
        share = "" if row["network"] is None else f"{row['network']:.0%}"
        row["ratio"] = cost / first
        spent = f"{row['seconds']:8.2f} {row['cpu']:7.2f} {1000 * cost:8.3f} {row['ratio']:6.2f}"
        print(f"{size} {spent} {share:>8} {row['peak_mb']:8.0f}")
    ends = [abs(row["ratio"] - 1) for row in rows]
    print(f"CPU time per atom: {max(ends):.0%} off that of one box at most (bar {EVEN:.0%})")
    print(
        f"one box: {rows[0]['seconds']:.1f} s (bar {SECONDS:g}), {rows[0]['peak_mb']:.0f} MB (bar {MEMORY:g})"
    )
    if rows[0]["network"] is not None:
        print(f"inside the network: {rows[0]['network']:.0%} (bar {SHARE:.0%})")


def default_model() -> str:
    """The shipped model, or a method that needs no training."""
    from msb.io.bundle import shipped_models

    return "sps" if "sps" in shipped_models() else "fragment"


def main() -> None:
    """Print the table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="two sizes of a fast method")
    parser.add_argument("--model", help="bundle (folder or name) or method")
    parser.add_argument("--boxes", type=int, nargs="+", default=BOXES)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    name = arguments.model or ("linear" if arguments.smoke else default_model())
    if arguments.one:
        print(json.dumps(measure(name, arguments.one, arguments.repeats, arguments.threads)))
        return
    boxes = SMOKE if arguments.smoke else arguments.boxes
    rows = [apart(name, number, arguments.repeats, arguments.threads) for number in boxes]
    report(rows)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
