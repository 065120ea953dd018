"""The whole table of the study for one model: backmap, compare, write ``out/MODEL/*.json``, print verdicts.

    MSB_DATA=... python run.py adp                    # a shipped model, or the folder of a bundle
    python run.py runs/library/model --name library     # a baseline
    python run.py adp --smoke

Sets: ``test`` (last 20 % of adp_300K.dcd), ``hot`` (adp_400K.dcd, with the noise of 400 K), ``hot_untold``
(the same, the model believing it is 300 K), ``cg`` (beads of cg_simulation.py that no atoms ever made), and
``long`` (100,000 frames in one go: does it drift?).  Backmapped trajectories stay in ``--work``; sets whose
figures are there are not run again.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import metrics
import numpy as np
from adp_system import BEADS, load_data, split
from numpy.typing import NDArray

from msb.backmapper import Backmapper, load_model
from msb.io.frames import Frames
from msb.io.writers import open_writer
from msb.jobs.backmap.trajectory import BackmapSettings, backmap_trajectory

HERE = Path(__file__).resolve().parent
SETS = ("test", "hot", "hot_untold", "cg", "long")
REPEATS = 2000  # samples of each frozen bead frame
LONG = 100_000


@dataclass(frozen=True)
class Job:
    """One trajectory to backmap and what it is compared with (positions nm)."""

    beads: NDArray[np.float32]
    reference: NDArray[np.float32]
    temperature: float | None = None
    segments: int = 64
    paired: bool = True


def job_of(name: str, data: Path, smoke: bool) -> Job:
    """The beads and the reference of a set."""
    if name.startswith("hot"):
        x = load_data(data, "adp_400K")[: 600 if smoke else 30_000]
        return Job(x[:, BEADS], x, 400.0 if name == "hot" else None)
    x = load_data(data)
    x = x[split(len(x))["test"]]
    if name == "cg":
        with np.load(HERE / "out" / "cg_beads.npz") as file:
            beads = file["positions"].astype(np.float32)
        count = min(len(beads), 600 if smoke else len(beads), len(x))
        return Job(beads[:count], x[:count], paired=False)
    if name == "long":
        times = 1 if smoke else -(-LONG // len(x))
        x = np.concatenate([x] * times)[: 600 if smoke else LONG]
        return Job(x[:, BEADS], x, segments=1, paired=False)
    return Job(x[: 600 if smoke else len(x), BEADS], x[: 600 if smoke else len(x)])


def backmapped(model: Backmapper, job: Job, work: Path, seed: int) -> NDArray[np.float32]:
    """Write the beads, run the command's own job, read the atoms back."""
    work.mkdir(parents=True, exist_ok=True)
    with open_writer(work / "beads.xtc", model.mapping.bead_topology()) as writer:
        times = np.arange(len(job.beads), dtype=np.float64)
        writer.write(Frames(np.ascontiguousarray(job.beads), None, times))
    settings = BackmapSettings(
        seed=seed, segments=min(job.segments, len(job.beads)), temperature=job.temperature, resume=True
    )
    result = backmap_trajectory(model, work / "beads.pdb", work / "beads.xtc", work / "atoms.xtc", settings)
    print(f"{result.n_frames} frames, {result.frames_per_second:.0f} a second")
    return metrics.load(work / "atoms.xtc")["positions"]


def spread_samples(model: Backmapper, frozen: Path, smoke: bool) -> NDArray[np.float32]:
    """The model on each frozen bead frame, repeated (B, S, 22, 3)."""
    with np.load(frozen) as file:
        start, held = file["start"].astype(np.float32), file["beads"].astype(np.float32)
    beads = np.repeat(held[:, None], 200 if smoke else REPEATS, axis=1)
    return model.backmap(beads, start=start, seed=11)


def evaluate_set(model: Backmapper, name: str, args: argparse.Namespace) -> None:
    """Backmap a set, print its table, write its JSON."""
    output = args.output / args.name / f"{name}.json"
    if output.exists() and not args.again:
        print(f"{output} is there")
        return
    job = job_of(name, args.data, args.smoke)
    atoms = backmapped(model, job, args.work / args.name / name, args.seed)
    options = metrics.SMOKE if args.smoke else metrics.FULL
    methyl = metrics.METHYL_PS if not name.startswith("hot") and not args.smoke else None
    rows = metrics.evaluate(
        atoms, job.reference, job.beads, methyl_ps=methyl, n_states=10 if args.smoke else 100, options=options
    )
    if not job.paired:
        rows = metrics.unjudged(rows)
    if name == "test":
        samples = args.work / args.name / "spread.npz"
        np.savez(samples, positions=spread_samples(model, args.frozen, args.smoke))
        rows += metrics.evaluate_spread(samples, args.frozen, options)
    print(f"\n{args.name}: {name}")
    print(metrics.report(rows, output, name=args.name, set=name, frames=len(atoms), paired=job.paired))


def main(arguments: list[str] | None = None) -> int:
    """Run the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a shipped model or a bundle's folder")
    parser.add_argument("--name", help="of the results (default: the model's)")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "adp")
    parser.add_argument("--work", type=Path, default=Path("runs/adp_backmapping"))
    parser.add_argument("--output", type=Path, default=HERE / "out")
    parser.add_argument("--frozen", type=Path, default=HERE / "out" / "frozen_beads.npz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="run sets whose figures are there")
    parser.add_argument("--smoke", action="store_true", help="600 frames a set")
    args = parser.parse_args(arguments)
    model = load_model(args.model, "cpu")
    args.name = args.name or Path(args.model).name
    for name in args.sets:
        evaluate_set(model, name, args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
