"""A sparse matrix applied to the particles of molecules, in numpy and torch alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from scipy.sparse import csr_matrix

from msb.core.arrays import Array, Numbers

__all__ = ["SparseMap", "as_plain_array", "concatenate"]


def as_plain_array(values: object) -> Any:
    """Give a tensor back as it is, and anything else as a numpy array of floats (float32 stays float32).

    Parameters
    ----------
    values : Tensor or array_like
    """
    if isinstance(values, torch.Tensor):
        return values if values.is_floating_point() else values.double()
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def concatenate(parts: Sequence[Any], axis: int) -> Any:
    """Join numpy arrays or tensors along an axis; a single part is given back as it is."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(list(parts), dim=axis)
    return np.concatenate(list(parts), axis=axis)


class SparseMap:
    """Y = A X for a sparse A (rows, columns) and particles X (..., columns, 3).

    Rows of equal length are gathered and summed together, so nothing is padded, the order of summation
    never depends on the batch, and the gradient with respect to X is A^T.

    Parameters
    ----------
    matrix : csr_matrix (rows, columns)
    """

    def __init__(self, matrix: csr_matrix) -> None:
        matrix = csr_matrix(matrix, dtype=np.float64)
        self.n_rows, self.n_columns = matrix.shape
        lengths = np.diff(matrix.indptr)
        self._groups: list[tuple[Numbers, Numbers]] = []
        rows: list[Numbers] = []
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            entries = matrix.indptr[members][:, None] + np.arange(length)
            self._groups.append((matrix.indices[entries].astype(np.int64), matrix.data[entries]))
            rows.append(members)
        order = np.concatenate(rows) if rows else np.arange(0)
        self._back = None if (order == np.arange(len(order))).all() else np.argsort(order)
        self._tensors: dict[tuple[torch.device, torch.dtype], list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def __call__(self, particles: Array) -> Array:
        """Apply the matrix.

        Parameters
        ----------
        particles : ndarray or Tensor (..., columns, 3)

        Returns
        -------
        ndarray or Tensor (..., rows, 3)
            Of the same kind and precision; numpy arrays are summed in float64.
        """
        if isinstance(particles, torch.Tensor):
            return self._torch(particles)
        parts = []
        for index, weight in self._groups:
            gathered = np.take(particles, index.ravel(), axis=-2)
            gathered = gathered.reshape(*particles.shape[:-2], *index.shape, 3)
            if index.shape[1] == 1 and (weight == 1.0).all():
                parts.append(gathered[..., 0, :])
            else:
                summed = np.einsum("...rki,rk->...ri", gathered, weight)
                parts.append(summed.astype(particles.dtype, copy=False))
        joined = concatenate(parts, -2)
        return joined if self._back is None else np.take(joined, self._back, axis=-2)

    def _torch(self, particles: torch.Tensor) -> torch.Tensor:
        parts = []
        for index, weight in self._on(particles):
            gathered = particles.index_select(-2, index.reshape(-1))
            gathered = gathered.reshape(*particles.shape[:-2], *index.shape, 3)
            parts.append(
                (gathered * weight[..., None]).sum(-2)
                if index.shape[1] != 1 or weight.ne(1).any()
                else gathered[..., 0, :]
            )
        joined = cast(torch.Tensor, concatenate(parts, -2))
        if self._back is None:
            return joined
        return joined.index_select(-2, torch.as_tensor(self._back, device=particles.device))

    def _on(self, like: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        key = (like.device, like.dtype)
        if key not in self._tensors:
            self._tensors[key] = [
                (torch.as_tensor(index, device=like.device), torch.as_tensor(weight).to(like))
                for index, weight in self._groups
            ]
        return self._tensors[key]
