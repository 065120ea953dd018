"""How far sets of frames are from the target: local statistics, sizes of chains, what is out of range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from sets import BeadSet

from msb.analysis.divergence import js
from msb.analysis.structure.chains import chain_statistics
from msb.jobs.morph.measures import BEYOND, beyond
from msb.morph.statistics import QUANTITIES, LocalStatistics, Ranges

__all__ = ["Score", "counts_of", "held_out_rates", "rates", "score", "scores_of", "sizes"]

Counts = NDArray[np.int64]
MOST = 120  # choices


@dataclass(frozen=True)
class Score:
    """A divergence from held-out snapshots of the target, nats.

    Attributes
    ----------
    js : float
        Of all frames together.
    floor : float
        Mean over pairs of held-out snapshots.
    excess : float
        Mean over frames and held-out snapshots, one against one, minus the floor: zero for a perfect set.
    """

    js: float
    floor: float
    excess: float


def counts_of(own: BeadSet, like: LocalStatistics) -> dict[str, Counts]:
    """Histograms of bonds, angles and non-bonded distances of every frame, (F, B), in the bins of `like`."""
    frames = [
        LocalStatistics.of(own.positions[f : f + 1], own.boxes[f : f + 1], own.topology, like).counts
        for f in range(len(own.positions))
    ]
    return {q: np.stack([counts[q] for counts in frames]) for q in QUANTITIES}


def scores_of(test: dict[str, Counts], reference: dict[str, Counts]) -> dict[str, Score]:
    """Score every quantity that all frames have values of: two centres a chain make no angle."""
    both = [q for q in QUANTITIES if test[q].any(1).all() and reference[q].any(1).all()]
    return {q: score(test[q], reference[q]) for q in both}


def score(test: Counts, reference: Counts) -> Score:
    """Hold counts (F, B) of a set against those of held-out snapshots (R, B), R at least two."""
    apart = np.mean([js(test, np.broadcast_to(one, test.shape)) for one in reference])
    floor = np.mean([js(one, other) for one, other in combinations(reference, 2)])
    return Score(float(js(test.sum(0), reference.sum(0))), float(floor), float(apart - floor))


def sizes(own: BeadSet) -> dict[str, tuple[float, float]]:
    """Root mean squared end-to-end distance and radius of gyration, contour length, nm, with errors."""
    chains = next(iter(chain_statistics(own.positions, own.topology).values()))
    found = {}
    for name, mean, root in (
        ("end_to_end", chains.end_to_end, True),
        ("gyration", chains.gyration, True),
        ("contour", chains.contour, False),
    ):
        value = float(np.sqrt(mean.value)) if root else mean.value
        error = float("nan") if mean.error is None else mean.error
        found[name] = (value, error / (2 * value) if root else error)
    return found


def rates(own: BeadSet, ranges: Ranges) -> dict[str, float]:
    """Bonds, angles and contacts outside a range, of 1,000 beads."""
    total = sum(beyond(x, box, own.topology, ranges) for x, box in zip(own.positions, own.boxes, strict=True))
    beads = own.positions.shape[0] * own.positions.shape[1]
    return dict(zip(BEYOND, (1000.0 * np.asarray(total) / beads).tolist(), strict=True))


def held_out_rates(target: BeadSet, known: int) -> dict[str, float]:
    """Rates of each snapshot of the target outside the range of so many others, mean over all choices.

    Where there are more than 120 choices, so many random ones are taken.
    """
    number, rng = len(target.positions), np.random.default_rng(0)
    own = [
        LocalStatistics.of(target.positions[f : f + 1], target.boxes[f : f + 1], target.topology).ranges
        for f in range(number)
    ]
    found, cache = [], {}
    for f in range(number):
        others = [k for k in range(number) if k != f]
        size = min(known, len(others))
        choices: Iterable[Sequence[int]] = combinations(others, size)
        if comb(len(others), size) > MOST:
            choices = [rng.choice(others, size, replace=False).tolist() for _ in range(MOST)]
        for chosen in choices:
            joined = own[chosen[0]]
            for k in chosen[1:]:
                joined = joined | own[k]
            key = (f, joined)
            if key not in cache:
                cache[key] = rates(target[f : f + 1], joined)
            found.append(cache[key])
    return {name: float(np.mean([row[name] for row in found])) for name in BEYOND}
