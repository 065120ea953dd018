"""Correction maps: an energy tabulated over two torsions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from msb.core.geometry import vector_dihedrals
from msb.energy.parameters import Table, plain
from msb.energy.splines import bicubic_coefficients, evaluate_bicubic
from msb.energy.terms import Configuration, Term

__all__ = ["CMAPTorsion"]


class CMAPTorsion(Term):
    """Bicubic energy maps over pairs of torsions.

    Parameters
    ----------
    atoms : int array (T, 8)
        First torsion, then second torsion.
    which : int array (T,)
        Map of each pair.
    maps : sequence of float arrays (n, n)
        kJ/mol on angles 0, 2 pi / n, ...; first torsion along the first axis.
    periodic : bool
        Take minimum images.
    """

    def __init__(
        self, atoms: ArrayLike, which: ArrayLike, maps: list[NDArray[np.float64]], periodic: bool = False
    ) -> None:
        super().__init__()
        self.periodic = periodic
        self.atoms = np.asarray(atoms, dtype=np.int64).reshape(-1, 8)
        which = np.asarray(which, dtype=np.int64)
        sizes = np.array([len(grid) for grid in maps], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes**2)])[:-1]
        cells = [
            bicubic_coefficients(np.pad(m, (0, 1), "wrap"), periodic=True).reshape(-1, 4, 4) for m in maps
        ]
        self.cells = Table(cells=np.concatenate(cells) if cells else np.zeros((0, 4, 4)))
        self.parameters = Table(size=sizes[which], start=starts[which])
        self._columns = Table(**{str(k): column for k, column in enumerate(self.atoms.T)})

    @classmethod
    def from_openmm(cls, force: Any) -> CMAPTorsion:
        """Read an OpenMM CMAPTorsionForce."""
        maps = []
        for k in range(force.getNumMaps()):
            size, energies = force.getMapParameters(k)
            maps.append(np.array(plain(energies), dtype=np.float64).reshape(size, size).T)
        rows = [force.getTorsionParameters(k) for k in range(force.getNumTorsions())]
        table = np.array(rows, dtype=np.int64).reshape(-1, 9)
        return cls(table[:, 1:], table[:, 0], maps, force.usesPeriodicBoundaryConditions())

    def energy(self, configuration: Configuration) -> Tensor:
        """Energy of each configuration, kJ/mol, shape (B,)."""
        if not len(self.atoms):
            return configuration.nothing()
        columns = list(self._columns.on(configuration.positions).values())
        vectors = [configuration.vectors(start, end, self.periodic) for start, end in pairwise(columns)]
        return self.of_vectors(vectors, self.parameters.on(configuration.positions)).sum(-1)

    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energies of pairs of torsions given by where their atoms are.

        Parameters
        ----------
        vectors : sequence of 7 Tensors (..., T, 3)
            From each of the eight atoms to the next, nm.
        parameters : dict of str to Tensor
            ``size`` and ``start`` of each pair's map, as in `self.parameters`.

        Returns
        -------
        Tensor (..., T)
            kJ/mol.
        """
        size, column, places = parameters["size"], parameters["start"], []
        for bonds, stride in ((vectors[:3], size), (vectors[4:], torch.ones_like(size))):
            scaled = vector_dihedrals(*bonds) * (size / (2 * math.pi))
            cell = scaled.detach().floor()
            places.append(scaled - cell)
            column = column + torch.remainder(cell.long(), size) * stride
        return evaluate_bicubic(self.cells.on(vectors[0])["cells"][column], *places)
