"""Findings kept beside the parts of an unfinished trajectory, so that a resumed run knows all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from msb.io.atomic import atomic_write_json
from msb.jobs.backmap.frame_maker import FrameMade
from msb.quality import Examination, Finding

__all__ = ["Ledger"]

_FIELDS = tuple(field.name for field in fields(Finding))


class Ledger:
    """What was found in the frames of each step.

    Parameters
    ----------
    folder : Path
        The work folder of the output, see `msb.io.segments.parts_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[list[dict[str, Any]]] = []

    def take_up(self, n_steps: int) -> None:
        """Read what is known of the steps that are done.

        Parameters
        ----------
        n_steps : int
        """
        for number in range(n_steps):
            path = self._path(number)
            known = path.exists()
            self.steps.append(json.loads(path.read_text(encoding="utf-8")) if known else [])

    def add(self, frames: Sequence[FrameMade]) -> None:
        """Keep what was found in one step, before its frames are written.

        Parameters
        ----------
        frames : sequence of FrameMade
        """
        plain = [_plain(frame) for frame in frames]
        atomic_write_json(self._path(len(self.steps)), plain, indent=None)
        self.steps.append(plain)

    def examinations(self) -> Iterator[Examination]:
        """Yield what was found in every frame."""
        for frame in (frame for step in self.steps for frame in step):
            findings = [
                Finding(**{key: _restored(key, value) for key, value in entry.items()})
                for entry in frame["findings"]
            ]
            counts = {
                name: np.array([np.nan if value is None else value])
                for name, value in frame["statistics"].items()
            }
            yield Examination(findings, counts, frame["number"], 1)

    def finishes(self) -> Iterator[tuple[int, dict[str, float], list[str]]]:
        """Yield number, outcome of the relaxation, and notes of every frame."""
        for frame in (frame for step in self.steps for frame in step):
            yield frame["number"], frame["finish"], frame["notes"]

    def placings(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield number, and what the model said of it, of every frame of which it said something."""
        for frame in (frame for step in self.steps for frame in step):
            if frame.get("placing"):
                yield frame["number"], frame["placing"]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.found"


def _plain(frame: FrameMade) -> dict[str, Any]:
    found = frame.examination
    return {
        "number": frame.number,
        "findings": [
            {field: _number(getattr(finding, field)) for field in _FIELDS} for finding in found.findings
        ],
        "statistics": {name: _number(values[0]) for name, values in found.statistics.items()},
        "finish": {name: _number(value) for name, value in frame.finish.items()},
        "notes": list(frame.notes),
        "placing": {name: _number(value) for name, value in frame.placing.items()},
    }


def _restored(key: str, value: Any) -> Any:
    if key in ("atoms", "indices"):
        return tuple(value)
    return float("nan") if value is None else value


def _number(value: Any) -> Any:
    """Plain numbers; NaN, which JSON has not, as nothing."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, tuple):
        return [_number(entry) for entry in value]
    return value
