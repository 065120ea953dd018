"""Beads to atoms for any structure or trajectory: in parallel or coherent, resumable, every frame checked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msb.core.pool import in_order
from msb.errors import MsbWarning
from msb.io.atomic import file_sha256
from msb.io.frames import Frames
from msb.io.segments import SegmentedWriter
from msb.jobs.backmap.examinations import Ledger
from msb.jobs.backmap.frame_maker import FrameMade, FrameMaker
from msb.jobs.backmap.frame_task import FrameTask, Placed
from msb.jobs.backmap.outputs import Told, follow, sample_paths, spare_inputs
from msb.jobs.backmap.spread_files import Spread, write_spread
from msb.jobs.backmap.system import System
from msb.quality import Verdict

__all__ = ["BackmapOptions", "Backmapped", "backmap"]

_CHUNK_BYTES = 64 * 2**20  # of atoms that are written at once by default
_CHUNK_FRAMES = 64
_PATIENCE = 20.0  # s; what was made longer ago is written


@dataclass(frozen=True)
class BackmapOptions:
    """How to run; `seed`, `samples` and `coherent` are part of the result, the rest is not.

    Attributes
    ----------
    seed : int
        Of all noise, which is a function of the seed and the frame's number.
    samples : int
        Outputs to draw; sample i is what `seed + i - 1` gives.
    coherent : bool
        Start each frame from the atoms of the one before, carried by their beads.
    workers : int or None
        Processes; None for one a core where that is quicker.
    chunk : int or None
        Frames that are written at once.
    resume : bool
        Go on from the finished chunks of a run that was killed.
    """

    seed: int = 0
    samples: int = 1
    coherent: bool = False
    workers: int | None = None
    chunk: int | None = None
    resume: bool = False


@dataclass(frozen=True)
class Backmapped:
    """What was written.

    Attributes
    ----------
    outputs : tuple of Path
    n_frames, n_atoms : int
        Of each output.
    verdicts : tuple of Verdict
        What the check found, one an output.
    relaxed : tuple of dict
        One an output: frames relaxed and failed, mean and largest deviation of beads in nm, energies.
    notes : tuple of str
        Of frames in which something went wrong or was mended, the first ones.
    seconds : float
        For one frame, with all workers at work.
    placing : tuple of dict
        What the model said of each frame of the first output: ``frame``, and see `DeepBackmapper.told`.
    spread : Spread or None
        How far the atoms of several samples are apart.
    """

    outputs: tuple[Path, ...]
    n_frames: int
    n_atoms: int
    verdicts: tuple[Verdict, ...]
    relaxed: tuple[dict[str, float], ...]
    notes: tuple[str, ...]
    seconds: float
    placing: tuple[dict[str, float], ...] = ()
    spread: Spread | None = None


def backmap(
    system: System,
    maker: FrameMaker,
    output: str | Path,
    options: BackmapOptions | None = None,
    progress: Told | None = None,
    *,
    identity: dict[str, Any] | None = None,
) -> Backmapped:
    """Write the atoms of a system's frames.

    Parameters
    ----------
    system : System
        See `msb.jobs.backmap.system.resolve_system`.
    maker : FrameMaker
        With the model of that system.
    output : path
        All-atom structure or trajectory, its format by extension; several samples are `OUTPUT_s1` and so on.
    options : BackmapOptions, optional
    progress : callable, optional
        Told (frames done since the last call, frames in all).
    identity : dict, optional
        What else the result depends on, JSON-able: a run is resumed with the same only.

    Returns
    -------
    Backmapped

    Raises
    ------
    TrajectoryError
        The output is an input, or an unfinished run is there.
    MsbError
        A frame cannot be made, or the output not be written; what was complete stays for `resume`.

    Warns
    -----
    MsbWarning
        Frames of a trajectory are made independently: what they are together is no motion.
    """
    options = options or BackmapOptions()
    beads = system.trajectory
    spare_inputs(output, beads.structure, beads.path)
    paths = sample_paths(output, options.samples)
    inputs = [file_sha256(path) for path in dict.fromkeys((beads.structure, beads.path))]
    if system.n_frames > 1 and not options.coherent and maker.model.lag is None:
        warnings.warn(
            f"the {system.n_frames} frames are placed independently of each other: their distributions are "
            "right, the motion from frame to frame is not (--coherent starts each frame from the one before)",
            MsbWarning,
            stacklevel=2,
        )
    told = follow(progress, system.n_frames * len(paths))
    began, made, runs = time.perf_counter(), 0, []
    for number, path in enumerate(paths):
        run = _Run(system, maker, path, options, options.seed + number)
        fingerprint = {"inputs": inputs, "seed": run.seed, "coherent": options.coherent, **(identity or {})}
        run.open(fingerprint)
        told(run.writer.frames_done[0])
        made += run.fill(told)
        runs.append(run)
    elapsed = time.perf_counter() - began
    verdicts = tuple(Verdict.of(run.ledger.examinations()) for run in runs)
    relaxed = tuple(_summary(run.ledger) for run in runs)
    notes = tuple(dict.fromkeys(note for run in runs for note in _notes(run.ledger)))
    placing = tuple({"frame": number, **told} for number, told in runs[0].ledger.placings())
    for run in runs:
        run.writer.finish()
    spread = write_spread(paths, system.written, output) if len(paths) > 1 else None
    return Backmapped(
        paths,
        system.n_frames,
        system.written.n_atoms,
        verdicts,
        relaxed,
        notes,
        elapsed / max(made, 1),
        placing,
        spread,
    )


class _Run:
    """One output."""

    def __init__(
        self, system: System, maker: FrameMaker, path: Path, options: BackmapOptions, seed: int
    ) -> None:
        self.system, self.maker, self.path, self.options = system, maker, path, options
        self.seed = seed

    def open(self, fingerprint: dict[str, Any]) -> None:
        """Begin the output, or take up what is there."""
        self.writer = SegmentedWriter(
            self.path,
            self.system.written,
            fingerprint,
            resume=self.options.resume,
            timestep=self.system.spacing,
        )
        self.ledger = Ledger(self.writer.folder)
        self.ledger.take_up(self.writer.n_steps)

    def fill(self, told: Callable[[int], None]) -> int:
        """Make the frames that are not there yet; return how many."""
        first = self.writer.frames_done[0]
        made = self.coherent(first) if self.options.coherent else self.independent(first)
        done, chunk, since = 0, list[FrameMade](), time.perf_counter()
        for frame in made:
            chunk.append(frame)
            last = first + done + len(chunk) == self.system.n_frames
            if last or len(chunk) == self.chunk or time.perf_counter() - since > _PATIENCE:
                self.ledger.add(chunk)
                self.writer.write(self.frames(chunk))
                done += len(chunk)
                told(len(chunk))
                chunk, since = [], time.perf_counter()
        return done

    @property
    def chunk(self) -> int:
        """Frames that are written at once."""
        size = 12 * max(1, self.system.written.n_atoms)
        return self.options.chunk or max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // size))

    def task(self, number: int, previous: Placed | None = None) -> FrameTask:
        """What to make for a frame."""
        frame = self.system.read(number)
        return FrameTask(number, frame.beads, frame.box, self.seed, previous)

    def independent(self, first: int) -> Iterator[FrameMade]:
        """Every frame by itself."""
        tasks = (self.task(number) for number in range(first, self.system.n_frames))
        if self.system.n_frames == 1:
            return (self.maker.make(task) for task in tasks)  # alone, it may have all threads
        return in_order(self.maker, tasks, self.system.n_frames - first, self.options.workers)

    def coherent(self, first: int) -> Iterator[FrameMade]:
        """Each frame from the one before."""
        previous = None
        if first and self.writer.last_frames is not None:
            atoms = self.writer.last_frames[0][: self.system.topology.n_atoms]
            previous = Placed(atoms, np.asarray(self.maker.model.mapping.beads(atoms), dtype=np.float32))
        for number in range(first, self.system.n_frames):
            made = self.maker.make(self.task(number, previous))
            mapped = np.asarray(self.maker.model.mapping.beads(made.positions), dtype=np.float32)
            previous = Placed(made.positions, mapped)
            yield made

    def frames(self, chunk: list[FrameMade]) -> Frames:
        """Atoms, and what stays beads behind them, with boxes and times."""
        read = [self.system.read(frame.number, self.seed) for frame in chunk]
        positions = [
            np.concatenate([made.positions, frame.aside, frame.solvent])
            for made, frame in zip(chunk, read, strict=True)
        ]
        boxes = [frame.box for frame in read if frame.box is not None]
        return Frames(
            np.stack(positions),
            np.stack(boxes) if len(boxes) == len(read) else None,
            np.array([frame.time for frame in read], dtype=np.float64),
            chunk[0].number,
        )


def _summary(ledger: Ledger) -> dict[str, float]:
    """Relaxations of all frames in a few numbers."""
    rows = [finish for _, finish, _ in ledger.finishes() if finish]
    if not rows:
        return {}
    return {
        "frames": float(len(rows)),
        "failed": float(sum(not row["succeeded"] for row in rows)),
        "bead_rms_nm": float(np.sqrt(np.mean([row["bead_rms"] ** 2 for row in rows]))),
        "bead_max_nm": max(row["bead_max"] for row in rows),
        "energy_before": float(np.mean([row["energy_before"] or np.nan for row in rows])),
        "energy": float(np.mean([row["energy"] or np.nan for row in rows])),
    }


def _notes(ledger: Ledger) -> Iterator[str]:
    for number, _, notes in ledger.finishes():
        for note in notes:
            yield f"frame {number}: {note}"
