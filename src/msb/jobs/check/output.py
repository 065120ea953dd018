"""Check what a command writes, while it writes it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.backmapper import Backmapper
from msb.quality import Checker, Limits, Reference, Verdict
from msb.quality.screen import Screen

__all__ = ["OutputCheck", "checker_of_model"]

_REFERENCE = 200  # frames of a model's library that tell its geometry
_KEPT = 1000  # findings that are listed one by one


class OutputCheck:
    """Examines frames on their way to a file, and keeps the sum.

    Parameters
    ----------
    checker : Checker
        Of the system that is written.

    Attributes
    ----------
    verdict : Verdict
        On all frames so far.
    seconds : float
        That looking took.
    """

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self._screen = Screen(checker) if Screen.fits(checker) else None
        self.verdict = Verdict(keep=_KEPT)
        self.seconds = 0.0

    def __call__(
        self,
        positions: ArrayLike,
        boxes: ArrayLike | None = None,
        beads: ArrayLike | None = None,
        first: int = 0,
        numbers: ArrayLike | None = None,
    ) -> None:
        """Look at some frames.

        Parameters
        ----------
        positions, boxes, beads, first
            As for `Checker.examine`.
        numbers : array_like (F,) of int, optional
            Absolute frame numbers, where they are not consecutive.
        """
        began = time.perf_counter()
        where = np.asarray(numbers).tolist() if numbers is not None else None
        if self._screen is not None and (boxes is None or not np.any(boxes)):
            seen = self._screen.examine(positions, beads)
            where = list(range(first, first + seen.n_frames)) if where is None else where
        else:
            seen = self.checker.examine(positions, boxes, beads, first if where is None else 0)
        if where is not None and seen.findings:
            seen = replace(seen, findings=[replace(f, frame=where[f.frame]) for f in seen.findings])
        self.verdict.add(seen)
        self.seconds += time.perf_counter() - began

    def to_json(self) -> dict[str, Any]:
        """Return the verdict and what it cost, JSON-able."""
        return {**self.verdict.to_json(), "seconds": round(self.seconds, 4)}


def checker_of_model(
    model: Backmapper, limits: Limits | None = None, hands: ArrayLike | None = None
) -> Checker:
    """Return the checker of what a model writes.

    A model that keeps all-atom frames (its library) is judged by their geometry and stereocentres.

    Parameters
    ----------
    model : Backmapper
        Any method's.
    limits : Limits, optional
        Thresholds.
    hands : array_like (C,), optional
        Wanted hand of every stereocentre.
    """
    frames = _library(model)
    reference = None if frames is None else Reference.of(model.topology, frames)
    return Checker(model.topology, limits=limits, hands=hands, reference=reference, mapping=model.mapping)


def _library(model: Backmapper) -> NDArray[np.float64] | None:
    """All-atom frames (F, N, 3) of a model that keeps some."""
    kept = getattr(model, "library", None)
    if kept is None:
        return None
    frames = np.asarray(kept.detach().cpu() if hasattr(kept, "detach") else kept)
    if frames.ndim != 3 or frames.shape[1:] != (model.topology.n_atoms, 3) or not len(frames):
        return None
    return np.asarray(frames[:: max(1, len(frames) // _REFERENCE)][:_REFERENCE], dtype=np.float64)
