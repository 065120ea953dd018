r"""Histograms and the Jensen-Shannon divergence, with the floor of finite samples taken off.

A finite sample scores above zero even when it is perfect, by about (occupied bins - 1) / 4N for two samples
of N.  So two samples of the same frames are judged by their *excess*,
:math:`JS(\mathrm{test}, R') - JS(R, R')`, where :math:`R'` is another reference set of as many frames.  Where
there is no other set, even and odd frames take its place (:func:`excess`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.bootstrap import block_numbers, centred_interval
from msb.analysis.histograms import Outliers, bin_numbers
from msb.errors import TrajectoryError

__all__ = ["Excess", "excess", "excess_of_bins", "excess_of_counts", "js"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Excess:
    """A divergence, its floor, and the interval of what lies between them.

    Attributes
    ----------
    js : float
        Divergence of the test from the other reference set, nats.
    floor : float
        Divergence of the reference from the other reference set, nats.
    excess : float
        ``js - floor``; may be slightly negative.
    low, high : float
        95 % block-bootstrap interval of the excess.
    """

    js: float
    floor: float
    excess: float
    low: float
    high: float


def js(p: ArrayLike, q: ArrayLike) -> FloatArray:
    r"""Jensen-Shannon divergence of two histograms, natural logarithm, 0 to ln 2.

    :math:`JS = \tfrac12 \sum p \ln\frac{p}{m} + \tfrac12 \sum q \ln\frac{q}{m}`, :math:`m = (p + q)/2`,
    of the normalised counts; the divergence itself, not its root.

    Parameters
    ----------
    p, q : array_like (..., B)
        Counts (or any weights that are not negative) in the same bins; leading axes broadcast.

    Returns
    -------
    ndarray (...)
        Nats.  Zero-dimensional for two histograms.

    Raises
    ------
    TrajectoryError
        If a histogram is empty, has negative or non-finite counts, or the two have different bins.

    References
    ----------
    J. Lin, IEEE Trans. Inf. Theory 37, 145 (1991).
    """
    first, second = _normalised(p, "first"), _normalised(q, "second")
    if first.shape[-1] != second.shape[-1]:
        raise TrajectoryError(
            f"the histograms have {first.shape[-1]} and {second.shape[-1]} bins: use the same edges for both"
        )
    middle = 0.5 * (first + second)
    total = np.maximum(0.5 * (_relative_entropy(first, middle) + _relative_entropy(second, middle)), 0.0)
    return np.minimum(total, np.log(2.0))


def excess(
    test: ArrayLike,
    reference: ArrayLike,
    edges: ArrayLike,
    second: ArrayLike | None = None,
    *,
    outliers: Outliers = "clip",
    blocks: int = 50,
    replicates: int = 200,
    seed: int = 0,
) -> Excess:
    """Divergence of a test from a reference over the same frames, minus what a perfect test would score.

    With a second reference set: ``JS(test, second) - JS(reference, second)``.  Without: the mean of
    ``JS(test_even, reference_odd) - JS(reference_even, reference_odd)`` and the same with even and odd
    exchanged.

    Parameters
    ----------
    test, reference : array_like (F,) or (F, K)
        Values of the same frames, K a frame.
    edges : array_like (B + 1,)
        Ascending bin edges.
    second : array_like (F, ...), optional
        Another reference set of as many frames.
    outliers : {"clip", "drop", "refuse"}
        See :func:`bin_numbers`.
    blocks, replicates, seed : int
        Of the block bootstrap: contiguous blocks of frames, the same ones for test and reference.

    Returns
    -------
    Excess

    Raises
    ------
    TrajectoryError
        If the sets have different lengths or are empty or not finite.
    """
    sets = [bin_numbers(values, edges, outliers) for values in (test, reference)]
    other = None if second is None else bin_numbers(second, edges, outliers)
    bins = len(np.asarray(edges)) - 1
    return excess_of_bins(sets[0], sets[1], bins, other, blocks=blocks, replicates=replicates, seed=seed)


def excess_of_bins(
    test: IntArray,
    reference: IntArray,
    n_bins: int,
    second: IntArray | None = None,
    *,
    blocks: int = 50,
    replicates: int = 200,
    seed: int = 0,
) -> Excess:
    """:func:`excess` of values already turned into bin numbers, for instance those of a surface.

    Parameters
    ----------
    test, reference, second : int array (F,) or (F, K)
        Bin numbers, -1 where a value does not count.
    n_bins : int
        Number of bins.
    blocks, replicates, seed : int
        Of the block bootstrap.

    Returns
    -------
    Excess

    Raises
    ------
    TrajectoryError
        If the sets have different numbers of frames, or fewer than two frames a block.
    """
    sets = [test, reference] if second is None else [test, reference, second]
    lengths = [len(values) for values in sets]
    if len(set(lengths)) > 1:
        raise TrajectoryError(
            f"test and reference must cover the same frames, but have {' and '.join(map(str, lengths))}: cut "
            "the longer one"
        )
    counts = [_block_counts(values, n_bins, blocks) for values in sets]
    return excess_of_counts(*counts, replicates=replicates, seed=seed)


def excess_of_counts(
    test: IntArray,
    reference: IntArray,
    second: IntArray | None = None,
    *,
    replicates: int = 200,
    seed: int = 0,
) -> Excess:
    """:func:`excess` of values already counted block by block, as a stream over long trajectories does.

    Parameters
    ----------
    test, reference, second : int array (K, 2, B)
        Counts in B bins, in K contiguous blocks of frames, even and odd frames apart.
    replicates, seed : int
        Of the block bootstrap.

    Returns
    -------
    Excess

    Raises
    ------
    TrajectoryError
        If the shapes differ or all counts of a set are zero.
    """
    sets = [np.asarray(values) for values in (test, reference, second) if values is not None]
    shapes = {values.shape for values in sets}
    if len(shapes) > 1 or sets[0].ndim != 3 or sets[0].shape[1] != 2:
        raise TrajectoryError(
            f"counts must have one shape (blocks, 2, bins), got {' and '.join(map(str, sorted(shapes)))}"
        )
    counts = np.stack(sets)  # [set, block, parity, bin]
    divergence, floor = (float(score) for score in _scores(counts.sum(1)))
    paired, apart = _weights(counts.shape[1], replicates, seed)
    weights = np.stack([paired, paired, apart][: len(sets)])
    drawn = np.einsum("srk,skpb->rspb", weights, counts, optimize=True)
    low, high = centred_interval(divergence - floor, np.subtract(*_scores(drawn)))
    return Excess(divergence, floor, divergence - floor, float(low), float(high))


def _weights(n_blocks: int, replicates: int, seed: int) -> tuple[IntArray, IntArray]:
    """Draw how often each block stands in each replicate (R, K), twice."""
    drawn = np.random.default_rng(seed).integers(n_blocks, size=(2, replicates, n_blocks))
    first, second = (drawn[..., None] == np.arange(n_blocks)).sum(2)
    return first, second


def _scores(counts: NDArray[np.number]) -> tuple[FloatArray, FloatArray]:
    """Divergence and floor from counts (..., 2 or 3 sets, 2 parities, B)."""
    if counts.shape[-3] == 3:
        test, reference, second = np.moveaxis(counts.sum(-2), -2, 0)
        return js(test, second), js(reference, second)
    test, reference = np.moveaxis(counts, -3, 0)
    crossed = reference[..., ::-1, :]  # odd, even
    return np.asarray(js(test, crossed).mean(-1)), np.asarray(js(reference, crossed).mean(-1))


def _block_counts(numbers: IntArray, n_bins: int, blocks: int) -> IntArray:
    """Count (K, 2, B) in contiguous blocks, even and odd frames apart."""
    flat = numbers.reshape(len(numbers), -1)
    block = block_numbers(len(flat), blocks)
    cells = (2 * block + np.arange(len(flat)) % 2)[:, None] * n_bins + flat
    n_blocks = int(block[-1]) + 1
    counts = np.bincount(cells[flat >= 0], minlength=2 * n_blocks * n_bins)
    return counts.reshape(n_blocks, 2, n_bins).astype(np.int64)


def _normalised(counts: ArrayLike, which: str) -> FloatArray:
    array = np.asarray(counts, dtype=np.float64)
    if not np.isfinite(array).all() or (array < 0).any():
        raise TrajectoryError(f"the {which} histogram has negative or non-finite counts")
    total = array.sum(-1, keepdims=True)
    if array.size == 0 or (total == 0).any():
        raise TrajectoryError(
            f"the {which} histogram is empty: no value fell into its bins; check the units and the edges"
        )
    return np.asarray(array / total)


def _relative_entropy(p: FloatArray, m: FloatArray) -> FloatArray:
    p, m = np.broadcast_arrays(p, m)
    occupied = p > 0
    ratio = np.divide(p, m, out=np.ones_like(p), where=occupied)
    return np.asarray((p * np.log(ratio)).sum(-1))
