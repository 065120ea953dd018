"""Solvent beads that become molecules again: waters around their beads, ions where theirs are.

The rule: a bead W, WF or PW stands for four waters (of PW its first particle counts), SW for three, TW for
two; any other water's name (SOL, HOH, WAT, TIP3, ...) for one. Waters are SOL: OW, HW1, HW2. An ion stays one
particle at its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.classical.solvent import fill_waters, place_ions
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.census import Odd

__all__ = ["Filling", "filling_of"]

_WATERS = {"W": 4, "WF": 4, "WN": 4, "PW": 4, "SW": 3, "TW": 2}
_SINGLE = ("HOH", "SOL", "WAT", "TIP3", "TIP3P", "TIP4", "SPC", "SPCE", "H2O")

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Filling:
    """Beads of solvent and what becomes of them.

    Attributes
    ----------
    waters : tuple of (ndarray, int)
        Beads, as numbered in the file, and the waters that each stands for.
    ions : tuple of (str, ndarray)
        Name and places of ions.
    """

    waters: tuple[tuple[Indices, int], ...] = ()
    ions: tuple[tuple[str, Indices], ...] = ()

    @property
    def topology(self) -> Topology:
        """Waters first, then ions."""
        water = MoleculeTemplate.from_atoms("SOL", ("OW", "HW1", "HW2"), bonds=[(0, 1), (0, 2)])
        runs = [(water, len(beads) * count) for beads, count in self.waters]
        runs += [(MoleculeTemplate.from_atoms(name, (name,)), len(beads)) for name, beads in self.ions]
        return Topology(tuple(runs))

    def positions(self, x: Floats, seed: int, frame: int) -> Floats:
        """Return the atoms (A, 3) for a frame of the file, nm.

        Parameters
        ----------
        x : float32 array (P, 3)
            All particles of the file, nm.
        seed, frame : int
            The same give the same places.
        """
        parts = [np.empty((0, 3), dtype=np.float32)]
        for number, (beads, count) in enumerate(self.waters):
            placed = fill_waters(x[beads], per_bead=count, seed=seed + 7919 * number, frame=frame)
            parts.append(placed.reshape(-1, 3))
        parts += [place_ions(x[beads]) for _, beads in self.ions]
        return np.concatenate(parts)


def filling_of(solvent: Sequence[Odd]) -> Filling:
    """Say what becomes of solvent residues.

    Parameters
    ----------
    solvent : sequence of Odd
    """
    waters: list[tuple[Indices, int]] = []
    ions: list[tuple[str, Indices]] = []
    for entry in solvent:
        name = entry.residue.upper()
        first = np.array([place[0] for place in entry.places], dtype=np.int64)
        if name in _WATERS:
            waters.append((first, _WATERS[name]))
        elif name in _SINGLE:
            waters.append((first, 1))
        else:
            ions.append((entry.residue, np.concatenate(entry.places)))
    return Filling(tuple(waters), tuple(ions))
