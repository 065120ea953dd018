"""Companions of a mapping's weights: how forces go up to the beads, and how atoms follow beads down."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from msb.core.arrays import FloatArray, IntArray

__all__ = ["dependent_beads", "force_map", "response"]

_SINGULAR = 1e-10  # smallest eigenvalue, relative to the largest, of beads that are independent
_NEGLIGIBLE = 1e-14  # entries dropped, relative to the largest: the inverse of a chain decays along it


def response(weights: csr_matrix, masses: FloatArray) -> csr_matrix:
    """M^-1 W^T (W M^-1 W^T)^-1: how atoms follow their beads at the least mass-weighted displacement.

    Parameters
    ----------
    weights : csr_matrix (n_beads, n_atoms)
        W, with independent rows (see `dependent_beads`).
    masses : ndarray (n_atoms,)
        amu; positive for atoms with weight, any for the others.

    Returns
    -------
    csr_matrix (n_atoms, n_beads)
        Zero for weightless atoms; the transpose of the mass-weighted force map.
    """
    inverse = np.divide(1.0, masses, out=np.zeros(len(masses)), where=masses > 0)
    rows, columns, values = [], [], []
    for beads, coupling in _coupled(weights, inverse):
        part = weights[beads]
        atoms = np.unique(part.indices)
        block = inverse[atoms, None] * np.linalg.solve(coupling, part[:, atoms].toarray()).T
        atom, bead = np.nonzero(np.abs(block) > _NEGLIGIBLE * np.abs(block).max())
        rows.append(atoms[atom])
        columns.append(beads[bead])
        values.append(block[atom, bead])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(entries, shape=weights.shape[::-1])


def force_map(weights: csr_matrix, masses: FloatArray) -> csr_matrix:
    """Matrix B (n_beads, n_atoms) that makes bead forces of atomic forces, with B W^T = 1.

    B = (W M^-1 W^T)^-1 W M^-1 for beads that share atoms with others; the plain sum over its atoms for a
    bead that shares none (where weights go by mass, the two are the same).  The mean force at fixed beads is
    the derivative of the free energy for every B with B W^T = 1; the distribution around that mean differs
    from map to map (Noid et al., J. Chem. Phys. 128, 244114 (2008), section III; Ciccotti, Kapral and
    Vanden-Eijnden, ChemPhysChem 6, 1809 (2005)).

    Parameters
    ----------
    weights, masses
        As for `response`.
    """
    shared = np.zeros(weights.shape[0])
    for beads, _ in _coupled(weights, None):
        shared[beads] = float(len(beads) > 1)
    plain = csr_matrix((np.ones(weights.nnz), weights.indices, weights.indptr), weights.shape)
    if not shared.any():
        return plain
    both = response(weights, masses).T.multiply(shared[:, None]) + plain.multiply(1.0 - shared[:, None])
    return _without_zeros(both)


def dependent_beads(weights: csr_matrix) -> IntArray | None:
    """First group of beads that are not independent (two beads of the same atoms, say), or None.

    Parameters
    ----------
    weights : csr_matrix (n_beads, n_atoms)
    """
    for beads, coupling in _coupled(weights, None):
        eigenvalues = np.linalg.eigvalsh(coupling)
        if eigenvalues[0] < _SINGULAR * eigenvalues[-1]:
            return beads
    return None


def _coupled(weights: csr_matrix, inverse_masses: FloatArray | None) -> list[tuple[IntArray, FloatArray]]:
    """Group the beads that share atoms, each with its W M^-1 W^T (W W^T without masses)."""
    scaled = weights if inverse_masses is None else weights.multiply(inverse_masses[None, :])
    coupling = csr_matrix(scaled @ weights.T)
    _, label = connected_components(csr_matrix(weights @ weights.T), directed=False)
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [(group, coupling[group][:, group].toarray()) for group in groups]


def _without_zeros(matrix: Any) -> csr_matrix:
    result = csr_matrix(matrix)
    result.eliminate_zeros()
    result.sort_indices()
    return result
