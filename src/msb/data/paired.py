"""All-atom trajectories with their beads, split in time: what methods learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.catalogue import data_path, entry_names
from msb.data.samples import list_samples, sample
from msb.data.settings import DataSettings
from msb.data.splits import split_frames
from msb.energy import peptide_system, system_to_xml
from msb.errors import ConfigError, TrajectoryError
from msb.io.atomic import file_sha256
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

__all__ = ["PairedData", "load_paired", "locate"]

_FEWEST_FRAMES = 100


@dataclass
class PairedData:
    """Consecutive frames of atoms and beads.

    Attributes
    ----------
    positions : float32 array (F, N, 3)
        nm.
    beads : float32 array (F, M, 3)
        nm.
    topology : Topology
    mapping : Mapping
    splits : dict of str to slice
        `train`, `select` and `test`, in order of time.
    force_field : dict of str to str
        OpenMM System XML of the molecule, under the template's name; empty if none was configured.
    hashes : dict of str to str
        sha256 of the files, and the content of the mapping.
    """

    positions: NDArray[np.float32]
    beads: NDArray[np.float32]
    topology: Topology
    mapping: Mapping
    splits: dict[str, slice]
    force_field: dict[str, str]
    hashes: dict[str, str]

    def part(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Atoms and beads of a split."""
        return self.positions[self.splits[name]], self.beads[self.splits[name]]


def load_paired(settings: DataSettings, base: Path) -> PairedData:
    """Read the files that a configuration names.

    Parameters
    ----------
    settings : DataSettings
    base : Path
        Folder that relative paths start from: the configuration's.

    Raises
    ------
    ConfigError
        If a file is neither there nor in the catalogue, or the trajectory's frame spacing is another.
    TrajectoryError
        If the trajectory is too short to be split.
    """
    structure, trajectory, mapping_file = (
        locate(name, base) for name in (settings.structure, settings.trajectory, settings.mapping)
    )
    topology, force_field = _topology(structure, settings.force_field)
    mapping = Mapping(read_mapping(mapping_file, topology), topology)
    source = open_trajectory(structure, trajectory)
    if source.timestep is not None and abs(source.timestep - settings.lag) > 1e-3 * settings.lag:
        raise ConfigError(
            f"{trajectory}: its frames are {source.timestep:g} ps apart, the configuration says `lag: "
            f"{settings.lag:g}`; correct the one that is wrong"
        )
    positions = source.read().positions
    if len(positions) < _FEWEST_FRAMES:
        raise TrajectoryError(
            f"{trajectory}: {len(positions)} frames are too few to train on; at least {_FEWEST_FRAMES}"
        )
    hashes = {path.name: file_sha256(path) for path in (structure, trajectory)}
    hashes |= {f"mapping of {template.molecule}": template.content_hash for template in mapping.templates}
    beads = np.asarray(mapping.beads(positions), dtype=np.float32)
    splits = split_frames(len(positions), settings.split)
    return PairedData(positions, beads, topology, mapping, splits, force_field, hashes)


def locate(name: str, base: Path) -> Path:
    """The file at a path relative to `base`, of that name in the catalogue, or bundled.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    path = Path(name) if Path(name).is_absolute() else base / name
    if path.exists():
        return path
    if name in entry_names():
        return data_path(name)
    if name in list_samples():
        return sample(name)
    raise ConfigError(f"`{name}` is neither a file in {base} nor a name that `msb data list` knows")


def _topology(structure: Path, force_field: tuple[str, ...]) -> tuple[Topology, dict[str, str]]:
    """Topology of a structure, typed and charged by the force field if there is one, and its System."""
    if not force_field:
        return read_topology(structure), {}
    from openmm import app

    pdb = app.PDBFile(str(structure))
    system = peptide_system(pdb.topology, force_field)
    topology = Topology.from_openmm(pdb.topology, system)
    return topology, {topology.molecules[0][0].name: system_to_xml(system)}
