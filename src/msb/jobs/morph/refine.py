"""What the polish aims at put right on the first frames, before all are morphed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msb.jobs.backmap.outputs import Told, follow
from msb.jobs.morph.prepare import Candidate

__all__ = ["refine"]


def refine(
    candidate: Candidate, *, rounds: int = 3, frames: int = 1, seed: int = 0, progress: Told | None = None
) -> Candidate:
    """Return a candidate whose morphed first frames are nearer to the target; see `Morpher.refined`.

    The same candidate, rounds, frames and seed give the same, so that a run that was killed can go on.
    Nothing changes where nothing is polished.

    Parameters
    ----------
    candidate : Candidate
    rounds : int
        Each takes as long as polishing the frames.
    frames : int
        How many of the first ones.
    seed : int
        Of the noise, as in the run that follows.
    progress : callable, optional
        Told (how often frames were polished since the last call, how often in all).
    """
    if not rounds or not candidate.polish:
        return candidate
    number = min(frames, candidate.system.n_frames)
    read = [candidate.system.read(k) for k in range(number)]
    cells = [box for _, box, _ in read if box is not None]
    positions = np.stack([x for x, _, _ in read])
    boxes = np.stack(cells) if len(cells) == number else None
    keys = np.arange(number)
    morpher = candidate.morpher
    placed = morpher.place(
        positions, boxes, scheme=candidate.scheme, seed=seed, frames=keys, sweeps=candidate.sweeps
    )
    told = follow(progress, rounds + 1)
    morpher = morpher.refined(placed, positions, boxes, rounds=rounds, seed=seed, frames=keys, told=told)
    return replace(candidate, morpher=morpher, refined=(rounds, number))
