"""Simulate the melt and the liquids from scratch; run it again and it goes on where it stopped.

python simulate.py --out DIR                      # polystyrene at 568 K, until --ps are done
python simulate.py --out DIR --system octane350 cumene350
python simulate.py --out DIR --smoke              # a small box, seconds, every stage
"""

from __future__ import annotations

import argparse
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
from engine import parameters_text, run_stage
from systems import SYSTEMS, System, topology_text

from msb.io.frames import Frames
from msb.io.writers import open_writer

__all__ = ["main", "prepare", "simulate"]

SMOKE_MOLECULES, SMOKE_PS = 4, 0.2


def prepare(system: System, folder: Path, seed: int) -> None:
    """Write both topologies and the box to start from, where they are not yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.top").write_text(topology_text(system))
    (folder / "heavy.top").write_text(topology_text(system, heavy=True))
    if (folder / "start.gro").exists():
        return
    positions = system.start(system, np.random.default_rng(seed))
    box = np.eye(3) * system.edge
    with open_writer(folder / "start.gro", system.topology) as writer:
        writer.write(Frames(positions[None].astype(np.float32), box[None].astype(np.float32), None, 0))


def simulate(system: System, folder: Path, ps: float, threads: int, seed: int) -> None:
    """Run the preparation, then segments of production until there are `ps` of them."""
    prepare(system, folder, seed)
    before, first = "start", True
    segments = [
        replace(system.production, name=f"run{k + 1:03d}") for k in range(round(ps / system.production.ps))
    ]
    for stage in (*system.preparation, *segments):
        dynamics = stage.integrator != "steep"
        text = parameters_text(system, stage, dynamics and first, seed)
        top = "heavy.top" if stage.heavy else "system.top"
        print(f"{system.name}: {stage.name}, {stage.ps:g} ps", flush=True)
        run_stage(folder, stage.name, text, top, before, threads, dynamics and not first)
        before, first = stage.name, first and not dynamics


def smoke(system: System) -> System:
    """Return the same with a few molecules and stages of a few steps."""
    stages = tuple(replace(s, ps=min(s.ps, SMOKE_PS)) for s in system.preparation)
    edge = max(3.0 * system.cutoff, system.edge * (SMOKE_MOLECULES / system.count) ** (1 / 3))
    production = replace(system.production, ps=SMOKE_PS)
    return replace(system, count=SMOKE_MOLECULES, edge=edge, preparation=stages, production=production)


def main(arguments: list[str] | None = None) -> int:
    """Simulate systems."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; a system has its own in it"
    )
    parser.add_argument(
        "--system",
        choices=sorted(SYSTEMS),
        nargs="+",
        default=["sps568"],
        help="one after the other (sps568)",
    )
    parser.add_argument("--ps", type=float, default=6000, help="production (6000)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    for name in args.system:
        system, ps = (smoke(SYSTEMS[name]), SMOKE_PS) if args.smoke else (SYSTEMS[name], args.ps)
        simulate(system, args.out / name, ps, args.threads, args.seed)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
