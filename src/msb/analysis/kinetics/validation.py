r"""Chapman-Kolmogorov test: whether the model at one lag predicts what is seen at longer ones.

For sets with memberships :math:`\chi`, the probability to be in set *j* after :math:`k\tau` having started
from set *i* in equilibrium is :math:`w_i^T P(\tau)^k \chi_j`, :math:`w_i = \pi\chi_i / \pi^T\chi_i`; it is
compared with :math:`w_i^T P(k\tau)\,\chi_j`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.kinetics.markov import MarkovModel, estimate_markov_model
from msb.analysis.kinetics.metastable import MetastableSets, metastable_sets
from msb.errors import ConfigError

__all__ = ["ChapmanKolmogorov", "chapman_kolmogorov"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ChapmanKolmogorov:
    """Predicted and estimated transition probabilities between metastable sets.

    Attributes
    ----------
    lags : ndarray (L,)
        ps; multiples of the model's lag.
    predicted, estimated : ndarray (L, M, M)
        From set to set.
    predicted_error, estimated_error : ndarray (L, M, M)
        Standard deviations of the posteriors; zero without one.
    sets : MetastableSets
    tolerance : float
        A smaller difference of probabilities never fails.
    """

    lags: FloatArray
    predicted: FloatArray
    estimated: FloatArray
    predicted_error: FloatArray
    estimated_error: FloatArray
    sets: MetastableSets
    tolerance: float

    @property
    def deviation(self) -> float:
        """Largest difference of two probabilities."""
        return float(np.abs(self.predicted - self.estimated).max())

    @property
    def scores(self) -> FloatArray:
        """Differences in standard deviations (L, M, M); infinite where there is no posterior."""
        error = np.hypot(self.predicted_error, self.estimated_error)
        difference = np.abs(self.predicted - self.estimated)
        unknown = np.where(difference > 0, np.inf, 0.0)
        return np.where(error > 0, difference / np.where(error > 0, error, 1.0), unknown)

    @property
    def limit(self) -> float:
        """Score that chance exceeds once in twenty tests, with as many comparisons as there are."""
        from scipy.stats import norm

        return float(norm.isf(0.025 / self.predicted.size))

    @property
    def passed(self) -> bool:
        """No difference is larger than both the tolerance and what chance explains."""
        large = np.abs(self.predicted - self.estimated) > self.tolerance
        return not bool((large & (self.scores > self.limit)).any())


def chapman_kolmogorov(
    states: Sequence[ArrayLike],
    model: MarkovModel,
    n_sets: int,
    multiples: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    models: dict[float, MarkovModel] | None = None,
    samples: int | None = None,
    seed: int = 0,
    tolerance: float = 0.01,
) -> ChapmanKolmogorov:
    """Test a model against models at multiples of its lag.

    Parameters
    ----------
    states : sequence of int array (F_i,)
        What the model was estimated from.
    model : MarkovModel
    n_sets : int
        Metastable sets.
    multiples : sequence of int
        Of the lag; 1 agrees by construction and is there for the picture.
    models : dict of float to MarkovModel, optional
        Models by lag (ps), used where they have the lag, so that nothing is estimated twice.
    samples : int, optional
        Draws from the posterior at the longer lags; as many as the model has by default.
    seed : int
    tolerance : float
        A smaller difference of probabilities never fails.

    Returns
    -------
    ChapmanKolmogorov

    Raises
    ------
    ConfigError
        If a multiple is less than 1, or as :func:`msb.analysis.kinetics.metastable.metastable_sets`.
    TrajectoryError
        If no trajectory is longer than a lag.
    """
    if not multiples or min(multiples) < 1:
        raise ConfigError(f"`multiples` of the lag must be at least 1, got {tuple(multiples)}")
    sets = metastable_sets(model, n_sets)
    drawn = (0 if model.posterior is None else len(model.posterior.samples)) if samples is None else samples
    known = {round(lag / model.timestep): item for lag, item in (models or {}).items()}
    known[model.transitions.lag] = model
    rows = []
    for multiple in multiples:
        step = multiple * model.transitions.lag
        longer = known.get(step) or estimate_markov_model(
            states,
            step * model.timestep,
            model.timestep,
            n_states=model.transitions.counts.n_states,
            samples=drawn,
            seed=seed,
        )
        rows.append((*_with_error(model, sets, multiple), *_with_error(longer, sets, 1)))
    table = [np.array(column) for column in zip(*rows, strict=True)]
    lags = model.lag * np.asarray(multiples, dtype=np.float64)
    return ChapmanKolmogorov(lags, table[0], table[2], table[1], table[3], sets, tolerance)


def _with_error(model: MarkovModel, sets: MetastableSets, power: int) -> tuple[FloatArray, FloatArray]:
    _, own, theirs = np.intersect1d(model.states, sets.states, return_indices=True)
    chi = np.zeros((len(model.states), sets.memberships.shape[1]))
    chi[own] = sets.memberships[theirs]

    estimate = _between(model.msm, chi, power)
    if model.posterior is None:
        return estimate, np.zeros_like(estimate)
    drawn = np.array([_between(sample, chi, power) for sample in model.posterior.samples])
    return estimate, np.asarray(drawn.std(0))


def _between(msm: Any, chi: FloatArray, power: int) -> FloatArray:
    start = msm.stationary_distribution[:, None] * chi
    moved = chi
    for _ in range(power):
        moved = msm.transition_matrix @ moved
    return np.asarray((start / start.sum(0)).T @ moved)
