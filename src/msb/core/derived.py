"""What follows from a molecule's atoms and bonds, computed once when first asked for."""

from __future__ import annotations

from functools import cached_property

import networkx as nx
import numpy as np

from msb.core.arrays import Array, IntArray, read_only
from msb.core.graph import (
    angles_of,
    components_of,
    dihedrals_of,
    neighbours_of,
    pairs_within,
    sorted_rows,
)
from msb.core.rings import rings_of
from msb.core.stereo import hands, signed_volumes, stereocentres_of

__all__ = ["BondedStructure"]


class BondedStructure:
    """Atoms and bonds, and what they imply.

    Attributes
    ----------
    atom_names, elements : tuple of str, one an atom
        Names and chemical symbols.
    bonds : ndarray (B, 2)
        i < j, sorted, no repeats.
    """

    atom_names: tuple[str, ...]
    elements: tuple[str, ...]
    bonds: IntArray

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atom_names)

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """Bonded neighbours of every atom, ascending."""
        return neighbours_of(self.n_atoms, self.bonds)

    @cached_property
    def graph(self) -> nx.Graph:
        """The bond graph; nodes are atoms with `name` and `element`."""
        graph = nx.Graph()
        for atom, (name, element) in enumerate(zip(self.atom_names, self.elements, strict=True)):
            graph.add_node(atom, name=name, element=element)
        graph.add_edges_from(self.bonds.tolist())
        return graph

    @cached_property
    def angles(self) -> IntArray:
        """All bond angles i-j-k, (A, 3), i < k."""
        return read_only(angles_of(self.neighbours))

    @cached_property
    def dihedrals(self) -> IntArray:
        """All proper dihedrals i-j-k-l, (D, 4), j < k."""
        return read_only(dihedrals_of(self.neighbours))

    @cached_property
    def impropers(self) -> IntArray:
        """Planar centres first, then their three neighbours, (I, 4).

        Planar is a C or B with exactly three neighbours, and an N with three of which one is such a C
        (amides, anilines). Hydrogens must be explicit: a united-atom CH looks planar.
        """
        planar = {a for a, n in enumerate(self.neighbours) if len(n) == 3 and self.elements[a] in ("C", "B")}
        carbons = {a for a in planar if self.elements[a] == "C"}
        planar |= {
            a
            for a, n in enumerate(self.neighbours)
            if len(n) == 3 and self.elements[a] == "N" and carbons & set(n)
        }
        rows = [(a, *self.neighbours[a]) for a in sorted(planar)]
        return read_only(np.array(rows, dtype=np.int64).reshape(-1, 4))

    @cached_property
    def _shells(self) -> dict[int, tuple[IntArray, ...]]:
        return {}

    def _pairs_at(self, n_bonds: int) -> tuple[IntArray, ...]:
        """Return the pairs 1, 2, ... n_bonds apart, one array each."""
        for known, shells in self._shells.items():
            if known >= n_bonds:
                return shells[:n_bonds]
        found = tuple(read_only(pairs) for pairs in pairs_within(self.n_atoms, self.bonds, n_bonds))
        self._shells[n_bonds] = found
        return found

    def exclusions(self, n_bonds: int) -> IntArray:
        """Return the pairs at most `n_bonds` bonds apart: 1 is 1-2, 2 adds 1-3, 3 adds 1-4.

        Parameters
        ----------
        n_bonds : int
            Largest number of bonds between the two.

        Returns
        -------
        ndarray (P, 2)
            i < j, sorted.
        """
        none = np.empty((0, 2), dtype=np.int64)
        return sorted_rows(np.concatenate([none, *self._pairs_at(n_bonds)]))

    @cached_property
    def pairs14(self) -> IntArray:
        """Pairs exactly three bonds apart, (P, 2)."""
        return self._pairs_at(3)[2]

    @cached_property
    def rings(self) -> tuple[tuple[int, ...], ...]:
        """The smallest rings, each walked from its lowest atom; see `rings_of`."""
        return rings_of(self.neighbours)

    @cached_property
    def components(self) -> IntArray:
        """The connected piece every atom belongs to, (n,); all 0 for an ordinary molecule."""
        return read_only(components_of(self.n_atoms, self.bonds))

    @cached_property
    def stereocentres(self) -> tuple[int, ...]:
        """Atoms at which the molecule can have handedness; see `stereocentres_of`."""
        return stereocentres_of(self.elements, self.neighbours, self.rings)

    def chirality(self, positions: Array) -> Array:
        """Return the hand of every stereocentre in some positions, which must be whole.

        The sign is that of the volume that the centre's four neighbours span, taken in ascending order. It is
        no R or S: along a polymer, equal signs on equal repeats are a meso pair whatever the priorities do.

        Parameters
        ----------
        positions : ndarray or Tensor (..., n_atoms, 3)
            nm.

        Returns
        -------
        ndarray or Tensor (..., n_centres), int8
            +1 or -1; 0 for a flat centre.
        """
        return hands(signed_volumes(positions, [self.neighbours[a] for a in self.stereocentres]))
