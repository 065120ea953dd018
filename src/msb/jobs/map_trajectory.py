"""Atoms to beads, frame by frame, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data import file_or_sample
from msb.errors import MappingError
from msb.io.bundle import read_bundle
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import Trajectory, open_trajectory
from msb.io.writers import open_writer

__all__ = ["MappingResult", "map_trajectory", "mapping_of"]

_MAPPING_FILES = (".yaml", ".yml", ".xml", ".map")


@dataclass(frozen=True)
class MappingResult:
    """What was written."""

    output: Path
    n_frames: int
    n_atoms: int
    n_beads: int


def map_trajectory(
    structure: str | Path,
    trajectory: str | Path | None,
    mapping: str | Path,
    output: str | Path,
    *,
    chunk: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> MappingResult:
    """Write the beads of an all-atom trajectory.

    Parameters
    ----------
    structure, trajectory : path
        Atoms, as :func:`msb.io.trajectory.open_trajectory` takes them.
    mapping : path or str
        A mapping file (yaml, xml, map) or the name of a bundled one; or a model, whose mapping it then is.
    output : path
        Bead trajectory; its format by extension.
    chunk : int
        Frames in memory; never changes the result.
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Raises
    ------
    MappingError
        Atoms and mapping do not fit.
    TrajectoryError, FileFormatError
        A file cannot be read.
    """
    atoms = open_trajectory(structure, trajectory)
    topology = Topology.from_universe(atoms.universe)
    chosen = mapping_of(mapping, topology, atoms)
    names = chosen.bead_topology()
    with open_writer(output, names, timestep=atoms.timestep) as writer:
        for frames in atoms.iter(chunk):
            positions = frames.positions
            if frames.boxes is not None:
                positions = make_whole(positions, frames.boxes, topology)
            writer.write(Frames(chosen.beads(positions), frames.boxes, frames.times, frames.index))
            if progress is not None:
                progress(len(frames), atoms.n_frames)
    return MappingResult(Path(output), atoms.n_frames, atoms.n_atoms, chosen.n_beads)


def mapping_of(source: str | Path, topology: Topology, atoms: Trajectory) -> Mapping:
    """Find the mapping of a topology in a mapping file or in a model's bundle.

    Raises
    ------
    MappingError
        The source is for other molecules.
    """
    try:
        file = file_or_sample(source)
        if file.is_file() or file.suffix in _MAPPING_FILES:
            return Mapping(read_mapping(file, topology), topology)
        bundle = read_bundle(source)
        theirs = Mapping.from_dict(bundle.mapping, Topology.from_dict(bundle.topology))
        return Mapping({template.molecule: template for template in theirs.templates}, topology)
    except MappingError as error:
        raise MappingError(f"{atoms.structure} and {source}: {error}") from None
