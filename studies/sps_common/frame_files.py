"""Test frames made one by one, each in a file of its own: a killed run goes on where it stopped."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from melt import Melt

__all__ = ["N_FRAMES", "SETS", "Task", "frames_of", "left_out", "make_frames", "one_thread", "work"]

SETS = {"t568": 568.0, "t453": 453.0, "t313": 313.0}
left_out = {"t568": (9, 19, 41, 55, 62, 70, 76)}  # frames that are training snapshots too
N_FRAMES = 78
VERSION = 1  # of what a frame's file holds


@dataclass(frozen=True)
class Task:
    """One frame of one set by one method.

    Attributes
    ----------
    data, runs : str
        Published files; where frames are kept.
    method : str
        Name of the frames' folder; the method too where no `model` is given.
    subset, frame
        Of the published trajectories.
    plan : tuple of (str, str)
        Columns after the raw one and how each is made of the one before it.
    model : str
        Bundle (folder or name), or a registered method.
    key : str
        Tells models of one name apart.
    mapping : str
        File; the published beads by default.
    snapshots : int
        How many of the 13 training snapshots a method without training learns from.
    sampling : tuple of (str, str)
        How a trained model samples, where it is not as its bundle says.
    """

    data: str
    runs: str
    method: str
    subset: str
    frame: int
    plan: tuple[tuple[str, str], ...]
    model: str = ""
    key: str = ""
    mapping: str = ""
    snapshots: int = 13
    sampling: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> Path:
        """Where the frame is kept."""
        return Path(self.runs) / self.subset / self.method / f"{self.frame:03d}.npz"

    @property
    def meta(self) -> dict[str, Any]:
        """What the file says of how it was made."""
        return {"version": VERSION, "plan": self.plan, "key": self.key}

    @property
    def done(self) -> bool:
        """Whether the frame is there, made the same way."""
        if not self.path.is_file():
            return False
        with np.load(self.path) as file:
            told = json.loads(str(file["meta"]))
        same = told["version"] == VERSION and told["plan"] == [list(step) for step in self.plan]
        return bool(same and told.get("key", "") == self.key)


def frames_of(subset: str, limit: int | None = None) -> list[int]:
    """Frames of a set that no library holds; `limit` of them, evenly."""
    frames = [k for k in range(N_FRAMES) if k not in left_out.get(subset, ())]
    if limit is None or limit >= len(frames):
        return frames
    return [frames[k] for k in np.linspace(0, len(frames) - 1, limit).astype(int)]


def make_frames(
    tasks: list[Any],
    workers: int,
    told: Callable[[Any, dict[str, Any]], None],
    job: Callable[[Any], dict[str, Any]] | None = None,
) -> None:
    """Work through the tasks that are not done, in processes of one thread each; with none, in this one.

    Parameters
    ----------
    tasks : list of Task
        Or of anything that tells whether it is `done`.
    workers : int
    told : callable
        Gets each task and what its job returned.
    job : callable
        `work` by default.
    """
    do = job or work
    waiting = [task for task in tasks if not task.done]
    for task in waiting if not workers else ():
        told(task, do(task))
    if not workers or not waiting:
        return
    with one_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(do, task): task for task in waiting}
        for future in as_completed(running):
            told(running[future], future.result())


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes that start here compute with one thread each."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENMM_CPU_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


_melts: dict[tuple[str, str, int], Melt] = {}


def work(task: Task) -> dict[str, Any]:
    """Make one frame, keep it, and say what it cost."""
    from melt import Melt

    from msb.io.atomic import atomic_path

    own = task.data, task.mapping, task.snapshots
    if own not in _melts:
        _melts[own] = Melt(Path(task.data), task.mapping, task.snapshots)
    warnings.simplefilter("ignore")
    arrays, meta = _melts[own].make(task)
    task.path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(task.path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)
    return meta
