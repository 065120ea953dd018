"""Intervals of correlated series: contiguous blocks of frames are drawn with replacement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.errors import TrajectoryError

__all__ = ["block_bootstrap", "block_numbers", "centred_interval"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def block_numbers(n_frames: int, blocks: int) -> IntArray:
    """Block of each frame: `blocks` contiguous blocks of (nearly) equal length, fewer where frames are few.

    Parameters
    ----------
    n_frames, blocks : int

    Returns
    -------
    ndarray (n_frames,)
        Ascending from 0; each block has at least two frames.

    Raises
    ------
    TrajectoryError
        If there are fewer than two frames or fewer than one block.
    """
    if n_frames < 2 or blocks < 1:
        raise TrajectoryError(
            f"a block bootstrap needs at least 2 frames and 1 block, got {n_frames} and {blocks}"
        )
    number = min(blocks, n_frames // 2)
    return np.arange(n_frames, dtype=np.int64) * number // n_frames


def centred_interval(
    estimate: ArrayLike, replicates: ArrayLike, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Interval around an estimate with the spread of its replicates.

    Resampling adds noise of its own, which shifts divergences and variances; the replicates are therefore
    moved so that their mean is the estimate.

    Parameters
    ----------
    estimate : array_like (...)
    replicates : array_like (R, ...)
    level : float
        Share of the replicates inside.

    Returns
    -------
    low, high : ndarray (...)
    """
    drawn = np.asarray(replicates, dtype=np.float64)
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(drawn - drawn.mean(0), [tail, 100.0 - tail], axis=0)
    return np.asarray(estimate + low), np.asarray(estimate + high)


def block_bootstrap(
    statistic: Callable[..., ArrayLike],
    *series: ArrayLike,
    blocks: int = 50,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Interval of a statistic of one or several series over the same frames.

    Parameters
    ----------
    statistic : callable
        From the resampled series to a number or an array.
    *series : array_like (F, ...)
        All are resampled with the same blocks.
    blocks, replicates : int
    level : float
        Share of the replicates inside.
    seed : int

    Returns
    -------
    low, high : ndarray
        In the shape of the statistic.

    Raises
    ------
    TrajectoryError
        If the series have different lengths or fewer than two frames.
    """
    arrays = [np.asarray(values) for values in series]
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise TrajectoryError(f"the series must cover the same frames, but have {sorted(lengths)}")
    numbers = block_numbers(lengths.pop(), blocks)
    members = np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers)) + 1)
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(replicates):
        chosen = np.concatenate([members[k] for k in generator.integers(len(members), size=len(members))])
        drawn.append(np.asarray(statistic(*(array[chosen] for array in arrays)), dtype=np.float64))
    estimate = np.asarray(statistic(*arrays), dtype=np.float64)
    return centred_interval(estimate, np.stack(drawn), level)
