"""Blocks of frames: halves that do not know of each other, and the spread of what is computed from them.

Frames of a simulation are correlated, so contiguous blocks of them are the unit; within a block the order of
the frames does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from msb.errors import TrajectoryError

__all__ = ["LEAST_FRAMES", "BlockedCounts", "cloud", "draw_weights", "half_splits", "thinned"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_FRAMES = 4
"""Frames from which on there is a spread to speak of."""


@dataclass(frozen=True, eq=False)
class BlockedCounts:
    """Counts of one set, block by block.

    Attributes
    ----------
    blocks : float array (K, B)
        Counts in B bins.
    n_frames : int
        Frames they are of.
    """

    blocks: FloatArray
    n_frames: int

    @classmethod
    def of(cls, counts: ArrayLike, blocks: int = 50) -> BlockedCounts:
        """Sum counts over contiguous blocks of equally many frames; the last one may be shorter.

        Parameters
        ----------
        counts : array_like (F, B)
            One histogram a frame.
        blocks : int
            Largest number of blocks; with fewer frames every frame is one.

        Returns
        -------
        BlockedCounts

        Raises
        ------
        TrajectoryError
            If there is no frame, a frame without a count, or the shape is another.
        """
        array = np.asarray(counts, dtype=np.float64)
        if array.ndim != 2 or not array.size or blocks < 1:
            raise TrajectoryError(
                f"counts must be one histogram a frame (frames, bins) and blocks at least 1, got shape "
                f"{array.shape} and {blocks}"
            )
        empty = np.flatnonzero(array.sum(1) == 0)
        if len(empty):
            raise TrajectoryError(f"nothing was counted in frame {empty[0]}: are there beads of this type?")
        length = -(-len(array) // blocks)
        return cls(np.add.reduceat(array, np.arange(0, len(array), length)), len(array))

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)


def half_splits(n_blocks: int, number: int, seed: int = 0) -> BoolArray:
    """Divide blocks into two halves in several ways, even and odd blocks first, the others by chance.

    Parameters
    ----------
    n_blocks : int
        A single block is in both halves.
    number : int
        Ways.
    seed : int

    Returns
    -------
    ndarray (number, 2, n_blocks)
        Which blocks are in either half.  The same for the same three numbers.
    """
    if n_blocks == 1:
        return np.ones((number, 2, 1), dtype=bool)
    first = np.tile(np.arange(n_blocks) % 2 == 0, (number, 1))
    generator = np.random.default_rng([seed, n_blocks])
    first[1:] = generator.permuted(first[1:], axis=1)
    return np.stack([first, ~first], axis=1)


def thinned(chosen: BoolArray, share: float, seed: int = 0) -> BoolArray:
    """Keep some of the blocks of every half, by chance, at least one.

    Parameters
    ----------
    chosen : ndarray (S, 2, K)
        From :func:`half_splits`.
    share : float
        How many of them, 0 to 1.
    seed : int

    Returns
    -------
    ndarray (S, 2, K)
        `chosen` itself where all are kept.
    """
    if share >= 1.0:
        return chosen
    lots = np.where(chosen, np.random.default_rng([seed, *chosen.shape]).random(chosen.shape), 2.0)
    keep = np.maximum(1, np.rint(share * chosen.sum(-1, keepdims=True)))
    return np.asarray(chosen & (lots.argsort(-1).argsort(-1) < keep))


def draw_weights(n_blocks: int, replicates: int, generator: np.random.Generator) -> IntArray:
    """Draw blocks with replacement.

    Parameters
    ----------
    n_blocks, replicates : int
    generator : numpy Generator

    Returns
    -------
    ndarray (replicates, n_blocks)
        How often each block was drawn.
    """
    return generator.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=replicates)


def cloud(estimate: float, changes: ArrayLike, n_blocks: int) -> FloatArray:
    """Place the changes that resampling made around an estimate, as wide as few blocks demand.

    K blocks have K - 1 degrees of freedom: their spread is too small by sqrt(1 - 1/K), and their quantiles
    are Student's.

    Parameters
    ----------
    estimate : float
    changes : array_like (R,)
        Of every replicate; their mean is taken off.
    n_blocks : int
        Of the set that has the fewest, at least 2.

    Returns
    -------
    ndarray (R,)
    """
    drawn = np.asarray(changes, dtype=np.float64)
    factor = t.ppf(0.975, n_blocks - 1) / norm.ppf(0.975) / np.sqrt(1.0 - 1.0 / n_blocks)
    return np.asarray(estimate + factor * (drawn - drawn.mean()))
