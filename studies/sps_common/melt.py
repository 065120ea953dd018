"""The published melt: files, training snapshots, force field, and how one of its frames is made."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import yaml
from facts import told_by
from frame_files import SETS, Task
from numpy.typing import NDArray

__all__ = ["PUBLISHED", "SEED", "Melt", "place"]

LIBRARY_TEMPERATURE = 568.0
SEED = 0
CUTOFF, DIELECTRIC = 0.85, 2.5  # nm; of the reaction field
PUBLISHED = {"md": "aa", "deepbackmap": "deepbackmap", "baseline": "baseline"}
Arrays = dict[str, NDArray[np.generic]]


def place(
    model: Any, beads: NDArray[np.float32], box: NDArray[np.float64], kelvin: float, number: int
) -> NDArray[np.float32]:
    """Atoms (N, 3) of one frame of beads (M, 3); the number is the key of the noise."""
    given = np.asarray(beads, dtype=np.float32)[None], np.asarray(box, dtype=np.float32)[None]
    numbers = np.array([number])
    placed = model.backmap(given[0], boxes=given[1], temperature=kelvin, seed=SEED, frames=numbers)
    return np.asarray(placed[0], dtype=np.float32)


class Melt:
    """Everything that the frames of a process share: files, library, force field, observer.

    Parameters
    ----------
    data : Path
        The published files.
    mapping : str, optional
        File of other beads than the published ones; they are then those of the MD.
    n_snapshots : int
        Of the 13 training snapshots.
    """

    def __init__(self, data: Path, mapping: str = "", n_snapshots: int = 13) -> None:
        self.data, self.n_snapshots = data, n_snapshots
        self._own_beads = mapping
        self._models: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}
        self._trajectories: dict[tuple[str, str], Any] = {}
        self._finishers: dict[tuple[str, float], Any] = {}

    @cached_property
    def topology(self) -> Any:
        """The 36 chains."""
        return self.observer.system.topology

    @cached_property
    def mapping_file(self) -> Path:
        """Where the beads are described."""
        from msb.data.samples import sample

        return Path(self._own_beads) if self._own_beads else sample("polystyrene_mapping.yaml")

    @cached_property
    def observer(self) -> Any:
        """Looks at frames."""
        from measure import read_system
        from observe import Observer

        from msb.core.mapping import Mapping
        from msb.io.mapping_files import read_mapping

        system = read_system(self.data)
        mapping = Mapping(read_mapping(self.mapping_file, system.topology), system.topology)
        return Observer(system, mapping)

    def read(self, name: str, subset: str, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Positions and box of one frame of a published trajectory."""
        from msb.io.trajectory import open_trajectory

        if (name, subset) not in self._trajectories:
            structure = self.data / ("cg.gro" if name == "cg" else "aa.gro")
            opened = open_trajectory(structure, self.data / subset / f"{name}.xtc")
            self._trajectories[name, subset] = opened
        found = self._trajectories[name, subset].read(frame, frame + 1)
        return found.positions[0], np.asarray(found.boxes[0], dtype=np.float64)

    def beads(self, subset: str, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Beads and box of one frame: the published ones, or where MD has those of another mapping."""
        if not self._own_beads:
            return self.read("cg", subset, frame)
        from msb.core.box import make_whole

        atoms, box = self.read("aa", subset, frame)
        whole = make_whole(atoms[None].astype(np.float64), box[None], self.topology)
        return np.asarray(self.observer.mapping.beads(whole), dtype=np.float32)[0], box

    def make(self, task: Task) -> tuple[Arrays, dict[str, Any]]:
        """All columns of one frame: positions, what they show, and what they cost."""
        beads, box = self.beads(task.subset, task.frame)
        if task.method not in PUBLISHED:
            self.of(task)  # made once for many frames: no part of a frame's time
        for _, how in task.plan:
            self.finisher(how, SETS[task.subset])
        arrays: Arrays = {}
        meta: dict[str, Any] = {**task.meta, "columns": {}}
        positions, cost = self._timed(lambda: self._raw(task, beads, box))
        meta["columns"]["raw"] = {**cost, "facts": self._facts(task, beads, box)}
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
        return place(self.of(task), beads, box, SETS[task.subset], task.frame)

    def _facts(self, task: Task, beads: NDArray[np.float32], box: NDArray[np.float64]) -> dict[str, Any]:
        """What the model tells of the frame that it has just placed."""
        if task.method in PUBLISHED:
            return {}
        return told_by(self.of(task), beads, box)

    def of(self, task: Task) -> Any:
        """The model of a task."""
        return self.model(task.model or task.method, task.sampling)

    def model(self, name: str, sampling: Sequence[tuple[str, str]] = ()) -> Any:
        """A method's model made from the snapshots, or a bundle's, for this melt; made once.

        Parameters
        ----------
        name : str
            Of a method or a bundle.
        sampling : sequence of (str, str)
            How a trained model samples, where it is not as its bundle says.
        """
        key = name, tuple(sampling)
        if key not in self._models:
            from msb.backmapper import METHODS, build_model, load_model

            target = self.topology, self.observer.mapping
            if name in METHODS and METHODS[name].build:
                source = None if name in ("random", "geometric") else self.snapshots
                made = build_model(name, source, *target, temperature=LIBRARY_TEMPERATURE)
            else:
                made = load_model(name, "cpu")
            self._models[key] = model = made.onto(*target, self.hands)
            if sampling:
                model.sampled_as(**{what: yaml.safe_load(value) for what, value in sampling})
            if getattr(model, "needs_energy", False) and not model.force_field:  # of other molecules
                model.use_field(self.force_field)
        return self._models[key]

    @cached_property
    def snapshots(self) -> Any:
        """The training snapshots at 568 K: 13, or so many of them."""
        return self._load(self.n_snapshots)

    def _load(self, number: int) -> Any:
        from msb.data.snapshots import load_snapshots

        files = sorted((self.data / "train" / "aa").glob("*.gro"))[:number]
        return load_snapshots(files, self.topology, self.mapping_file)

    @cached_property
    def hands(self) -> Any:
        """The stereocentres' hands in the first training snapshot; all 13 agree."""
        from msb.analysis.structure import handedness

        return handedness(self._load(1).positions, self.topology).majority

    @cached_property
    def force_field(self) -> Any:
        """The published one, as an OpenMM System."""
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

            name, _, long = how.partition(" ")  # as in "thermal 0.25"
            polish = name == "thermal"
            what = {"relax": "none" if polish else name, "polish": name if polish else "none"}
            settings = Finish.lasting(float(long) if long else None, temperature=temperature, **what)
            self._finishers[key] = Finisher.of(
                self.force_field, self.observer.mapping, settings, hands=self.hands, threads=1
            )
        return self._finishers[key]
