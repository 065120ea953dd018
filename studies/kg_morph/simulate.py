"""Simulate Kremer-Grest melts; run it again and it goes on where it stopped.

python simulate.py                                      # both melts, snapshots into out/
python simulate.py --chains 24 --beads 32 --snapshots 50
python simulate.py --chains 64 --beads 10 --copies 4    # 4 x 4 x 4 copies of the last snapshot, a .gro
python simulate.py --smoke --runs DIR                   # seconds, every stage
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from melt import CUTOFF, FRICTION, KAPPA, KT_TEMPERATURE, LONGEST, Melt, grown
from numpy.typing import NDArray

from msb.core.box import make_whole
from msb.errors import MsbError
from msb.io.frames import Frames
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

sys.path.append(str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
from engine import run_stage

__all__ = ["Plan", "main", "replicate", "simulate", "snapshots_of"]

STUDY = Path(__file__).resolve().parent
STEP = 0.012  # tau
UNIT = 0.1  # nm a sigma in files, as in the published melt
DECIMALS = 4  # of nm: 0.001 sigma
SEGMENT = 10  # snapshots a run of GROMACS
PAIR_LIST, LIST_STEPS = 1.55, 5  # sigma, steps: two free beads come as much nearer once in 10^7


@dataclass(frozen=True)
class Plan:
    """A melt and how long it is followed.

    Attributes
    ----------
    melt : Melt
    settle : float
        tau before the first snapshot.
    every : float
        tau between snapshots.
    snapshots : int
    """

    melt: Melt
    settle: float
    every: float
    snapshots: int


PLANS = (Plan(Melt(24, 32), 2400, 240, 50), Plan(Melt(64, 10), 480, 96, 50))
"""The melt of the thesis, and short chains for the demo."""


def parameters_text(tau: float, every: float, first: bool, seed: int) -> str:
    """Return the ``.mdp`` of `tau` of Langevin dynamics with a snapshot after each `every`."""
    lines = ["integrator = sd", f"dt = {STEP}", f"nsteps = {round(tau / STEP)}", "cutoff-scheme = Verlet"]
    lines += [
        "verlet-buffer-tolerance = -1",
        f"rlist = {PAIR_LIST}",
        f"nstlist = {LIST_STEPS}",
    ]  # the tolerance takes the force at the cutoff, which is 0
    lines += [f"rvdw = {CUTOFF:.8f}", f"rcoulomb = {CUTOFF:.8f}", "vdw-modifier = Potential-shift"]
    lines += ["tc-grps = System", f"ref-t = {KT_TEMPERATURE:.5f}", f"tau-t = {1 / FRICTION}"]
    lines += [f"ld-seed = {seed}", "nstcalcenergy = 1000", "nstenergy = 10000", "nstlog = 100000"]
    lines += [f"nstxout-compressed = {round(every / STEP)}", "compressed-x-precision = 10000"]
    if first:
        lines += ["gen-vel = yes", f"gen-temp = {KT_TEMPERATURE:.5f}", f"gen-seed = {seed}"]
    else:
        lines += ["gen-vel = no", "continuation = yes"]
    return "\n".join([*lines, ""])


def simulate(plan: Plan, folder: Path, seed: int = 7) -> Frames:
    """Run what is not there yet, and return the snapshots, sigma.

    Raises
    ------
    MsbError
        GROMACS is missing or failed, or a bond is longer than FENE allows.
    """
    melt = plan.melt
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.top").write_text(melt.top())
    (folder / "bending_a0.xvg").write_text(melt.bending())
    if not (folder / "start.gro").exists():
        print(f"{melt.name}: chains are pushed off each other", flush=True)
        _write(folder / "start.gro", melt, grown(melt, seed)[None], 1.0)
    before = "start"
    stages = [("settle", plan.settle, plan.settle)]
    whole, rest = divmod(plan.snapshots, SEGMENT)
    stages += [(f"run{k + 1:03d}", plan.every * SEGMENT, plan.every) for k in range(whole)]
    stages += [(f"run{whole + 1:03d}_{rest}", plan.every * rest, plan.every)] if rest else []
    for name, tau, every in stages:
        print(f"{melt.name}: {name}, {tau:g} tau", flush=True)
        text = parameters_text(tau, every, before == "start", seed)
        extra = ("-tableb", "bending_a0.xvg")
        run_stage(folder, name, text, "system.top", before, 1, before != "start", extra=extra, nice=3)
        before = name
    return snapshots_of(folder, melt, [name for name, _, _ in stages[1:]])


def snapshots_of(folder: Path, melt: Melt, names: list[str]) -> Frames:
    """Return the snapshots of runs, sigma, chains whole; a run begins with the last frame of the one before.

    Raises
    ------
    MsbError
        A bond is longer than FENE allows, so that chains may have crossed.
    """
    parts, boxes = [], []
    for name in names:
        frames = open_trajectory(folder / "start.gro", folder / f"{name}.xtc").read(1)
        assert frames.boxes is not None
        parts.append(make_whole(frames.positions.astype(np.float64), frames.boxes, melt.topology))
        boxes.append(frames.boxes)
    x = np.concatenate(parts)
    i, j = melt.topology.bonds.T
    longest = float(np.linalg.norm(x[:, j] - x[:, i], axis=-1).max())
    if longest >= LONGEST:
        raise MsbError(f"{folder}: a bond of {longest:.3f} sigma; FENE bonds break at {LONGEST}")
    return Frames(x, np.concatenate(boxes).astype(np.float64), None, 0)


def _write(path: Path, melt: Melt, positions: NDArray[np.float64], unit: float = UNIT) -> None:
    """Write frames (F, N, 3), or the last of them where the file holds one; sigma become `unit` nm."""
    x = positions if path.suffix == ".xtc" else positions[-1:]
    boxes = np.repeat((np.eye(3) * melt.edge * unit)[None], len(x), axis=0)
    with open_writer(path, melt.topology, DECIMALS) as writer:
        writer.write(Frames((x * unit).astype(np.float32), boxes.astype(np.float32), None, 0))
    if path.suffix == ".xtc":
        path.with_suffix(".pdb").unlink()  # names are in the .gro beside it


def replicate(melt: Melt, positions: NDArray[np.float64], copies: int) -> tuple[Melt, NDArray[np.float64]]:
    """Return `copies` images of a snapshot (N, 3) along every axis, and the melt that they are."""
    shifts = np.stack(np.meshgrid(*[np.arange(copies)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    big = Melt(melt.chains * copies**3, melt.beads, melt.kappa)
    return big, (positions + shifts * melt.edge).reshape(-1, 3)


def main(arguments: list[str] | None = None) -> int:
    """Simulate melts and keep their snapshots."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/kg_morph"), help="folder of the simulations")
    parser.add_argument("--out", type=Path, help="folder of the snapshots (out/ beside this file)")
    parser.add_argument("--chains", type=int, help="chains of one melt; without it both of the study")
    parser.add_argument("--beads", type=int, help="beads of each of its chains")
    parser.add_argument("--kappa", type=float, default=KAPPA, help="bending stiffness, kT (%(default)s)")
    parser.add_argument("--snapshots", type=int, help="how many (50)")
    parser.add_argument(
        "--copies", type=int, help="write a .gro of as many images of the last snapshot an axis"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    if (args.chains is None) != (args.beads is None):
        parser.error("--chains and --beads go together")
    out = args.out or (args.runs / "out" if args.smoke else STUDY / "out")
    out.mkdir(parents=True, exist_ok=True)
    for plan in _plans(args):
        melt = plan.melt
        frames = simulate(plan, args.runs / f"{melt.name}_kappa{melt.kappa:g}", args.seed)
        if args.copies:
            melt, positions = replicate(melt, frames.positions[-1].astype(np.float64), args.copies)
            _write(args.runs / f"kg_{melt.name}.gro", melt, positions[None])
            continue
        for suffix in (".xtc", ".gro"):
            _write(out / f"kg_{melt.name}{suffix}", melt, frames.positions.astype(np.float64))
    return 0


def _plans(args: argparse.Namespace) -> list[Plan]:
    if args.smoke:
        return [Plan(Melt(args.chains or 12, args.beads or 8, args.kappa), 2, 1, args.snapshots or 3)]
    if args.chains is None:
        return [Plan(p.melt, p.settle, p.every, args.snapshots or p.snapshots) for p in PLANS]
    melt = Melt(args.chains, args.beads, args.kappa)
    like = PLANS[0] if args.beads > PLANS[1].melt.beads else PLANS[1]
    return [Plan(melt, like.settle, like.every, args.snapshots or like.snapshots)]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
