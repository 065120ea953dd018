"""Simulate the all-atom liquid; run it again and it goes on where it stopped.

python simulate.py --out DIR                # preparation, then segments of 100 ps until --ps are done
python simulate.py --out DIR --smoke        # four molecules, a few steps of every stage
"""

from __future__ import annotations

import argparse
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
from tmbt import EQUALISE, LIQUID

from engine import NICE, run_stage  # isort: skip  (melt_data's, which tmbt makes known)
from systems import Stage, System, topology_text  # isort: skip

from msb.core.box import make_whole
from msb.errors import MsbError
from msb.io.frames import Frames
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = ["EVERY", "at_mean_density", "main", "parameters_text", "simulate"]

EVERY = 5.0  # ps between frames
COMPRESSIBILITY = 1e-4  # 1/bar; only how fast the volume relaxes
SMOKE_MOLECULES, SMOKE_PS, SMOKE_EDGE = 4, 0.02, 4.5


def parameters_text(system: System, stage: Stage, first: bool, seed: int) -> str:
    """Return a stage's ``.mdp``: bonds of hydrogens rigid, reaction field, five decimals in the frames."""
    forces = [
        "cutoff-scheme = Verlet",
        f"rcoulomb = {system.cutoff}",
        f"rvdw = {system.cutoff}",
        "coulombtype = Reaction-Field",
        f"epsilon-rf = {system.dielectric}",
        "constraints = h-bonds",
        "DispCorr = EnerPres",
    ]
    if stage.integrator == "steep":
        return "\n".join(["integrator = steep", "nsteps = 2000", "emtol = 500", *forces, ""])
    steps = round(1000 * stage.ps / stage.step)
    lines = [
        f"integrator = {stage.integrator}",
        f"dt = {stage.step / 1000:g}",
        f"nsteps = {steps}",
        f"nstxout-compressed = {max(1, min(round(1000 * EVERY / stage.step), steps // 4))}",
        "compressed-x-precision = 100000",
        "nstenergy = 500",
        "nstlog = 25000",
        "nstcalcenergy = 50",
        "nstcomm = 100",
        "tc-grps = System",
        f"ref-t = {stage.temperature:g}",
        f"tau-t = {0.5 if stage.integrator == 'sd' else 0.2}",
        f"ld-seed = {seed}",
    ]
    lines += ["tcoupl = V-rescale"] if stage.integrator == "md" else []
    if stage.pressure is not None:
        lines += ["pcoupl = C-rescale", "tau-p = 2", f"compressibility = {COMPRESSIBILITY}"]
        lines += [f"ref-p = {stage.pressure:g}", "nstpcouple = 10"]
    if stage.cool_from is not None:
        lines += ["annealing = single", "annealing-npoints = 2", f"annealing-time = 0 {stage.ps / 2:g}"]
        lines.append(f"annealing-temp = {stage.cool_from:g} {stage.temperature:g}")
    if first:
        lines += ["gen-vel = yes", f"gen-temp = {stage.temperature:g}", f"gen-seed = {seed}"]
    else:
        lines += ["gen-vel = no", "continuation = yes"]
    return "\n".join([*lines, *forces, ""])


def at_mean_density(system: System, folder: Path, stage: str) -> str:
    """Write the stage's last frame, brought to the mean volume of its second half; return its name.

    Molecules move as they are.

    Parameters
    ----------
    system : System
    folder : Path
    stage : str
        At constant pressure.

    Raises
    ------
    MsbError
        The stage has no frames.
    """
    name = f"{stage}_mean"
    if (folder / f"{name}.gro").exists():
        return name
    frames = open_trajectory(folder / "start.gro", folder / f"{stage}.xtc").read(0, None)
    if frames.boxes is None or not len(frames.boxes):
        raise MsbError(f"{folder / stage}.xtc has no box")
    edges = frames.boxes[:, 0, 0].astype(np.float64)
    edge = float(np.mean(edges[len(edges) // 2 :] ** 3) ** (1 / 3))
    x = np.asarray(make_whole(frames.positions[-1], frames.boxes[-1], system.topology), dtype=np.float64)
    molecules = x.reshape(system.count, -1, 3)
    centres = molecules.mean(axis=1, keepdims=True)
    moved = (molecules - centres + centres * (edge / edges[-1])).reshape(1, -1, 3)
    box = (np.eye(3) * edge)[None].astype(np.float32)
    with open_writer(folder / f"{name}.gro", system.topology) as writer:
        writer.write(Frames(moved.astype(np.float32), box, None, 0))
    return name


def simulate(
    system: System, folder: Path, ps: float, threads: int = 1, seed: int = 20, nice: int = NICE
) -> None:
    """Run the preparation, then segments of production until there are `ps` of them.

    Parameters
    ----------
    system : System
    folder : Path
        Of the run.
    ps : float
        Production.
    threads, seed : int
    nice : int
        Of GROMACS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.top").write_text(topology_text(system))
    (folder / "heavy.top").write_text(topology_text(system, heavy=True))
    if not (folder / "start.gro").exists():
        x = system.start(system, np.random.default_rng(seed))[None].astype(np.float32)
        with open_writer(folder / "start.gro", system.topology) as writer:
            writer.write(Frames(x, (np.eye(3) * system.edge)[None].astype(np.float32), None, 0))
    before, velocities = "start", False
    segments = range(round(ps / system.production.ps))
    production = [replace(system.production, name=f"run{k + 1:03d}") for k in segments]
    for stage in (*system.preparation, *production):
        dynamics = stage.integrator != "steep"
        text = parameters_text(system, stage, dynamics and not velocities, seed)
        print(f"{system.name}: {stage.name}, {stage.ps:g} ps", flush=True)
        top = "heavy.top" if stage.heavy else "system.top"
        run_stage(folder, stage.name, text, top, before, threads, dynamics and velocities, nice=nice)
        before, velocities = stage.name, dynamics
        if stage.name == EQUALISE:
            before, velocities = at_mean_density(system, folder, stage.name), False


def smoke(system: System) -> System:
    """Return the same with few molecules and steps, at constant volume but where the density comes from."""
    stages = tuple(
        replace(
            stage,
            ps=min(stage.ps, SMOKE_PS),
            step=min(stage.step, 1.0),
            pressure=1.0 if stage.name == EQUALISE else None,
        )
        for stage in system.preparation
    )
    production = replace(system.production, ps=SMOKE_PS, step=1.0)
    return replace(system, count=SMOKE_MOLECULES, edge=SMOKE_EDGE, preparation=stages, production=production)


def main(arguments: list[str] | None = None) -> int:
    """Simulate the liquid."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--ps", type=float, default=2000, help="production (2000)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--nice", type=int, default=NICE, help=f"of GROMACS ({NICE})")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    system, ps = (smoke(LIQUID), SMOKE_PS) if args.smoke else (LIQUID, args.ps)
    simulate(system, args.out / system.name, ps, args.threads, args.seed, args.nice)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
