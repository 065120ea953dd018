"""Stream a bead trajectory through a backmapper: chunk by chunk, several pieces as one batch, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.io.atomic import file_sha256
from msb.io.frames import Frames
from msb.io.segments import SegmentedWriter
from msb.jobs.backmap.bead_input import BeadInput, open_beads
from msb.jobs.backmap.outputs import Told, follow, sample_paths, spare_inputs
from msb.jobs.backmap.pieces import Pieces
from msb.jobs.check.output import OutputCheck, checker_of_model
from msb.quality import Verdict

__all__ = ["BackmapResult", "BackmapSettings", "backmap_trajectory"]


@dataclass(frozen=True)
class BackmapSettings:
    """How to backmap; everything but `chunk` and `resume` is part of the result.

    Attributes
    ----------
    seed : int
        Of the noise, which is a function of the seed and the absolute frame number.
    samples : int
        Trajectories to draw; sample i is what `seed + i - 1` gives.
    segments : int
        Pieces of the trajectory that start by themselves and advance as one batch.
    chunk : int
        Frames in memory.
    lag : float or None
        What one frame is in all-atom time, ps; the file's clock by default.
    temperature : float or None
        K; the model's training temperature by default.
    resume : bool
        Go on from the finished chunks of a run that was killed.
    """

    seed: int = 0
    samples: int = 1
    segments: int = 1
    chunk: int = 1000
    lag: float | None = None
    temperature: float | None = None
    resume: bool = False


@dataclass(frozen=True)
class BackmapResult:
    """What was written, how fast, and what a check found in the frames that this run drew."""

    outputs: tuple[Path, ...]
    n_frames: int
    n_atoms: int
    temperature: float
    lag: float
    frames_per_second: float
    quality: Verdict
    check_seconds: float


def backmap_trajectory(
    model: Backmapper,
    structure: str | Path,
    trajectory: str | Path | None,
    output: str | Path,
    settings: BackmapSettings | None = None,
    progress: Told | None = None,
    *,
    identity: str = "",
) -> BackmapResult:
    """Write the atoms of a bead trajectory.

    Parameters
    ----------
    model : Backmapper
        Any method's.
    structure, trajectory : path
        Beads, as :func:`msb.io.trajectory.open_trajectory` takes them.
    output : path
        All-atom trajectory, its format by extension; with several samples, `OUTPUT_s1` and so on.
    settings : BackmapSettings, optional
        How to backmap.
    progress : callable, optional
        Told (frames done since the last call, frames in all).
    identity : str
        A hash of the model: a run is resumed with the same model only.

    Raises
    ------
    MappingError, TrajectoryError
        The beads do not fit the model (see :func:`msb.jobs.backmap.bead_input.open_beads`), or a file
        cannot be read.
    MsbError
        The output cannot be written; what was complete stays and is taken up with `resume`.
    """
    settings = settings or BackmapSettings()
    spare_inputs(output, structure, trajectory)
    beads = open_beads(structure, trajectory, model, lag=settings.lag)
    pieces = Pieces(beads.n_frames, settings.segments)
    paths = sample_paths(output, settings.samples)
    inputs = {str(path): file_sha256(path) for path in (structure, trajectory) if path is not None}
    began, drawn, writers = time.perf_counter(), 0, []
    check = OutputCheck(checker_of_model(model))
    for number, path in enumerate(paths):
        seed = settings.seed + number
        writer = SegmentedWriter(
            path,
            model.topology,
            {
                "model": identity,
                "seed": seed,
                "temperature": settings.temperature,
                "lag": settings.lag,
                "inputs": list(inputs.values()),
            },
            pieces=pieces.count,
            resume=settings.resume,
            timestep=beads.spacing,
        )
        told = follow(progress, beads.n_frames * len(paths))
        told(sum(writer.frames_done))
        drawn += _fill(writer, model, beads, pieces, settings, seed, told, check)
        writers.append(writer)
    elapsed = time.perf_counter() - began
    for writer in writers:
        writer.finish()
    return BackmapResult(
        paths,
        beads.n_frames,
        model.topology.n_atoms,
        settings.temperature or model.temperature,
        beads.spacing,
        drawn / elapsed,
        check.verdict,
        check.seconds,
    )


def _fill(
    writer: SegmentedWriter,
    model: Backmapper,
    beads: BeadInput,
    pieces: Pieces,
    settings: BackmapSettings,
    seed: int,
    told: Callable[[int], None],
    check: OutputCheck,
) -> int:
    """Draw what the writer does not have yet; return the number of frames drawn."""
    drawn = 0
    step = max(1, settings.chunk // pieces.count)
    for first in range(writer.frames_done[0], pieces.length, step):
        stop = min(pieces.length, first + step)
        read = _read(beads, pieces, first, stop)
        atoms = model.backmap(
            read.beads[:, :-1],
            start=writer.last_frames,
            temperature=settings.temperature,
            seed=seed,
            frames=pieces.frames(first, stop),
            boxes=None if read.boxes is None else read.boxes[:, :-1],
            following=read.beads[:, -1],
        )
        kept = pieces.kept(first, stop)
        _look(check, atoms, read, pieces.frames(first, stop), kept)
        writer.write(
            [
                Frames(
                    atoms[k, :count],
                    None if read.boxes is None else read.boxes[k, :count],
                    read.times[k, :count],
                    int(pieces.bounds[k]) + first,
                )
                for k, count in enumerate(kept)
            ]
        )
        drawn += int(kept.sum())
        told(int(kept.sum()))
    return drawn


def _look(
    check: OutputCheck,
    atoms: NDArray[np.float32],
    read: _Batch,
    numbers: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> None:
    """Check the frames of all pieces that are written, in one go."""
    mine = np.arange(atoms.shape[1]) < kept[:, None]
    boxes = None if read.boxes is None else read.boxes[:, :-1][mine]
    check(atoms[mine], boxes, read.beads[:, :-1][mine], numbers=numbers[mine])


@dataclass(frozen=True)
class _Batch:
    """A chunk of K pieces, with the one frame after it: beads (K, F + 1, M, 3), boxes or None, times."""

    beads: NDArray[np.float32]
    boxes: NDArray[np.float32] | None
    times: NDArray[np.float64]


def _read(beads: BeadInput, pieces: Pieces, first: int, stop: int) -> _Batch:
    """Read frames first to stop, included, of each piece; past the end the last frame repeats."""
    positions, boxes, times = [], [], []
    for numbers in pieces.frames(first, stop + 1):
        frames = beads.read(int(numbers[0]), int(numbers[-1]) + 1)
        places = numbers - numbers[0]
        positions.append(frames.positions[places])
        boxes.append(None if frames.boxes is None else frames.boxes[places])
        times.append(None if frames.times is None else frames.times[places])
    whole = [box for box in boxes if box is not None]
    return _Batch(
        np.stack(positions),
        np.stack(whole) if len(whole) == len(boxes) else None,
        np.stack([time for time in times if time is not None]),
    )
