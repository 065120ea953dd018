"""Simulate tetracosane with all atoms and in Martini at 400 K; run it again and it goes on where it stopped.

python make_liquids.py --runs runs/tetracosane_morph            # 1.2 ns of atoms, 11 ns of Martini's beads
python make_liquids.py --runs DIR --smoke                       # seconds, every stage

Writes the all-atom liquid's beads, parted in time into what trains, chooses and tests, Martini's snapshots,
and some all-atom snapshots for what comes after backmapping.
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from martini import carbons_mapping, molecule, parameters_text, top_text
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
import simulate as melt  # melt_data's
from engine import run_stage
from snapshots import snapshots
from systems import SYSTEMS, System, topology_text

from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.atomic import atomic_write_text
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping, write_mapping
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = [
    "LIQUID",
    "MAPPING",
    "PARTS",
    "SYSTEMS",
    "Plan",
    "main",
    "parts_of",
    "simulate_martini",
    "write_atoms",
]

STUDY = Path(__file__).resolve().parent
MAPPING = STUDY / "tetracosane.yaml"
LIQUID = "tetracosane400"
PARTS = {"train": (0.0, 0.6), "validation": (0.65, 0.75), "test": (0.8, 1.0)}
"""Shares of the time; what lies between them is left out."""
BEAD_DECIMALS, ATOM_DECIMALS = 4, 4
SEED = 11


@dataclass(frozen=True)
class Plan:
    """How much is simulated.

    Attributes
    ----------
    ps, every : float
        Of atoms, and between their snapshots.
    settle, martini_every : float
        ps of Martini's beads before the first snapshot, and between snapshots.
    martini : int
        How many snapshots of it.
    atoms : int
        All-atom snapshots that are kept.
    """

    ps: float = 1200.0
    every: float = 20.0
    settle: float = 1000.0
    martini_every: float = 200.0
    martini: int = 50
    atoms: int = 4


SMOKE, SMOKE_MOLECULES = Plan(32.0, 4.0, 2.0, 1.0, 3, 1), 12


def parts_of(number: int) -> dict[str, range]:
    """Return the snapshots of each part, at least one."""
    found = {}
    for name, (low, high) in PARTS.items():
        first = min(round(low * number), number - 1)
        found[name] = range(first, max(first + 1, round(high * number)))
    return found


def write_atoms(system: System, folder: Path, plan: Plan, out: Path) -> Frames:
    """Write the beads of the liquid by parts, and some of its snapshots; return all its beads.

    Raises
    ------
    MsbError
        The production is shorter than three snapshots.
    """
    topology = system.topology
    mapping = Mapping(read_mapping(MAPPING, topology), topology)
    frames = list(snapshots(folder, plan.every, system.production.ps, topology))
    if len(frames) < len(PARTS):
        raise MsbError(f"{folder}: {len(frames)} snapshots so far; three are the least")
    boxes = np.concatenate([frame.boxes for frame in frames])
    whole = [
        make_whole(frame.positions.astype(np.float64), frame.boxes.astype(np.float64), topology)
        for frame in frames
    ]
    beads = np.concatenate([mapping.beads(x) for x in whole]).astype(np.float32)
    out.mkdir(parents=True, exist_ok=True)
    names = mapping.bead_topology()
    _write(out / "target.gro", names, beads[:1], boxes[:1])
    for part, rows in parts_of(len(frames)).items():
        _write(out / f"target_{part}.xtc", names, beads[rows], boxes[rows])
    own = parts_of(len(frames))["train"]
    chosen = np.linspace(own.start, own.stop - 1, min(plan.atoms, len(own))).round().astype(int)
    atoms = np.concatenate([whole[k] for k in chosen]).astype(np.float32)
    _write(out / "atoms.gro", topology, atoms[:1], boxes[chosen[:1]], ATOM_DECIMALS)
    _write(out / "atoms.xtc", topology, atoms, boxes[chosen], ATOM_DECIMALS)
    atomic_write_text(out / "atoms.top", topology_text(system))
    return Frames(beads, boxes, None, 0)


def simulate_martini(start: Frames, temperature: float, folder: Path, plan: Plan, out: Path) -> None:
    """Run Martini's beads from mapped ones, and write their snapshots.

    Parameters
    ----------
    start : Frames
        One frame of beads.
    temperature : float
        K.
    folder, out : Path
        Of the run; of the snapshots.
    plan : Plan
    """
    template = molecule()
    count = start.positions.shape[1] // template.n_atoms
    topology = Topology(((template, count),))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.top").write_text(top_text(count))
    if not (folder / "start.gro").exists():
        _write(folder / "start.gro", topology, start.positions, start.boxes)
    stages = [("minimise", 0.0, 0.0), ("settle", plan.settle, plan.settle)]
    stages.append(("run", plan.martini * plan.martini_every, plan.martini_every))
    before = "start"
    for name, ps, every in stages:
        print(f"Martini: {name}, {ps:g} ps", flush=True)
        text = parameters_text(ps, every, temperature, name == "settle", SEED)
        run_stage(folder, name, text, "system.top", before, 1, name == "run", nice=3)
        before = name
    frames = open_trajectory(folder / "start.gro", folder / "run.xtc").read(1)
    whole = make_whole(frames.positions.astype(np.float64), frames.boxes.astype(np.float64), topology)
    _write(out / "martini.gro", topology, whole[:1].astype(np.float32), frames.boxes[:1])
    _write(out / "martini.xtc", topology, whole.astype(np.float32), frames.boxes)


def _write(
    path: Path,
    names: Topology,
    positions: NDArray[np.float32],
    boxes: NDArray[np.float32] | None,
    decimals: int = BEAD_DECIMALS,
) -> None:
    with open_writer(path, names, decimals) as writer:
        writer.write(Frames(positions, boxes, None, 0))
    if path.suffix == ".xtc":
        path.with_suffix(".pdb").unlink()  # names are in the .gro beside it


def main(arguments: list[str] | None = None) -> int:
    """Simulate both and keep their snapshots."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/tetracosane_morph"), help="the simulations")
    parser.add_argument("--out", type=Path, help="snapshots (out/ beside this file)")
    parser.add_argument("--ps", type=float, help=f"of atoms ({Plan.ps:g})")
    parser.add_argument("--write-mapping", action="store_true", help="only write tetracosane.yaml anew")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    if args.write_mapping:
        write_mapping(MAPPING, carbons_mapping(SYSTEMS[LIQUID].template()))
        return 0
    out = args.out or (args.runs / "out" if args.smoke else STUDY / "out")
    system, plan = SYSTEMS[LIQUID], Plan()
    if args.smoke:
        plan, few = SMOKE, (SMOKE_MOLECULES / system.count) ** (1 / 3)
        production = replace(system.production, ps=plan.ps)
        system = replace(melt.smoke(system), count=SMOKE_MOLECULES, edge=system.edge * few)
        system = replace(system, production=production)
    melt.simulate(system, args.runs / LIQUID, args.ps or plan.ps, 1, SEED)
    beads = write_atoms(system, args.runs / LIQUID, plan, out)
    first = Frames(beads.positions[-1:], beads.boxes[-1:], None, 0)
    simulate_martini(first, system.production.temperature, args.runs / "martini", plan, out)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
