"""Simulate the all-atom liquid; run it again and it goes on where it stopped.

python simulate.py --out DIR                # until --ps are done, in segments of 10 ps
python simulate.py --out DIR --smoke        # a few steps of every stage
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from hexane import LIQUID, box_of

from msb.io.frames import Frames
from msb.io.writers import open_writer

sys.path.append(str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
from engine import run_stage
from systems import Stage, System, topology_text

__all__ = ["main", "parameters_text", "simulate"]

EVERY = 1.0  # ps between frames
SMOKE_PS = 0.1


def parameters_text(system: System, stage: Stage, first: bool, seed: int) -> str:
    """Return a stage's ``.mdp``: constant volume, bonds of hydrogens rigid, five decimals in the frames."""
    forces = [
        "cutoff-scheme = Verlet",
        f"rcoulomb = {system.cutoff}",
        f"rvdw = {system.cutoff}",
        "coulombtype = Reaction-Field",
        f"epsilon-rf = {system.dielectric}",
        "constraints = h-bonds",
    ]
    if stage.integrator == "steep":
        return "\n".join(["integrator = steep", "nsteps = 1000", "emtol = 1000", *forces, ""])
    steps = round(1000 * stage.ps / stage.step)
    lines = [
        f"integrator = {stage.integrator}",
        f"dt = {stage.step / 1000:g}",
        f"nsteps = {steps}",
        f"nstxout-compressed = {max(1, min(round(1000 * EVERY / stage.step), steps))}",
        "compressed-x-precision = 100000",
        "nstenergy = 250",
        "nstlog = 25000",
        "nstcalcenergy = 50",
        "nstcomm = 100",
        "tc-grps = System",
        f"ref-t = {stage.temperature:g}",
        f"tau-t = {0.5 if stage.integrator == 'sd' else 0.2}",
        f"ld-seed = {seed}",
    ]
    lines += ["tcoupl = V-rescale"] if stage.integrator == "md" else []
    if first:
        lines += ["gen-vel = yes", f"gen-temp = {stage.temperature:g}", f"gen-seed = {seed}"]
    else:
        lines += ["gen-vel = no", "continuation = yes"]
    return "\n".join([*lines, *forces, ""])


def simulate(system: System, folder: Path, ps: float, seed: int = 20) -> None:
    """Run the preparation, then segments of production until there are `ps` of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.top").write_text(topology_text(system))
    (folder / "heavy.top").write_text(topology_text(system, heavy=True))
    if not (folder / "start.gro").exists():
        x = system.start(system, np.random.default_rng(seed))[None].astype(np.float32)
        with open_writer(folder / "start.gro", system.topology) as writer:
            writer.write(Frames(x, (np.eye(3) * system.edge)[None].astype(np.float32), None, 0))
    before, first = "start", True
    segments = range(round(ps / system.production.ps))
    production = [replace(system.production, name=f"run{k + 1:03d}") for k in segments]
    for stage in (*system.preparation, *production):
        dynamics = stage.integrator != "steep"
        text = parameters_text(system, stage, dynamics and first, seed)
        print(f"{system.name}: {stage.name}, {stage.ps:g} ps", flush=True)
        run_stage(folder, stage.name, text, "heavy.top", before, 1, dynamics and not first)
        before, first = stage.name, first and not dynamics


def smoke(system: System, count: int = 80) -> System:
    """Return the same with few molecules and steps."""
    stages = tuple(replace(stage, ps=min(stage.ps, SMOKE_PS)) for stage in system.preparation)
    production = replace(system.production, ps=SMOKE_PS)
    return replace(system, count=count, edge=box_of(count), preparation=stages, production=production)


def main(arguments: list[str] | None = None) -> int:
    """Simulate the liquid."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--ps", type=float, default=40, help="production (40)")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    system, ps = (smoke(LIQUID), SMOKE_PS) if args.smoke else (LIQUID, args.ps)
    simulate(system, args.out / system.name, ps, args.seed)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
