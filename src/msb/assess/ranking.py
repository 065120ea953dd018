"""Which model is nearest to the reference, how sure that is, and how many frames would make it sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.divergence import Excess
from msb.assess.divergences import Score, check_sets, score
from msb.assess.resampling import LEAST_FRAMES, BlockedCounts, cloud, draw_weights
from msb.errors import TrajectoryError

__all__ = ["Ranking", "rank"]

FloatArray = NDArray[np.float64]

_MOST_FRAMES = 1_000_000  # beyond this there is no difference to speak of


@dataclass(frozen=True, eq=False)
class Ranking:
    """Models in the order of their distance from the reference.

    Attributes
    ----------
    order : tuple of str
        The nearest first.
    excess : dict of str to Excess
        In that order.
    probability : float
        That the whole order is right: share of the bootstrap in which it comes out, 0 to 1.
    pairwise : float array (n, n)
        Probability that ``order[i]`` is nearer than ``order[j]``; one half on the diagonal.
    separated : bool
        No interval meets that of its neighbour in the order.
    frames : dict of str to int
        Frames of every model.
    frames_needed : int or None
        How many frames of every model (and of the reference in proportion) would bring the intervals apart,
        if the differences are what they seem; None where they are apart, or no number would do.
    """

    order: tuple[str, ...]
    excess: Mapping[str, Excess]
    probability: float
    pairwise: FloatArray
    separated: bool
    frames: Mapping[str, int]
    frames_needed: int | None

    @property
    def overlapping(self) -> tuple[tuple[str, str], ...]:
        """Neighbours in the order whose intervals meet."""
        return tuple((a, b) for a, b in pairwise(self.order) if self.excess[a].high >= self.excess[b].low)

    def sentence(self) -> str:
        """Say the order, how sure it is, and what would make it surer."""
        if len(self.order) == 1:
            name = self.order[0]
            return f"{name} alone, {_told(self.excess[name])}: there is nothing to rank it against."
        names = " < ".join(f"{name} {_told(self.excess[name])}" for name in self.order)
        start = f"{names}: this order is right with probability {_percent(self.probability)}"
        if self.separated:
            return f"{start}, and no two intervals overlap."
        pairs = ", ".join(f"{a} and {b}" for a, b in self.overlapping)
        have = " and ".join(map(str, sorted(set(self.frames.values()))))
        what = (
            "the two are alike as far as these frames show"
            if self.frames_needed is None
            else f"about {self.frames_needed} frames a model would part them, there are {have}"
        )
        return f"{start}, but the intervals of {pairs} overlap; {what}."

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        return {
            "order": list(self.order),
            "excess": {name: vars(found) for name, found in self.excess.items()},
            "probability": self.probability,
            "pairwise": self.pairwise.tolist(),
            "separated": self.separated,
            "frames": dict(self.frames),
            "frames_needed": self.frames_needed,
            "sentence": self.sentence(),
        }


def rank(
    models: Mapping[str, ArrayLike],
    reference: ArrayLike,
    *,
    paired: Sequence[str] = (),
    blocks: int = 50,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Ranking:
    """Order models by the excess of their divergence from a reference.

    All models are held against the same resampled reference, so that its noise, which they share, does not
    blur their differences; each is resampled by itself.

    Parameters
    ----------
    models : dict of str to array_like (F, B)
        Counts of every frame of every model, in the bins of the reference; numbers of frames may differ.
    reference : array_like (G, B)
    paired : sequence of str
        Models whose frames are the reference's, one by one; they are resampled with it.
    blocks, replicates, seed : int
        Of the block bootstrap.
    level : float
        Of the intervals.

    Returns
    -------
    Ranking

    Raises
    ------
    TrajectoryError
        If there is no model, or a set has fewer than four frames: without a spread there is no ranking.
    """
    own = {name: BlockedCounts.of(counts, blocks) for name, counts in models.items()}
    other = BlockedCounts.of(reference, blocks)
    check_sets(own, other, tuple(paired))
    _check_frames(own, other)
    generator = np.random.default_rng(seed)
    shared = draw_weights(other.n_blocks, replicates, generator)
    scores: dict[str, Score] = {}
    clouds: dict[str, FloatArray] = {}
    for name, counts in own.items():
        scores[name] = found = score(counts, other, seed=seed)
        weights = shared if name in paired else draw_weights(counts.n_blocks, replicates, generator)
        changes = weights @ found.of_test + shared @ found.of_reference
        clouds[name] = cloud(found.excess, changes, min(counts.n_blocks, other.n_blocks))
    return _ranked(scores, clouds, {name: counts.n_frames for name, counts in own.items()}, level)


def _check_frames(models: Mapping[str, BlockedCounts], reference: BlockedCounts) -> None:
    if not models:
        raise TrajectoryError("there is no model to rank: give at least one CG trajectory")
    sets = {**models, "the reference": reference}
    few = {name: counts.n_frames for name, counts in sets.items() if counts.n_blocks < LEAST_FRAMES}
    if few:
        told = ", ".join(f"{name} has {number}" for name, number in few.items())
        raise TrajectoryError(
            f"too few frames to rank ({told}): {LEAST_FRAMES} of every set give a first interval, which "
            "tells how many would part the models; 20 are usual"
        )


def _ranked(
    scores: Mapping[str, Score],
    clouds: Mapping[str, FloatArray],
    frames: Mapping[str, int],
    level: float,
) -> Ranking:
    order = tuple(sorted(scores, key=lambda name: scores[name].excess))
    drawn = np.stack([clouds[name] for name in order])  # (n, R)
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(drawn, [tail, 100.0 - tail], axis=1)
    excess = {
        name: Excess(own.divergence, own.floor, own.excess, float(low[i]), float(high[i]))
        for i, (name, own) in enumerate((name, scores[name]) for name in order)
    }
    difference = drawn[None] - drawn[:, None]  # of j over i
    nearer = (difference > 0).mean(-1) + 0.5 * (difference == 0).mean(-1)
    right = float((np.diff(drawn, axis=0) > 0).all(0).mean())
    separated = bool((high[:-1] < low[1:]).all())
    ordered = {name: frames[name] for name in order}
    needed = None if separated else _frames_needed([excess[name] for name in order], list(ordered.values()))
    return Ranking(order, excess, right, np.asarray(nearer), separated, ordered, needed)


def _frames_needed(excess: Sequence[Excess], frames: Sequence[int]) -> int | None:
    """Frames at which the widest overlap ends: half-widths shrink with the root of the number of frames."""
    most = 0.0
    for i, (near, far) in enumerate(pairwise(excess)):
        if near.high < far.low:
            continue
        gap = far.excess - near.excess
        widths = (near.high - near.excess) * frames[i] ** 0.5 + (far.excess - far.low) * frames[i + 1] ** 0.5
        most = max(most, (widths / gap) ** 2 if gap > 0 else np.inf)
    return int(np.ceil(most)) if most < _MOST_FRAMES else None


def _told(found: Excess) -> str:
    return f"{found.excess:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _percent(probability: float) -> str:
    return ">99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"
