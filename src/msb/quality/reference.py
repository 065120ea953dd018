"""A structure to measure others by: hands of its stereocentres, sides of its double bonds, its geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.structure.terms import term_values
from msb.core.box import make_whole
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import TopologyError

__all__ = ["Reference", "majority"]

FloatArray = NDArray[np.float64]
SignArray = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Reference:
    """Positions that are as they should be.

    Attributes
    ----------
    topology : Topology
        Of the reference; the same molecules in other numbers will do.
    positions : ndarray (F, N, 3)
        nm, whole molecules.

    Raises
    ------
    TopologyError
        Positions do not fit the topology, or one is not finite.
    """

    topology: Topology
    positions: FloatArray

    def __post_init__(self) -> None:
        """Check shape and numbers."""
        if self.positions.ndim != 3 or self.positions.shape[1:] != (self.topology.n_atoms, 3):
            raise TopologyError(
                f"a reference of shape {self.positions.shape} does not fit {self.topology.n_atoms} atoms: "
                "(frames, atoms, 3) is needed"
            )
        if not len(self.positions) or not np.isfinite(self.positions).all():
            raise TopologyError("the reference has no frame, or a coordinate that is not finite")

    @classmethod
    def of(cls, topology: Topology, positions: ArrayLike, boxes: ArrayLike | None = None) -> Reference:
        """Make a reference, and its molecules whole.

        Parameters
        ----------
        topology : Topology
            The system.
        positions : array_like (F, N, 3) or (N, 3)
            nm; molecules may be cut by the box.
        boxes : array_like (F, 3, 3) or (3, 3), optional
            Row vectors, nm.

        Returns
        -------
        Reference

        Raises
        ------
        TopologyError
            As the class.
        """
        x = np.asarray(positions, dtype=np.float64)
        x = x[None] if x.ndim == 2 else x
        if boxes is not None and x.ndim == 3 and x.shape[1] == topology.n_atoms:
            x = np.asarray(make_whole(x, np.asarray(boxes, dtype=np.float64), topology))
        return cls(topology, x)

    def copies(self, template: MoleculeTemplate) -> FloatArray | None:
        """Return all copies of a molecule in all frames, (S, n, 3) in nm; None where it has none."""
        parts = [
            block.reshape(-1, template.n_atoms, 3)
            for other, block in self.topology.split(self.positions)
            if _alike(other, template)
        ]
        return np.concatenate(parts) if parts else None

    def aligned(self, topology: Topology) -> bool:
        """Tell whether the reference holds the same molecules in the same order and number."""
        ours, theirs = self.topology.molecules, topology.molecules
        return len(ours) == len(theirs) and all(
            k == m and _alike(one, other) for (one, k), (other, m) in zip(ours, theirs, strict=True)
        )

    def geometry(self, template: MoleculeTemplate) -> tuple[FloatArray | None, FloatArray | None]:
        """Return lengths (S, B) in nm and angles (S, A) in degrees of all copies of a molecule."""
        x = self.copies(template)
        if x is None:
            return None, None
        lengths = term_values(x, "bond", template.bonds) if len(template.bonds) else None
        angles = np.degrees(term_values(x, "angle", template.angles)) if len(template.angles) else None
        return lengths, angles


def majority(signs: NDArray[np.int8], share: float, copies: int) -> SignArray:
    """Return the sign that most copies have.

    Parameters
    ----------
    signs : ndarray (..., S, C)
        Of S copies.
    share : float
        The least share of the copies that makes a majority.
    copies : int
        How many copies are needed.

    Returns
    -------
    ndarray (..., C)
        0 where there is no majority, or too few copies.
    """
    n = signs.shape[-2]
    if n < copies:
        return np.zeros((*signs.shape[:-2], signs.shape[-1]), dtype=np.int8)
    total = signs.sum(axis=-2, dtype=np.int64)
    clear = np.abs(total) >= (2.0 * share - 1.0) * n - 1e-9
    return np.asarray(np.where(clear, np.sign(total), 0), dtype=np.int8)


def _alike(one: MoleculeTemplate, other: MoleculeTemplate) -> bool:
    """Tell whether two molecules have the same atoms and bonds, whatever their names and force fields."""
    return one is other or (one.elements == other.elements and np.array_equal(one.bonds, other.bonds))
