"""A small liquid with topology and mapping, as all-atom frames and as beads of two models, good and bad."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.io import Frames, open_writer
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from small_melt import BOX, Box, butane, placed, write_box

COUNT = 8


@dataclass(frozen=True)
class Case:
    """Files; positions of the reference (F, N, 3) and beads (F, M, 3) of the good model, nm."""

    box: Box
    reference: Path
    good: Path
    bad: Path
    positions: np.ndarray
    beads: np.ndarray
    mapping: Mapping

    @property
    def words(self) -> list[object]:
        """A command that works and takes no time."""
        return [
            *("assess-cg", self.box.atoms, self.reference, "--top", self.box.top),
            *("--mapping", self.box.mapping, "--method", "fragment"),
            *("--cg", self.good.with_suffix(".pdb"), self.good),
            *("--cg", self.bad.with_suffix(".pdb"), self.bad, "--name", "good", "bad", "--workers", 1),
        ]


def write_frames(path: Path, topology: Topology, positions: np.ndarray, box: np.ndarray | None = BOX) -> Path:
    """Write frames, and a structure beside them."""
    boxes = None if box is None else np.broadcast_to(box, (len(positions), 3, 3)).astype(np.float32)
    with open_writer(path, topology) as writer:
        writer.write(Frames(positions.astype(np.float32), boxes, np.arange(len(positions), dtype=float)))
    return path


def write_case(folder: Path, frames: int = 6, seed: int = 1) -> Case:
    """Write everything: atoms that jitter, their beads, and the same beads far off."""
    molecules = [butane()] * COUNT
    box = write_box(folder, molecules)
    rng = np.random.default_rng(seed)
    positions = np.stack([np.concatenate(placed(molecules, seed + k)) for k in range(frames)])
    topology = read_gromacs(box.top).topology
    mapping = Mapping(read_mapping(box.mapping, topology), topology)
    beads = np.asarray(mapping.beads(positions))
    names = mapping.bead_topology()
    return Case(
        box,
        write_frames(folder / "aa.trr", topology, positions),
        write_frames(folder / "good.trr", names, beads),
        write_frames(folder / "bad.trr", names, beads + rng.normal(0, 0.05, beads.shape)),
        positions,
        beads,
        mapping,
    )
