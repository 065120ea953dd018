"""Anything MDAnalysis or mdtraj reads, as a stream of frames in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msb.errors import MsbError, TrajectoryError
from msb.io.atoms import AtomTable, quiet, reason
from msb.io.frames import Frames
from msb.io.gro import read_gro
from msb.io.sources import DcdSource, GroSource, MdtrajSource, Source, TrrSource, UniverseSource, XtcSource

if TYPE_CHECKING:
    from MDAnalysis import Universe

__all__ = ["Frames", "Trajectory", "open_trajectory"]

_HDF5 = (".h5", ".hdf5")


def open_trajectory(
    structure: str | Path,
    trajectory: str | Path | None = None,
    *,
    lag: float | None = None,
    allow_truncated: bool = False,
    allow_nan: bool = False,
) -> Trajectory:
    """Open `STRUCTURE [TRAJECTORY]`; frames are counted and checked for being whole, none is decoded yet.

    Parameters
    ----------
    structure : str or Path
        Names the atoms: PDB, GRO, PSF, TPR, HDF5, ... Its own frames are used where no `trajectory` is given.
    trajectory : str or Path, optional
        XTC, TRR, DCD, GRO, PDB, HDF5, or whatever else MDAnalysis or mdtraj reads.
    lag : float, optional
        Frame spacing in ps; overrides the file's. XTC, TRR and HDF5 know their own, others do not.
    allow_truncated : bool
        Use the whole frames of a cut XTC, TRR or DCD instead of refusing it.
    allow_nan : bool
        Give out coordinates that are not finite instead of refusing their frames.

    Raises
    ------
    TrajectoryError
        If a file is missing, empty, truncated, in no known format, or has another number of atoms.
    """
    structure = Path(structure)
    path = structure if trajectory is None else Path(trajectory)
    for file in (structure, path):
        _require(file)
    if lag is not None and not 0 < lag < np.inf:
        raise TrajectoryError(f"the frame spacing must be a positive number of ps, not {lag}.")
    atoms, extra = _read_structure(structure)
    try:
        source = _open_source(path, atoms, extra, allow_truncated)
    except (MsbError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise TrajectoryError(f"{path} cannot be read: {reason(error)}") from error
    if source.n_atoms != len(atoms):
        raise TrajectoryError(
            f"{path} has {source.n_atoms} atoms a frame, but {structure} has {len(atoms)}; "
            "give the structure that belongs to the trajectory."
        )
    if source.n_frames == 0:
        raise TrajectoryError(f"{path} is empty: it holds no whole frame.")
    return Trajectory(structure, path, atoms, source, lag, allow_nan)


class Trajectory:
    """Frames of N atoms with names; made by `open_trajectory`.

    Attributes
    ----------
    structure, path : Path
        Where names and frames come from.
    atoms : AtomTable
        Names, residues, elements, bonds.
    n_frames : int
        Whole frames in the file.
    timestep : float or None
        Frame spacing in ps: the given lag, else the file's own; None where the file does not know it.
    spacing_note : str
        Where `timestep` is None, why; else empty.
    allow_nan : bool
        Whether frames with coordinates that are not finite are given out.
    """

    def __init__(
        self,
        structure: Path,
        path: Path,
        atoms: AtomTable,
        source: Source,
        lag: float | None,
        allow_nan: bool = False,
    ) -> None:
        self.structure, self.path, self.atoms, self.source = structure, path, atoms, source
        self.allow_nan = allow_nan
        self.n_frames = source.n_frames
        times = source.times
        if times is not None and len(times) > 1 and (times == times[0]).all():
            times = None
            self.timestep, self.spacing_note = None, f"{path} has the same time in every frame"
        else:
            self.timestep, self.spacing_note = _spacing(path, times)
        if lag is not None:
            first = 0.0 if times is None else float(times[0])
            times = first + lag * np.arange(self.n_frames, dtype=np.float64)
            self.timestep, self.spacing_note = float(lag), ""
        self.times: NDArray[np.float64] | None = times

    def __len__(self) -> int:
        return self.n_frames

    def __repr__(self) -> str:
        spacing = "unknown spacing" if self.timestep is None else f"{self.timestep:g} ps apart"
        return f"<Trajectory {self.path}: {self.n_frames} frames of {self.n_atoms} atoms, {spacing}>"

    @property
    def n_atoms(self) -> int:
        """Number of atoms in a frame."""
        return len(self.atoms)

    @property
    def names(self) -> NDArray[np.str_]:
        """Atom names (N,)."""
        return self.atoms.names

    @property
    def resnames(self) -> NDArray[np.str_]:
        """Residue name of each atom (N,)."""
        return self.atoms.resnames

    @property
    def resids(self) -> NDArray[np.int64]:
        """Residue number of each atom (N,)."""
        return self.atoms.resids

    @property
    def universe(self) -> Universe:
        """A new MDAnalysis Universe of the structure, with the first frame's positions (ångström)."""
        if self.structure.suffix.lower() in (".gro", *_HDF5):
            universe = self.atoms.universe()
        else:
            universe = AtomTable.from_structure(self.structure)[1]
        first = self.read(0, 1)
        with quiet():
            if not hasattr(universe, "trajectory"):
                universe.load_new(first.positions * np.float32(10))
            universe.atoms.positions = first.positions[0] * np.float32(10)
            if first.boxes is not None:
                universe.trajectory.ts.triclinic_dimensions = first.boxes[0] * 10
        return universe

    def iter(
        self, chunk: int = 256, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[Frames]:
        """Yield the frames start, start + step, ... before stop, `chunk` at a time.

        Memory: 12 · chunk · N bytes. Where the chunks are cut never changes what they hold.

        Raises
        ------
        TrajectoryError
            If a frame cannot be decoded or a coordinate is not finite (frame and atom are named).
        """
        wanted = range(*slice(start, stop, step).indices(self.n_frames))
        if chunk < 1 or step < 1:
            raise TrajectoryError(f"chunk and step must be at least 1, not {chunk} and {step}.")
        for first in range(0, len(wanted), chunk):
            yield self._read(wanted[first : first + chunk])

    def read(self, start: int = 0, stop: int | None = None, step: int = 1) -> Frames:
        """Read frames start, start + step, ... before stop as one piece (see `iter`)."""
        wanted = range(*slice(start, stop, step).indices(self.n_frames))
        if not wanted:
            raise TrajectoryError(
                f"{self.path} has {self.n_frames} frames; there is none from {start} to before {stop}."
            )
        return self._read(wanted)

    def _read(self, wanted: range) -> Frames:
        try:
            positions, boxes = self.source.read(wanted)
        except (MsbError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            raise TrajectoryError(
                f"{self.path}: the frames {wanted[0]} to {wanted[-1]} cannot be read: {reason(error)}"
            ) from error
        if not self.allow_nan and not np.isfinite(positions).all():
            place, atom, _ = np.argwhere(~np.isfinite(positions))[0]
            raise TrajectoryError(
                f"{self.path}: frame {wanted[place]} (counted from 0) has a coordinate that is not a finite "
                f"number, at {self.atoms.describe(int(atom))}; leave the frame out or repair the file."
            )
        return Frames(
            positions,
            boxes if boxes.any() else None,
            None if self.times is None else self.times[wanted.start : wanted.stop : wanted.step],
            wanted.start,
            wanted.step,
        )


def _require(path: Path) -> None:
    if not path.exists():
        raise TrajectoryError(f"{path} does not exist; check the name and the folder.")
    if path.is_file() and path.stat().st_size == 0:
        raise TrajectoryError(f"{path} is empty (0 bytes): there is no frame to read.")


def _read_structure(path: Path) -> tuple[AtomTable, Any]:
    """Read the names; second, the mdtraj topology where that is what was read."""
    suffix = path.suffix.lower()
    if suffix == ".gro":
        return AtomTable.from_gro(read_gro(path)), None
    if suffix in _HDF5:
        import mdtraj

        try:
            topology = mdtraj.load_frame(str(path), 0).topology
        except ImportError:
            raise TrajectoryError(f"{path}: HDF5 files need PyTables: `pip install tables`.") from None
        except Exception as error:
            raise TrajectoryError(f"{path} cannot be read as a structure: {reason(error)}") from error
        return AtomTable.from_mdtraj(topology), topology
    return AtomTable.from_structure(path)[0], None


def _open_source(path: Path, atoms: AtomTable, topology: Any, allow_truncated: bool) -> Source:
    """Choose the reader by the file's extension."""
    suffix = path.suffix.lower()
    own: dict[str, Callable[[Path, bool], Source]]
    own = {".xtc": XtcSource, ".trr": TrrSource, ".dcd": DcdSource}
    if suffix in own:
        return own[suffix](path, allow_truncated)
    if suffix == ".gro":
        return GroSource(path)
    import MDAnalysis

    inner = Path(path.stem).suffix if suffix in (".gz", ".bz2") else suffix
    if inner.lstrip(".").upper() in MDAnalysis._READERS:
        return UniverseSource(path, len(atoms))
    from mdtraj.formats.registry import FormatRegistry

    if suffix in FormatRegistry.loaders:
        return MdtrajSource(path, topology or atoms.mdtraj_topology())
    raise TrajectoryError(
        f"{path}: there is no reader of frames for '{suffix}' files; convert it to xtc, trr, dcd, gro or pdb."
    )


def _spacing(path: Path, times: NDArray[np.float64] | None) -> tuple[float | None, str]:
    """Frame spacing in ps if all frames are equally far apart, to the resolution of float32 times."""
    if times is None:
        return None, f"{path.suffix.lstrip('.').upper()} files do not know their frame spacing"
    if len(times) < 2:
        return None, f"{path} has one frame, hence no frame spacing"
    steps = np.diff(times)
    mean = (times[-1] - times[0]) / len(steps)
    resolution = 2 * float(np.spacing(np.float32(np.abs(times).max())))
    if mean <= 0 or (abs(steps - mean) > resolution + 1e-6 * abs(mean)).any():
        return None, f"the frames of {path} are unevenly spaced ({steps.min():g} to {steps.max():g} ps)"
    return float(f"{mean:.6g}"), ""
