"""Newton steps of the projection for components too long for dense matrices: sparse, one row at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cholesky_banded
from scipy.sparse.linalg import splu

__all__ = ["LongComponent"]

Floats = NDArray[np.float64]


class LongComponent:
    """A part of a molecule of n atoms, k bonds and b beads; n, k and b may be thousands.

    Its equations are the same as those of `msb.core.projection_solver`; since they reach along a chain by a
    few atoms only, the Karush-Kuhn-Tucker matrix is nearly banded, and steps cost as much as there are atoms.

    Parameters
    ----------
    incidence : ndarray (k, n)
        +1 and -1 where an atom is the first or second end of a bond.
    weights : ndarray (b, n)
        Of the atoms in the beads.
    masses : ndarray (n,)
        amu.
    ridge : float
        Share of the constraints' own stiffness by which they give way, so that repeated ones do no harm.
    """

    def __init__(self, incidence: Floats, weights: Floats, masses: Floats, ridge: float) -> None:
        self.incidence = sparse.csr_matrix(incidence)
        self.weights = sparse.csr_matrix(weights)
        self.masses, self.ridge = masses, ridge

    @cached_property
    def _beads(self) -> Any:
        """Rows of the beads' equations (3 b, 3 n): x, y and z of each."""
        return sparse.kron(self.weights, sparse.eye(3), format="csr")

    @cached_property
    def _entries(self) -> tuple[NDArray[Any], NDArray[Any], Floats]:
        """Bond, atom and sign of every end."""
        found = self.incidence.tocoo()
        return found.row, found.col, found.data

    def step(self, moved: Floats, bonds: Floats, off: Floats, restore: bool) -> Floats:
        """Take a Newton step.

        Parameters
        ----------
        moved : ndarray (n, 3)
            From where the atoms are to stay close to, nm.
        bonds : ndarray (k, 3)
            Vectors along the bonds, nm.
        off : ndarray (3 b + k,)
            By how much the beads (nm) and half the squared lengths (nm^2) are off.
        restore : bool
            Whether only to restore the equations, whatever the displacement.

        Returns
        -------
        ndarray (n, 3)
            nm.
        """
        jacobian = self._jacobian(bonds)
        nothing = np.zeros_like(moved)
        if restore:
            return self._solve(jacobian, None, nothing, -off)[0]
        pull = -self.masses[:, None] * moved
        _, multipliers = self._solve(jacobian, None, pull, np.zeros_like(off))
        curvature = self._curvature(multipliers[len(off) - len(bonds) :])
        return self._solve(jacobian, curvature, pull, -off)[0]

    def _jacobian(self, bonds: Floats) -> Any:
        """Gradients of all equations (3 b + k, 3 n)."""
        row, atom, sign = self._entries
        columns = 3 * atom[:, None] + np.arange(3)
        values = sign[:, None] * bonds[row]
        shape = self.incidence.shape[0], 3 * self.incidence.shape[1]
        stretch = sparse.csr_matrix((values.ravel(), (np.repeat(row, 3), columns.ravel())), shape=shape)
        return sparse.vstack([self._beads, stretch], format="csr")

    def _curvature(self, multipliers: Floats) -> Any | None:
        """D^T mu D (n, n), or None where masses and it together are not positive."""
        found = (self.incidence.T @ sparse.diags(multipliers) @ self.incidence).tocoo()
        reach = int(np.abs(found.row - found.col).max(initial=0))
        band = np.zeros((reach + 1, len(self.masses)))
        band[0] = self.masses
        lower = found.row >= found.col
        np.add.at(band, (found.row[lower] - found.col[lower], found.col[lower]), found.data[lower])
        try:
            cholesky_banded(band, lower=True)
        except LinAlgError:
            return None
        return found

    def _solve(
        self, jacobian: Any, curvature: Any | None, pull: Floats, off: Floats
    ) -> tuple[Floats, Floats]:
        """Solve A s + J^T mu = pull, J s = off for the step (n, 3) and the multipliers."""
        matrix = sparse.diags(self.masses)
        if curvature is not None:
            matrix = matrix + curvature
        weights = np.repeat(1 / self.masses, 3)
        give = self.ridge * np.asarray(jacobian.multiply(jacobian) @ weights).ravel()
        whole = sparse.bmat(
            [[sparse.kron(matrix, sparse.eye(3)), jacobian.T], [jacobian, -sparse.diags(give)]], format="csc"
        )
        right = np.concatenate([pull.ravel(), off])
        try:
            found = splu(whole).solve(right) if np.isfinite(right).all() else np.full_like(right, np.nan)
        except RuntimeError:  # singular: what cannot be met, which is for the caller to see
            found = np.full_like(right, np.nan)
        return found[: pull.size].reshape(pull.shape), found[pull.size :]
