"""One call for the whole study: the slow processes of several ensembles on the states of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.kinetics.clock import Clock, match_slowest
from msb.analysis.kinetics.features import FeatureFunction, Features, featurise
from msb.analysis.kinetics.markov import MarkovModel, markov_models, timescales_of
from msb.analysis.kinetics.similarity import Similarity, eigenvector_similarity
from msb.analysis.kinetics.tica import TICA, TicaModel
from msb.analysis.kinetics.validation import ChapmanKolmogorov, chapman_kolmogorov
from msb.analysis.timescales import ImpliedTimescales, assign, kmeans_centres
from msb.errors import ConfigError, TrajectoryError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EnsembleKinetics", "ProcessComparison", "analyse", "compare"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class EnsembleKinetics:
    """Slow processes of one ensemble.

    Attributes
    ----------
    features : Features
        What the frames were clustered by (independent components where TICA was asked for).
    states : tuple of ndarray (F_i,)
        Cluster of each frame.
    models : dict of float to MarkovModel
        By lag, ps.
    model : MarkovModel
        At the lag of the study.
    timescales : ImpliedTimescales
        Over all lags.
    test : ChapmanKolmogorov or None
        Of the model; None where no trajectory is long enough.
    """

    features: Features
    states: tuple[IntArray, ...]
    models: dict[float, MarkovModel]
    model: MarkovModel
    timescales: ImpliedTimescales
    test: ChapmanKolmogorov | None


@dataclass(frozen=True)
class ProcessComparison:
    """Slow processes of a reference and of other ensembles on the reference's states.

    Attributes
    ----------
    centres : ndarray (S, D)
        Cluster centres, those of the reference.
    tica : TicaModel or None
        Of the reference.
    reference : EnsembleKinetics
    others : dict of str to EnsembleKinetics
    similarity : dict of str to Similarity
        Eigenvectors, reference against other.
    clocks : dict of str to Clock
        Timescales after matching the slowest.
    """

    centres: FloatArray
    tica: TicaModel | None
    reference: EnsembleKinetics
    others: dict[str, EnsembleKinetics]
    similarity: dict[str, Similarity]
    clocks: dict[str, Clock]

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able; None for what is not finite."""
        own = {"reference": self.reference, **self.others}
        return {
            "ensembles": {name: _ensemble_summary(item) for name, item in own.items()},
            "similarity": {
                name: {
                    "cosine": _plain(found.cosine),
                    "weighted": _plain(found.weighted),
                    "groups": [
                        {"processes": list(g.processes), "cosines": _plain(g.cosines)} for g in found.groups
                    ],
                }
                for name, found in self.similarity.items()
            },
            "clocks": {
                name: {key: _plain(value) for key, value in vars(clock).items()}
                for name, clock in self.clocks.items()
            },
        }

    def plot(self) -> Figure:
        """Draw implied timescales, similarity and ratios: one row for each ensemble."""
        from msb.analysis.plots.kinetics import plot_comparison

        return plot_comparison(self)


