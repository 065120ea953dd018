"""Morphing a melt of 40,000 beads: seconds of one frame with scheme A and two sweeps, raw and polished.

Target and top-down melt are made here (chains with harmonic bonds and angles and a soft core, OpenMM), and a
model of usual size learns the target for a moment: what morphing costs does not depend on how good it is,
but for proposals outside the target's range, which are drawn again and are counted.  ``--model`` takes a
trained one instead, ``--structure`` other beads.  The report is the wall time of everything after reading
(choice of nothing, morphing, measuring, writing) beside the CPU time, which other work on the machine does
not lengthen.  Bar: 60 s on two cores.  ``--smoke`` takes a small melt.

    python benchmarks/morph.py [--smoke] [--model FOLDER] [--structure KG.gro] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

BAR = 60.0  # s
BOND = 0.5  # nm, of the target
CROWDED = 0.76  # beads in a cube of a bond, as in a Kremer-Grest melt
ANGLES = {"target": 2.0, "top-down": 2.6}  # rad
TARGET, SMALL, LARGE = (24, 20), (6, 10), (200, 200)  # chains, beads of each


def melt(chains: int, beads: int, angle: float, frames: int, seed: int) -> tuple[np.ndarray, float]:
    """Frames (F, N, 3) of chains, whole, and the side of the box, nm."""
    import openmm
    from openmm import unit

    n = chains * beads
    side = BOND * (n / CROWDED) ** (1 / 3)
    first = np.flatnonzero(np.arange(n) % beads < beads - 1)
    bends = np.flatnonzero(np.arange(n) % beads < beads - 2)
    stretch, bend = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    for k in first.tolist():
        stretch.addBond(k, k + 1, BOND, 5000.0)
    for k in bends.tolist():
        bend.addAngle(k, k + 1, k + 2, angle, 30.0)
    core = openmm.CustomNonbondedForce("40*(1-r/d)^2*step(d-r)")
    core.addGlobalParameter("d", 0.95 * BOND)
    core.setNonbondedMethod(core.CutoffPeriodic)
    core.setCutoffDistance(min(1.0 * BOND, 0.49 * side))
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(side * np.eye(3)))
    for _ in range(n):
        system.addParticle(50.0)
        core.addParticle()
    core.createExclusionsFromBonds([(k, k + 1) for k in first.tolist()], 2)
    for force in (stretch, bend, core):
        system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(300.0, 5.0, 0.01)
    integrator.setRandomNumberSeed(seed + 1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(walks(chains, beads, angle, side, seed))
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 200)
    context.setVelocitiesToTemperature(300.0, seed + 1)
    found = []
    for _ in range(frames):
        integrator.step(150)
        state = context.getState(getPositions=True)
        found.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    return np.array(found, dtype=np.float32), side


def walks(chains: int, beads: int, angle: float, side: float, seed: int) -> np.ndarray:
    """Random walks (N, 3) with one angle, at random places of the box."""
    rng = np.random.default_rng(seed)
    out = np.empty((chains, beads, 3))
    out[:, 0] = rng.uniform(0, side, (chains, 3))
    step = rng.normal(size=(chains, 3))
    step /= np.linalg.norm(step, axis=-1, keepdims=True)
    for bead in range(1, beads):
        out[:, bead] = out[:, bead - 1] + BOND * step
        across = rng.normal(size=step.shape)
        across -= (across * step).sum(-1, keepdims=True) * step
        across /= np.linalg.norm(across, axis=-1, keepdims=True)
        step = -np.cos(angle) * step + np.sin(angle) * across
    return out.reshape(-1, 3)


def written(path: Path, sizes: tuple[int, int], angle: float, frames: int, seed: int) -> Path:
    """The melt as a file of that many frames."""
    from msb.io.frames import Frames
    from msb.io.writers import open_writer
    from msb.morph.chains import chain_topology

    chains, beads = sizes
    names = ["B"] * (chains * beads)
    positions, side = melt(chains, beads, angle, frames, seed)
    boxes = np.tile(np.eye(3, dtype=np.float32) * np.float32(side), (frames, 1, 1))
    with open_writer(path, chain_topology([beads] * chains, names, names), precision=5) as writer:
        writer.write(Frames(positions, boxes, np.arange(frames, dtype=np.float64)))
    return path


def trained(folder: Path, s: int, steps: int, small: bool = False) -> Path:
    """A model of usual size, or a small one, that learned for a moment."""
    from msb.morph.config import MorphConfig
    from msb.morph.training import train

    target = written(folder / "target.gro", SMALL if small else TARGET, ANGLES["target"], 6, 1)
    work = folder / "training"
    work.mkdir()
    plain = {
        "method": "morph",
        "name": "benchmark",
        "s": s,
        "data": {"snapshots": [str(target)], "temperature": 300.0},
        "training": {"steps": steps, "batch": 8, "learning_rate": 1.5e-3, "validate_every": steps},
    }
    if small:
        plain |= {"decoder": {"width": 8, "blocks": 1, "around_width": 4}, "weigh": "none"}
    train(MorphConfig.parse(plain), folder, work).save(folder / "model")
    return folder / "model"


def cpu() -> float:
    """Seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(model: Path, structure: Path, output: Path, sweeps: int, polish: str) -> dict[str, Any]:
    """Morph once."""
    from msb.jobs.morph.prepare import prepare
    from msb.jobs.morph.request import MorphRequest
    from msb.jobs.morph.run import morph

    began = time.perf_counter()
    ready = prepare(MorphRequest(structure, None, (str(model),), scheme="A", sweeps=sweeps, polish=polish))
    prepared = time.perf_counter() - began
    [chosen] = ready.candidates
    wall, used = time.perf_counter(), cpu()
    done = morph(chosen, output)
    wall, used = time.perf_counter() - wall, cpu() - used
    last = chosen.morpher.decoder.last
    return {
        "beads": done.n_beads,
        "chains": len(ready.system.chains.lengths),
        "s": chosen.morpher.s,
        "sweeps": sweeps,
        "polish": polish,
        "prepare_s": prepared,
        "wall_s": wall,
        "cpu_s": used,
        "morph_s": done.measures.seconds,
        "network_s": None if last is None else last.seconds["network"],
        "stages": None if last is None else int(sum(last.stages)),
        "centres_moved_nm": done.measures.moved,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print what it took, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a small melt, and training of two steps")
    parser.add_argument("--model", type=Path, help="a trained model's folder")
    parser.add_argument("--structure", type=Path, help="other top-down beads, one frame")
    parser.add_argument("--s", type=int, default=2, help="of the model that is made here (default 2)")
    parser.add_argument("--steps", type=int, default=300, help="of its training (default 300)")
    parser.add_argument("--sweeps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="of torch (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it here as well")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = 2 if arguments.smoke else arguments.steps
        model = arguments.model or trained(folder, arguments.s, steps, arguments.smoke)
        sizes = SMALL if arguments.smoke else LARGE
        structure = arguments.structure or written(folder / "kg.gro", sizes, ANGLES["top-down"], 1, 2)
        rows = []
        for polish in ("none", "thermal"):
            rows.append(measure(model, structure, folder / "morphed.gro", arguments.sweeps, polish))
            told(rows[-1], arguments.threads)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def told(row: dict[str, Any], threads: int) -> None:
    """Print a row."""
    network = "" if row["network_s"] is None else f", {row['network_s']:.1f} s of it in the network"
    print(
        f"{row['beads']:,} beads in {row['chains']} chains, s = {row['s']}, scheme A, "
        f"{row['sweeps']} sweeps, polish {row['polish']}, {threads} threads: "
        f"{row['wall_s']:.1f} s (bar {BAR:g}), {row['cpu_s']:.1f} s of CPU"
    )
    print(
        f"  morphing {row['morph_s']:.1f} s{network}, {row['stages']} stages; measuring and writing "
        f"{row['wall_s'] - row['morph_s']:.1f} s; preparing {row['prepare_s']:.1f} s; {row['peak_mb']:.0f} MB"
    )
    print(f"  centres moved by at most {row['centres_moved_nm']:.0e} nm", flush=True)


if __name__ == "__main__":
    main()
