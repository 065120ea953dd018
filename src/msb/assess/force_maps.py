"""Linear maps that make bead forces of atomic ones: the consistent map, and the one with the least noise."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from msb.core.force_map import dependent_beads
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.projection import Block
from msb.core.sparse_map import SparseMap
from msb.errors import MappingError, MsbWarning

__all__ = ["ForceMap", "consistent_map", "optimal_map"]

_ENOUGH = 10  # force components for every atom of a molecule, below which a fitted map is mostly noise
_SAME = 1e-9  # of the largest coefficient: two atoms that count alike
Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ForceMap:
    """One matrix B (n_beads, n_atoms) a block of molecules, with B W^T = 1: bead forces are B f.

    Attributes
    ----------
    mapping : Mapping
        The W.
    matrices : tuple of csr_matrix
        One for each block of the mapping.
    released : int
        Rigid bonds of molecules whose atoms a fit could not count alike; see :func:`optimal_map`.
    """

    mapping: Mapping
    matrices: tuple[csr_matrix, ...]
    released: int = 0

    def __call__(self, forces: Floats) -> Floats:
        """Bead forces.

        Parameters
        ----------
        forces : float array (..., N, 3)
            kJ/mol/nm.

        Returns
        -------
        float array (..., M, 3)
            kJ/mol/nm.
        """
        parts = []
        for block, matrix in zip(self.mapping.blocks, self.matrices, strict=True):
            part = _molecules(block, forces)
            lead = part.shape[:-3]
            parts.append(SparseMap(matrix)(part).reshape(*lead, -1, 3))
        return np.concatenate(parts, axis=-2)

    def crossing(self, pairs: Ints) -> NDArray[np.bool_]:
        """Whether a force along a pair of atoms would move the beads: its two atoms do not count alike.

        The forces that hold a bond rigid act on its atoms with opposite signs, so that they cancel where both
        count alike, inside one bead for instance, and are missing from the bead forces where they do not.

        Parameters
        ----------
        pairs : int array (K, 2)
            Atoms of the system.

        Returns
        -------
        bool array (K,)
        """
        found = np.ones(len(pairs), dtype=bool)
        for block, matrix in zip(self.mapping.blocks, self.matrices, strict=True):
            inside, local = _local(block, pairs)
            if not inside.any():
                continue
            kinds, which = np.unique(local, axis=0, return_inverse=True)
            columns = matrix.tocsc()
            difference = abs(columns[:, kinds[:, 0]] - columns[:, kinds[:, 1]]).max(axis=0).toarray().ravel()
            found[inside] = (difference > _SAME * abs(matrix).max())[which.ravel()]
        return found


def consistent_map(mapping: Mapping) -> ForceMap:
    """The map of :meth:`Mapping.bead_forces`: plain sums where no atom is shared.

    Parameters
    ----------
    mapping : Mapping

    Raises
    ------
    MappingError
        The beads of a molecule are not independent.
    """
    return ForceMap(mapping, tuple(block.template.force_map(block.masses) for block in mapping.blocks))


def optimal_map(mapping: Mapping, forces: Floats, rigid: Ints | None = None, ridge: float = 1e-6) -> ForceMap:
    r"""The map whose bead forces scatter least, among those with the same mean force.

    For every kind of molecule :math:`\min_B \langle |B f|^2 \rangle + \lambda |B|^2` under
    :math:`B W^T = 1`, atoms of rigid bonds counting alike, so that the forces that hold the bonds cancel.
    With the mean :math:`C = \langle f f^T \rangle + \lambda` over frames, copies and directions,
    :math:`B = (W C^{-1} W^T)^{-1} W C^{-1}`.

    Parameters
    ----------
    mapping : Mapping
    forces : float array (F, N, 3)
        Atomic forces of the reference, kJ/mol/nm.
    rigid : int array (K, 2), optional
        Rigid bonds.  Where counting all their atoms alike leaves no map (a molecule all of whose bonds are
        rigid), only those bonds count whose atoms belong to the same beads; the others are `released`.
    ridge : float
        :math:`\lambda` as a share of the mean square force on an atom.

    Returns
    -------
    ForceMap

    Raises
    ------
    MappingError
        The beads of a molecule are not independent.

    Warns
    -----
    MsbWarning
        There are less than ten force components for every atom of a molecule.

    References
    ----------
    A. Kraemer et al., J. Phys. Chem. Lett. 14, 3970 (2023).
    """
    pairs = np.zeros((0, 2), dtype=np.int64) if rigid is None else np.asarray(rigid, dtype=np.int64)
    groups: dict[tuple[str, bytes], list[Block]] = {}
    for block in mapping.blocks:
        groups.setdefault((block.template.content_hash, block.masses.tobytes()), []).append(block)
    fitted: dict[tuple[str, bytes], csr_matrix] = {}
    released = 0
    for key, blocks in groups.items():
        moment, samples = _second_moment(blocks, np.asarray(forces))
        template = blocks[0].template
        if samples < _ENOUGH * template.n_atoms:
            warnings.warn(
                f"the noise-optimal force map of {template.molecule} ({template.n_atoms} atoms) rests on "
                f"{samples} force components: give more frames, or use the consistent map",
                MsbWarning,
                stacklevel=2,
            )
        ties = np.unique(np.concatenate([_local(block, pairs)[1] for block in blocks]), axis=0)
        label, dropped = _clusters(template, ties)
        fitted[key] = _fit(template, moment, label, ridge)
        released += dropped
    matrices = [fitted[(b.template.content_hash, b.masses.tobytes())] for b in mapping.blocks]
    return ForceMap(mapping, tuple(matrices), released)


def _molecules(block: Block, values: Floats) -> Floats:
    """Values of a block's atoms (..., copies, n, 3)."""
    n = block.template.n_atoms
    part = values[..., block.first_atom : block.first_atom + n * block.count, :]
    return part.reshape(*values.shape[:-2], block.count, n, 3)


