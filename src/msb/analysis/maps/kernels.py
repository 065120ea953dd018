r"""From surroundings to structures: the average kernel, and the distance that belongs to it.

The average kernel is linear, :math:`k(a, b) \propto \bar p_a \cdot \bar p_b` with the mean descriptors
:math:`\bar p`.  So a structure is one unit vector (:func:`structure_vectors`), the kernel is a dot product
and its distance is the plain distance of those vectors: maps and landmarks take them as points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.errors import TrajectoryError

__all__ = ["average_kernel", "kernel_distances", "structure_vectors"]

FloatArray = NDArray[np.float64]


def structure_vectors(descriptors: ArrayLike) -> FloatArray:
    """One unit vector for each structure: the mean over its centres, scaled to length one.

    Parameters
    ----------
    descriptors : array_like (F, K, D)
        Of K centres in each of F structures, as :func:`msb.analysis.maps.soap_vectors` gives them.

    Returns
    -------
    ndarray (F, D)

    Raises
    ------
    TrajectoryError
        If the array has another rank, is empty or not finite, or a mean vanishes.
    """
    array = np.asarray(descriptors, dtype=np.float64)
    if array.ndim != 3 or not array.size:
        raise TrajectoryError(f"descriptors must be (structures, centres, features), got {array.shape}")
    mean = array.mean(1)
    lengths = np.linalg.norm(mean, axis=-1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if bad.size:
        raise TrajectoryError(
            f"the descriptors of structure {bad[0]} (counted from 0) are not finite or sum to zero"
        )
    return np.asarray(mean / lengths)


def average_kernel(first: ArrayLike, second: ArrayLike | None = None) -> FloatArray:
    r"""Similarity of structures: the mean over all pairs of their centres, 1 for a structure with itself.

    :math:`k(a, b) = \bar k(a, b) / \sqrt{\bar k(a, a) \bar k(b, b)}` with
    :math:`\bar k(a, b) = \frac{1}{K L} \sum_{ij} p_i^a \cdot p_j^b`.

    Parameters
    ----------
    first : array_like (A, K, D)
        Descriptors of K centres in each of A structures.
    second : array_like (B, L, D), optional
        The first again by default.

    Returns
    -------
    ndarray (A, B)

    Raises
    ------
    TrajectoryError
        As :func:`structure_vectors`, or if the descriptors have different lengths.

    References
    ----------
    De, Bartok, Csanyi, Ceriotti, Phys. Chem. Chem. Phys. 18, 13754 (2016), eq. 8.
    """
    left = structure_vectors(first)
    right = left if second is None else structure_vectors(second)
    if left.shape[1] != right.shape[1]:
        raise TrajectoryError(
            f"the descriptors have {left.shape[1]} and {right.shape[1]} features: use the same "
            "kinds and settings"
        )
    kernel = np.asarray(left @ right.T)
    if second is None:
        np.fill_diagonal(kernel, 1.0)
    return kernel


def kernel_distances(kernel: ArrayLike) -> FloatArray:
    r"""Distances :math:`\sqrt{2 - 2k}` of structures whose kernel with themselves is one.

    Parameters
    ----------
    kernel : array_like (A, B)

    Returns
    -------
    ndarray (A, B)

    Raises
    ------
    TrajectoryError
        If the kernel is above one or not finite: it was not normalised.
    """
    array = np.asarray(kernel, dtype=np.float64)
    if not np.isfinite(array).all() or (array > 1 + 1e-8).any():
        raise TrajectoryError("the kernel is above one or not finite: normalise it, k_ab / sqrt(k_aa k_bb)")
    return np.asarray(np.sqrt(np.maximum(2.0 - 2.0 * array, 0.0)))
