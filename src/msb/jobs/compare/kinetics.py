"""Slow processes and free-energy surfaces of ensembles, on the coordinates and states of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.analysis import (
    Excess,
    bin_numbers,
    excess_of_bins,
    free_energy,
    histogram_2d,
)
from msb.analysis.comparison import KineticComparison
from msb.analysis.kinetics import EnsembleKinetics, compare
from msb.errors import ConfigError, TrajectoryError
from msb.io.trajectory import Trajectory
from msb.jobs.compare.features import FeatureSet, resolve_features

__all__ = ["KineticPlan", "compare_kinetics", "plan_kinetics"]

Floats = NDArray[np.float64]

_STATES, _FRAMES_A_STATE, _TIMESCALES, _LAGS, _CELLS, _SAMPLES = 100, 20, 3, 6, 60, 50


@dataclass(frozen=True)
class KineticPlan:
    """What to look at, and over which lags.

    Attributes
    ----------
    features : FeatureSet
        Columns of numbers for each frame.
    timestep : float
        ps between frames.
    lags : ndarray (L,) of int
        Frames, ascending.
    """

    features: FeatureSet
    timestep: float
    lags: NDArray[np.int64]


def plan_kinetics(
    asked: str | None, trajectory: Trajectory, n_frames: int, lag: float | None
) -> KineticPlan | None:
    """Check that kinetics can be done before any frame is read.

    Parameters
    ----------
    asked : str or None
        ``"phi-psi"``, ``"ca-distances"``, a file, or nothing.
    trajectory : Trajectory
        Of the reference: names of the atoms, and the clock.
    n_frames : int
        Frames that are used.
    lag : float or None
        Longest lag, ps; by default a fiftieth of the trajectory, at most 20 frames.

    Raises
    ------
    ConfigError
        The frame spacing is unknown, the lag is shorter than it, or a lag is given without features.
    TrajectoryError
        The trajectory is not longer than the lag.
    """
    if asked is None:
        if lag is not None:
            raise ConfigError("--lag is the lag of Markov models: it needs --kinetics")
        return None
    features = resolve_features(asked, trajectory)
    spacing = trajectory.timestep
    if spacing is None:
        raise ConfigError(f"{trajectory.spacing_note}: kinetics needs it, give it with --timestep PS")
    longest = min(20, max(1, n_frames // 50)) if lag is None else round(lag / spacing)
    if longest < 1:
        raise ConfigError(f"a lag of {lag:g} ps is shorter than the frames are apart, {spacing:g} ps")
    if longest * 4 > n_frames:
        raise TrajectoryError(
            f"{Path(trajectory.path)}: {n_frames} frames of {spacing:g} ps, {(n_frames - 1) * spacing:g} ps "
            f"in all, are too few for a lag of {longest * spacing:g} ps ({longest} frames): it needs four "
            "times as many frames as the lag; give a shorter --lag or a longer trajectory"
        )
    lags = np.unique(np.round(np.geomspace(1, longest, _LAGS)).astype(np.int64))
    return KineticPlan(features, spacing, lags)


def compare_kinetics(
    plan: KineticPlan, reference: Floats, tests: Mapping[str, Floats], temperature: float, seed: int = 0
) -> dict[str, KineticComparison]:
    """Compare slow processes and the free energy over two coordinates.

    Parameters
    ----------
    plan : KineticPlan
        Features and lags.
    reference : ndarray (F, D)
        Values of the features.
    tests : mapping of str to ndarray (F, D)
        Of the other ensembles.
    temperature : float
        K.
    seed : int
        Of clustering, posterior and bootstrap.

    Raises
    ------
    TrajectoryError
        The trajectories visit too few states, or a feature is not finite (it is named).
    """
    is_map = plan.features.values_are_a_map
    lags = (plan.lags * plan.timestep).tolist()
    found = compare(
        plan.features.flat(reference),
        {f"test {name}": plan.features.flat(values) for name, values in tests.items()},
        n_states=min(_STATES, max(_TIMESCALES + 2, len(reference) // _FRAMES_A_STATE)),
        lag=lags[-1],
        timestep=plan.timestep,
        lags=lags,
        n_timescales=_TIMESCALES,
        tica=None if is_map else 2,
        samples=_SAMPLES,
        seed=seed,
    )
    if is_map:
        own, edges = np.degrees(reference), (np.linspace(-180, 180, 73), np.linspace(-180, 180, 73))
        axes = (f"{plan.features.labels[0]} / °", f"{plan.features.labels[1]} / °")
    else:
        own, axes = found.reference.features.joined, ("TICA 1", "TICA 2")
        edges = (_edges(own[:, 0]), _edges(own[:, 1]))
    results = {}
    for name, values in tests.items():
        theirs = found.others[f"test {name}"]
        points = np.degrees(values) if is_map else theirs.features.joined
        results[name] = KineticComparison(
            features=plan.features.name,
            axes=axes,
            edges=edges,
            surfaces=(_surface(own, edges, temperature), _surface(points, edges, temperature)),
            surface=_surface_excess(points, own, edges, seed),
            reference=found.reference.timescales,
            test=theirs.timescales,
            similarity=found.similarity[f"test {name}"].weighted,
            markovian=(_passed(found.reference), _passed(theirs)),
        )
    return results


def _passed(ensemble: EnsembleKinetics) -> bool | None:
    return None if ensemble.test is None else ensemble.test.passed


def _surface(points: Floats, edges: tuple[Floats, Floats], temperature: float) -> Floats:
    counts = histogram_2d(points[:, 0], points[:, 1], *edges, "clip")
    return np.asarray(free_energy(counts, temperature).filled(np.nan))


def _surface_excess(test: Floats, reference: Floats, edges: tuple[Floats, Floats], seed: int) -> Excess:
    numbers = [
        bin_numbers(p[:, 0], edges[0]) * (len(edges[1]) - 1) + bin_numbers(p[:, 1], edges[1])
        for p in (test, reference)
    ]
    return excess_of_bins(numbers[0], numbers[1], (len(edges[0]) - 1) * (len(edges[1]) - 1), seed=seed)


def _edges(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, _CELLS + 1)
