"""Write the small case of ``msb assess-cg --demo``: the all-atom liquid and both coarse-grained models.

python sample.py --out DIR              # after simulate.py and models.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from hexane import LIQUID, mapping_of
from models import MODELS, reference
from numpy.typing import NDArray
from systems import topology_text

from msb.core.topology import Topology
from msb.data import sample
from msb.io.atomic import atomic_write_text
from msb.io.frames import Frames
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = ["main", "write_sample"]

FloatArray = NDArray[Any]
NAME = "hexane"
FRAMES = 20
DECIMALS = 5


def write_sample(run: Path, output: Path, frames: int = FRAMES) -> None:
    """Write ``hexane_reference`` (.gro: the first frame, to learn from; .xtc), both models and the topology.

    Parameters
    ----------
    run : Path
        Of `simulate.py` and `models.py`.
    output : Path
    frames : int
        Of the reference and of each model, spread evenly.
    """
    output.mkdir(parents=True, exist_ok=True)
    x, boxes = reference(run, LIQUID.production.ps, LIQUID.topology)
    chosen = spread(len(x), frames)
    _write(output / f"{NAME}_reference", LIQUID.topology, x, boxes, chosen)
    beads = mapping_of(LIQUID.topology).bead_topology()
    for model in MODELS:
        read = open_trajectory(run / f"{model}.gro", run / f"{model}.xtc").read(0, None)
        _write(
            output / f"{NAME}_{model}", beads, read.positions, read.boxes, spread(len(read.positions), frames)
        )
    atomic_write_text(output / f"{NAME}.top", topology_text(LIQUID))


def spread(n: int, count: int) -> NDArray[np.int64]:
    """Return `count` numbers from 1 to n - 1, evenly; 0 is left out."""
    return np.linspace(1, n - 1, min(count, n - 1)).round().astype(np.int64)


def _write(
    stem: Path,
    topology: Topology,
    x: NDArray[np.floating],
    boxes: NDArray[np.floating],
    chosen: NDArray[np.int64],
) -> None:
    """Write the first frame as structure and the chosen ones as trajectory."""
    with open_writer(stem.with_suffix(".gro"), topology, DECIMALS) as writer:
        writer.write(Frames(x[:1].astype(np.float32), boxes[:1].astype(np.float32)))
    with open_writer(stem.with_suffix(".xtc"), topology, DECIMALS) as writer:
        times = np.asarray(chosen, dtype=np.float64)  # frames are a ps apart
        writer.write(Frames(x[chosen].astype(np.float32), boxes[chosen].astype(np.float32), times))
    stem.with_suffix(".pdb").unlink(missing_ok=True)  # the .gro has the names


def main(arguments: list[str] | None = None) -> int:
    """Write the sample."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, as for simulate.py")
    parser.add_argument("--to", type=Path, default=sample("adp_mapping.yaml").parent)
    args = parser.parse_args(arguments)
    write_sample(args.out / LIQUID.name, args.to)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
