r"""Are the slow processes of two models the same?  Their eigenvectors on the states both have.

The cosine similarity of two right eigenvectors is, as published,
:math:`c = |\Psi_i \cdot \Psi_j| / (|\Psi_i| |\Psi_j|)`.  There every state counts alike, however rarely it is
visited; with the stationary distribution as weights, :math:`\sum_s \pi_s \Psi_i(s) \Psi_j(s)`, a state counts
as often as it occurs.  Where timescales overlap within their intervals the order of the processes, and any
rotation among them, is left to chance: there the subspaces are compared by their principal angles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.kinetics.markov import MarkovModel
from msb.errors import TrajectoryError

__all__ = ["ProcessGroup", "Similarity", "cosines", "eigenvector_similarity", "principal_cosines"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ProcessGroup:
    """Processes whose timescales overlap, in one of the models, from one to the next.

    Attributes
    ----------
    processes : tuple of int
        Counted from 0, the slowest.
    cosines : ndarray (G,)
        Cosines of the principal angles between the two subspaces, weighted by the stationary distribution;
        1 where they are the same.
    """

    processes: tuple[int, ...]
    cosines: FloatArray

    @property
    def angles(self) -> FloatArray:
        """Principal angles (G,) in radians."""
        return np.arccos(np.clip(self.cosines, 0.0, 1.0))


@dataclass(frozen=True)
class Similarity:
    """Eigenvectors of two models side by side.

    Attributes
    ----------
    states : ndarray (S,)
        Labels both models have.
    matrix : ndarray (K, K)
        Published cosine similarity of each process of the reference (row) with each of the other.
    weighted_matrix : ndarray (K, K)
        The same, weighted by the reference's stationary distribution.
    groups : tuple of ProcessGroup
        All processes, those that overlap together.
    """

    states: IntArray
    matrix: FloatArray
    weighted_matrix: FloatArray
    groups: tuple[ProcessGroup, ...]

    @property
    def cosine(self) -> FloatArray:
        """Published similarity (K,), process by process."""
        return np.diag(self.matrix).copy()

    @property
    def weighted(self) -> FloatArray:
        """Weighted similarity (K,), process by process."""
        return np.diag(self.weighted_matrix).copy()


def cosines(first: ArrayLike, second: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """Absolute cosines between the columns of two matrices.

    Parameters
    ----------
    first, second : array_like (S, K), (S, L)
    weights : array_like (S,), optional
        Of the states; all alike by default.

    Returns
    -------
    ndarray (K, L)
        0 to 1.
    """
    a, b = (_scaled(matrix, weights) for matrix in (first, second))
    a, b = (m / np.maximum(np.linalg.norm(m, axis=0), np.finfo(float).tiny) for m in (a, b))
    return np.asarray(np.clip(np.abs(a.T @ b), 0.0, 1.0))


def principal_cosines(first: ArrayLike, second: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """Cosines of the principal angles between the spaces that the columns of two matrices span.

    Parameters
    ----------
    first, second : array_like (S, K), (S, L)
    weights : array_like (S,), optional
        Of the states; all alike by default.

    Returns
    -------
    ndarray (min(K, L),)
        Descending; 1 where the spaces share a direction.

    References
    ----------
    Å. Björck and G. H. Golub, Math. Comput. 27, 579 (1973).
    """
    a, b = (np.linalg.qr(_scaled(matrix, weights))[0] for matrix in (first, second))
    return np.asarray(np.clip(np.linalg.svd(a.T @ b, compute_uv=False), 0.0, 1.0))


def eigenvector_similarity(reference: MarkovModel, other: MarkovModel, k: int = 3) -> Similarity:
    """Compare the slowest processes of two models on the same states.

    Parameters
    ----------
    reference, other : MarkovModel
        From the same state definitions (cluster centres).
    k : int
        Processes, the stationary one not counted.

    Returns
    -------
    Similarity

    Raises
    ------
    TrajectoryError
        If they share too few states.
    """
    shared, own, theirs = np.intersect1d(reference.states, other.states, return_indices=True)
    if len(shared) <= k:
        raise TrajectoryError(
            f"the models share {len(shared)} connected states of {len(reference.states)} and "
            f"{len(other.states)}; {k} processes need at least {k + 1}: use the same cluster centres, "
            "or fewer processes"
        )
    first, second = reference.eigenvectors(k)[own], other.eigenvectors(k)[theirs]
    weights = reference.stationary[own] / reference.stationary[own].sum()
    groups = tuple(
        ProcessGroup(group, principal_cosines(first[:, list(group)], second[:, list(group)], weights))
        for group in _overlapping(reference, other, k)
    )
    return Similarity(shared, cosines(first, second), cosines(first, second, weights), groups)


def _scaled(matrix: ArrayLike, weights: ArrayLike | None) -> FloatArray:
    array = np.asarray(matrix, dtype=np.float64)
    return array if weights is None else array * np.sqrt(np.asarray(weights, dtype=np.float64))[:, None]


def _overlapping(reference: MarkovModel, other: MarkovModel, k: int) -> list[tuple[int, ...]]:
    groups: list[tuple[int, ...]] = [(0,)]
    intervals = [(*model.interval(k), model.timescales(k)) for model in (reference, other)]
    for number in range(1, k):
        together = any(
            min(low[number - 1], times[number - 1]) <= max(high[number], times[number])
            for low, high, times in intervals
        )
        groups = [*groups[:-1], (*groups[-1], number)] if together else [*groups, (number,)]
    return groups
