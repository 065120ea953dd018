"""What makes a mapping well formed, and the small conversions its template needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from msb.core.arrays import IntArray
from msb.errors import MappingError

__all__ = [
    "canonical",
    "check_template",
    "equal_shares",
    "frozen",
    "rows_from_lists",
    "rows_to_lists",
    "sorted_pairs",
]

_SUM = 1e-6  # by how much a row of weights may miss 1


def canonical(matrix: Any) -> csr_matrix:
    """Copy a matrix as float64 CSR without stored zeros, columns in order, not writable."""
    result = csr_matrix(matrix, dtype=np.float64, copy=True)
    result.sum_duplicates()
    result.eliminate_zeros()
    result.sort_indices()
    for part in (result.data, result.indices, result.indptr):
        part.flags.writeable = False
    return result


def frozen(values: Any, dtype: type) -> Any:
    """Copy values to an array that cannot be written to."""
    array: Any = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def sorted_pairs(pairs: Any) -> IntArray:
    """Sort pairs (K, 2): lower index first, then by row, each once."""
    array = np.sort(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=1)
    result: IntArray = frozen(np.unique(array, axis=0), np.int64)
    return result


def equal_shares(weights: csr_matrix) -> csr_matrix:
    """Shares of atoms when none are stated: an atom in k beads gives each 1/k."""
    count = np.bincount(weights.indices, minlength=weights.shape[1])
    return canonical(
        csr_matrix((1.0 / count[weights.indices], weights.indices, weights.indptr), weights.shape)
    )


def rows_to_lists(matrix: csr_matrix) -> list[list[list[float]]]:
    """Write the rows of a sparse matrix as lists of [column, value]."""
    ends = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
    return [
        [[int(c), float(v)] for c, v in zip(matrix.indices[a:b], matrix.data[a:b], strict=True)]
        for a, b in ends
    ]


def rows_from_lists(rows: Sequence[Sequence[Sequence[float]]], shape: tuple[int, int]) -> csr_matrix:
    """Undo `rows_to_lists`."""
    row = [r for r, entries in enumerate(rows) for _ in entries]
    column = [int(c) for entries in rows for c, _ in entries]
    value = [float(v) for entries in rows for _, v in entries]
    return csr_matrix((value, (row, column)), shape=shape)


def check_template(template: Any) -> None:
    """Refuse a template whose parts do not fit together, saying which.

    Parameters
    ----------
    template : MappingTemplate

    Raises
    ------
    MappingError
    """
    beads, atoms = len(template.bead_names), len(template.atom_names)
    residues = len(template.residue_names)
    index, bead_residue = template.residue_index, template.bead_residue
    _fits(template, "weights", template.weights.shape, (beads, atoms))
    _fits(template, "fractions", template.fractions.shape, (beads, atoms))
    _fits(template, "owner", template.owner.shape, (atoms,))
    _fits(template, "bead_types", (len(template.bead_types),), (beads,))
    _fits(template, "residue_numbers", (len(template.residue_numbers),), (residues,))
    for name, values, shape, limit in (
        ("residue_index", index, (atoms,), residues),
        ("bead_residue", bead_residue, (beads,), residues),
        ("bead_bonds", template.bead_bonds, template.bead_bonds.shape, beads),
    ):
        array = np.asarray(values)
        _fits(template, name, array.shape, shape)
        if array.size and not (array.min() >= 0 and array.max() < limit):
            _refuse(template, f"{name} points outside 0..{limit - 1}")
    if (template.bead_bonds[:, 0] == template.bead_bonds[:, 1]).any():
        _refuse(template, "a bead is bonded to itself")
    if template.masses is not None:
        _fits(template, "masses", template.masses.shape, (atoms,))
    _check_numbers(template)


def _check_numbers(template: Any) -> None:
    for name, matrix in (("weights", template.weights), ("fractions", template.fractions)):
        bad = np.flatnonzero(~(matrix.data >= 0) | ~np.isfinite(matrix.data))
        if len(bad):
            row = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
            _refuse(template, f"bead {template.bead_names[row]} has negative or infinite {name}")
    sums = np.asarray(template.weights.sum(axis=1)).ravel()
    for bead in np.flatnonzero(np.diff(template.weights.indptr) == 0):
        _refuse(template, f"bead {template.bead_names[bead]} has no atoms with weight")
    for bead in np.flatnonzero(np.abs(sums - 1) > _SUM):
        _refuse(
            template, f"the weights of bead {template.bead_names[bead]} sum to {sums[bead]:.6g}, not to 1"
        )
    shares = np.asarray(template.fractions.sum(axis=0)).ravel()
    for atom in np.flatnonzero(shares > 1 + _SUM):
        _refuse(
            template,
            f"the shares of atom {template.atom_names[atom]} add up to {shares[atom]:.6g}, more than 1",
        )
    orphans = np.flatnonzero((template.owner < 0) | (template.owner >= len(template.bead_names)))
    if len(orphans):
        names = ", ".join(template.atom_names[a] for a in orphans[:12])
        _refuse(
            template, f"{len(orphans)} atoms have no owner ({names}); every atom needs a bead that places it"
        )


def _fits(template: Any, name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if tuple(got) != wanted:
        _refuse(template, f"{name} has shape {tuple(got)} where {wanted} is needed")


def _refuse(template: Any, what: str) -> None:
    raise MappingError(f"mapping of {template.molecule}: {what}.")
