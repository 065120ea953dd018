"""The model's field put right on the first frames, before all are morphed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msb.jobs.backmap.outputs import Told, follow
from msb.jobs.morph.prepare import Candidate

__all__ = ["refine"]


def refine(
    candidate: Candidate, *, rounds: int = 2, frames: int = 1, seed: int = 0, progress: Told | None = None
) -> Candidate:
    """Return a candidate whose morphed first frames are nearer to the target; see `Morpher.refined`.

    The same candidate, rounds, frames and seed give the same, so that a run that was killed can go on.

    Parameters
    ----------
    candidate : Candidate
    rounds : int
        Each takes as long as morphing the frames, which the best of them needs once more.
    frames : int
        How many of the first ones.
    seed : int
        Of the noise, as in the run that follows.
    progress : callable, optional
        Told (how often frames were morphed since the last call, how often in all).
    """
    morpher = candidate.morpher
    if not rounds or morpher.config.weigh != "field":
        return candidate
    number = min(frames, candidate.system.n_frames)
    read = [candidate.system.read(k) for k in range(number)]
    cells = [box for _, box, _ in read if box is not None]
    morpher = morpher.refined(
        np.stack([positions for positions, _, _ in read]),
        np.stack(cells) if len(cells) == number else None,
        rounds=rounds,
        scheme=candidate.scheme,
        seed=seed,
        frames=np.arange(number),
        sweeps=candidate.sweeps,
        told=follow(progress, rounds + 1),
    )
    return replace(candidate, morpher=morpher, refined=(rounds, number))
