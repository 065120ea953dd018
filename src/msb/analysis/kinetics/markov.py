r"""Markov state models: maximum likelihood and, with effective counts, the posterior around it.

A reversible transition matrix :math:`P(\tau)` on the connected states; :math:`P \psi_i = \lambda_i \psi_i`,
:math:`t_i = -\tau/\ln|\lambda_i|`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.timescales import ImpliedTimescales
from msb.analysis.transitions import Transitions, count_transitions, lag_in_frames
from msb.errors import ConfigError, TrajectoryError

__all__ = ["MarkovModel", "estimate_markov_model", "markov_models", "timescales_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class MarkovModel:
    """A Markov state model on the connected states.

    Attributes
    ----------
    transitions : Transitions
        Sliding counts and the connected set.
    msm : deeptime.markov.msm.MarkovStateModel
        Maximum likelihood, reversible.
    posterior : deeptime.markov.msm.BayesianMSMPosterior or None
        Sampled around the model of effective counts.
    timestep : float
        ps between frames.
    """

    transitions: Transitions
    msm: Any
    posterior: Any
    timestep: float

    @property
    def lag(self) -> float:
        """Lag in ps."""
        return self.transitions.lag * self.timestep

    @property
    def states(self) -> IntArray:
        """Labels (A,) of the connected states, ascending."""
        return self.transitions.states

    @property
    def stationary(self) -> FloatArray:
        """Stationary distribution (A,)."""
        return np.asarray(self.msm.stationary_distribution, dtype=np.float64)

    @property
    def n_processes(self) -> int:
        """Processes besides the stationary one."""
        return len(self.states) - 1

    def timescales(self, k: int | None = None) -> FloatArray:
        """Slowest implied timescales (k,) in ps; NaN where an eigenvalue is 0."""
        return _finite(self.msm.timescales(k=self._number(k))) * self.timestep

    def interval(self, k: int | None = None, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Interval of the timescales, low and high (k,) in ps; without a posterior both are the estimate."""
        if self.posterior is None:
            return self.timescales(k), self.timescales(k)
        number, tail = self._number(k), 50.0 * (1.0 - level)
        drawn = np.array([_finite(sample.timescales(k=number)) for sample in self.posterior.samples])
        low, high = np.nanpercentile(drawn * self.timestep, [tail, 100.0 - tail], axis=0)
        return np.asarray(low), np.asarray(high)

    def eigenvectors(self, k: int | None = None) -> FloatArray:
        """Right eigenvectors (A, k) of the slowest processes, the stationary one left out.

        Normalised to one under the stationary distribution; the largest entry by magnitude is positive.
        """
        vectors = np.asarray(self.msm.eigenvectors_right(self._number(k) + 1)).real[:, 1:]
        vectors = vectors / np.sqrt((self.stationary[:, None] * vectors**2).sum(0))
        largest = vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])]
        return np.asarray(vectors * np.sign(largest), dtype=np.float64)

    def _number(self, k: int | None) -> int:
        if k is not None and not 1 <= k <= self.n_processes:
            raise TrajectoryError(
                f"the connected set has {len(self.states)} states, {k} timescales need one more than that: "
                "use a longer trajectory, fewer timescales or a shorter lag"
            )
        return self.n_processes if k is None else k


def estimate_markov_model(
    states: Sequence[ArrayLike],
    lag: float,
    timestep: float = 1.0,
    *,
    n_states: int | None = None,
    samples: int = 0,
    seed: int = 0,
) -> MarkovModel:
    """Estimate a reversible Markov state model.

    Parameters
    ----------
    states : sequence of int array (F_i,)
        State trajectories; no transition is counted from one to the next.
    lag : float
        ps; a whole multiple of `timestep`.
    timestep : float
        ps between frames.
    n_states : int, optional
        Number of labels where some may not occur.
    samples : int
        Draws from the posterior for intervals; none by default.
    seed : int
        Of the draws.

    Returns
    -------
    MarkovModel

    Raises
    ------
    TrajectoryError, ConfigError
        As :func:`msb.analysis.transitions.count_transitions` and ``lag_in_frames``.

    Warns
    -----
    MsbWarning
        If less than 95 % of the transitions lie inside the connected set, or trajectories are left out.

    Notes
    -----
    Effective counts allow for most, not all, of the correlation between overlapping windows: on chains of
    known spectrum the 95 % interval of the slowest timescale held the truth in 78 to 88 % of 40 runs, that of
    the second in 93 to 98 %.

    References
    ----------
    B. Trendelkamp-Schroer et al., J. Chem. Phys. 143, 174101 (2015).
    """
    from deeptime.markov.msm import MaximumLikelihoodMSM

    step = lag_in_frames(lag, timestep)
    found = count_transitions(states, step, n_states=n_states)
    msm = MaximumLikelihoodMSM(reversible=True).fit_fetch(found.connected)
    posterior = _posterior(states, found, samples, seed) if samples else None
    return MarkovModel(found, msm, posterior, timestep)


def markov_models(
    states: Sequence[ArrayLike],
    lags: Sequence[float],
    timestep: float = 1.0,
    *,
    n_states: int | None = None,
    samples: int = 0,
    seed: int = 0,
) -> dict[float, MarkovModel]:
    """Models over lags; see :func:`estimate_markov_model`.

    Parameters
    ----------
    states, timestep, n_states, samples, seed
        As there.
    lags : sequence of float
        ps.

    Returns
    -------
    dict of float to MarkovModel
        By lag, in ascending order.
    """
    return {
        lag: estimate_markov_model(states, lag, timestep, n_states=n_states, samples=samples, seed=seed)
        for lag in sorted(set(lags))
    }


def timescales_of(models: Sequence[MarkovModel], n_timescales: int = 3) -> ImpliedTimescales:
    """Implied timescales of models over lags, with the intervals of their posteriors.

    Parameters
    ----------
    models : sequence of MarkovModel
    n_timescales : int

    Returns
    -------
    ImpliedTimescales

    Raises
    ------
    TrajectoryError
        If a connected set is too small.
    ConfigError
        If there is no model.
    """
    if not models:
        raise ConfigError("implied timescales need at least one model")
    intervals = [model.interval(n_timescales) for model in models]
    return ImpliedTimescales(
        lags=np.array([model.lag for model in models]),
        timescales=np.array([model.timescales(n_timescales) for model in models]),
        low=np.array([low for low, _ in intervals]),
        high=np.array([high for _, high in intervals]),
        active=np.array([model.transitions.count_share for model in models]),
    )


def _posterior(states: Sequence[ArrayLike], sliding: Transitions, samples: int, seed: int) -> Any:
    """Draw transition matrices given the effective counts of the connected states (seeded)."""
    import warnings

    from deeptime.markov.msm import BayesianMSMPosterior, MarkovStateModel, MaximumLikelihoodMSM
    from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said once, by the sliding counts
        found = count_transitions(states, sliding.lag, mode="effective", n_states=sliding.counts.n_states)
    counts = found.counts.submodel(sliding.states)
    prior = MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    sampler = TransitionMatrixSampler(
        counts.count_matrix,
        reversible=True,
        P0=prior.transition_matrix,
        n_steps=max(1, int(np.sqrt(len(sliding.states)))),
        seed=seed,
    )
    drawn = [sampler.sample(return_statdist=True) for _ in range(samples)]
    models = [
        MarkovStateModel(matrix, stationary_distribution=weights, reversible=True, count_model=counts)
        for matrix, weights in drawn
    ]
    return BayesianMSMPosterior(prior=prior, samples=models)


def _finite(timescales: ArrayLike) -> FloatArray:
    array = np.asarray(timescales, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)
