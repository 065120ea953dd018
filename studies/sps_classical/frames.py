"""Backmap the test frames one by one, each into a file of its own: a killed run goes on where it stopped."""

from __future__ import annotations

import json
import os
import resource
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PLANS", "SETS", "Task", "frames_of", "left_out", "make_frames"]

SETS = {"t568": 568.0, "t313": 313.0}
left_out = {"t568": (9, 19, 41, 55, 62, 70, 76), "t313": ()}  # frames that are training snapshots too
N_FRAMES = 78
LIBRARY_TEMPERATURE = 568.0
SEED = 0
CUTOFF, DIELECTRIC = 0.85, 2.5  # nm; of the reaction field
_VERSION = 1  # of what a frame's file holds

PLANS: dict[str, tuple[tuple[str, str], ...]] = {
    "fragment": (("minimised", "staged"), ("polished", "thermal")),
    "geometric": (("minimised", "em"),),
    "linear": (),
    "random": (),
    "md": (),
    "deepbackmap": (),
    "baseline": (),
}
"""Method: columns after the raw one, each made of the one before it."""

PUBLISHED = {"md": "aa", "deepbackmap": "deepbackmap", "baseline": "baseline"}
Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Task:
    """One frame of one set by one method."""

    data: str
    runs: str
    method: str
    subset: str
    frame: int
    plan: tuple[tuple[str, str], ...]

    @property
    def path(self) -> Path:
        """Where the frame is kept."""
        return Path(self.runs) / self.subset / self.method / f"{self.frame:03d}.npz"

    @property
    def done(self) -> bool:
        """Whether the frame is there, made the same way."""
        if not self.path.is_file():
            return False
        with np.load(self.path) as file:
            told = json.loads(str(file["meta"]))
        return told["version"] == _VERSION and told["plan"] == [list(step) for step in self.plan]


def frames_of(subset: str, limit: int | None = None) -> list[int]:
    """Frames of a set that no library holds; `limit` of them, evenly."""
    frames = [k for k in range(N_FRAMES) if k not in left_out[subset]]
    if limit is None or limit >= len(frames):
        return frames
    return [frames[k] for k in np.linspace(0, len(frames) - 1, limit).astype(int)]


def make_frames(tasks: list[Task], workers: int, told: Callable[[Task, dict[str, Any]], None]) -> None:
    """Work through the tasks that are not done, in processes of one thread each."""
    waiting = [task for task in tasks if not task.done]
    if not waiting:
        return
    with _one_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(work, task): task for task in waiting}
        for future in as_completed(running):
            told(running[future], future.result())


@contextmanager
def _one_thread() -> Iterator[None]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENMM_CPU_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


_melts: dict[str, Melt] = {}


def work(task: Task) -> dict[str, Any]:
    """Make one frame, keep it, and say what it cost."""
    melt = _melts.setdefault(task.data, Melt(Path(task.data)))
    warnings.simplefilter("ignore")
    arrays, meta = melt.make(task)
    from msb.io.atomic import atomic_path

    task.path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(task.path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)
    return meta


