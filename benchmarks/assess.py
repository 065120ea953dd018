"""Assessing a coarse-grained model of a melt: seconds of everything but the backmapping, step by step.

The bundled polystyrene (36 chains, 5,832 atoms) stands for reference and model: 20 frames of each are read,
the atoms put back into the reference's beads and the model's by copies of known molecules (`library`, fast),
the forces on 60 frames evaluated and projected, each frame checked and its pair distances counted, and the
whole compared, ranked and looked at.  The report is the wall time without the share of putting atoms back,
beside the CPU time, which other work on the machine does not lengthen.  Bar: 60 s on two cores.
``--polish`` adds the polished column, ``--smoke`` takes 2 frames.

    python benchmarks/assess.py [--smoke] [--frames 20] [--workers 2] [--polish] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

BAR = 60.0  # s
TEMPERATURE, CUTOFF, DIELECTRIC = 568.0, 0.85, 2.5
INSIDE = "backmap"


def written(folder: Path, frames: int) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    """Atoms and beads of so many frames as files; the bundled frames come again and again."""
    from msb.core.mapping import Mapping
    from msb.data.samples import sample
    from msb.data.snapshots import Snapshots
    from msb.io.frames import Frames
    from msb.io.mapping_files import read_mapping
    from msb.io.topology_files import read_topology
    from msb.io.trajectory import open_trajectory
    from msb.io.writers import open_writer

    topology = read_topology(sample("polystyrene.top"))
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    source = open_trajectory(sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc"))
    read = source.read(0, source.n_frames)
    own = Snapshots.of(read.positions, mapping, read.boxes)
    rows = np.arange(frames) % source.n_frames
    times = np.arange(frames, dtype=np.float64)
    files = []
    for name, atoms, x in (("aa", topology, own.positions), ("cg", mapping.bead_topology(), own.beads)):
        structure, trajectory = folder / f"{name}.gro", folder / f"{name}.xtc"
        with open_writer(structure, atoms) as writer:
            writer.write(Frames(x[:1], read.boxes[:1], None, 0))
        with open_writer(trajectory, atoms) as writer:
            writer.write(Frames(x[rows], read.boxes[rows], times, 0))
        files.append((structure, trajectory))
    return files[0], files[1]


def cpu() -> float:
    """Seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(frames: int, workers: int, polish: bool, method: str) -> dict[str, Any]:
    """Assess once."""
    from msb.assess import AssessOptions, assess
    from msb.data.samples import sample
    from msb.jobs.assess.prepare import prepare
    from msb.jobs.assess.request import AssessRequest, CGFiles

    with tempfile.TemporaryDirectory() as folder:
        atoms, beads = written(Path(folder), frames)
        wall, used = time.perf_counter(), cpu()
        request = AssessRequest(
            *atoms,
            cg=(CGFiles("model", *beads),),
            top=sample("polystyrene.top"),
            mapping=(sample("polystyrene_mapping.yaml"),),
            method=method,
            snapshots=(sample("polystyrene_snapshot.gro"),),
            temperature=TEMPERATURE,
            cutoff=CUTOFF,
            dielectric=DIELECTRIC,
        )
        ready = prepare(request)
        options = AssessOptions(polish=polish, temperature=TEMPERATURE, workers=workers)
        found = assess(
            ready.reference, ready.models, ready.backmapper, options, folder=Path(folder) / "frames"
        )
        wall, used = time.perf_counter() - wall, cpu() - used
    seconds: Counter[str] = Counter()
    for own in found.results:
        seconds.update(own.seconds)
    return {
        "frames": frames,
        "atoms": found.mappings["reference"].n_atoms,
        "evaluated": sum(own.n_frames for own in found.results),
        "workers": workers,
        "wall_s": wall,
        "cpu_s": used,
        "without_backmapping_s": wall - seconds[INSIDE] / workers,
        "without_backmapping_cpu_s": used - seconds[INSIDE],
        "steps_s": dict(seconds),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print what it took, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="2 frames, one process")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--polish", action="store_true", help="with the polished column")
    parser.add_argument("--method", default="library")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it here as well")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    frames, workers = (2, 1) if arguments.smoke else (arguments.frames, arguments.workers)
    row = measure(frames, workers, arguments.polish, arguments.method)
    print(
        f"{row['frames']} frames x {row['atoms']:,} atoms, {row['evaluated']} evaluated, "
        f"{workers} processes: {row['wall_s']:.1f} s, {row['cpu_s']:.1f} s of CPU, {row['peak_mb']:.0f} MB"
    )
    for name, spent in sorted(row["steps_s"].items(), key=lambda pair: -pair[1]):
        print(f"  {name:10s} {spent / row['evaluated']:.3f} s a frame")
    print(
        f"without backmapping: {row['without_backmapping_s']:.1f} s (bar {BAR:g}), "
        f"{row['without_backmapping_cpu_s']:.1f} s of CPU"
    )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
