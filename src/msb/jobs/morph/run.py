"""Morphed files from top-down ones: frames streamed, side by side, resumable, each measured on the way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msb.core.pool import in_order
from msb.errors import MsbWarning, TrajectoryError
from msb.io.atomic import file_sha256
from msb.io.frames import Frames
from msb.io.segments import SegmentedWriter, refuse_unfinished
from msb.io.writers import make_encoder
from msb.jobs.backmap.outputs import Told, follow, sample_paths, spare_inputs
from msb.jobs.morph.maker import MorphMade
from msb.jobs.morph.measures import FrameMeasures, Records
from msb.jobs.morph.prepare import Candidate

__all__ = ["MorphOptions", "Morphed", "check_output", "morph"]

_CHUNK_BYTES = 64 * 2**20  # of beads that are written at once by default
_CHUNK_FRAMES = 64
_PATIENCE = 20.0  # s; what was made longer ago is written


@dataclass(frozen=True)
class MorphOptions:
    """How to run; `seed` and `samples` are part of the result, the rest is not.

    Attributes
    ----------
    seed : int
        Of all noise, which is a function of the seed and the frame's number.
    samples : int
        Outputs to draw; sample i is what `seed + i - 1` gives.
    workers : int or None
        Processes; None for one a core where that is quicker.
    chunk : int or None
        Frames that are written at once.
    resume : bool
        Go on from the finished chunks of a run that was killed.
    """

    seed: int = 0
    samples: int = 1
    workers: int | None = None
    chunk: int | None = None
    resume: bool = False


@dataclass(frozen=True, eq=False)
class Morphed:
    """What was written.

    Attributes
    ----------
    outputs : tuple of Path
    n_frames, n_beads : int
        Of each output.
    measures : FrameMeasures
        Of all frames of all outputs.
    seconds : float
        For one frame, with all workers at work.
    """

    outputs: tuple[Path, ...]
    n_frames: int
    n_beads: int
    measures: FrameMeasures
    seconds: float


def morph(
    candidate: Candidate,
    output: str | Path,
    options: MorphOptions | None = None,
    progress: Told | None = None,
) -> Morphed:
    """Write the morphed beads of all frames.

    Parameters
    ----------
    candidate : Candidate
        Model, scheme and beads; see `msb.jobs.morph.prepare.prepare`.
    output : path
        Structure or trajectory, its format by extension; several samples are `OUTPUT_s1` and so on.
    options : MorphOptions, optional
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Returns
    -------
    Morphed

    Raises
    ------
    TrajectoryError
        The output is an input, or an unfinished run is there.
    MsbError
        A frame cannot be made, or the output not be written; what was complete stays for `resume`.

    Warns
    -----
    MsbWarning
        Frames of a trajectory are morphed independently: what they are together is no motion.
    """
    options = options or MorphOptions()
    system = candidate.system
    files = system.trajectory.structure, system.trajectory.path
    check_output(candidate, output, options)
    paths = sample_paths(output, options.samples)
    inputs = [file_sha256(path) for path in dict.fromkeys(files)]
    if system.n_frames > 1:
        warnings.warn(
            f"the {system.n_frames} frames are morphed independently of each other: their distributions are "
            "right, the local motion from frame to frame is not",
            MsbWarning,
            stacklevel=2,
        )
    told = follow(progress, system.n_frames * len(paths))
    began, made, runs = time.perf_counter(), 0, []
    for number, path in enumerate(paths):
        run = _Run(candidate, path, options, options.seed + number)
        run.open({"inputs": inputs, "seed": run.seed, **candidate.identity})
        told(run.writer.frames_done[0])
        for count in run.fill():
            made += count
            told(count)
        runs.append(run)
    elapsed = time.perf_counter() - began
    measures = [run.records.total() for run in runs]
    for run in runs:
        run.writer.finish()
    total = measures[0]
    for more in measures[1:]:
        total = total + more
    return Morphed(paths, system.n_frames, system.trajectory.n_atoms, total, elapsed / max(made, 1))


def check_output(candidate: Candidate, output: str | Path, options: MorphOptions) -> None:
    """Refuse an output that could not be written, before there is any work.

    Parameters
    ----------
    candidate : Candidate
    output : path
    options : MorphOptions

    Raises
    ------
    TrajectoryError
        Its format is unknown, its folder not there, it is an input, or an unfinished run is there that is
        not to be taken up.
    """
    path, file = Path(output), candidate.system.trajectory
    spare_inputs(path, file.structure, file.path)
    make_encoder(path, candidate.system.written())
    if not path.parent.is_dir():
        raise TrajectoryError(f"{path} cannot be written: there is no folder {path.parent}.")
    if not options.resume:
        for own in sample_paths(output, options.samples):
            refuse_unfinished(own)


class _Run:
    """One output."""

    def __init__(self, candidate: Candidate, path: Path, options: MorphOptions, seed: int) -> None:
        self.candidate, self.path, self.options, self.seed = candidate, path, options, seed
        self.n_frames = candidate.system.n_frames

    def open(self, fingerprint: dict[str, object]) -> None:
        """Begin the output, or take up what is there."""
        system = self.candidate.system
        self.writer = SegmentedWriter(
            self.path,
            system.written(),
            fingerprint,
            resume=self.options.resume,
            timestep=system.trajectory.timestep,
        )
        self.records = Records(self.writer.folder)
        self.records.take_up(self.writer.n_steps)

    def fill(self) -> Iterator[int]:
        """Make the frames that are not there yet; yield how many were written."""
        first = self.writer.frames_done[0]
        chunk, since = list[MorphMade](), time.perf_counter()
        for frame in self._frames(first):
            chunk.append(frame)
            last = frame.task.number == self.n_frames - 1
            if last or len(chunk) == self._chunk or time.perf_counter() - since > _PATIENCE:
                self.records.add([made.measures for made in chunk])
                self.writer.write(_frames(chunk))
                yield len(chunk)
                chunk, since = [], time.perf_counter()

    @property
    def _chunk(self) -> int:
        size = 12 * self.candidate.system.trajectory.n_atoms
        return self.options.chunk or max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // size))

    def _frames(self, first: int) -> Iterator[MorphMade]:
        maker = self.candidate.maker
        tasks = (self.candidate.task(number, self.seed) for number in range(first, self.n_frames))
        if self.n_frames == 1:
            return (maker.make(task) for task in tasks)  # alone, it may have all threads
        return in_order(maker, tasks, self.n_frames - first, self.options.workers)


def _frames(chunk: list[MorphMade]) -> Frames:
    boxes = [made.task.box for made in chunk if made.task.box is not None]
    return Frames(
        np.stack([made.positions for made in chunk]),
        np.stack(boxes) if len(boxes) == len(chunk) else None,
        np.array([made.task.time for made in chunk], dtype=np.float64),
        chunk[0].task.number,
    )