def compare(
    reference: Any,
    others: Mapping[str, Any] | Any = None,
    *,
    features: str | FeatureFunction | None = None,
    n_states: int = 100,
    lag: float,
    timestep: float = 1.0,
    lags: Sequence[float] | None = None,
    n_timescales: int = 3,
    n_sets: int | None = None,
    multiples: Sequence[int] = (1, 2, 3, 4),
    tica: int | None = None,
    tica_lag: float | None = None,
    cluster_frames: int = 20_000,
    samples: int = 100,
    seed: int = 0,
) -> ProcessComparison:
    """Estimate and test Markov models of all ensembles on the same states and compare their slow processes.

    Parameters
    ----------
    reference : array_like (F, D), Features, Universe, trajectory, or a list of these
        The ensemble whose clusters, and independent components, all others are seen in.
    others : mapping of str to the same, optional
        Ensembles compared with it; a single one is called ``"test"``.
    features : str or callable, optional
        ``"phi-psi"``, ``"ca-distances"``, or any function from a trajectory to (F, D); None for arrays that
        are features already.
    n_states : int
        Clusters (k-means, fixed seed).
    lag : float
        ps; of the models that are compared and tested.
    timestep : float
        ps between frames.
    lags : sequence of float, optional
        ps; of the implied timescales.  By default 1/5, 2/5, 1, 2, 3 and 4 times `lag`, in whole frames.
    n_timescales : int
        Slow processes.
    n_sets : int, optional
        Metastable sets of the Chapman-Kolmogorov test; one more than `n_timescales` by default.
    multiples : sequence of int
        Of the lag, in that test; none skips it.
    tica : int, optional
        Cluster on so many independent components of the reference instead of the features themselves.
    tica_lag : float, optional
        ps; `lag` by default.
    cluster_frames : int
        Evenly spaced frames of the reference that the clusters are found from; all frames are assigned.
    samples : int
        Draws from each posterior, for 95 % intervals; 0 for none.
    seed : int
        Of the clustering and the draws.

    Returns
    -------
    ProcessComparison

    Raises
    ------
    TrajectoryError
        If a feature is not finite (named), trajectories are shorter than the lag, states are disconnected,
        or ensembles have different features.
    ConfigError
        If a lag is no multiple of the timestep.

    Warns
    -----
    MsbWarning
        If less than 95 % of the transitions lie inside the connected set, or trajectories are left out.
    """
    given = {"reference": featurise(reference, features)}
    given |= {name: featurise(item, features) for name, item in _named(others).items()}
    _same_features(given)
    model = None
    if tica is not None:
        model = TICA(lag if tica_lag is None else tica_lag, tica, timestep=timestep).fit(given["reference"])
        given = {name: _projected(model.fetch_model(), item) for name, item in given.items()}
    frames = given["reference"].joined
    stride = max(1, len(frames) // max(cluster_frames, n_states))
    centres = kmeans_centres(frames[::stride], n_states, seed)
    found = {
        name: analyse(
            item,
            centres,
            lag=lag,
            timestep=timestep,
            lags=_default_lags(lag, timestep) if lags is None else lags,
            n_timescales=n_timescales,
            n_sets=n_timescales + 1 if n_sets is None else n_sets,
            multiples=multiples,
            samples=samples,
            seed=seed,
        )
        for name, item in given.items()
    }
    own = found.pop("reference")
    return ProcessComparison(
        centres=centres,
        tica=None if model is None else model.fetch_model(),
        reference=own,
        others=found,
        similarity={n: eigenvector_similarity(own.model, f.model, n_timescales) for n, f in found.items()},
        clocks={n: match_slowest(own.model, f.model, n_timescales) for n, f in found.items()},
    )


def analyse(
    features: Features,
    centres: FloatArray,
    *,
    lag: float,
    timestep: float = 1.0,
    lags: Sequence[float] = (),
    n_timescales: int = 3,
    n_sets: int = 4,
    multiples: Sequence[int] = (1, 2, 3, 4),
    samples: int = 100,
    seed: int = 0,
) -> EnsembleKinetics:
    """Markov models of one ensemble on given states; the parameters are those of :func:`compare`.

    Parameters
    ----------
    features : Features
    centres : ndarray (S, D)
        Cluster centres.
    lag, timestep, lags, n_timescales, n_sets, multiples, samples, seed
        As in :func:`compare`.

    Returns
    -------
    EnsembleKinetics

    Raises
    ------
    TrajectoryError, ConfigError
        As :func:`compare`.
    """
    states = tuple(assign(run, centres) for run in features.runs)
    models = markov_models(states, [lag, *lags], timestep, n_states=len(centres), samples=samples, seed=seed)
    model = models[lag]
    longest = max(len(run) for run in states)
    fitting = [m for m in multiples if m * model.transitions.lag + 1 < longest]
    test = None
    if fitting:
        sets = min(n_sets, len(model.states))
        test = chapman_kolmogorov(states, model, sets, fitting, models=models, seed=seed)
    return EnsembleKinetics(
        features, states, models, model, timescales_of(list(models.values()), n_timescales), test
    )


def _named(others: Mapping[str, Any] | Any) -> dict[str, Any]:
    if others is None:
        return {}
    named = dict(others) if isinstance(others, Mapping) else {"test": others}
    if "reference" in named:
        raise ConfigError("an ensemble beside the reference cannot be called 'reference': give another name")
    return named


def _same_features(given: Mapping[str, Features]) -> None:
    own = given["reference"].names
    for name, item in given.items():
        if item.names != own:
            differ = sorted(set(own) ^ set(item.names))
            raise TrajectoryError(
                f"'{name}' has {len(item.names)} features, the reference {len(own)}; they differ in "
                f"{', '.join(differ[:6]) or 'their order'}: compare the same molecule"
            )


def _projected(model: TicaModel, features: Features) -> Features:
    runs = tuple(model.transform(run) for run in features.runs)
    return Features(runs, tuple(f"TIC {k + 1}" for k in range(runs[0].shape[1])))


def _default_lags(lag: float, timestep: float) -> list[float]:
    steps = {max(1, round(factor * lag / timestep)) for factor in (0.2, 0.4, 1, 2, 3, 4)}
    return [step * timestep for step in sorted(steps)]


def _ensemble_summary(item: EnsembleKinetics) -> dict[str, Any]:
    times, test = item.timescales, item.test
    return {
        "lag_ps": item.model.lag,
        "connected_states": len(item.model.states),
        "connected_share": item.model.transitions.count_share,
        "lags_ps": _plain(times.lags),
        "timescales_ps": _plain(times.timescales),
        "low_ps": _plain(times.low),
        "high_ps": _plain(times.high),
        "resolved": times.resolved.tolist(),
        "chapman_kolmogorov": None
        if test is None
        else {
            "passed": test.passed,
            "deviation": test.deviation,
            "populations": _plain(test.sets.populations),
        },
    }


def _plain(values: Any) -> Any:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim:
        return [_plain(item) for item in array]
    return float(array) if np.isfinite(array) else None
