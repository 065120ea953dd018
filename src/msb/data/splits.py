"""Which frames train, select and test: contiguous stretches, so that neighbours in time stay together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from msb.errors import ConfigError

__all__ = ["contiguous_split", "split_frames"]

_PARTS = ("train", "select", "test")


def contiguous_split(n_frames: int, fractions: Sequence[float]) -> list[range]:
    """Cut 0 .. n_frames into consecutive ranges of these fractions, each edge rounded to the nearest frame.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    fractions : sequence of float
        Positive, with sum 1.

    Returns
    -------
    list of range
        One per fraction, in order; together all frames.

    Raises
    ------
    ConfigError
        If the fractions are not positive or their sum is not 1, or a part would be empty.
    """
    if not fractions or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ConfigError(f"the fractions of a split must be positive with sum 1, not {list(fractions)}.")
    edges = np.round(np.concatenate([[0.0], np.cumsum(fractions)]) * n_frames).astype(int).tolist()
    edges[-1] = n_frames
    ranges = [range(start, stop) for start, stop in pairwise(edges)]
    if not all(ranges):
        raise ConfigError(
            f"{n_frames} frames are too few for a split into {list(fractions)}: a part would be empty."
        )
    return ranges


def split_frames(n_frames: int, fractions: Sequence[float] = (0.7, 0.1, 0.2)) -> dict[str, slice]:
    """Cut a trajectory in time: `train` fits, `select` chooses among fits, `test` gives the figures.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    fractions : three floats
        Positive, with sum 1.

    Returns
    -------
    dict of str to slice
        `train`, `select` and `test`, in order of time (see `contiguous_split`).

    Raises
    ------
    ConfigError
        If there are not three such fractions, or a part would be empty.
    """
    if len(fractions) != len(_PARTS):
        raise ConfigError(f"{', '.join(_PARTS)} need three fractions, not {list(fractions)}.")
    ranges = contiguous_split(n_frames, fractions)
    return {name: slice(part.start, part.stop) for name, part in zip(_PARTS, ranges, strict=True)}
