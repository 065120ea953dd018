"""Sets of frames of beads: read, brought to nm, morphed or made by a rival, kept beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.classical.fragment import FragmentBackmapper
from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots
from msb.errors import TopologyError
from msb.frame_method import Request
from msb.io.atomic import atomic_path
from msb.io.trajectory import open_trajectory
from msb.morph import chain_topology, find_chains, length_scale
from msb.morph.encoder import bottleneck

__all__ = ["BeadSet", "centres_of", "conformers", "fragments", "keep", "kept", "read_set", "scaled"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BeadSet:
    """Frames of chains of beads.

    Attributes
    ----------
    name : str
    positions : float32 array (F, N, 3)
        nm, chains whole.
    boxes : float32 array (F, 3, 3)
        nm.
    topology : Topology
    """

    name: str
    positions: Array
    boxes: Array
    topology: Topology

    def __getitem__(self, rows: slice) -> BeadSet:
        """Some of the frames."""
        return replace(self, positions=self.positions[rows], boxes=self.boxes[rows])

    def moved_to(self, name: str, positions: Array) -> BeadSet:
        """The same frames with beads elsewhere."""
        return replace(self, name=name, positions=np.asarray(positions, dtype=np.float32))


def read_set(name: str, files: Sequence[Path], kind: str = "B") -> BeadSet:
    """Read a structure with its trajectory, or structures of one system, chains whole.

    Parameters
    ----------
    name : str
    files : sequence of Path
        A structure and its `.xtc`, or structures.
    kind : str
        What all beads are called.

    Raises
    ------
    TopologyError
        There is no box.
    """
    if len(files) == 2 and files[1].suffix == ".xtc":
        pairs: list[tuple[Path, Path | None]] = [(files[0], files[1])]
    else:
        pairs = [(file, None) for file in files]
    read = [open_trajectory(*pair) for pair in pairs]
    frames = [source.read() for source in read]
    x = np.concatenate([part.positions for part in frames]).astype(np.float64)
    boxes = [part.boxes for part in frames if part.boxes is not None]
    if len(boxes) < len(frames):
        raise TopologyError(f"{files[0]}: a melt needs a box")
    cells = np.concatenate(boxes)
    found = find_chains(x[0], cells[0], resids=read[0].resids)
    words = [kind] * x.shape[1]
    topology = chain_topology(found.lengths, words, words)
    whole = make_whole(x, cells.astype(np.float64), topology)
    return BeadSet(name, whole.astype(np.float32), cells.astype(np.float32), topology)


def scaled(own: BeadSet, target: BeadSet) -> tuple[BeadSet, str]:
    """Bring reduced units to nm by the target's density, and say how."""
    volumes = np.linalg.det(target.boxes.astype(np.float64))
    i, j = target.topology.bonds.T
    x = target.positions.astype(np.float64)
    bond = float(np.linalg.norm(x[:, j] - x[:, i], axis=-1).mean())
    density = target.topology.n_atoms / float(volumes.mean())
    cells = own.boxes.astype(np.float64)
    scale = length_scale(own.positions, cells, own.topology, bond=bond, density=density, how="density")
    factor = np.float32(scale.factor)
    return replace(own, positions=own.positions * factor, boxes=own.boxes * factor), scale.how


def centres_of(own: BeadSet, s: int) -> BeadSet:
    """The bottleneck: centres of every `s` beads."""
    mapping = bottleneck(own.topology, s)
    centres = np.asarray(mapping.beads(own.positions.astype(np.float64)), dtype=np.float32)
    return BeadSet(f"{own.name}, s = {s}", centres, own.boxes, mapping.bead_topology())


def fragments(train: BeadSet, own: BeadSet, s: int, seed: int = 0) -> Array:
    """Rival: each group of beads becomes the target's that fits its centre and the neighbouring ones best.

    Parameters
    ----------
    train : BeadSet
        The target's snapshots that train.
    own : BeadSet
        Whose bottleneck is filled.
    s : int
    seed : int

    Returns
    -------
    float32 array (F, N, 3)
        nm.
    """
    known = Snapshots.of(train.positions, bottleneck(train.topology, s), train.boxes)
    mapping = bottleneck(own.topology, s)
    model = FragmentBackmapper.from_snapshots(
        known, own.topology, mapping, "fragment", None, {"unit": "bead", "near": 1.0}
    )
    centres = centres_of(own, s).positions
    return model.place(Request(centres, own.boxes, seed, np.arange(len(centres))))


def conformers(train: BeadSet, own: BeadSet, s: int, seed: int = 0) -> Array:
    """Rival: each group of beads becomes any of the target's, turned at random about its centre.

    Parameters and return as `fragments`; chains are multiples of `s` but for their last group.
    """
    rng = np.random.default_rng(seed)
    known, centres = centres_of(train, s), centres_of(own, s)
    groups, offsets = _groups(own.topology, s), {}
    for size, beads, group in _groups(train.topology, s):
        offsets[size] = (train.positions[:, beads] - known.positions[:, group, None]).reshape(-1, size, 3)
    out = np.empty_like(own.positions)
    for size, beads, group in groups:
        shape = (len(out), len(beads))
        drawn = offsets[size][rng.integers(len(offsets[size]), size=shape)]
        turns = np.linalg.qr(rng.normal(size=(*shape, 3, 3)))[0]
        turns[..., 0] *= np.linalg.det(turns)[..., None]
        out[:, beads] = centres.positions[:, group, None] + np.einsum("fgki,fgij->fgkj", drawn, turns)
    return out


def _groups(topology: Topology, s: int) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Beads (G, size) and centres (G,) of the groups of each size."""
    found: dict[int, tuple[list[list[int]], list[int]]] = {}
    number = 0
    for template, first, count in topology.blocks():
        for start in range(first, first + count * template.n_atoms, template.n_atoms):
            for k in range(start, start + template.n_atoms, s):
                beads = list(range(k, min(k + s, start + template.n_atoms)))
                rows, groups = found.setdefault(len(beads), ([], []))
                rows.append(beads)
                groups.append(number)
                number += 1
    return [(size, np.array(rows), np.array(groups)) for size, (rows, groups) in found.items()]


def kept(path: Path) -> tuple[Array, float] | None:
    """Return positions that an earlier run kept, and the seconds they cost, or None."""
    if not path.is_file():
        return None
    with np.load(path) as file:
        return file["positions"], float(file["seconds"])


def keep(path: Path, positions: Array, seconds: float) -> None:
    """Keep positions (F, N, 3) for later runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, positions=positions, seconds=seconds)
