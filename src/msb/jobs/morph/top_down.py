"""Top-down beads from files: which of them make a chain, what a unit of length is, and frames in nm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.errors import TopologyError, TrajectoryError
from msb.io.atoms import AtomTable
from msb.io.topology_files import read_topology
from msb.io.trajectory import Trajectory, open_trajectory
from msb.jobs.assess.frames import WholeFrames
from msb.morph.chains import Chains, chain_topology, find_chains

__all__ = ["TopDown", "chain_bonds", "open_top_down"]

Floats = NDArray[np.float32]
_GROMACS = (".top", ".itp")


@dataclass(frozen=True)
class TopDown:
    """Frames of top-down beads.

    Attributes
    ----------
    trajectory : Trajectory
        The file.
    chains : Chains
        Which beads are bonded.
    factor : float
        nm of a nm of the file.
    """

    trajectory: Trajectory
    chains: Chains
    factor: float = 1.0

    @property
    def n_frames(self) -> int:
        """Frames of the file."""
        return self.trajectory.n_frames

    def topology(self, types: tuple[str, ...] | None = None) -> Topology:
        """Return the chains with bonds and names; types are the names where none are given.

        Parameters
        ----------
        types : tuple of str (N,), optional
            The target's.
        """
        names = [str(name) or "B" for name in self.trajectory.names]
        return chain_topology(self.chains.lengths, names, types or names, resnames=self._residues)

    @property
    def _residues(self) -> list[str]:
        return [str(name) or "CHN" for name in self.trajectory.resnames]

    def written(self) -> AtomTable:
        """Return what output files call the beads: as the input does, with the chains' bonds."""
        return replace(self.trajectory.atoms, bonds=chain_bonds(self.chains.lengths))

    def read(self, number: int) -> tuple[Floats, Floats | None, float]:
        """Read a frame.

        Parameters
        ----------
        number : int
            Counted from 0.

        Returns
        -------
        positions : float32 array (N, 3)
            nm, chains whole.
        box : float32 array (3, 3) or None
            Row vectors, nm.
        time : float
            ps; the frame's number where the file does not know it.

        Raises
        ------
        TrajectoryError
            It cannot be read, or a chain is bonded to its own image.
        """
        positions, box = self._whole(number)
        times = self.trajectory.times
        time = float(number if times is None else times[number])
        scale = np.float32(self.factor)
        return positions * scale, None if box is None else box * scale, time

    def look(self) -> tuple[Floats, Floats | None]:
        """Look at the first frame before there is any other work: chains whole, nm of the file.

        Raises
        ------
        TrajectoryError
            Many chains without a box.

        Warns
        -----
        MsbWarning
            Chains are cut by the box.
        """
        self._whole.look(0)
        return self._whole(0)

    @cached_property
    def _whole(self) -> WholeFrames:
        return WholeFrames(self.trajectory, self.topology(), str(self.trajectory.path))


def chain_bonds(lengths: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the bonds (B, 2) of consecutive beads.

    Parameters
    ----------
    lengths : tuple of int
        Beads of each chain.
    """
    chain = np.repeat(np.arange(len(lengths)), lengths)
    first = np.flatnonzero(chain[1:] == chain[:-1])
    return np.stack([first, first + 1], axis=1).astype(np.int64)


def open_top_down(
    structure: str | Path,
    trajectory: str | Path | None = None,
    *,
    top: str | Path | None = None,
    per_chain: int | None = None,
    lag: float | None = None,
) -> TopDown:
    """Open the beads and find their chains.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    top : path, optional
        Topology with the bonds: of the whole system, or of one molecule of which there are many.
    per_chain : int, optional
        Beads of every chain.
    lag : float, optional
        Frame spacing, ps.

    Returns
    -------
    TopDown
        In the file's own lengths.

    Raises
    ------
    TrajectoryError, FileFormatError
        A file cannot be read.
    TopologyError
        Chains are branched, rings, or cannot be told.
    """
    source = open_trajectory(structure, trajectory, lag=lag)
    first = source.read(0, 1)
    box = None if first.boxes is None else first.boxes[0]
    bonds = source.atoms.bonds if top is None else _bonds_of(Path(top), source.n_atoms, source.path)
    chains = find_chains(
        first.positions[0],
        box,
        resids=source.atoms.residue,
        names=[str(name) for name in source.names],
        bonds=bonds if len(bonds) else None,
        per_chain=per_chain,
    )
    if max(chains.lengths) < 2:
        raise TopologyError(
            f"{source.path}: no bead is bonded to another, so there are no local statistics to morph; give "
            "the beads of every chain (--per-chain N)"
        )
    if box is None and len(chains.lengths) > 1:
        raise TrajectoryError(
            f"{source.path} has no box, but {len(chains.lengths)} chains: without it nobody knows which of "
            "them are neighbours, and there is no density; write it with its box (gro, pdb with CRYST1, xtc)"
        )
    return TopDown(source, chains)


def _bonds_of(path: Path, n_beads: int, beads: Path) -> NDArray[np.int64]:
    """Bonds (B, 2) of the system from a topology of it, or of one of its molecules."""
    if path.suffix.lower() in _GROMACS:
        topology = read_topology(path)
        count, bonds = topology.n_atoms, np.asarray(topology.bonds, dtype=np.int64)
    elif path.is_file():
        table = AtomTable.from_structure(path)[0]
        count, bonds = len(table), table.bonds
    else:
        raise TopologyError(f"{path}: there is no such topology; give --top a file that is there")
    if not len(bonds):
        raise TopologyError(f"{path} names no bonds: give a top, itp, psf, tpr or pdb with CONECT to --top")
    if n_beads % count:
        raise TopologyError(
            f"{path} is of {count} beads and {beads} has {n_beads}: give the topology of that system, or of "
            "the one molecule that it is made of"
        )
    starts = np.arange(0, n_beads, count)
    return np.asarray((bonds[None] + starts[:, None, None]).reshape(-1, 2))
