"""Repair structures from files: check, put right what was found, check again, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper, load_model
from msb.core.mapping import Mapping
from msb.energy.local import LocalRelaxer
from msb.errors import ConfigError, TrajectoryError
from msb.io.frames import Frames
from msb.io.writers import open_writer
from msb.jobs.check.inputs import CheckInputs
from msb.jobs.check.repair import Repaired, RepairSettings, repair
from msb.jobs.check.run import (
    KEPT,
    WORST,
    CheckReport,
    CheckSettings,
    chunk_of,
    make_checker,
    open_files,
    system_of_top,
)
from msb.quality import Checker, Verdict
from msb.quality.words import described, headline

__all__ = ["repair_files"]

Told = Callable[[int, int], None]

_BEST = 5  # fragments that a model which always takes the best draws among in later tries
_LISTED = 200  # findings that are left, spelt out


def repair_files(
    structure: str | Path,
    trajectory: str | Path | None,
    output: str | Path,
    settings: CheckSettings,
    how: RepairSettings | None = None,
    model: str | None = None,
    device: str = "auto",
    progress: Told | None = None,
) -> CheckReport:
    """Write frames with their defects repaired; the verdict is on what is written.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.jobs.check.run.check_files`.
    output : path
        Structure or trajectory, by extension.
    settings : CheckSettings
        What to read, and thresholds; `top` is the force field to relax with.
    how : RepairSettings, optional
        How hard to try.
    model : str, optional
        A model to draw the afflicted beads from; needs `settings.cg`.
    device : str
        Of the model.
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Raises
    ------
    ConfigError
        There is neither a model nor a topology, or a model without beads.
    MsbError
        As `check_files`; or the output cannot be written.
    """
    if settings.top is None and model is None:
        raise ConfigError(
            "--repair needs something to repair with: --top TOP to relax, -m MODEL to draw, or both"
        )
    if model is not None and not settings.cg:
        raise ConfigError("--repair with -m needs the beads: --cg CG.gro and --mapping")
    for path in (structure, trajectory):
        if path is not None and Path(path).resolve() == Path(output).resolve():
            raise TrajectoryError(f"{output} is an input too and would be overwritten: choose another output")
    inputs = open_files(structure, trajectory, settings)
    checker, sources = make_checker(inputs, settings)
    tools = _Tools(inputs, checker, settings, how or RepairSettings(), model, device)
    before, after = Verdict(keep=0, worst=WORST), Verdict(keep=KEPT, worst=WORST)
    began, moved, frames_moved = time.perf_counter(), 0, 0
    with open_writer(output, inputs.trajectory, timestep=inputs.trajectory.timestep) as writer:
        for frames in inputs.trajectory.iter(chunk_of(inputs.topology)):
            mended = tools.mend(frames, before, after)
            changed = (mended.positions != frames.positions).any(axis=(-1))
            moved, frames_moved = moved + int(changed.sum()), frames_moved + int(changed.any(axis=1).sum())
            writer.write(mended)
            if progress is not None:
                progress(len(frames), inputs.trajectory.n_frames)
    topology = inputs.topology
    left = [f"frame {f.frame}: {f.kind}, {described(f)}" for f in after.findings[:_LISTED]]
    places = f"{frames_moved:,} frame{'' if frames_moved == 1 else 's'}"
    told = {
        "before": headline(before),
        "after": headline(after),
        "moved": f"{moved:,} atoms in {places}; all others stay where they were",
        "with": tools.words(),
        "written to": str(output),
    }
    return CheckReport(
        Path(output),
        after,
        topology.n_atoms,
        topology.n_molecules,
        sources,
        settings.limits,
        time.perf_counter() - began,
        {"told": told, "left": left, "moved_atoms": moved, "before": before.counts, "after": after.counts},
    )


class _Tools:
    """Checker, model and relaxer of one system."""

    def __init__(
        self,
        inputs: CheckInputs,
        checker: Checker,
        settings: CheckSettings,
        how: RepairSettings,
        model: str | None,
        device: str,
    ) -> None:
        self._inputs, self._checker, self._how = inputs, checker, how
        self._mapping: Mapping | None = None if inputs.beads is None else inputs.beads.mapping
        self._names = model
        self._model = None if model is None else _fitting(load_model(model, device), inputs)
        drawing: Any = getattr(self._model, "drawing", None)
        self._later = None if drawing is None else drawing(_BEST)
        self._relaxer = None
        if settings.top is not None:
            boxes = inputs.trajectory.read(0, 1).boxes
            system = system_of_top(settings.top, None if boxes is None else boxes[0])
            weights = None if self._mapping is None else self._mapping.matrix
            self._relaxer = LocalRelaxer(system, weights)

    def mend(self, frames: Frames, before: Verdict, after: Verdict) -> Frames:
        """Repair some frames; the verdicts take note of both."""
        beads = self._inputs.beads
        held = None if beads is None else beads.read(frames.index, frames.index + len(frames))
        found = self._checker.examine(frames.positions, frames.boxes, held, frames.index)
        before.add(found)
        positions = frames.positions.copy()
        for number in sorted({finding.frame for finding in found.findings}):
            k = number - frames.index
            wrong = [finding for finding in found.findings if finding.frame == number]
            done: Repaired = repair(
                frames.positions[k],
                wrong,
                self._checker,
                beads=None if held is None else held[k],
                box=None if frames.boxes is None else frames.boxes[k],
                mapping=self._mapping,
                model=self._model,
                later=self._later,
                relaxer=self._relaxer,
                frame=number,
                settings=self._how,
            )
            positions[k] = done.positions
        mended = replace(frames, positions=_written(positions))
        after.add(self._checker.examine(mended.positions, frames.boxes, held, frames.index))
        return mended

    def words(self) -> str:
        """Say what repairs."""
        parts = [] if self._model is None else [f"{self._names} draws the afflicted beads anew"]
        if self._relaxer is not None:
            parts.append("atoms around defects are relaxed in the field of all others")
        return ", ".join(parts)


def _written(positions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refuse what cannot be written."""
    if not np.isfinite(positions).all():
        frame, atom = np.argwhere(~np.isfinite(positions).all(axis=-1))[0].tolist()
        raise TrajectoryError(
            f"atom {atom + 1} still has no position after the repair (frame {frame} of its chunk): nothing "
            "is written; give --top so that it can be placed"
        )
    return positions


def _fitting(model: Backmapper, inputs: CheckInputs) -> Backmapper:
    """Return the model for this very system."""
    beads = inputs.beads
    if beads is None or model.topology.content_hash == inputs.topology.content_hash:
        return model
    onto: Any = getattr(model, "onto", None)
    same = model.topology.n_atoms == inputs.topology.n_atoms and np.array_equal(
        model.topology.atom_names, inputs.topology.atom_names
    )
    if same:
        return model
    if onto is None:
        raise ConfigError(
            f"the model places {model.topology.n_atoms} atoms, the structure has {inputs.topology.n_atoms}: "
            "a model of this method fits its own system only"
        )
    return onto(inputs.topology, beads.mapping)  # type: ignore[no-any-return]
