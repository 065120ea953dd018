"""Metastable sets of a Markov state model (PCCA+)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.kinetics.markov import MarkovModel
from msb.errors import ConfigError

__all__ = ["MetastableSets", "metastable_sets"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class MetastableSets:
    """Sets of states that are left slowly, the most populated first.

    Attributes
    ----------
    pcca : deeptime.markov.PCCAModel
        As computed; its sets are in its own order.
    states : ndarray (A,)
        Labels of the connected states.
    memberships : ndarray (A, M)
        Probability of each state to belong to each set; rows sum to one.
    populations : ndarray (M,)
        Stationary, descending; sum to one.
    """

    pcca: Any
    states: IntArray
    memberships: FloatArray
    populations: FloatArray

    @property
    def assignment(self) -> IntArray:
        """Most probable set (A,) of each connected state."""
        return np.asarray(self.memberships.argmax(1), dtype=np.int64)

    def of_frames(self, run: ArrayLike) -> IntArray:
        """Set of each frame (F,) of a state trajectory; -1 for states outside the connected set."""
        labels = np.asarray(run, dtype=np.int64)
        table = np.full(int(max(labels.max(initial=0), self.states.max())) + 1, -1, dtype=np.int64)
        table[self.states] = self.assignment
        return np.asarray(table[labels])


def metastable_sets(model: MarkovModel, n_sets: int) -> MetastableSets:
    """Metastable sets by PCCA+.

    Parameters
    ----------
    model : MarkovModel
    n_sets : int
        One more than the number of slow processes they stand for.

    Returns
    -------
    MetastableSets

    Raises
    ------
    ConfigError
        If there are more sets than connected states or fewer than two.

    References
    ----------
    S. Röblitz and M. Weber, Adv. Data Anal. Classif. 7, 147 (2013).
    """
    if not 2 <= n_sets <= len(model.states):
        raise ConfigError(
            f"`n_sets` must lie between 2 and the {len(model.states)} connected states, got {n_sets}"
        )
    pcca = model.msm.pcca(n_sets)
    memberships = np.asarray(pcca.memberships, dtype=np.float64)
    populations = model.stationary @ memberships
    order = np.argsort(-populations, kind="stable")
    return MetastableSets(pcca, model.states, memberships[:, order], populations[order])
