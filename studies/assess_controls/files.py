"""The controls as files: reference, its beads with noise, its beads with two molecules pushed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from controls import noisy, push_all
from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.data.snapshots import Snapshots
from msb.io.atomic import atomic_write_json
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = ["MAPPING", "PUSHED", "SIGMAS", "TOP", "Written", "named", "write"]

TOP, MAPPING = "polystyrene.top", "polystyrene_mapping.yaml"  # samples
SIGMAS = (0.005, 0.01, 0.02, 0.04)  # nm
PUSHED = "pushed"
DISTANCE = 0.15  # nm, of two pushed beads
SEED = 11
DECIMALS = 5


def named(sigma: float) -> str:
    """Name of the set with that noise."""
    return f"noise_{sigma:g}"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    reference : Snapshots
        Molecules whole.
    structure, trajectory : Path
        Of the reference.
    cg : dict of str to (Path, Path)
        Structure and trajectory of every control.
    pushed : tuple of (int, int)
        The pair of every frame.
    """

    reference: Snapshots
    structure: Path
    trajectory: Path
    cg: dict[str, tuple[Path, Path]]
    pushed: tuple[tuple[int, int], ...]


def write(structure: Path, trajectory: Path, frames: int, folder: Path, sigmas: Sequence[float]) -> Written:
    """Write the controls of so many frames, evenly spread over a trajectory.

    Parameters
    ----------
    structure, trajectory : Path
        Atoms of polystyrene.
    frames : int
    folder : Path
    sigmas : sequence of float
        nm.

    Returns
    -------
    Written
    """
    topology = read_topology(sample(TOP))
    mapping = Mapping(read_mapping(sample(MAPPING), topology), topology)
    source = open_trajectory(structure, trajectory)
    numbers = np.linspace(0, source.n_frames - 1, min(frames, source.n_frames)).round().astype(int)
    read = [source.read(int(k), int(k) + 1) for k in numbers]
    boxes = np.concatenate([np.asarray(own.boxes, dtype=np.float32) for own in read])
    reference = Snapshots.of(np.concatenate([own.positions for own in read]), mapping, boxes)
    folder.mkdir(parents=True, exist_ok=True)
    own = _pair(folder, "reference", topology, reference.positions, boxes)
    beads, chains = reference.beads, mapping.bead_topology()
    pushed = push_all(beads, boxes, chains, DISTANCE)
    sets = {named(sigma): noisy(beads, sigma, SEED, range(len(beads))) for sigma in sigmas}
    sets[PUSHED] = np.stack([frame.beads for frame in pushed])
    cg = {name: _pair(folder, name, chains, x, boxes) for name, x in sets.items()}
    pairs = tuple(frame.pair for frame in pushed)
    atomic_write_json(folder / "pushed.json", [list(pair) for pair in pairs])
    return Written(reference, *own, cg, pairs)


def _pair(
    folder: Path, name: str, topology: Topology, x: NDArray[np.float32], boxes: NDArray[np.float32]
) -> tuple[Path, Path]:
    """Write a structure with the first frame, and a trajectory with all."""
    structure, trajectory = folder / f"{name}.gro", folder / f"{name}.xtc"
    times = np.arange(len(x), dtype=np.float64)
    with open_writer(structure, topology, precision=DECIMALS) as writer:
        writer.write(Frames(x[:1], boxes[:1], None, 0))
    with open_writer(trajectory, topology, precision=DECIMALS) as writer:
        writer.write(Frames(x, boxes, times, 0))
    return structure, trajectory
