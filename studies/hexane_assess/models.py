"""Two coarse-grained models of the all-atom liquid, with and without the angle, and trajectories of both.

python models.py --out DIR             # after simulate.py; goes on where it stopped
python models.py --out DIR --smoke     # few steps
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from coarse import Potentials, bead_system, dynamics
from hexane import LIQUID, mapping_of
from invert import invert
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.io.atomic import atomic_write_json
from msb.io.frames import Frames
from msb.io.writers import open_writer

sys.path.append(str(Path(__file__).resolve().parents[1] / "melt_data"))
from snapshots import snapshots

__all__ = ["MODELS", "main", "reference"]

FloatArray = NDArray[np.float64]
MODELS = {"bend": "bonds and angle", "nobend": "bonds only"}
EVERY_PS = 1.0
ITERATIONS = 3
SETTLE, FRAMES, EVERY = 500, 21, 125  # steps of 8 fs: 4 ps, then a frame every ps


def reference(folder: Path, segment: float, topology: Topology) -> tuple[FloatArray, FloatArray]:
    """Return the production's frames (F, N, 3) and boxes (F, 3, 3), nm, molecules whole."""
    frames = list(snapshots(folder, EVERY_PS, segment, topology))
    x, boxes = (np.concatenate([getattr(f, part) for f in frames]) for part in ("positions", "boxes"))
    return np.asarray(x, dtype=np.float64), np.asarray(boxes, dtype=np.float64)


def potentials_of(
    folder: Path, x: FloatArray, boxes: FloatArray, topology: Topology, seed: int, n: int
) -> Potentials:
    """Iterate where that is not done, and keep every iteration."""
    mapping = mapping_of(topology)
    path = folder / "potentials.json"
    known = json.loads(path.read_text()) if path.exists() else {"iterations": []}
    rows = known["iterations"]

    def told(number: int, potentials: Potentials, off: float) -> None:
        rows.append({"off": off, "potentials": potentials.to_dict()})
        atomic_write_json(path, known)
        print(f"iteration {number}: g(r) off by {off:.4f} before it", flush=True)

    begin = (len(rows), Potentials.from_dict(rows[-1]["potentials"])) if rows else None
    beads = np.asarray(mapping.beads(x))
    return invert(beads, boxes, mapping.bead_topology(), n, seed, told, begin)


def trajectory(
    path: Path, potentials: Potentials, start: FloatArray, box: FloatArray, topology: Topology, seed: int
) -> None:
    """Write a model's trajectory and structure."""
    system = bead_system(potentials, topology, float(box[0, 0]))
    x = np.stack(list(dynamics(system, start, SETTLE, FRAMES, EVERY, seed))).astype(np.float32)
    boxes = np.repeat(box[None], len(x), axis=0).astype(np.float32)
    with open_writer(path.with_suffix(".gro"), topology) as writer:
        writer.write(Frames(x[:1], boxes[:1]))
    with open_writer(path, topology, 5) as writer:
        writer.write(Frames(x, boxes, EVERY_PS * np.arange(len(x))))


def main(arguments: list[str] | None = None) -> int:
    """Invert and simulate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, as for simulate.py")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help=f"({ITERATIONS})")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args(arguments)
    folder = args.out / LIQUID.name
    x, boxes = reference(folder, LIQUID.production.ps, LIQUID.topology)
    full = potentials_of(folder, x, boxes, LIQUID.topology, args.seed, args.iterations)
    mapping = mapping_of(LIQUID.topology)
    start = np.asarray(mapping.beads(x[-1]))
    for number, name in enumerate(MODELS):
        path = folder / f"{name}.xtc"
        if not path.exists():
            own = full if name == "bend" else full.without_angle()
            trajectory(path, own, start, boxes[-1], mapping.bead_topology(), args.seed + 100 + number)
            print(f"{name}: {MODELS[name]}, {path}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
