"""Speed of temporally coherent backmapping, beside the paper's decoder on the same machine.

Three things are timed alternately in one process: the shipped model on one trajectory, the same on 64
segments as one batch, and the forward pass alone of the paper's decoder (12³ grid, 706,646 parameters,
re-implemented in :mod:`msb.nn`) at batch 1 and 64.  The report gives frames per second, their ratios, the
whole job's time at 64 segments (an upper bound of what reading, writing and projecting cost), and the peak
memory of 1,000 and of 100,000 frames.  ``--smoke`` runs each once on few frames.

    python benchmarks/temporal.py [--smoke] [--model adp] [--json FILE] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from msb.backmapper import load_model
from msb.data.samples import sample
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.backmap.trajectory import BackmapSettings, backmap_trajectory
from msb.nn.voxel_networks import VoxelDecoder

SEGMENTS = 64


def beads_of(frames: int) -> np.ndarray:
    """The sample's beads, repeated to the wanted length."""
    source = open_trajectory(sample("adp_beads.pdb"), sample("adp_beads.xtc"))
    positions = source.read().positions
    return np.concatenate([positions] * (1 + frames // len(positions)))[:frames]


def long_trajectory(folder: Path, frames: int) -> tuple[Path, Path]:
    """Write a bead trajectory of the wanted length."""
    from msb.io.frames import Frames

    source = open_trajectory(sample("adp_beads.pdb"), sample("adp_beads.xtc"))
    path = folder / f"beads_{frames}.xtc"
    with open_writer(path, source) as writer:
        for first in range(0, frames, 5000):
            count = min(5000, frames - first)
            times = np.arange(first, first + count, dtype=np.float64)
            writer.write(Frames(beads_of(count), None, times, first))
    return path.with_suffix(".pdb"), path


def per_second(work, frames: int, repeats: int) -> float:
    """Best rate of several runs, frames per second."""
    rates = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        rates.append(frames / (time.perf_counter() - began))
    return max(rates)


def repeat(work, count: int) -> None:
    """Call it so many times."""
    for _ in range(count):
        work()


def backmap_parts(model, beads: np.ndarray) -> None:
    """Backmap segments (S, F, M, 3), 100 frames at a time."""
    for first in range(0, beads.shape[1], 100):
        model.backmap(beads[:, first : first + 100])


def model_rates(name: str, smoke: bool) -> dict[str, float]:
    """Whole jobs (files in, files out) and the model alone, one trajectory and 64 segments."""
    model = load_model(name, "cpu")
    single, many = (40, 640) if smoke else (2000, 64_000)
    repeats = 1 if smoke else 3
    report: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for label, frames, segments in (("one", single, 1), ("batch", many, SEGMENTS)):
            structure, trajectory = long_trajectory(Path(folder), frames)
            settings = BackmapSettings(segments=segments, chunk=6400)
            output = Path(folder) / "atoms.xtc"
            job = partial(backmap_trajectory, model, structure, trajectory, output, settings)
            beads = beads_of(frames).reshape(segments, -1, *beads_of(1).shape[1:])
            alone = partial(backmap_parts, model, beads)
            report[f"job_{label}"] = per_second(job, frames, repeats)
            report[f"model_{label}"] = per_second(alone, frames, repeats)
    report["job_ms_per_frame"] = 1e3 / report["job_batch"]  # what is outside the network is less
    return report


def decoder_rates(smoke: bool) -> dict[str, float]:
    """Forward passes of the paper's decoder for alanine dipeptide."""
    decoder = VoxelDecoder(28, 32, 32, 22, 12).eval()
    report = {}
    with torch.no_grad():
        for label, batch in (("one", 1), ("batch", SEGMENTS)):
            condition, latent = torch.rand(batch, 28, 12, 12, 12), torch.randn(batch, 32)
            count = 1 if smoke else max(1, 128 // batch)
            work = partial(repeat, partial(decoder, condition, latent), count)
            report[f"decoder_{label}"] = per_second(work, count * batch, 1 if smoke else 3)
    return report


def peak_memory(name: str, frames: int) -> float:
    """Peak memory, MB, of a process that backmaps that many frames."""
    command = [sys.executable, __file__, "--memory", str(frames), "--model", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def memory_child(name: str, frames: int) -> None:
    """Backmap, then print this process' peak memory, MB."""
    model = load_model(name, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        structure, trajectory = long_trajectory(Path(folder), frames)
        settings = BackmapSettings(segments=min(SEGMENTS, frames))
        backmap_trajectory(model, structure, trajectory, Path(folder) / "atoms.xtc", settings)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Run the cases and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--model", default="adp")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        memory_child(args.model, args.memory)
        return
    if args.threads:
        torch.set_num_threads(args.threads)
    report = {**model_rates(args.model, args.smoke), **decoder_rates(args.smoke)}
    report["ratio_one"] = report["job_one"] / report["decoder_one"]
    report["ratio_batch"] = report["job_batch"] / report["decoder_batch"]
    short, long = (100, 400) if args.smoke else (1000, 100_000)
    report["memory_short_MB"] = peak_memory(args.model, short)
    report["memory_long_MB"] = peak_memory(args.model, long)
    for key, value in report.items():
        print(f"{key:24s} {value:12.4g}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