def _local(block: Block, pairs: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Which pairs lie inside one molecule of the block, and their atoms there, smaller first."""
    n = block.template.n_atoms
    atoms = np.sort(pairs - block.first_atom, axis=1)
    inside = (atoms[:, 0] >= 0) & (atoms[:, 1] < n * block.count) & (atoms[:, 0] // n == atoms[:, 1] // n)
    return inside, atoms[inside] % n


def _second_moment(blocks: Sequence[Block], forces: Floats) -> tuple[NDArray[np.float64], int]:
    """Mean of f f^T over copies, frames and directions (n, n), and of how many."""
    n = blocks[0].template.n_atoms
    total, samples = np.zeros((n, n)), 0
    for block in blocks:
        rows = np.moveaxis(_molecules(block, forces), -1, -2).reshape(-1, n).astype(np.float64)
        total += rows.T @ rows
        samples += len(rows)
    return total / max(samples, 1), samples


def _clusters(template: MappingTemplate, ties: Ints) -> tuple[Ints, int]:
    """Label of every atom, tied atoms having one, and how many ties had to be released."""
    support = template.weights.tocsc()
    beads = [frozenset(part.tolist()) for part in np.split(support.indices, support.indptr[1:-1])]
    alike = np.array([beads[i] == beads[j] for i, j in ties.tolist()], dtype=bool)
    for chosen in (ties, ties[alike], ties[:0]):
        n = template.n_atoms
        graph = coo_matrix((np.ones(len(chosen)), (chosen[:, 0], chosen[:, 1])), (n, n))
        label = connected_components(graph, directed=False)[1].astype(np.int64)
        if dependent_beads(_merged(template, label)) is None:
            return label, len(ties) - len(chosen)
    raise MappingError(
        f"mapping of {template.molecule}: the beads are not independent, so no force map exists; merge beads "
        "of the same atoms, or change their weights"
    )


def _merged(template: MappingTemplate, label: Ints) -> csr_matrix:
    """Weights of clusters of atoms (m, clusters)."""
    n = template.n_atoms
    return csr_matrix(template.weights @ csr_matrix((np.ones(n), (np.arange(n), label))))


def _fit(template: MappingTemplate, moment: NDArray[np.float64], label: Ints, ridge: float) -> csr_matrix:
    """Solve for the coefficients of the clusters, and give them to their atoms."""
    n = template.n_atoms
    spread = np.zeros((n, label.max() + 1))
    spread[np.arange(n), label] = 1.0
    damping = ridge * max(float(np.trace(moment)) / n, np.finfo(float).tiny)
    cost = spread.T @ (moment + damping * np.eye(n)) @ spread
    weights = _merged(template, label).toarray()
    solved = np.linalg.solve(cost, weights.T)
    return csr_matrix(np.linalg.solve(weights @ solved, solved.T) @ spread.T)
