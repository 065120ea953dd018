"""Coarse-grained time runs at its own pace: timescales compared after the slowest have been matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis.kinetics.markov import MarkovModel
from msb.errors import TrajectoryError

__all__ = ["Clock", "match_slowest"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Clock:
    """Timescales of a model on the reference's clock.

    Attributes
    ----------
    scale : float
        Reference time that passes in one unit of the model's; the slowest timescales then agree.
    scale_low, scale_high : float
        95 % interval.
    timescales, low, high : ndarray (K,)
        The model's, rescaled, ps; the interval is the model's own at this scale.
    ratios, ratios_low, ratios_high : ndarray (K,)
        Rescaled timescales over the reference's: 1 where all processes are accelerated alike, 1 first by
        construction.  The interval takes in both models' draws.
    """

    scale: float
    scale_low: float
    scale_high: float
    timescales: FloatArray
    low: FloatArray
    high: FloatArray
    ratios: FloatArray
    ratios_low: FloatArray
    ratios_high: FloatArray


def match_slowest(reference: MarkovModel, other: MarkovModel, k: int = 3, level: float = 0.95) -> Clock:
    """Rescale a model's timescales so that its slowest agrees with the reference's.

    Parameters
    ----------
    reference, other : MarkovModel
    k : int
        Processes compared.
    level : float
        Of the intervals; without posteriors they are the estimates.

    Returns
    -------
    Clock

    Raises
    ------
    TrajectoryError
        If a model has fewer processes, or its slowest timescale is not finite.
    """
    own, theirs = reference.timescales(k), other.timescales(k)
    if not np.isfinite([own[0], theirs[0]]).all():
        raise TrajectoryError("the slowest timescale is not finite: the clocks cannot be matched")
    scale = float(own[0] / theirs[0])
    first, second = _drawn(reference, k), _drawn(other, k)
    pairs = max(len(first), len(second))
    first, second = (rows[np.arange(pairs) % len(rows)] for rows in (first, second))
    scales = first[:, 0] / second[:, 0]
    tails = [50.0 * (1.0 - level), 50.0 * (1.0 + level)]
    scale_low, scale_high = np.nanpercentile(scales, tails)
    low, high = other.interval(k, level)
    ratios_low, ratios_high = np.nanpercentile(scales[:, None] * second / first, tails, axis=0)
    return Clock(
        scale,
        float(scale_low),
        float(scale_high),
        scale * theirs,
        scale * low,
        scale * high,
        scale * theirs / own,
        np.asarray(ratios_low),
        np.asarray(ratios_high),
    )


def _drawn(model: MarkovModel, k: int) -> FloatArray:
    if model.posterior is None:
        return model.timescales(k)[None]
    drawn = np.array([sample.timescales(k=k) for sample in model.posterior.samples]) * model.timestep
    return np.where(np.isfinite(drawn), drawn, np.nan)
