"""Which model and scheme: those whose first frames come nearest to target snapshots never trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from msb.jobs.backmap.outputs import Told, follow
from msb.jobs.morph.prepare import Candidate
from msb.morph.statistics import share_left

__all__ = ["Trial", "choose"]


@dataclass(frozen=True, eq=False)
class Trial:
    """How one candidate did on the first frames.

    Attributes
    ----------
    candidate : Candidate
    divergences : mapping of str to float
        Of its frames from the model's held-out target, by quantity, nats.
    left : float
        What that is of the divergences before, in the mean of the quantities; see `share_left`.
    seconds : float
        A frame.
    """

    candidate: Candidate
    divergences: Mapping[str, float]
    left: float
    seconds: float


def choose(
    candidates: Sequence[Candidate], *, seed: int = 0, frames: int = 1, progress: Told | None = None
) -> list[Trial]:
    """Try all candidates, and return the trials, the best first.

    A single candidate is not tried.

    Parameters
    ----------
    candidates : sequence of Candidate
    seed : int
        Of the noise, as in the run that follows.
    frames : int
        How many of the first frames.
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Returns
    -------
    list of Trial
        Empty for one candidate.
    """
    if len(candidates) == 1:
        return []
    trials = []
    told = follow(progress, frames * len(candidates))
    for candidate in candidates:
        maker, made = candidate.maker, []
        for number in range(min(frames, candidate.system.n_frames)):
            made.append(maker.make(candidate.task(number, seed)).measures)
            told(1)
        total = reduce(add, made)
        model = candidate.morpher
        found, before, floor = (
            own.divergences(model.held_out) for own in (total.after, total.before, model.target)
        )
        left = share_left(found, before, floor)
        trials.append(Trial(candidate, found, left, total.seconds / total.frames))
    return sorted(trials, key=lambda trial: trial.left)
