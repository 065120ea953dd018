"""Implied timescales over six lags: this package beside plain deeptime on the same state trajectory.

Both count, take the connected set and fit reversible Markov models, alternately in one process, on 250,000
frames of a chain with known spectrum; the report is the ratio of median times, and the largest relative
difference between the timescales.  ``--smoke`` uses 5,000 frames once.

    python benchmarks/kinetics.py [--smoke] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from deeptime.data import birth_death_chain
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM

from msb.analysis.kinetics import markov_models, timescales_of

LAGS = (1, 2, 5, 10, 20, 50)
N_TIMESCALES = 3


def chain(frames: int) -> np.ndarray:
    """A trajectory of 40 states in a well, with slow and fast exchange."""
    up, down = np.full(40, 0.3), np.full(40, 0.3)
    up[-1], down[0] = 0.0, 0.0
    return np.asarray(birth_death_chain(down, up).msm.simulate(frames, seed=1))


def ours(states: np.ndarray) -> np.ndarray:
    """Timescales (lags, N_TIMESCALES) by this package."""
    models = markov_models([states], LAGS)
    return np.asarray(timescales_of(list(models.values()), N_TIMESCALES).timescales)


def plain(states: np.ndarray) -> np.ndarray:
    """The same by deeptime alone."""
    rows = []
    for lag in LAGS:
        counts = TransitionCountEstimator(lag, "sliding").fit_fetch(states).submodel_largest()
        rows.append(MaximumLikelihoodMSM(reversible=True).fit_fetch(counts).timescales(N_TIMESCALES))
    return np.asarray(rows)


def main() -> None:
    """Time both and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    states = chain(5_000 if args.smoke else 250_000)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    found = {}
    for _ in range(1 if args.smoke else 5):
        for name, work in (("ours", ours), ("plain", plain)):
            began = time.perf_counter()
            found[name] = work(states)
            seconds[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    report = {
        "seconds": median["ours"],
        "ratio_deeptime_to_ours": median["plain"] / median["ours"],
        "largest_relative_difference": float(np.abs(found["ours"] / found["plain"] - 1).max()),
    }
    for key, value in report.items():
        print(f"{key:30s} {value:.4g}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
