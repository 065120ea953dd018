"""What `msb arena` fights over: data sets, declared in files, and the frames that all methods are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from msb.analysis.structure.stereo import handedness
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.catalogue import fetch
from msb.data.paired import locate
from msb.data.snapshots import Snapshots
from msb.errors import ConfigError, TrajectoryError
from msb.io.configuration import StrictModel, read_yaml
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.jobs.compare.inputs import topology_of

__all__ = ["ArenaData", "ArenaTest", "Bout", "arena_names", "bouts", "load_arena"]

Floats = NDArray[np.float32]


class ArenaTest(StrictModel):
    """Frames to place, with the all-atom frames that they came from."""

    reference: tuple[str, ...] = Field(description="All-atom trajectory, or snapshots in order.")
    temperature: float = Field(gt=0, description="K.")
    bead_structure: str | None = Field(default=None, description="Names of the beads in `beads`.")
    beads: tuple[str, ...] = Field(default=(), description="Bead frames; mapped from the reference without.")
    first: int = Field(default=0, ge=0, description="Frame that the test begins with.")
    leave_out: tuple[int, ...] = Field(default=(), description="Frames that methods have learned from.")
    published: dict[str, str] = Field(default={}, description="Trajectories others made of the same beads.")


class ArenaData(StrictModel):
    """A data set: what methods learn from, and the tests."""

    title: str = Field(description="For the page.")
    structure: str = Field(description="All-atom structure: a path, or a name of `msb data list`.")
    mapping: str = Field(description="Mapping file.")
    top: str | None = Field(default=None, description="GROMACS topology: types, energies, relaxation.")
    force_field: tuple[str, ...] = Field(default=(), description="Files of OpenMM, in place of `top`.")
    implicit: str | None = Field(default=None, description="Implicit solvent of `force_field`.")
    constraints: Literal["none", "h-bonds", "all-bonds"] = Field(
        default="all-bonds", description="Bonds of fixed length, in the data and in the polish."
    )
    cutoff: float = Field(default=1.0, gt=0, description="Of the forces in relaxation, nm.")
    dielectric: float = Field(default=78.3, ge=1, description="Of the reaction field beyond it.")
    library: tuple[str, ...] = Field(description="All-atom snapshots, or one trajectory, to learn from.")
    library_frames: tuple[int, int] | None = Field(default=None, description="First frame and end of these.")
    library_size: int | None = Field(default=None, ge=1, description="At most so many of these, evenly.")
    temperature: float = Field(gt=0, description="Of the library, K.")
    lag: float | None = Field(default=None, gt=0, description="Frame spacing, for files without times, ps.")
    frames: int = Field(default=8, ge=4, description="Frames of a test, unless asked for otherwise.")
    consecutive: bool = Field(default=False, description="Take neighbouring frames, not evenly spaced ones.")
    methods: tuple[str, ...] = Field(description="Methods without training, unless asked for otherwise.")
    models: tuple[str, ...] = Field(default=(), description="Trained models, unless asked for otherwise.")
    tests: dict[str, ArenaTest] = Field(min_length=1, description="By name.")


def arena_names() -> list[str]:
    """Return the names of the data sets that the package knows."""
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir())


def _folder() -> Any:
    return files("msb.data") / "arenas"


def load_arena(name: str | Path) -> tuple[ArenaData, Path]:
    """Read a data set by its name or file; returns it with the folder that its paths start from.

    Raises
    ------
    ConfigError
        There is neither a set nor a file of that name, or the file is wrong.
    """
    known = arena_names()
    if str(name) in known:
        path = Path(str(_folder() / f"{name}.yaml"))
    elif Path(name).suffix in (".yaml", ".yml"):
        path = Path(name)
    else:
        raise ConfigError(f"`{name}` is no data set: there are {', '.join(known)}, or give a .yaml file")
    return ArenaData.parse(read_yaml(path), path), path.parent


@dataclass(frozen=True)
class Bout:
    """One test of one data set, ready to be fought.

    Attributes
    ----------
    data : ArenaData
        The set.
    base : Path
        Folder that its paths start from.
    name : str
        Of the test.
    count : int or None
        Frames; those the set declares by default.
    """

    data: ArenaData
    base: Path
    name: str
    count: int | None = None

    @property
    def test(self) -> ArenaTest:
        """What is placed."""
        return self.data.tests[self.name]

    def file(self, name: str) -> Path:
        """Find a file beside the set's, in the data folder, or in the package.

        Raises
        ------
        MsbError
            It is in none of them; a sentence says how to get it.
        """
        return locate(name, self.base)

    def files(self, names: Sequence[str]) -> list[Path]:
        """Find several, patterns included, sorted by number where their names are numbers."""
        found: list[Path] = []
        for name in names:
            if "*" not in name:
                found.append(self.file(name))
                continue
            beside = sorted(self.base.glob(name), key=_number)
            found += beside or sorted(fetch(name), key=_number)
        return found

    @cached_property
    def structure(self) -> Path:
        """The all-atom structure."""
        return self.file(self.data.structure)

    @cached_property
    def top(self) -> Path | None:
        """The GROMACS topology, if one is declared."""
        return None if self.data.top is None else self.file(self.data.top)

    @cached_property
    def topology(self) -> Topology:
        """The system."""
        return topology_of(self.structure, self.top)

    @cached_property
    def mapping(self) -> Mapping:
        """Atoms to beads."""
        return Mapping(read_mapping(self.file(self.data.mapping), self.topology), self.topology)

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Frames of the reference that are placed, (F,).

        Raises
        ------
        TrajectoryError
            There are fewer than four.
        """
        total = self._frames_of(self.test.reference)
        left = np.setdiff1d(np.arange(self.test.first, total), self.test.leave_out)
        count = min(self.count or self.data.frames, len(left))
        if count < 4:
            raise TrajectoryError(
                f"{self.data.title}, {self.name}: {count} frames are too few; a comparison needs 4 at least"
            )
        if self.data.consecutive:
            return left[:count]
        return left[np.linspace(0, len(left) - 1, count).astype(np.int64)]

    def reference(self) -> Frames:
        """All-atom frames that are placed, molecules whole."""
        return self.whole(self.test.reference)

    @cached_property
    def hands(self) -> NDArray[np.int8]:
        """Hand of every stereocentre in the reference: what a topology with stereochemistry would say."""
        reference = self.reference()
        return handedness(reference.positions, self.topology, reference.boxes).majority

    def published(self) -> dict[str, Frames]:
        """What others made of the same frames."""
        return {label: self.whole((name,)) for label, name in self.test.published.items()}

    def beads(self, reference: Frames) -> Floats:
        """Bead frames (F, M, 3), nm: declared ones, else the mapping's."""
        if self.test.beads:
            structure = None if self.test.bead_structure is None else self.file(self.test.bead_structure)
            return self._read(structure, self.test.beads).positions
        return np.asarray(self.mapping.beads(reference.positions), dtype=np.float32)

    def whole(self, names: Sequence[str]) -> Frames:
        """Read the chosen frames of trajectories or snapshots, molecules whole."""
        read = self._read(self.structure, names)
        if read.boxes is None:
            return read
        cut: NDArray[np.float64] = read.positions.astype(np.float64)
        positions = make_whole(cut, read.boxes.astype(np.float64), self.topology)
        return Frames(positions.astype(np.float32), read.boxes, read.times)

    def snapshots(self) -> Snapshots:
        """All-atom frames that methods learn from."""
        data = self.data
        parts = []
        for structure, trajectory in self._pairs(self.structure, data.library):
            source = open_trajectory(structure, trajectory, lag=data.lag)
            start, stop = data.library_frames or (0, source.n_frames)
            step = 1 if data.library_size is None else max(1, (stop - start) // data.library_size)
            parts.append(source.read(start, min(stop, source.n_frames), step))
        boxes = [part.boxes for part in parts if part.boxes is not None]
        positions = np.concatenate([part.positions for part in parts])
        return Snapshots.of(positions, self.mapping, np.concatenate(boxes) if boxes else None)

    def _read(self, structure: Path | None, names: Sequence[str]) -> Frames:
        """Read the chosen frames; a file of one frame counts as one of the series."""
        pairs = self._pairs(structure, names)
        if len(pairs) == 1:
            source = open_trajectory(pairs[0][0], pairs[0][1], lag=self.data.lag)
            first, last = int(self.numbers[0]), int(self.numbers[-1])
            if last - first == len(self.numbers) - 1:
                return source.read(first, last + 1)
            parts = [source.read(int(k), int(k) + 1) for k in self.numbers]
        else:
            parts = [open_trajectory(*pairs[int(k)]).read(0, 1) for k in self.numbers]
        boxes = [part.boxes for part in parts if part.boxes is not None]
        return Frames(
            np.concatenate([part.positions for part in parts]), np.concatenate(boxes) if boxes else None
        )

    def _frames_of(self, names: Sequence[str]) -> int:
        pairs = self._pairs(self.structure, names)
        return open_trajectory(*pairs[0]).n_frames if len(pairs) == 1 else len(pairs)

    def _pairs(self, structure: Path | None, names: Sequence[str]) -> list[tuple[Path, Path | None]]:
        """Structures with trajectories: snapshots are structures, one trajectory goes with the set's."""
        found = self.files(names)
        if len(found) == 1 and structure is not None:
            return [(structure, found[0])]
        return [(path, None) for path in found]


def bouts(name: str | Path, count: int | None = None, tests: Sequence[str] = ()) -> list[Bout]:
    """Return the tests of a data set, all or some of them by name.

    Raises
    ------
    ConfigError
        There is no such set or test.
    """
    data, base = load_arena(name)
    unknown = [test for test in tests if test not in data.tests]
    if unknown:
        raise ConfigError(f"{name} has no test {', '.join(unknown)}; it has {', '.join(data.tests)}")
    return [Bout(data, base, test, count) for test in (tests or data.tests)]


def _number(path: Path) -> tuple[float, str]:
    return (float(path.stem) if path.stem.isdigit() else float("inf"), path.name)
