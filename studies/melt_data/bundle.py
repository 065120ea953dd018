"""Write the small melt that comes with the package: one snapshot to learn from, four frames and their beads.

python bundle.py                        # from out/sps568.*
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from msb.core.mapping import Mapping
from msb.data import sample
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = ["main", "write_bundle"]

HERE = Path(__file__).resolve().parent / "out"
FRAMES = 4
NAME = "polystyrene"


def write_bundle(source: Path, output: Path) -> None:
    """Write snapshot (.gro), reference (.xtc), beads (.gro, .xtc) and topology.

    The first snapshot is the one to learn from; the others are spread over the rest.
    """
    from systems import SYSTEMS

    topology = SYSTEMS["sps568"].topology
    templates = read_mapping(sample(f"{NAME}_mapping.yaml"), topology)
    mapping = Mapping(templates, topology)
    trajectory = open_trajectory(source.with_suffix(".pdb"), source)
    chosen = np.linspace(1, trajectory.n_frames - 1, FRAMES).round().astype(int)
    first = trajectory.read(0, 1)
    frames = [trajectory.read(int(k), int(k) + 1) for k in chosen]
    x, boxes = (np.concatenate([getattr(f, part) for f in frames]) for part in ("positions", "boxes"))
    reference = Frames(x, boxes, 20.0 * np.arange(FRAMES))
    beads = Frames(np.asarray(mapping.beads(x), dtype=np.float32), boxes, reference.times)
    output.mkdir(parents=True, exist_ok=True)
    with open_writer(output / f"{NAME}_snapshot.gro", topology) as writer:
        writer.write(Frames(first.positions, first.boxes))
    _xtc(output / f"{NAME}_reference.xtc", topology, reference)
    with open_writer(output / f"{NAME}_beads.gro", mapping.bead_topology()) as writer:
        writer.write(Frames(beads.positions[:1], boxes[:1]))
    _xtc(output / f"{NAME}_beads.xtc", mapping.bead_topology(), beads)
    shutil.copyfile(source.with_suffix(".top"), output / f"{NAME}.top")


def _xtc(path: Path, topology, frames: Frames) -> None:
    with open_writer(path, topology, 4) as writer:
        writer.write(frames)
    path.with_suffix(".pdb").unlink()  # the .gro has the names


def main(arguments: list[str] | None = None) -> int:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trajectory", type=Path, default=HERE / "sps568.xtc")
    parser.add_argument("--to", type=Path, default=sample(f"{NAME}_mapping.yaml").parent)
    args = parser.parse_args(arguments)
    write_bundle(args.trajectory, args.to)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
