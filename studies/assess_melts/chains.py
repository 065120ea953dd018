"""The published coarse-grained melt of long polystyrene chains, under the names that our mapping has."""

from __future__ import annotations

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

__all__ = ["CG_TEMPERATURE", "long_chains", "renamed"]

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


def renamed(files: list[Path], top: Path, mapping: Path, folder: Path) -> tuple[Path, Path, Mapping]:
    """Write structures of beads as one trajectory with our names; the order of the beads is the same.

    Parameters
    ----------
    files : list of Path
        Structures of one box of chains; a residue is a chain.
    top, mapping : Path
        See :func:`long_chains`.
    folder : Path
        Gets ``fritz.gro`` and ``fritz.xtc``.

    Returns
    -------
    structure, trajectory, Mapping

    Raises
    ------
    MsbError
        If there are no files, or their chains differ in length.
    """
    if not files:
        raise MsbError("there are no coarse-grained structures: set MSB_DATA to the published data")
    opened = [open_trajectory(file) for file in files]
    _, sizes = np.unique(opened[0].resids, return_counts=True)
    if len(set(sizes.tolist())) != 1 or len({source.n_atoms for source in opened}) != 1:
        raise MsbError(f"the chains of {files[0].parent} are not all of one length")
    long = long_chains(top, mapping, int(sizes[0]), len(sizes))
    beads = long.bead_topology()
    folder.mkdir(parents=True, exist_ok=True)
    structure, trajectory = folder / "fritz.gro", folder / "fritz.xtc"
    with open_writer(trajectory, beads) as writer:
        for number, source in enumerate(opened):
            frame = source.read(0, 1)
            if number == 0:
                with open_writer(structure, beads) as first:
                    first.write(frame)
            writer.write(Frames(frame.positions, frame.boxes, np.array([float(number)]), number))
    return structure, trajectory, long
