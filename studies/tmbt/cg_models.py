"""Derive the paper's three models from the all-atom liquid and simulate each; goes on where it stopped.

python cg_models.py --out DIR            # after simulate.py
python cg_models.py --out DIR --smoke    # after simulate.py --smoke: two iterations of a few steps

Beside the all-atom run: ``potentials.json`` (every iteration), ``tmbt_reference.gro`` and ``.xtc`` (frames to
assess), ``tmbt_A.gro`` and ``.xtc`` and so on.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from derive import factors, first_guess, improve, press, radial
from numpy.typing import NDArray
from potentials import MODELS, STEP, Fields, bead_system, dynamics
from simulate import EVERY, LIQUID, SMOKE_PS, smoke
from tmbt import VALID, mapping_of

from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.atomic import atomic_write_json
from msb.io.frames import Frames
from msb.io.writers import open_writer

from snapshots import snapshots  # isort: skip  (melt_data's, which tmbt makes known)

__all__ = ["Effort", "main"]

FloatArray = NDArray[np.float64]
BASE = "B"  # the model that the tables are iterated with


@dataclass(frozen=True)
class Effort:
    """How much is computed; steps of `STEP`.

    Attributes
    ----------
    iterations, rescalings : int
        Of the tables; of the bonded terms, for each model.
    settle, frames, every : int
        Steps before the first frame, frames and steps between them, in each of these.
    production : (int, int)
        Frames of a model's trajectory and steps between them.
    """

    iterations: int = 40
    rescalings: int = 3
    settle: int = 1000
    frames: int = 30
    every: int = 120
    production: tuple[int, int] = (60, 400)


SMOKE = Effort(2, 1, 5, 2, 5, (3, 5))


@dataclass(frozen=True, eq=False)
class Target:
    """Beads of the all-atom liquid (F, M, 3) and its boxes (F, 3, 3), nm, and what their topology is."""

    beads: FloatArray
    boxes: FloatArray
    topology: Topology

    @property
    def edge(self) -> float:
        """Of the box, nm."""
        return float(self.boxes[0, 0, 0])

    def run(self, fields: Fields, model: str, effort: Effort, seed: int) -> tuple[FloatArray, float]:
        """Return beads (F, M, 3) of a model's dynamics, and its pressure, bar."""
        system = bead_system(fields, model, self.topology, self.edge)
        start = self.beads[seed % len(self.beads)]
        made = list(dynamics(system, start, effort.settle, effort.frames, effort.every, seed))
        return np.stack([x for x, _ in made]), float(np.mean([pressure for _, pressure in made]))


def tables(target: Target, path: Path, effort: Effort, seed: int) -> Fields:
    """Iterate where that is not done, keeping every iteration in the file."""
    wanted = radial(target.beads, target.boxes, target.topology)
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"iterations": []}
    rows = known["iterations"]
    fields = Fields.from_dict(rows[-1]["fields"]) if rows else first_guess(target.beads, wanted)
    for number in range(len(rows), effort.iterations):
        x, pressure = target.run(fields, BASE, effort, seed + number)
        found = radial(x, np.repeat(target.boxes[:1], len(x), axis=0), target.topology)
        off = max(float(np.abs(found[kind] - g).mean()) for kind, g in wanted.items())
        fields = improve(fields, found, wanted)
        if number % 2:
            fields = press(fields, pressure)
        rows.append({"off": off, "pressure": pressure, "fields": fields.to_dict()})
        atomic_write_json(path, known)
        print(f"iteration {number + 1}: g(r) off by {off:.4f}, {pressure:.0f} bar before it", flush=True)
    return fields


def rescaled(target: Target, path: Path, fields: Fields, model: str, effort: Effort, seed: int) -> Fields:
    """Multiply a model's bonded terms until their distributions are the all-atom ones."""
    known = json.loads(path.read_text())
    rows = known.setdefault("rescalings", {}).setdefault(model, [])
    for factor in rows:
        fields = fields.scaled(factor)
    for number in range(len(rows), effort.rescalings):
        x, _ = target.run(fields, model, effort, seed + 1000 * (1 + list(MODELS).index(model)) + number)
        factor = factors(fields, model, x, target.beads)
        fields = fields.scaled(factor)
        rows.append(factor)
        atomic_write_json(path, known)
        print(f"{model}: " + ", ".join(f"{term} x {f:.3f}" for term, f in factor.items()), flush=True)
    return fields


def write(path: Path, x: FloatArray, boxes: FloatArray, every: float, topology: Topology) -> None:
    """Write frames (F, K, 3) as ``.xtc`` of five decimals, and the first as ``.gro``."""
    frames = x.astype(np.float32)
    cells = np.broadcast_to(boxes, (len(x), 3, 3)).astype(np.float32)
    with open_writer(path.with_suffix(".gro"), topology) as writer:
        writer.write(Frames(frames[:1], cells[:1]))
    with open_writer(path.with_suffix(".xtc"), topology, 5) as writer:
        writer.write(Frames(frames, cells, every * np.arange(len(x))))


def main(arguments: list[str] | None = None) -> int:
    """Derive, rescale and simulate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, as for simulate.py")
    parser.add_argument("--iterations", type=int, default=Effort().iterations, help="(40; the paper's 200)")
    parser.add_argument("--every", type=float, default=10.0, help="ps between frames to assess (10)")
    parser.add_argument("--skip", type=float, default=VALID, help=f"ps before the first of them ({VALID:g})")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    liquid, effort, spacing = LIQUID, Effort(iterations=args.iterations), EVERY
    if args.smoke:
        liquid, effort, spacing = smoke(LIQUID), SMOKE, SMOKE_PS / 4
        args.every, args.skip = spacing, 0.0
    folder = args.out / liquid.name
    read = list(snapshots(folder, spacing, liquid.production.ps, liquid.topology))
    x, boxes = (
        np.concatenate([getattr(f, part) for f in read]).astype(float) for part in ("positions", "boxes")
    )
    few = slice(round(args.skip / spacing), None, max(1, round(args.every / spacing)))
    if not len(x[few]):
        raise MsbError(f"{folder}: no frames after {args.skip:g} ps yet; let simulate.py go on")
    write(folder / "tmbt_reference", x[few], boxes[few], args.every, liquid.topology)
    mapping = mapping_of(liquid.topology)
    target = Target(np.asarray(mapping.beads(x)), boxes, mapping.bead_topology())
    path = folder / "potentials.json"
    common = tables(target, path, effort, args.seed)
    for number, model in enumerate(MODELS):
        made = folder / f"tmbt_{model}"
        fields = rescaled(target, path, common, model, effort, args.seed)
        if made.with_suffix(".xtc").exists():
            continue
        frames, every = effort.production
        long = Effort(settle=10 * effort.settle, frames=frames, every=every)
        beads, pressure = target.run(fields, model, long, args.seed + 5000 + number)
        write(made, beads, boxes[:1], every * STEP, target.topology)
        print(f"{model}: {len(beads)} frames, {pressure:.0f} bar, {made}.xtc", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
