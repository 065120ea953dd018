"""A small box of chains and butane as reference and CG models for assessments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.assess import CGSet, ReferenceSet, in_memory
from msb.backmapper import Backmapper, build_model
from msb.core.mapping import Mapping
from msb.data.snapshots import Snapshots
from msb.energy.gromacs import read_gromacs_system
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from small_melt import BOX, butane, chain, placed, write_box

CELL = BOX.astype(np.float32)


@dataclass(frozen=True)
class Case:
    """Frames of a reference near one structure, its force field, and a backmapper."""

    mapping: Mapping
    system: Any
    positions: NDArray[np.float32]
    boxes: NDArray[np.float32]
    beads: NDArray[np.float32]
    backmapper: Backmapper

    def reference(self, frames: int = 4) -> ReferenceSet:
        """The first frames."""
        read = in_memory(self.positions, self.boxes)
        return ReferenceSet(self.mapping, np.arange(frames), read, self.system)

    def model(self, name: str, noise: float, frames: int = 4, seed: int = 1) -> CGSet:
        """The reference's beads with noise, nm."""
        moved = self.beads + np.random.default_rng(seed).normal(0, noise, self.beads.shape)
        read = in_memory(moved, self.boxes)
        return CGSet(name, self.mapping, np.arange(frames), read, self.backmapper, self.system)


def make_case(folder: Path, frames: int = 6, copies: int = 2) -> Case:
    """Chains and as many butanes whose atoms quiver."""
    molecules = [chain(3)] * copies + [butane()] * copies
    box = write_box(folder, molecules)
    topology = read_topology(box.top)
    mapping = Mapping(read_mapping(box.mapping, topology), topology)
    start = np.concatenate(placed(molecules))
    quiver = np.random.default_rng(7).normal(0, 0.004, (frames, *start.shape))
    positions = (start + quiver).astype(np.float32)
    boxes = np.tile(CELL, (frames, 1, 1))
    snapshots = Snapshots.of(positions[:1], mapping, boxes[:1])
    backmapper = build_model("fragment", snapshots, topology, mapping)
    system = read_gromacs_system(box.top, BOX, cutoff=0.9).system
    beads = np.asarray(mapping.beads(positions), dtype=np.float32)
    return Case(mapping, system, positions, boxes, beads, backmapper)
