r"""Implied timescales of slow processes, by Markov state models (deeptime).

Frames become states (k-means on features), transitions at a lag :math:`\tau` are counted in the largest
connected set, and the eigenvalues of the reversible maximum-likelihood transition matrix give
:math:`t_i = -\tau / \ln |\lambda_i(\tau)|`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.bootstrap import block_numbers, centred_interval
from msb.analysis.transitions import lag_in_frames, usable_runs, warn_low_share
from msb.errors import TrajectoryError

__all__ = [
    "ImpliedTimescales",
    "assign",
    "compare_timescales",
    "implied_timescales",
    "kmeans_centres",
    "torsion_features",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ImpliedTimescales:
    """Implied timescales over lags.

    Attributes
    ----------
    lags : ndarray (L,)
        ps.
    timescales : ndarray (L, K)
        ps, slowest first.
    low, high : ndarray (L, K)
        95 % interval, ps, of a block bootstrap or of a posterior; equal to `timescales` when neither was
        asked for.
    active : ndarray (L,)
        Share of the transitions inside the largest connected set.
    """

    lags: FloatArray
    timescales: FloatArray
    low: FloatArray
    high: FloatArray
    active: FloatArray

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """Which timescales (L, K) are longer than two lags; shorter ones have decayed between two looks."""
        return np.asarray(self.timescales > 2.0 * self.lags[:, None])


def torsion_features(torsions: ArrayLike) -> FloatArray:
    """Cosines and sines of torsions, where an angle and the same angle a turn later are one point.

    Parameters
    ----------
    torsions : array_like (F, D)
        Radians.

    Returns
    -------
    ndarray (F, 2 D)
    """
    angles = np.asarray(torsions, dtype=np.float64)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)


def kmeans_centres(features: ArrayLike, n_states: int, seed: int = 0) -> FloatArray:
    """Centres of k-means clusters, the same for the same seed.

    Parameters
    ----------
    features : array_like (F, D)
    n_states : int
    seed : int

    Returns
    -------
    ndarray (n_states, D)

    Raises
    ------
    TrajectoryError
        If there are fewer frames than states, or a feature is not finite.
    """
    from deeptime.clustering import KMeans

    points = _features(features)
    if len(points) < n_states:
        raise TrajectoryError(f"{n_states} states need at least as many frames, got {len(points)}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Algorithm did not reach convergence")  # any partition will do
        model = KMeans(n_states, max_iter=100, fixed_seed=seed, n_jobs=1).fit_fetch(points)
    return np.asarray(model.cluster_centers, dtype=np.float64)


def assign(features: ArrayLike, centres: ArrayLike) -> IntArray:
    """Nearest centre of each frame.

    Parameters
    ----------
    features : array_like (F, D)
    centres : array_like (S, D)

    Returns
    -------
    ndarray (F,)
        State numbers.

    Raises
    ------
    TrajectoryError
        If a feature is not finite.
    """
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(np.asarray(centres)).query(_features(features))[1], dtype=np.int64)


def implied_timescales(
    states: Sequence[ArrayLike],
    lags: Sequence[float],
    timestep: float = 1.0,
    n_timescales: int = 3,
    *,
    blocks: int = 20,
    replicates: int = 0,
    seed: int = 0,
) -> ImpliedTimescales:
    """Implied timescales of one or several state trajectories.

    Parameters
    ----------
    states : sequence of int array (F_i,)
        One per trajectory; no transition is counted from one to the next.
    lags : sequence of float
        ps; whole multiples of `timestep`.
    timestep : float
        ps between frames.
    n_timescales : int
    blocks, replicates, seed : int
        Of the block bootstrap (transitions are drawn by the block they start in); none by default.

    Returns
    -------
    ImpliedTimescales

    Raises
    ------
    TrajectoryError
        If no trajectory is longer than a lag, the connected set has too few states, or a label is negative.
    ConfigError
        If a lag is not a positive multiple of the timestep.
    """
    steps = [lag_in_frames(lag, timestep) for lag in lags]
    generator = np.random.default_rng(seed)
    rows = []
    for step in steps:
        runs, _ = usable_runs(states, step)
        n_states = 1 + max(int(run.max()) for run in runs)
        counts = np.concatenate([_block_counts(run, step, n_states, blocks) for run in runs])
        estimate, share = _timescales(counts.sum(0), step, n_timescales)
        drawn = _replicates(counts, step, n_timescales, replicates, generator)
        low, high = centred_interval(estimate, drawn) if len(drawn) else (estimate, estimate)
        rows.append((estimate, low, high, share))
    warn_low_share({step: row[3] for step, row in zip(steps, rows, strict=True)})
    table = [np.array(column) for column in zip(*rows, strict=True)]
    return ImpliedTimescales(
        lags=np.asarray(lags, dtype=np.float64),
        timescales=timestep * table[0],
        low=timestep * table[1],
        high=timestep * table[2],
        active=table[3],
    )


def compare_timescales(
    test: ArrayLike,
    reference: ArrayLike,
    lags: Sequence[float],
    timestep: float = 1.0,
    *,
    n_states: int = 100,
    n_timescales: int = 3,
    replicates: int = 0,
    seed: int = 0,
) -> tuple[ImpliedTimescales, ImpliedTimescales]:
    """Implied timescales of two trajectories on the same states, those of the reference.

    Parameters
    ----------
    test, reference : array_like (F, D)
        Features, for instance :func:`torsion_features`.
    lags : sequence of float
        ps.
    timestep : float
        ps between frames.
    n_states, n_timescales : int
    replicates, seed : int
        Of the block bootstrap and the clustering.

    Returns
    -------
    test, reference : ImpliedTimescales

    Raises
    ------
    TrajectoryError, ConfigError
        As :func:`kmeans_centres` and :func:`implied_timescales`.
    """
    centres = kmeans_centres(reference, n_states, seed)
    found = [
        implied_timescales(
            [assign(features, centres)], lags, timestep, n_timescales, replicates=replicates, seed=seed
        )
        for features in (test, reference)
    ]
    return found[0], found[1]


def _replicates(
    counts: IntArray, step: int, n_timescales: int, replicates: int, generator: np.random.Generator
) -> list[FloatArray]:
    drawn = []
    for _ in range(replicates):
        chosen = generator.integers(len(counts), size=len(counts))
        weights = np.bincount(chosen, minlength=len(counts))
        try:
            drawn.append(_timescales(np.tensordot(weights, counts, 1), step, n_timescales)[0])
        except TrajectoryError:
            continue  # a draw that disconnects a rare state says nothing about the slow processes
    return drawn


def _block_counts(run: IntArray, step: int, n_states: int, blocks: int) -> IntArray:
    """Transition counts (K, S, S) at a lag, sliding window, by the block a transition starts in."""
    block = block_numbers(len(run) - step, blocks)
    cells = (block * n_states + run[:-step]) * n_states + run[step:]
    n_blocks = int(block[-1]) + 1
    counts = np.bincount(cells, minlength=n_blocks * n_states**2)
    return counts.reshape(n_blocks, n_states, n_states).astype(np.int64)


def _timescales(counts: IntArray, step: int, n_timescales: int) -> tuple[FloatArray, float]:
    from deeptime.markov import TransitionCountModel
    from deeptime.markov.msm import MaximumLikelihoodMSM

    model = TransitionCountModel(counts.astype(np.float64), counting_mode="sliding", lagtime=step)
    connected = model.submodel_largest(connectivity_threshold=0.0, directed=True)
    if connected.n_states <= n_timescales:
        raise TrajectoryError(
            f"the connected set has {connected.n_states} states, {n_timescales} timescales need one more "
            "than that: use a longer trajectory, fewer timescales or a shorter lag"
        )
    msm = MaximumLikelihoodMSM(reversible=True).fit_fetch(connected)
    share = float(connected.count_matrix.sum() / counts.sum())
    return np.asarray(msm.timescales(k=n_timescales), dtype=np.float64), share


def _features(features: ArrayLike) -> FloatArray:
    points = np.ascontiguousarray(features, dtype=np.float64)
    if points.ndim != 2 or len(points) == 0:
        raise TrajectoryError(f"features must have shape (frames, features), got {points.shape}")
    bad = ~np.isfinite(points).all(1)
    if bad.any():
        raise TrajectoryError(
            f"{int(bad.sum())} frames have features that are not finite, the first is {int(bad.argmax())}"
        )
    return points