class Melt:
    """Everything that the frames of a process share: files, library, force field, observer."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._models: dict[str, Any] = {}
        self._finishers: dict[tuple[str, float], Any] = {}

    @cached_property
    def topology(self) -> Any:
        return self.observer.system.topology

    @cached_property
    def mapping_file(self) -> Path:
        from msb.data.samples import sample

        return sample("polystyrene_mapping.yaml")

    @cached_property
    def observer(self) -> Any:
        from observe import Observer, measure

        from msb.core.mapping import Mapping
        from msb.io.mapping_files import read_mapping

        system = measure.read_system(self.data)
        mapping = Mapping(read_mapping(self.mapping_file, system.topology), system.topology)
        return Observer(system, mapping)

    def read(self, name: str, subset: str, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Positions and box of one frame of a published trajectory."""
        from msb.io.trajectory import open_trajectory

        structure = self.data / ("cg.gro" if name == "cg" else "aa.gro")
        found = open_trajectory(structure, self.data / subset / f"{name}.xtc").read(frame, frame + 1)
        return found.positions[0], np.asarray(found.boxes[0], dtype=np.float64)

    def make(self, task: Task) -> tuple[Arrays, dict[str, Any]]:
        """All columns of one frame: positions, what they show, and what they cost."""
        beads, box = self.read("cg", task.subset, task.frame)
        if task.method not in PUBLISHED:
            self.model(task.method)  # made once for many frames: no part of a frame's time
        for _, how in task.plan:
            self.finisher(how, SETS[task.subset])
        arrays: Arrays = {}
        meta: dict[str, Any] = {"version": _VERSION, "plan": task.plan, "columns": {}}
        positions, cost = self._timed(lambda: self._raw(task, beads, box))
        meta["columns"]["raw"] = cost
        columns = {"raw": positions}
        for column, how in task.plan:
            before = positions

            def finish(before: Any = before, how: str = how) -> Any:
                return self.finisher(how, SETS[task.subset]).run(before, beads, box, seed=SEED + task.frame)

            finished, cost = self._timed(finish)
            columns[column] = positions = finished.positions
            told = {key: value for key, value in asdict(finished).items() if key != "positions"}
            meta["columns"][column] = cost | json.loads(json.dumps(told, default=float))
        for column, x in columns.items():
            shown = self.observer.look(x, box, beads)
            arrays |= {f"{column}/{name}": value for name, value in shown.items()}
            if task.method not in PUBLISHED:
                arrays[f"{column}/positions"] = np.asarray(x, dtype=np.float32)
        meta["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return arrays, meta

    @staticmethod
    def _timed(job: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        wall, cpu = perf_counter(), process_time()
        result = job()
        return result, {"wall": perf_counter() - wall, "cpu": process_time() - cpu}

    def _raw(self, task: Task, beads: NDArray[np.float32], box: NDArray[np.float64]) -> NDArray[np.float32]:
        if task.method in PUBLISHED:
            return self.read(PUBLISHED[task.method], task.subset, task.frame)[0]
        model = self.model(task.method)
        number = np.array([task.frame])
        return model.backmap(
            beads[None].astype(np.float32), boxes=box[None].astype(np.float32), seed=SEED, frames=number
        )[0]

    def model(self, method: str) -> Any:
        """The method's model, made once."""
        if method not in self._models:
            from msb.backmapper import build_model

            source = None if method in ("random", "geometric") else self.snapshots
            target = self.topology, self.observer.mapping
            model = build_model(method, source, *target, temperature=LIBRARY_TEMPERATURE)
            self._models[method] = model.onto(*target, self.hands)
        return self._models[method]

    @cached_property
    def snapshots(self) -> Any:
        """The 13 training snapshots at 568 K."""
        from msb.data.snapshots import load_snapshots

        files = sorted((self.data / "train" / "aa").glob("*.gro"))
        return load_snapshots(files, self.topology, self.mapping_file)

    @cached_property
    def hands(self) -> Any:
        """The stereocentres' hands in the training snapshots, which all agree."""
        from msb.analysis.structure import handedness

        return handedness(self.snapshots.positions, self.topology).majority

    @cached_property
    def force_field(self) -> Any:
        from msb.energy.gromacs import read_gromacs_system

        top, box = self.data / "topol.top", self.data / "aa.gro"
        found = read_gromacs_system(top, box, cutoff=CUTOFF, dielectric=DIELECTRIC, leave_out=("posre.itp",))
        return found.system

    def finisher(self, how: str, temperature: float) -> Any:
        """What relaxes or polishes the frames, made once."""
        key = how, temperature
        if key not in self._finishers:
            from msb.energy.finisher import Finisher
            from msb.energy.protocols import Finish

            polish = how == "thermal"
            settings = Finish("none" if polish else how, how if polish else "none", temperature)
            self._finishers[key] = Finisher.of(
                self.force_field, self.observer.mapping, settings, hands=self.hands, threads=1
            )
        return self._finishers[key]
