"""What a check needs besides the structure: bonds, a reference, the beads it was made for, a force field."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import ConfigError, FileFormatError, MappingError, MsbWarning, TopologyError, TrajectoryError
from msb.io.atoms import AtomTable
from msb.io.frames import Frames
from msb.io.topology_files import read_topology
from msb.io.trajectory import Trajectory, open_trajectory
from msb.jobs.check.bonds import by_majority, by_names
from msb.jobs.map_trajectory import mapping_of

__all__ = ["BeadFrames", "CheckInputs", "open_inputs", "same_atoms"]

_NAMED_MOST = 3  # atoms named in a message


@dataclass(frozen=True)
class BeadFrames:
    """The beads that belong to each frame, in the order of the mapping."""

    trajectory: Trajectory
    mapping: Mapping
    order: NDArray[np.int64]

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read the beads (F, M, 3) of frames start to before stop, nm."""
        return self.trajectory.read(start, stop).positions[:, self.order]


@dataclass(frozen=True)
class CheckInputs:
    """Files, opened and checked against each other.

    Attributes
    ----------
    trajectory : Trajectory
        What is to be checked.
    topology : Topology
        Its molecules.
    bonds_from : str
        Where the bonds come from, in words.
    reference : (Topology, Frames) or None
        Molecules and a frame in which stereocentres, double bonds and lengths are right.
    beads : BeadFrames or None
        Beads that the structure was made for.
    """

    trajectory: Trajectory
    topology: Topology
    bonds_from: str
    reference: tuple[Topology, Frames] | None = None
    beads: BeadFrames | None = None


def open_inputs(
    structure: str | Path,
    trajectory: str | Path | None = None,
    *,
    top: str | Path | None = None,
    cg: Sequence[str | Path] = (),
    mapping: str | Path | None = None,
    reference: str | Path | None = None,
) -> CheckInputs:
    """Open what a check reads.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    top : path, optional
        Topology: bonds, lengths and angles at rest.
    cg : sequence of path
        Bead structure, and its trajectory where there are several frames.
    mapping : path or str, optional
        Mapping file or model that takes the atoms to these beads.
    reference : path, optional
        Structure of the same molecules, in any number, in which nothing is wrong.

    Raises
    ------
    TopologyError
        Files hold different atoms, or the atoms have no bonds.
    TrajectoryError, FileFormatError
        A file is missing or cannot be read.
    MappingError
        The beads are not those of the mapping.
    ConfigError
        Options that need each other.

    Warns
    -----
    MsbWarning
        Atoms have other names in two files; bonds are guessed from the structure that is checked.
    """
    if bool(cg) != (mapping is not None):
        lacking, given = ("--mapping", "--cg") if cg else ("--cg", "--mapping")
        raise ConfigError(f"{given} needs {lacking}: beads are compared with those that a mapping makes")
    if len(cg) > 2:
        raise ConfigError(f"--cg takes a structure and one trajectory, not {len(cg)} files")
    atoms = open_trajectory(structure, trajectory, allow_nan=True)
    ideal = None if reference is None else open_trajectory(reference)
    topology, bonds_from = _topology(atoms, top, ideal, reference)
    return CheckInputs(
        atoms,
        topology,
        bonds_from,
        None if ideal is None else (_topology_of(ideal, topology), ideal.read(0, 1)),
        _beads(atoms, topology, list(cg), mapping) if mapping is not None else None,
    )


def same_atoms(found: AtomTable, file: Path, names: NDArray[np.str_], other: Path) -> None:
    """Compare the names of two files' atoms, which are as many.

    Warns
    -----
    MsbWarning
        Names differ: atoms may stand in another order.
    """
    differ = np.flatnonzero(found.names != names)
    if len(differ):
        shown = "; ".join(f"{found.describe(int(k))} is {names[k]} there" for k in differ[:_NAMED_MOST])
        warnings.warn(
            f"{len(differ)} of {len(found)} atoms have other names in {other} than in {file}, whose order is "
            f"kept all the same ({shown})",
            MsbWarning,
            stacklevel=4,
        )


