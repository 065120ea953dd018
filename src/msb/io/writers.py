"""Trajectory files that are whole or not there, each with the names of its atoms beside it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from msb.errors import MsbWarning, TrajectoryError
from msb.io.atomic import atomic_path, atomic_write_bytes
from msb.io.atoms import AtomTable
from msb.io.encoders import DcdEncoder, Encoder, TrrEncoder, XtcEncoder
from msb.io.frames import Frames
from msb.io.text_encoders import PDB_REMARK, GroEncoder, PdbEncoder

__all__ = ["TrajectoryWriter", "concatenate", "make_encoder", "open_writer", "write_names"]

_ENCODERS: dict[str, type[Encoder]] = {
    ".dcd": DcdEncoder,
    ".gro": GroEncoder,
    ".pdb": PdbEncoder,
    ".trr": TrrEncoder,
    ".xtc": XtcEncoder,
}
_BLOCK = 1 << 20  # bytes copied at a time


def _encoder_class(path: Path) -> type[Encoder]:
    try:
        return _ENCODERS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(suffix[1:] for suffix in _ENCODERS)
        raise TrajectoryError(
            f"{path}: trajectories are written as {known}, not '{path.suffix}'; choose one by the extension."
        ) from None


def make_encoder(
    path: Path, atoms: AtomTable, precision: int | None = None, timestep: float | None = None
) -> Encoder:
    """Choose the encoder by the output's extension (see `msb.io.encoders.Encoder`)."""
    return _encoder_class(path)(path, atoms, precision, timestep)


def open_writer(
    path: str | Path, atoms: Any, precision: int | None = None, *, timestep: float | None = None
) -> TrajectoryWriter:
    """Begin a trajectory file; its format follows from the extension: xtc, trr, dcd, gro or pdb.

    Parameters
    ----------
    path : str or Path
        The file; XTC, TRR and DCD get a PDB of the same name with atom names and first frame.
    atoms : Topology, Trajectory, MDAnalysis Universe or AtomGroup
        Whose names to write.
    precision : int, optional
        Decimals in nm: 5 by default for XTC, 3 for GRO; other formats do not round.
    timestep : float, optional
        Frame spacing in ps, for the header of DCD; other formats take the frames' times.

    Returns
    -------
    TrajectoryWriter
        A context manager; on an error nothing is left behind.

    Raises
    ------
    TrajectoryError
        If the format is unknown.
    MsbError
        If the folder does not exist or the disk is full.
    """
    return TrajectoryWriter(make_encoder(Path(path), AtomTable.of(atoms), precision, timestep))


class TrajectoryWriter:
    """A trajectory being written under a temporary name; made by `open_writer`."""

    def __init__(self, encoder: Encoder) -> None:
        self.path, self.encoder, self.n_frames = encoder.path, encoder, 0
        self._first: Frames | None = None
        self._exit = ExitStack()
        self._temporary = self._exit.enter_context(atomic_path(self.path))
        self._handle: BinaryIO = self._exit.enter_context(self._temporary.open("wb"))
        self._handle.write(encoder.header(0))

    def write(self, frames: Frames) -> None:
        """Append frames.

        Raises
        ------
        TrajectoryError
            If the number of atoms is wrong or a coordinate is not finite.
        MsbError
            If the disk is full; the file is then given up.
        """
        scratch = self._temporary.with_name(self._temporary.name + ".scratch")
        try:
            self._handle.write(self.encoder.encode(frames, scratch))
        except BaseException as error:
            self._give_up(error)
            raise
        if self._first is None and len(frames):
            boxes = None if frames.boxes is None else frames.boxes[:1].copy()
            self._first = Frames(frames.positions[:1].copy(), boxes, None, frames.index)
        self.n_frames += len(frames)

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises
        ------
        TrajectoryError
            If no frame was written.
        """
        try:
            if self._first is None:
                raise TrajectoryError(f"no frame was written, so {self.path} was not made.")
            self._handle.write(self.encoder.footer())
            self._handle.seek(0)
            self._handle.write(self.encoder.header(self.n_frames))
            self._handle.flush()
            if self.encoder.companion:
                write_names(self.path, self.encoder.atoms, self._first)
        except BaseException as error:
            self._give_up(error)
            raise
        self._exit.close()

    def _give_up(self, error: BaseException) -> None:
        """Remove the temporary file; raises the sentence if the error has one."""
        self._exit.__exit__(type(error), error, error.__traceback__)

    def __enter__(self) -> TrajectoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._exit.__exit__(kind, error, trace)


def write_names(path: Path, atoms: AtomTable, first: Frames) -> Path:
    """Write the PDB that belongs beside a trajectory: names, bonds, and the first frame.

    A PDB of that name that msb did not write is left alone, with a warning; the names then go to
    `NAME.xtc.pdb`.

    Parameters
    ----------
    path : Path
        The trajectory.
    atoms : AtomTable
        The names.
    first : Frames
        One frame.

    Returns
    -------
    Path
        The PDB.
    """
    target = path.with_suffix(".pdb")
    if target.exists() and not _is_ours(target):
        other = path.with_name(path.name + ".pdb")
        warnings.warn(
            f"{target} was not written by msb, so it is kept; the atom names of {path} are in {other}.",
            MsbWarning,
            stacklevel=3,
        )
        target = other
    encoder = PdbEncoder(target, atoms)
    atomic_write_bytes(target, encoder.header(1) + encoder.encode(first, target) + encoder.footer())
    return target


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as handle:
        return handle.read(len(PDB_REMARK)) == PDB_REMARK.encode()


def copy_bytes(source: BinaryIO, target: BinaryIO, start: int, stop: int) -> None:
    """Copy bytes start to before stop, a megabyte at a time."""
    source.seek(start)
    while start < stop:
        block = source.read(min(_BLOCK, stop - start))
        target.write(block)
        start += len(block)


def concatenate(parts: Sequence[str | Path], path: str | Path) -> None:
    """Join whole trajectory files of one format, in order, in bounded memory.

    Parameters
    ----------
    parts : sequence of paths
        Files that `open_writer` made, of the same atoms and options.
    path : str or Path
        The result; byte for byte what one writer would have made of all the frames.

    Raises
    ------
    TrajectoryError
        If there are no parts, or their formats differ.
    """
    path, sources = Path(path), [Path(part) for part in parts]
    kind = _encoder_class(path)
    if not sources or any(part.suffix.lower() != path.suffix.lower() for part in sources):
        raise TrajectoryError(f"{path} can only be joined from one or more {path.suffix} files.")
    bodies = [kind.body(part) for part in sources]
    with atomic_path(path) as temporary, open(temporary, "wb") as target:
        with open(sources[0], "rb") as source:
            header = bytearray(source.read(bodies[0][0]))
        if kind is DcdEncoder:
            total = sum(body[2] for body in bodies).to_bytes(4, "little")
            header[8:12] = header[20:24] = total
        target.write(header)
        for part, (start, stop, _) in zip(sources, bodies, strict=True):
            with open(part, "rb") as source:
                copy_bytes(source, target, start, stop)
        with open(sources[-1], "rb") as source:
            copy_bytes(source, target, bodies[-1][1], sources[-1].stat().st_size)
