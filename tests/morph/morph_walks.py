"""Chains of beads small enough to train on in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.io.frames import Frames
from msb.io.writers import open_writer
from msb.morph import chain_topology
from msb.morph.config import MorphConfig

CHAINS, BEADS, BOND, EDGE = 6, 8, 0.5, 3.0
__all__ = ["BEADS", "BOND", "CHAINS", "EDGE", "Walks", "configuration", "walks", "write_target"]


@dataclass(frozen=True)
class Walks:
    """Frames of chains of fixed bonds that turn by an angle, in a box."""

    positions: NDArray[np.float32]
    boxes: NDArray[np.float32]
    topology: Topology


def walks(frames: int, *, bond: float = BOND, sd: float = 0.03, seed: int = 0, chains: int = CHAINS) -> Walks:
    """Chains of beads a `bond` apart, give or take `sd`, that turn by about a right angle."""
    generator = np.random.default_rng(seed)
    x = np.zeros((frames, chains, BEADS, 3))
    x[:, :, 0] = generator.uniform(0, EDGE, size=(frames, chains, 3))
    along = generator.normal(size=(frames, chains, 3))
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    for k in range(1, BEADS):
        across = np.cross(along, generator.normal(size=along.shape))
        across /= np.linalg.norm(across, axis=-1, keepdims=True)
        turn = generator.normal(1.3, 0.15, size=(*along.shape[:-1], 1))
        along = np.cos(turn) * along + np.sin(turn) * across
        x[:, :, k] = x[:, :, k - 1] + along * generator.normal(bond, sd, size=turn.shape)
    names = ["B"] * (chains * BEADS)
    boxes = np.broadcast_to(EDGE * np.eye(3), (frames, 3, 3)).astype(np.float32)
    topology = chain_topology((BEADS,) * chains, names, names, resnames=["CHN"] * len(names))
    return Walks(x.reshape(frames, -1, 3).astype(np.float32), boxes, topology)


def configuration(folder: Path, **changes: object) -> MorphConfig:
    """A small training of files in a folder."""
    plain = {
        "method": "morph",
        "name": "small",
        "data": {"snapshots": "target.gro", "temperature": 300.0},
        "decoder": {"width": 32, "blocks": 1, "beads_around": 8, "around_width": 8},
        "sampling": {"sweeps": 1, "candidates": 4},
        "weigh": "walls",
        "training": {"steps": 250, "batch": 4, "validate_every": 250},
        **changes,
    }
    return MorphConfig.parse(plain, "small")


def write_target(folder: Path, found: Walks) -> None:
    """Snapshots as a file of several frames."""
    writer = open_writer(folder / "target.gro", found.topology)
    with writer:
        times = np.arange(len(found.positions), dtype=np.float64)
        writer.write(Frames(found.positions, found.boxes, times, 0))
