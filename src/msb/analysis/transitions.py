"""Transitions of state trajectories: checked, counted at a lag, and the connected set a model may use."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.errors import ConfigError, MsbWarning, TrajectoryError

__all__ = [
    "LOW_SHARE",
    "CountMode",
    "Transitions",
    "count_transitions",
    "lag_in_frames",
    "short_runs",
    "split_unassigned",
    "usable_runs",
    "warn_low_share",
]

LOW_SHARE = 0.95  # of the transitions; a smaller connected set is warned about
CountMode = Literal["sliding", "effective"]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Transitions:
    """Transitions at a lag and the largest set of states that reach each other.

    Attributes
    ----------
    counts : deeptime.markov.TransitionCountModel
        Of all states.
    connected : deeptime.markov.TransitionCountModel
        Of the largest strongly connected set; what a reversible model is estimated from.
    lag : int
        Frames.
    n_visited : int
        States with a transition to or from them.
    dropped : tuple of int
        Numbers of the trajectories that are not longer than the lag.
    """

    counts: Any
    connected: Any
    lag: int
    n_visited: int
    dropped: tuple[int, ...] = ()

    @property
    def states(self) -> IntArray:
        """Labels of the connected set (A,), ascending."""
        return np.asarray(self.connected.state_symbols, dtype=np.int64)

    @property
    def count_share(self) -> float:
        """Share of the transitions that lie inside the connected set."""
        return float(self.connected.count_matrix.sum() / self.counts.count_matrix.sum())

    @property
    def state_share(self) -> float:
        """Share of the visited states that belong to the connected set."""
        return len(self.states) / self.n_visited


def lag_in_frames(lag: float, timestep: float) -> int:
    """Frames in a lag.

    Parameters
    ----------
    lag, timestep : float
        ps.

    Raises
    ------
    ConfigError
        If the lag is not a positive whole multiple of the timestep.
    """
    step = round(lag / timestep) if timestep > 0 else 0
    if step < 1 or abs(step * timestep - lag) > 1e-6 * timestep:
        raise ConfigError(f"a lag of {lag} ps is no positive multiple of the timestep, {timestep} ps")
    return step


def usable_runs(states: Sequence[ArrayLike], step: int = 0) -> tuple[list[IntArray], tuple[int, ...]]:
    """State trajectories that are longer than a lag, and the numbers of those that are not.

    Parameters
    ----------
    states : sequence of int array (F_i,)
        One per trajectory.
    step : int
        Lag, frames; a trajectory of no more than one transition is too short.

    Returns
    -------
    runs : list of ndarray (F_i,)
    dropped : tuple of int

    Raises
    ------
    TrajectoryError
        If there is none, all are too short, one is not a row of whole numbers, or a label is negative.
    """
    runs = [_labels(run, number) for number, run in enumerate(states)]
    if not runs:
        raise TrajectoryError("there are no state trajectories: give at least one")
    dropped = short_runs([len(run) for run in runs], step)
    return [run for number, run in enumerate(runs) if number not in set(dropped)], dropped


def short_runs(lengths: Sequence[int], step: int) -> tuple[int, ...]:
    """Numbers of the trajectories too short for a lag: fewer than two pairs of frames.

    Parameters
    ----------
    lengths : sequence of int
        Frames of each trajectory.
    step : int
        Lag, frames.

    Returns
    -------
    tuple of int
        Counted from 0; none for most data.

    Raises
    ------
    TrajectoryError
        If all are too short.

    Warns
    -----
    MsbWarning
        If some are; they are named and counted.
    """
    short = tuple(number for number, length in enumerate(lengths) if length <= step + 1)
    if len(short) == len(lengths):
        raise TrajectoryError(
            f"a lag of {step} frames needs a longer trajectory than {max(lengths)} frames, the longest of "
            f"{len(lengths)}: use a shorter lag or longer trajectories"
        )
    if short:
        warnings.warn(
            f"{len(short)} of {len(lengths)} trajectories are too short for a lag of {step} frames and are "
            f"left out: {_listed(short)} (counted from 0)",
            MsbWarning,
            stacklevel=4,
        )
    return short


def split_unassigned(states: Sequence[ArrayLike]) -> list[IntArray]:
    """Cut trajectories where a label is negative (a frame in no core), so that nothing is counted across.

    Parameters
    ----------
    states : sequence of int array (F_i,)

    Returns
    -------
    list of ndarray
        Pieces without negative labels, in order; a trajectory without one stays whole.
    """
    pieces: list[IntArray] = []
    for run in states:
        labels = np.asarray(run, dtype=np.int64)
        inside = np.flatnonzero(labels >= 0)
        pieces += [labels[part] for part in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)]
    return [piece for piece in pieces if len(piece)]


def count_transitions(
    states: Sequence[ArrayLike], step: int, *, mode: CountMode = "sliding", n_states: int | None = None
) -> Transitions:
    """Count transitions at a lag and find the largest connected set.

    Parameters
    ----------
    states : sequence of int array (F_i,)
        One per trajectory; nothing is counted from one to the next.
    step : int
        Lag, frames.
    mode : {"sliding", "effective"}
        Every pair of frames, or as many as are statistically independent (for Bayesian intervals).
    n_states : int, optional
        Number of labels where some may not occur.

    Returns
    -------
    Transitions

    Raises
    ------
    TrajectoryError
        As :func:`usable_runs`, or if no two states reach each other.

    Warns
    -----
    MsbWarning
        If less than 95 % of the transitions lie inside the connected set, or trajectories are left out.
    """
    from deeptime.markov import TransitionCountEstimator

    runs, dropped = usable_runs(states, step)
    estimator = TransitionCountEstimator(lagtime=step, count_mode=mode, n_states=n_states)
    counts = estimator.fit_fetch(runs)
    matrix = counts.count_matrix
    visited = int(((matrix.sum(0) + matrix.sum(1)) > 0).sum())
    connected = counts.submodel_largest(connectivity_threshold=0.0, directed=True)
    if connected.n_states < 2 or connected.count_matrix.sum() == 0:
        raise TrajectoryError(
            f"the states are disconnected: at a lag of {step} frames no two of the {visited} visited states "
            "are reached from each other; use longer trajectories, fewer states or a shorter lag"
        )
    found = Transitions(counts, connected, step, visited, dropped)
    if mode == "sliding":
        warn_low_share({step: found.count_share}, visited - len(found.states))
    return found


def warn_low_share(shares: dict[int, float], outside: int | None = None) -> None:
    """Warn where less than 95 % of the transitions lie inside the connected set.

    Parameters
    ----------
    shares : dict of int to float
        Share of the transitions by lag, frames.
    outside : int, optional
        States left out.
    """
    low = {step: share for step, share in shares.items() if share < LOW_SHARE}
    if low:
        told = ", ".join(f"{100 * share:.1f} % at {step} frames" for step, share in low.items())
        left = "" if outside is None else f"; {outside} visited states are left out"
        warnings.warn(
            f"the largest connected set holds less than {100 * LOW_SHARE:.0f} % of the transitions: {told}"
            f"{left}. The model says nothing about the rest: use longer trajectories or fewer states",
            MsbWarning,
            stacklevel=3,
        )


def _labels(run: ArrayLike, number: int) -> IntArray:
    array = np.asarray(run)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise TrajectoryError(
            f"state trajectory {number} must be a row of whole numbers, got {array.dtype} of shape "
            f"{array.shape}"
        )
    negative = array < 0
    if negative.any():
        raise TrajectoryError(
            f"state trajectory {number} has {int(negative.sum())} negative labels, the first in frame "
            f"{int(negative.argmax())}: cut it there with split_unassigned"
        )
    return array.astype(np.int64)


def _listed(numbers: Sequence[int], most: int = 10) -> str:
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown}, … ({len(numbers)} in all)"
