"""Trajectories that are to be compared: the same atoms in the same order, or a sentence on what differs."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.differences import topology_differences
from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.errors import MsbWarning, TopologyError, TrajectoryError
from msb.io.atoms import AtomTable
from msb.io.frames import Frames
from msb.io.topology_files import read_topology
from msb.io.trajectory import Trajectory, open_trajectory

__all__ = ["Ensemble", "open_ensembles", "topology_of"]

_LEAST = 4  # frames: two blocks of an even and an odd one
_NAMED = (".pdb", ".gro", ".pdbqt", ".mol2")  # trajectories that hold names themselves


@dataclass(frozen=True)
class Ensemble:
    """One trajectory, its atoms in the order of the structure.

    Attributes
    ----------
    label : str
        For tables and legends.
    trajectory : Trajectory
        The file.
    n_frames : int
        Frames that are used, the first ones.
    order : ndarray (N,) of int or None
        Place in the file of the structure's atoms, where that differs.
    """

    label: str
    trajectory: Trajectory
    n_frames: int
    order: NDArray[np.int64] | None = None

    def read(self, topology: Topology, start: int, stop: int, step: int = 1) -> Frames:
        """Read frames, in the order of the structure, molecules made whole."""
        frames = self.trajectory.read(start, min(stop, self.n_frames), step)
        positions = frames.positions if self.order is None else frames.positions[:, self.order]
        if frames.boxes is not None:
            positions = make_whole(positions, frames.boxes, topology)
        return Frames(positions, frames.boxes, frames.times, frames.index, frames.step)


def topology_of(structure: str | Path, top: str | Path | None) -> Topology:
    """Read the system from a topology file, checked against the structure, or from the structure itself.

    Raises
    ------
    TopologyError
        Structure and topology file have other atoms.
    """
    from_structure = read_topology(structure)
    if top is None:
        return from_structure
    topology = read_topology(top)
    if topology.n_atoms != from_structure.n_atoms:
        raise TopologyError(
            f"{top} describes {topology.n_atoms} atoms, {structure} holds {from_structure.n_atoms}: "
            "give the topology that belongs to the structure"
        )
    wrong = np.flatnonzero(topology.elements != from_structure.elements)
    known = [atom for atom in wrong if from_structure.elements[atom] and topology.elements[atom]]
    if known:
        atom = int(known[0])
        raise TopologyError(
            f"{len(known)} atoms of {top} and {structure} are of other elements, the first is atom "
            f"{atom + 1}: {topology.atom_names[atom]} ({topology.elements[atom]}) and "
            f"{from_structure.atom_names[atom]} ({from_structure.elements[atom]})"
        )
    return topology


def open_ensembles(
    structure: str | Path, paths: list[Path], *, timestep: float | None = None, least: int = _LEAST
) -> list[Ensemble]:
    """Open trajectories of one system; the first is the reference.

    Where a file has names of its own (a multi-model PDB), or a structure of the same name stands beside it
    (`msb` writes one), they are compared with those of `structure`, and atoms in another order are put in it.

    Parameters
    ----------
    structure : path
        Names of the atoms.
    paths : list of Path
        Trajectories, the reference first.
    timestep : float, optional
        Frame spacing in ps, for files that do not know it.
    least : int
        Frames a trajectory must have.

    Raises
    ------
    TopologyError
        A trajectory has other atoms; what differs is named.
    TrajectoryError
        A file cannot be read, or has too few frames.

    Warns
    -----
    MsbWarning
        Trajectories have different lengths, or atoms in another order.
    """
    names = AtomTable.of(open_trajectory(structure).universe)
    found = []
    for number, path in enumerate(paths):
        order = _checked_order(names, structure, path)
        trajectory = open_trajectory(structure, path, lag=timestep)
        if trajectory.n_frames < least:
            frames = f"{trajectory.n_frames} frame{'s' if trajectory.n_frames > 1 else ''}"
            raise TrajectoryError(
                f"{path} has {frames}; a comparison needs {least} at least, for the floor (even and odd "
                "frames) and its interval (blocks of frames): give a longer trajectory"
            )
        label = "reference" if number == 0 else path.stem
        found.append(Ensemble(label, trajectory, trajectory.n_frames, order))
    return _same_length(_distinct(found, paths))


def _distinct(found: list[Ensemble], paths: list[Path]) -> list[Ensemble]:
    """Name tests by their folders too where two files have one name."""
    repeated = Counter(ensemble.label for ensemble in found)
    return [
        Ensemble(str(path.with_suffix("")), e.trajectory, e.n_frames, e.order) if repeated[e.label] > 1 else e
        for e, path in zip(found, paths, strict=True)
    ]


def _same_length(found: list[Ensemble]) -> list[Ensemble]:
    lengths = [ensemble.n_frames for ensemble in found]
    if len(set(lengths)) == 1:
        return found
    shortest = min(lengths)
    listed = ", ".join(f"{e.trajectory.path.name} {e.n_frames}" for e in found)
    warnings.warn(
        f"the trajectories have different numbers of frames ({listed}): the first {shortest} of each are "
        "compared, since the floor of finite samples is one of as many frames",
        MsbWarning,
        stacklevel=3,
    )
    return [Ensemble(e.label, e.trajectory, shortest, e.order) for e in found]


def _checked_order(names: AtomTable, structure: str | Path, path: Path) -> NDArray[np.int64] | None:
    """Compare the names that belong to a trajectory with the structure's, where there are any."""
    own = _names_of(path)
    if own is None:
        return None
    theirs, whose = own
    if whose.resolve() == Path(structure).resolve():
        return None
    if len(theirs) != len(names):
        raise TopologyError(_difference(structure, whose))
    same = (theirs.names == names.names) & (theirs.resnames == names.resnames)
    hydrogens = np.char.startswith(theirs.names.astype(str), "H") & np.char.startswith(
        names.names.astype(str), "H"
    )
    wrong = np.flatnonzero(~(same | (hydrogens & (theirs.resnames == names.resnames))))
    if not len(wrong):
        return None
    labels, wanted = _labels(theirs), _labels(names)
    if Counter(labels) == Counter(wanted) and len(set(labels)) == len(labels):
        place = {label: number for number, label in enumerate(labels)}
        warnings.warn(
            f"the atoms of {whose} stand in another order than those of {structure}: they were matched by "
            "residue and name",
            MsbWarning,
            stacklevel=4,
        )
        return np.array([place[label] for label in wanted], dtype=np.int64)
    raise TopologyError(_difference(structure, whose))


def _names_of(path: Path) -> tuple[AtomTable, Path] | None:
    beside = [path.with_name(f"{path.name}.pdb"), *(path.with_suffix(end) for end in (".pdb", ".gro"))]
    if path.suffix.lower() in _NAMED:
        beside = [path]
    for file in beside:
        if file.is_file() and file.stat().st_size:
            return AtomTable.of(open_trajectory(file).universe), file
    return None


def _labels(table: AtomTable) -> list[tuple[int, str, str]]:
    return [
        (int(residue), str(resname), str(name))
        for residue, resname, name in zip(table.residue, table.resnames, table.names, strict=True)
    ]


def _difference(structure: str | Path, whose: Path) -> str:
    """Say what differs, by residue and atom."""
    found = topology_differences(read_topology(structure), read_topology(whose), limit=1)
    names = (("the reference", Path(structure).name), ("the test", whose.name))
    listed = "; ".join(found)
    for word, name in names:
        listed = listed.replace(word, name)
    return f"{structure} and {whose} are different systems: {listed}: compare trajectories of one system"
