"""Published beads under the names that our mappings have, the long chains of polystyrene among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.backmap.chains import chain_of

__all__ = ["CG_TEMPERATURE", "chain_lengths", "joined", "long_chains"]

CG_TEMPERATURE = 496.0  # K


def long_chains(top: Path, mapping: Path, n_beads: int, count: int) -> Mapping:
    """The mapping of a box of chains of another length than the topology file's.

    Parameters
    ----------
    top : Path
        Of the known chain.
    mapping : Path
        Its beads.
    n_beads : int
        Of a wanted chain.
    count : int
        Chains.

    Raises
    ------
    MsbError
        If the known chain cannot be made so long.
    """
    [(molecule, _)] = read_topology(top).molecules
    known = read_mapping(mapping, Topology(((molecule, 1),)))[molecule.name]
    found = chain_of(molecule, known, n_beads)
    if found is None:
        raise MsbError(f"{molecule.name} cannot be made a chain of {n_beads} beads")
    longer, beads = found
    return Mapping({longer.name: beads}, Topology(((longer, count),)))


def joined(files: Sequence[Path], beads: Topology, folder: Path, name: str) -> tuple[Path, Path]:
    """Write structures of beads as one trajectory with our names; the order of the beads is the same.

    Parameters
    ----------
    files : sequence of Path
        Structures of one system, in the order of their numbers.
    beads : Topology
        Whose names they get.
    folder, name : Path, str
        Gets ``name.gro`` and ``name.xtc``.

    Returns
    -------
    structure, trajectory

    Raises
    ------
    MsbError
        If there are no files, or they hold another number of beads.
    """
    structure, trajectory = folder / f"{name}.gro", folder / f"{name}.xtc"
    if not files:
        raise MsbError("there are no coarse-grained structures: set MSB_DATA to the published data")
    folder.mkdir(parents=True, exist_ok=True)
    with open_writer(trajectory, beads) as writer:
        for number, file in enumerate(sorted(files, key=lambda path: int(path.stem))):
            source = open_trajectory(file)
            if source.n_atoms != beads.n_atoms:
                raise MsbError(f"{file} holds {source.n_atoms} beads, not {beads.n_atoms}")
            frame = source.read(0, 1)
            if number == 0:
                with open_writer(structure, beads) as first:
                    first.write(frame)
            writer.write(Frames(frame.positions, frame.boxes, np.array([float(number)]), number))
    return structure, trajectory


def chain_lengths(file: Path) -> tuple[int, int]:
    """Beads of a chain and chains of a structure whose residues are chains.

    Raises
    ------
    MsbError
        If they differ in length.
    """
    _, sizes = np.unique(open_trajectory(file).resids, return_counts=True)
    if len(set(sizes.tolist())) != 1:
        raise MsbError(f"the chains of {file} are not all of one length")
    return int(sizes[0]), len(sizes)
