"""What every energy term knows: its name, its group, and a batch of configurations to be evaluated on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from msb.core.box import minimum_image
from msb.energy.parameters import Table
from msb.errors import EnergyError

__all__ = ["BondedTerm", "Configuration", "Term"]


class Configuration:
    """A batch of positions with their boxes, shared by all terms of one evaluation.

    Parameters
    ----------
    positions : Tensor (B, N, 3)
        nm.
    box : Tensor (B, 3, 3), optional
        Row vectors, nm.
    """

    def __init__(self, positions: Tensor, box: Tensor | None = None) -> None:
        self.positions, self.box = positions, box
        self.shared: dict[Any, Any] = {}  # what one term computed and another may use: pair lists

    def vectors(self, start: Tensor, end: Tensor, periodic: bool = False) -> Tensor:
        """Vectors from atoms to atoms, the shortest ones if periodic.

        Parameters
        ----------
        start, end : Tensor (T,) of int
            Atom indices.
        periodic : bool
            Take the minimum image.

        Returns
        -------
        Tensor (B, T, 3)
            nm.
        """
        vectors = self.positions.index_select(1, end) - self.positions.index_select(1, start)
        if not periodic:
            return vectors
        return minimum_image(vectors, self.boxes())

    def boxes(self) -> Tensor:
        """Boxes of the batch.

        Returns
        -------
        Tensor (B, 3, 3)
            nm.

        Raises
        ------
        EnergyError
            If there is none.
        """
        if self.box is None:
            raise EnergyError("a force of this system is periodic: give the box of the configurations")
        return self.box

    def nothing(self) -> Tensor:
        """Zero energy of each configuration, with gradient zero, kJ/mol, shape (B,)."""
        return self.positions[:, :0].sum(dim=(1, 2))


class Term(ABC):
    """One force of a system.

    Parameters
    ----------
    name : str
    group : int
        OpenMM's force group.
    """

    def __init__(self, name: str = "", group: int = 0) -> None:
        self.name, self.group = name, group

    @abstractmethod
    def energy(self, configuration: Configuration) -> Tensor:
        """Energy of each configuration, kJ/mol, shape (B,)."""


class BondedTerm(Term):
    """A sum over fixed tuples of atoms.

    Parameters
    ----------
    atoms : int array (T, k)
        Atoms of each interaction.
    periodic : bool
        Take minimum images, so that molecules may straddle the box.
    **parameters : array (T, ...)
        Parameters of each interaction.
    """

    def __init__(self, atoms: ArrayLike, periodic: bool = False, **parameters: ArrayLike) -> None:
        super().__init__()
        self.atoms: NDArray[np.int64] = np.asarray(atoms, dtype=np.int64)
        self.periodic = periodic
        self.parameters = Table(**parameters)
        self._columns = Table(**{str(k): column for k, column in enumerate(self.atoms.T)})

    def energy(self, configuration: Configuration) -> Tensor:
        """Energy of each configuration, kJ/mol, shape (B,)."""
        if not len(self.atoms):
            return configuration.nothing()
        values = self.interactions(configuration, self.parameters.on(configuration.positions))
        return values.sum(-1)

    def interactions(self, configuration: Configuration, parameters: dict[str, Tensor]) -> Tensor:
        """Energy of each interaction, kJ/mol, shape (B, T)."""
        return self.of_vectors(self.bond_vectors(configuration), parameters)

    @abstractmethod
    def of_vectors(self, vectors: Sequence[Tensor], parameters: dict[str, Tensor]) -> Tensor:
        """Energies of interactions given by where their atoms are.

        Parameters
        ----------
        vectors : sequence of k - 1 Tensors (..., T, 3)
            From each atom of a tuple to the next, nm.
        parameters : dict of str to Tensor
            With the names of `self.parameters`, of shapes that broadcast against (..., T).

        Returns
        -------
        Tensor (..., T)
            kJ/mol.
        """

    def bond_vectors(self, configuration: Configuration) -> tuple[Tensor, ...]:
        """Vectors between consecutive atoms of each tuple, k - 1 tensors (B, T, 3), nm."""
        columns = list(self._columns.on(configuration.positions).values())
        pairs = pairwise(columns)
        return tuple(configuration.vectors(start, end, self.periodic) for start, end in pairs)
