"""All-atom snapshots with their beads: what methods without training learn from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.box import bonds_across, make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.samples import file_or_sample
from msb.errors import MsbWarning, TrajectoryError
from msb.io.atomic import file_sha256
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

__all__ = ["TRAJECTORIES", "SnapshotFrames", "Snapshots", "load_snapshots", "read_frames"]

#: Endings of files that name no atoms.
TRAJECTORIES = frozenset({".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".h5", ".lammpstrj", ".xyz"})


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Equilibrated frames of one system.

    Attributes
    ----------
    topology : Topology
    mapping : Mapping
    positions : float32 array (F, N, 3)
        nm; molecules are whole.
    beads : float32 array (F, M, 3)
        nm.
    boxes : float32 array (F, 3, 3) or None
        nm.
    hashes : dict of str to str
        sha256 of the files, and the content of the mapping.
    """

    topology: Topology
    mapping: Mapping
    positions: NDArray[np.float32]
    beads: NDArray[np.float32]
    boxes: NDArray[np.float32] | None
    hashes: dict[str, str]

    def __getitem__(self, rows: slice) -> Snapshots:
        """Some of the frames."""
        boxes = None if self.boxes is None else self.boxes[rows]
        return replace(self, positions=self.positions[rows], beads=self.beads[rows], boxes=boxes)

    @classmethod
    def of(
        cls,
        positions: NDArray[np.float32],
        mapping: Mapping,
        boxes: NDArray[np.float32] | None = None,
        hashes: dict[str, str] | None = None,
    ) -> Snapshots:
        """Frames in memory, molecules cut by the box made whole.

        Parameters
        ----------
        positions : float32 array (F, N, 3)
            nm.
        mapping : Mapping
            Its topology is the snapshots'.
        boxes : float32 array (F, 3, 3), optional
            nm.
        hashes : dict, optional

        Raises
        ------
        TrajectoryError
            If a molecule cannot be made whole.
        """
        topology = mapping.topology
        whole = np.asarray(positions, dtype=np.float64)
        if boxes is not None:
            cells = np.asarray(boxes, dtype=np.float64)
            whole = make_whole(whole, cells, topology)
            broken = np.asarray(bonds_across(whole, cells, topology))
            if broken.any():
                raise TrajectoryError(
                    f"frame {int(broken.argmax()) + 1} of the snapshots has molecules that are bonded to "
                    "their own periodic image, so they cannot be made whole; use a larger box"
                )
        beads = np.asarray(mapping.beads(whole), dtype=np.float32)
        return cls(topology, mapping, whole.astype(np.float32), beads, boxes, hashes or {})


@dataclass(frozen=True, eq=False)
class SnapshotFrames:
    """Frames as files have them.

    Attributes
    ----------
    structure : Path
        The first file that names the atoms.
    positions : float32 array (F, N, 3)
        nm.
    boxes : float32 array (F, 3, 3) or None
        nm.
    hashes : dict of str to str
        sha256 of the files.
    """

    structure: Path
    positions: NDArray[np.float32]
    boxes: NDArray[np.float32] | None
    hashes: dict[str, str]


def load_snapshots(
    files: Sequence[str | Path],
    topology: Topology | None,
    mapping: str | Path | Sequence[str | Path],
    structure: str | Path | None = None,
    *,
    skip: int = 0,
    stride: int = 1,
) -> Snapshots:
    """Read all-atom snapshots of one system.

    Parameters
    ----------
    files : sequence of path
        Structures, each with its frame, and trajectories, each after the structure that it belongs to
        (whose own frame is then left out).
    topology : Topology, optional
        Of the system; read from the first structure by default, bonds guessed where the file has none.
    mapping : path, or several
        Mapping files, or the name of a bundled one.
    structure : path, optional
        For trajectories that no structure comes before.
    skip, stride : int
        Frames left out at the beginning of each trajectory, and every how many-th of the others is taken.

    Raises
    ------
    TrajectoryError
        If there are no files, a frame has another number of atoms, or only some frames have a box.
    MappingError
        If the mapping does not fit the topology.
    """
    pairs = _paired([Path(file) for file in files], None if structure is None else Path(structure))
    if topology is None:
        topology = read_topology(pairs[0][0])
    where = file_or_sample(mapping) if isinstance(mapping, str | Path) else mapping
    mapped = Mapping(read_mapping(where, topology), topology)
    found = _read_pairs(pairs, skip, stride, topology.n_atoms)
    hashes = found.hashes | {f"mapping of {t.molecule}": t.content_hash for t in mapped.templates}
    _check_names(pairs[0][0], topology)
    return Snapshots.of(found.positions, mapped, found.boxes, hashes)


def read_frames(files: Sequence[str | Path], *, skip: int = 0, stride: int = 1) -> SnapshotFrames:
    """Read the frames of snapshots of one system, whatever its atoms are.

    Parameters
    ----------
    files : sequence of path
        As for `load_snapshots`.
    skip, stride : int

    Raises
    ------
    TrajectoryError
        See `load_snapshots`.
    """
    return _read_pairs(_paired([Path(file) for file in files], None), skip, stride, None)


def _read_pairs(
    pairs: list[tuple[Path, Path | None]], skip: int, stride: int, n_atoms: int | None
) -> SnapshotFrames:
    frames, boxes = [], []
    for first, trajectory in pairs:
        source = open_trajectory(first, trajectory)
        n_atoms = source.n_atoms if n_atoms is None else n_atoms
        if source.n_atoms != n_atoms:
            raise TrajectoryError(
                f"{trajectory or first}: {source.n_atoms} atoms a frame, the topology has "
                f"{n_atoms}; all snapshots must be of one system"
            )
        read = source.read() if trajectory is None else source.read(skip, None, stride)
        frames.append(read.positions)
        boxes.append(read.boxes)
    given = [box for box in boxes if box is not None]
    if given and len(given) < len(boxes):
        missing = next(p for p, box in zip(pairs, boxes, strict=True) if box is None)
        raise TrajectoryError(f"{missing[1] or missing[0]}: no box, but other snapshots have one")
    hashes = {path.name: file_sha256(path) for pair in pairs for path in pair if path is not None}
    cells = np.concatenate(given) if given else None
    return SnapshotFrames(pairs[0][0], np.concatenate(frames), cells, hashes)


def _paired(files: list[Path], structure: Path | None) -> list[tuple[Path, Path | None]]:
    """Structures with their trajectories, or with none."""
    pairs: list[tuple[Path, Path | None]] = []
    latest = structure
    for path in files:
        if path.suffix.lower() not in TRAJECTORIES:
            pairs.append((path, None))
            latest = path
        elif latest is None:
            raise TrajectoryError(
                f"{path}: a trajectory has no atom names; put the structure that it belongs to before it"
            )
        else:
            if pairs and pairs[-1] == (latest, None):
                pairs.pop()
            pairs.append((latest, path))
    if not pairs:
        raise TrajectoryError("there are no snapshots to learn from; give at least one all-atom structure")
    return pairs


def _check_names(structure: Path, topology: Topology) -> None:
    """Warn where a structure's atom names are not the topology's."""
    names = [str(name) for name in open_trajectory(structure).names]
    ours = [str(name) for name in topology.atom_names]
    odd = [i for i, (a, b) in enumerate(zip(names, ours, strict=True)) if a != b]
    if odd:
        i = odd[0]
        warnings.warn(
            f"{structure}: {len(odd)} atoms have other names than in the topology (the first: atom {i + 1} "
            f"is {names[i]} in the structure, {ours[i]} in the topology); their order must be the topology's",
            MsbWarning,
            stacklevel=3,
        )
