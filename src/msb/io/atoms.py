"""What a structure file says about its atoms besides where they are: what readers and writers need."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError

if TYPE_CHECKING:
    from MDAnalysis import Universe

    from msb.io.gro import GroFrame

__all__ = ["AtomTable", "quiet", "reason"]


class quiet(warnings.catch_warnings):
    """Context in which other libraries' remarks on guessed masses, elements and unit cells are not shown."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


@dataclass(frozen=True)
class AtomTable:
    """Names of N particles.

    Attributes
    ----------
    names, resnames : ndarray (N,) of str
        Atom (or bead) names and residue names.
    resids : ndarray (N,), int64
        Residue numbers as written.
    residue : ndarray (N,), int64
        Index of each atom's residue, counted from 0.
    elements : ndarray (N,) of str
        Symbols; empty strings where unknown.
    chains : ndarray (N,) of str
        Chain letters; empty strings where there are none.
    bonds : ndarray (B, 2), int64
        Bonded pairs, possibly none.
    """

    names: NDArray[np.str_]
    resnames: NDArray[np.str_]
    resids: NDArray[np.int64]
    residue: NDArray[np.int64]
    elements: NDArray[np.str_]
    chains: NDArray[np.str_]
    bonds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def describe(self, atom: int) -> str:
        """Name one atom for a message: `atom 7 (CA of ALA 2)`; atoms count from 1 here, as in files."""
        place = f"{self.names[atom]} of {self.resnames[atom]} {self.resids[atom]}"
        return f"atom {atom + 1} ({place})"

    @classmethod
    def of(cls, source: Any) -> AtomTable:
        """Take the names from whatever has them.

        Parameters
        ----------
        source : AtomTable, Trajectory, MDAnalysis Universe or AtomGroup, or msb Topology
            A Topology is asked for its Universe.

        Raises
        ------
        TrajectoryError
            If `source` is none of these.
        """
        if isinstance(source, cls):
            return source
        if isinstance(getattr(source, "atoms", None), cls):
            return source.atoms  # type: ignore[no-any-return]
        if hasattr(source, "to_universe"):
            source = source.to_universe()
        if hasattr(source, "atoms"):
            return cls.from_atoms(source.atoms)
        raise TrajectoryError(
            f"atom names cannot be taken from a {type(source).__name__}; give a Trajectory, a Topology, or "
            "an MDAnalysis Universe or AtomGroup."
        )

    @classmethod
    def from_atoms(cls, atoms: Any) -> AtomTable:
        """Take the names from an MDAnalysis AtomGroup."""
        n_atoms = len(atoms)

        def texts(attribute: str) -> NDArray[np.str_]:
            values = getattr(atoms, attribute, None)
            return np.array([""] * n_atoms if values is None else values).astype(str)

        resids = getattr(atoms, "resids", np.ones(n_atoms))
        _, residue = np.unique(atoms.resindices, return_inverse=True)
        chains = texts("chainIDs")
        if not chains.astype(bool).any():
            segments = texts("segids")
            chains = np.where(np.char.str_len(segments) == 1, segments, "")
        return cls(
            texts("names" if hasattr(atoms, "names") else "types"),
            texts("resnames"),
            np.asarray(resids, np.int64),
            residue.astype(np.int64),
            texts("elements"),
            chains,
            _bonds(atoms),
        )

    @classmethod
    def from_gro(cls, frame: GroFrame) -> AtomTable:
        """Take the names from a GRO frame; a new residue begins where number or name changes."""
        changes = (np.diff(frame.resids) != 0) | (frame.resnames[1:] != frame.resnames[:-1])
        empty = np.full(len(frame.names), "")
        return cls(
            frame.names,
            frame.resnames,
            frame.resids,
            np.concatenate([[0], np.cumsum(changes)]),
            empty,
            empty,
            np.zeros((0, 2), np.int64),
        )

    @classmethod
    def from_mdtraj(cls, topology: Any) -> AtomTable:
        """Take the names from an mdtraj Topology."""
        atoms = list(topology.atoms)
        return cls(
            np.array([atom.name for atom in atoms], str),
            np.array([atom.residue.name for atom in atoms], str),
            np.array([atom.residue.resSeq for atom in atoms], np.int64),
            np.array([atom.residue.index for atom in atoms], np.int64),
            np.array([atom.element.symbol if atom.element else "" for atom in atoms], str),
            np.full(len(atoms), ""),
            np.array([(a.index, b.index) for a, b in topology.bonds], np.int64).reshape(-1, 2),
        )

    def universe(self) -> Universe:
        """Make an MDAnalysis Universe with these names, elements where known, and bonds; no coordinates."""
        import MDAnalysis

        n_residues = int(self.residue.max()) + 1
        first = np.unique(self.residue, return_index=True)[1]
        with quiet():
            universe = MDAnalysis.Universe.empty(
                len(self), n_residues, atom_resindex=self.residue, trajectory=True
            )
            universe.add_TopologyAttr("names", self.names.astype(object))
            universe.add_TopologyAttr("resnames", self.resnames[first].astype(object))
            universe.add_TopologyAttr("resids", self.resids[first])
            if self.elements.astype(bool).any():
                universe.add_TopologyAttr("elements", self.elements.astype(object))
            if len(self.bonds):
                universe.add_TopologyAttr("bonds", [tuple(pair) for pair in self.bonds.tolist()])
        return universe

    def mdtraj_topology(self) -> Any:
        """Make an mdtraj Topology with these names; elements that are unknown become virtual sites."""
        import mdtraj

        topology = mdtraj.Topology()
        chain = topology.add_chain()
        residue, current = None, -1
        for atom in range(len(self)):
            if self.residue[atom] != current:
                current = self.residue[atom]
                residue = topology.add_residue(str(self.resnames[atom]), chain, int(self.resids[atom]))
            symbol = str(self.elements[atom])
            element = mdtraj.element.Element.getBySymbol(symbol) if symbol else mdtraj.element.virtual
            topology.add_atom(str(self.names[atom]), element, residue)
        return topology

    @classmethod
    def from_structure(cls, path: Path) -> tuple[AtomTable, Any]:
        """Read a structure or topology file with MDAnalysis; returns the table and the Universe.

        Raises
        ------
        TrajectoryError
            If MDAnalysis cannot read it.
        """
        import MDAnalysis

        try:
            with quiet():
                universe = MDAnalysis.Universe(str(path))
        except Exception as error:
            raise TrajectoryError(f"{path} cannot be read as a structure: {reason(error)}") from error
        return cls.from_atoms(universe.atoms), universe


def _bonds(atoms: Any) -> NDArray[np.int64]:
    """Bonds within the group, as positions in the group; none where the source has none."""
    try:
        pairs = np.asarray(atoms.bonds.indices, np.int64).reshape(-1, 2)
    except Exception:  # MDAnalysis' NoDataError is an AttributeError in one version, a ValueError in another
        return np.zeros((0, 2), np.int64)
    place = np.full(int(max(pairs.max(initial=-1), atoms.indices.max())) + 1, -1)
    place[atoms.indices] = np.arange(len(atoms))
    inside = place[pairs]
    return inside[(inside >= 0).all(axis=1)]


def reason(error: BaseException) -> str:
    """Return the first line of another library's message, as a sentence's end."""
    text = str(error).strip().splitlines()
    return (text[0].rstrip(".") if text else type(error).__name__) + "."