def _topology(
    atoms: Trajectory, top: str | Path | None, ideal: Trajectory | None, reference: str | Path | None
) -> tuple[Topology, str]:
    """Bonds from the topology file, else the reference, else the structure itself."""
    if top is not None:
        topology, source = read_topology(top), str(top)
        if topology.n_atoms != atoms.n_atoms:
            raise TopologyError(
                f"{top} describes {topology.n_atoms} atoms, {atoms.structure} holds {atoms.n_atoms}: "
                "give the topology that belongs to the structure"
            )
        same_atoms(atoms.atoms, atoms.structure, topology.atom_names, Path(top))
    elif ideal is not None and ideal.n_atoms == atoms.n_atoms:
        same_atoms(atoms.atoms, atoms.structure, ideal.names, ideal.structure)
        topology = read_topology(ideal.structure)
        source = str(ideal.structure) if len(ideal.atoms.bonds) else f"{ideal.structure}, by its distances"
    else:
        known = None if ideal is None else by_names(atoms.atoms, read_topology(ideal.structure))
        topology, source = _own(atoms) if known is None else (known, f"molecules of {reference}")
    if not len(topology.bonds) and topology.n_atoms > 1:
        raise TopologyError(
            f"no bonds are known for the {topology.n_atoms} atoms of {atoms.structure}, so nothing can be "
            f"said of them (taken from {source}): give a topology with --top, or a good structure with "
            "--reference"
        )
    return topology, source


def _topology_of(ideal: Trajectory, topology: Topology) -> Topology:
    """Molecules of the reference; those of the structure where it is the same system."""
    if ideal.n_atoms == topology.n_atoms:
        return topology
    found = read_topology(ideal.structure)
    kinds = {(t.elements, t.bonds.tobytes()) for t in found.templates}
    unknown = [t.name for t in topology.templates if (t.elements, t.bonds.tobytes()) not in kinds]
    if len(unknown) == len(topology.templates):
        raise TopologyError(
            f"{ideal.structure} holds {', '.join(t.name for t in found.templates[:8])}, no molecule of those "
            f"to be checked ({', '.join(unknown[:8])}): give a reference with the same molecules"
        )
    return found


def _own(atoms: Trajectory) -> tuple[Topology, str]:
    if not np.isfinite(atoms.read(0, 1).positions).all():
        raise TopologyError(
            f"{atoms.structure} has atoms without a position in its first frame, so that bonds cannot be "
            "taken from its distances: give a topology with --top, or a good structure with --reference"
        )
    try:
        topology = read_topology(atoms.structure)
    except FileFormatError:
        topology = Topology.from_universe(atoms.universe)  # what mdtraj reads and MDAnalysis does not
    if len(atoms.atoms.bonds):
        return topology, str(atoms.structure)
    topology, changed = by_majority(topology)
    filled = f" ({changed} atoms have the bonds that most molecules of their names have)" if changed else ""
    warnings.warn(
        f"bonds are taken from the distances in {atoms.structure}, where a bond that is far too long looks "
        f"like none{filled}: --top or --reference says which there are",
        MsbWarning,
        stacklevel=4,
    )
    return topology, f"{atoms.structure}, by its distances"


def _beads(atoms: Trajectory, topology: Topology, cg: list[str | Path], mapping: str | Path) -> BeadFrames:
    chosen = mapping_of(mapping, topology, atoms)
    beads = open_trajectory(*cg)
    if beads.n_frames != atoms.n_frames:
        raise TrajectoryError(
            f"{beads.path} has {beads.n_frames} frames of beads, {atoms.path} has {atoms.n_frames} of atoms: "
            "each frame of atoms is compared with its own beads"
        )
    if beads.n_atoms != chosen.n_beads:
        raise MappingError(
            f"{beads.path} has {beads.n_atoms} beads a frame, {mapping} makes {chosen.n_beads} of the atoms "
            f"in {atoms.structure}: give the beads that belong to these atoms"
        )
    named = [str(name) for name in beads.resnames]
    try:
        order = chosen.reorder([str(name) for name in beads.names], named if any(named) else None)
    except MappingError as error:
        raise MappingError(f"{beads.structure} and {mapping}: {error}") from None
    return BeadFrames(beads, chosen, order)
