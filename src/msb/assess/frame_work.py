"""One frame of one set: atoms put back, polished, measured, and kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.assess.bench import Bench
from msb.assess.record import Column, Kind
from msb.assess.store import Kept, Key, Store
from msb.backmapper import Backmapper
from msb.core.box import make_whole
from msb.errors import MsbError, TrajectoryError

__all__ = ["Assessor", "Job", "Work"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Job:
    """What all frames of a set have in common.

    Attributes
    ----------
    name : str
    kind : str
    bench : Bench
        Of its system.
    backmapper : Backmapper or None
        None where the atoms are there.
    temperature : float or None
        K, of the draw; the backmapper's own where None.
    """

    name: str
    kind: Kind
    bench: Bench
    backmapper: Backmapper | None = None
    temperature: float | None = None


@dataclass(frozen=True, eq=False)
class Work:
    """What to do.

    Attributes
    ----------
    job : int
        Which set.
    number, sample : int
    positions : float32 array (K, 3)
        Atoms of the reference, beads of any other set, nm.
    box : float32 array (3, 3) or None
        nm.
    columns : tuple of str
        That are not there yet.
    """

    job: int
    number: int
    sample: int
    positions: Floats
    box: Floats | None
    columns: tuple[Column, ...]


class Assessor:
    """Works on frames; it can be pickled and sent to workers.

    Parameters
    ----------
    jobs : sequence of Job
    store : Store
        Where results go.
    seed : int
    keep_positions : bool
    """

    def __init__(self, jobs: Sequence[Job], store: Store, seed: int, keep_positions: bool = True) -> None:
        self.jobs, self.store, self.seed, self.keep_positions = tuple(jobs), store, seed, keep_positions

    def make(self, task: Work) -> int:
        """Do the work on a frame; the same task leaves the same files, whatever was done before.

        Parameters
        ----------
        task : Work

        Returns
        -------
        int
            Number of columns that were added.

        Raises
        ------
        MsbError
            The frame cannot be placed or evaluated; the set and the frame are named.
        """
        try:
            return self._made(self.jobs[task.job], task)
        except MsbError as error:
            where = f"{self.jobs[task.job].name}, frame {task.number}"
            raise type(error)(f"{where}: {error}") from error

    def _made(self, job: Job, task: Work) -> int:
        atoms, beads, deviation, spent = self._placed(job, task)
        if "raw" in task.columns:
            self._keep(job, task, "raw", atoms, beads, deviation, spent)
        if "polished" in task.columns:
            began = time.perf_counter()
            done = job.bench.polish(atoms, beads, task.box, _key(self.seed + task.sample, task.number))
            spent = {"polish": time.perf_counter() - began}
            atoms = np.asarray(done.positions, dtype=np.float32)
            self._keep(job, task, "polished", atoms, beads, done.bead_rms, spent, done.notes)
        return len(task.columns)

    def _placed(self, job: Job, task: Work) -> tuple[Floats, Floats, float, dict[str, float]]:
        """Atoms, whole beads, deviation of the beads before any projection, and what it took."""
        mapping = job.bench.mapping
        if not np.isfinite(task.positions).all():
            raise TrajectoryError("a coordinate is not finite; leave the frame out or repair the file")
        if job.backmapper is None:
            atoms = task.positions
            if task.box is not None:
                whole = make_whole(atoms.astype(np.float64), task.box.astype(np.float64), mapping.topology)
                atoms = np.asarray(whole, dtype=np.float32)
            return atoms, np.asarray(mapping.beads(atoms), dtype=np.float32), float("nan"), {}
        beads = task.positions
        if task.box is not None:
            beads = np.asarray(make_whole(beads, task.box, mapping.bead_topology()), dtype=np.float32)
        began = time.perf_counter()
        atoms = job.backmapper.backmap(
            beads[None],
            temperature=job.temperature,
            seed=self.seed + task.sample,
            frames=np.array([task.number], dtype=np.int64),
            boxes=None if task.box is None else task.box[None],
        )[0]
        spent = {"backmap": time.perf_counter() - began}
        known = getattr(job.backmapper, "last_deviation", None)
        away = np.asarray(mapping.beads(atoms), dtype=np.float64) - beads
        deviation = float(np.sqrt(np.square(away).sum(-1).mean())) if known is None else float(known[0])
        return np.asarray(atoms, dtype=np.float32), beads, deviation, spent

    def _keep(
        self,
        job: Job,
        task: Work,
        column: Column,
        atoms: Floats,
        beads: Floats,
        deviation: float,
        spent: dict[str, float],
        notes: tuple[str, ...] = (),
    ) -> None:
        measured = job.bench.measure(atoms, beads, task.box, task.number)
        measured.seconds.update(spent)
        kept = Kept(measured, beads, task.box, deviation, atoms if self.keep_positions else None, notes)
        self.store.write(Key(job.name, column, task.number, task.sample), kept)


def _key(seed: int, frame: int) -> int:
    """A seed for the polish of a frame."""
    return int(np.random.SeedSequence([seed, frame]).generate_state(1)[0] & 0x7FFFFFFF)
