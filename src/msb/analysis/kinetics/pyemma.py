"""To and from PyEMMA 2.5.12 (extra ``pyemma``; Python 3.11 only), without touching numpy's names.

PyEMMA's own implied timescales want ``np.NAN``, which numpy 2 lost; models at single lags do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from msb.analysis.kinetics.markov import MarkovModel
from msb.analysis.transitions import usable_runs
from msb.errors import ConfigError

__all__ = ["from_pyemma", "reference", "to_pyemma"]


def to_pyemma(model: Any, timestep: float | None = None) -> Any:
    """PyEMMA's Markov model with the transition matrix of ours.

    Parameters
    ----------
    model : MarkovModel or deeptime.markov.msm.MarkovStateModel
    timestep : float, optional
        ps between frames; a :class:`MarkovModel` knows its own.

    Returns
    -------
    pyemma.msm.MSM
        Its time unit is ps; a step is the lag.

    Raises
    ------
    ConfigError
        If PyEMMA is not installed.
    """
    own = isinstance(model, MarkovModel)
    msm = model.msm if own else model
    spacing = timestep or (model.timestep if own else 1.0)
    unit = f"{spacing * msm.lagtime:g} ps"
    return _pyemma().msm.markov_model(np.asarray(msm.transition_matrix), dt_model=unit)


def from_pyemma(model: Any) -> Any:
    """Deeptime's Markov model with the transition matrix of PyEMMA's.

    Parameters
    ----------
    model : pyemma.msm.MSM

    Returns
    -------
    deeptime.markov.msm.MarkovStateModel
        Lag in frames where the model was estimated from trajectories; else 1.
    """
    from deeptime.markov.msm import MarkovStateModel

    return MarkovStateModel(
        np.asarray(model.transition_matrix),
        stationary_distribution=np.asarray(model.stationary_distribution),
        reversible=model.reversible,
        lagtime=int(getattr(model, "lag", 1)),
    )


def reference(dtrajs: Sequence[ArrayLike], lags: Sequence[int], k: int = 3) -> dict[str, Any]:
    """Timescales as PyEMMA estimates them.

    Its Markov models stand on deeptime since version 2.5.11: this checks the way in and out, not the
    numbers.  Its independent components are its own code.

    Parameters
    ----------
    dtrajs : sequence of int array (F_i,)
    lags : sequence of int
        Frames.
    k : int
        Timescales, fewer where there are fewer states.

    Returns
    -------
    dict
        ``pyemma`` (version), ``lags``, ``timescales`` (a list in frames for each lag); JSON-able.

    Raises
    ------
    ConfigError
        If PyEMMA is not installed.
    TrajectoryError
        If a label is negative or no trajectory is longer than a lag.
    """
    package = _pyemma()
    found = []
    for lag in lags:
        runs, _ = usable_runs(dtrajs, int(lag))
        model = package.msm.estimate_markov_model(runs, lag=int(lag), reversible=True)
        found.append([float(t) for t in model.timescales(min(k, model.nstates - 1))])
    return {"pyemma": package.__version__, "lags": [int(lag) for lag in lags], "timescales": found}


def _pyemma() -> Any:
    try:
        pyemma: Any = import_module("pyemma")
    except ImportError as error:
        raise ConfigError(
            "PyEMMA is not installed: pip install 'msb-suite[pyemma]' (Python 3.11 only)"
        ) from error
    pyemma.config.show_progress_bars = False
    return pyemma
