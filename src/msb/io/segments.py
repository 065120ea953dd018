"""A long trajectory written in steps that survive `kill -9`: what is done stays done.

While it is being written, `OUT.xtc` is a folder `OUT.xtc.parts/` beside it:

    job.json      what the run depends on (inputs, model, seed, options): a resume must agree with it
    first.npz     the first frame, for the PDB beside the output
    000042.part   the encoded frames of step 42, piece after piece
    000042.npy    the last frame of every piece (K, N, 3) float32, before any rounding: where step 43 goes on
    000042.json   how many frames and bytes each piece has in the step; written last: the step is done

Each is written under another name and renamed. `finish` joins the parts, all steps of piece 0 first, then of
piece 1, ..., which makes the bytes those of an uninterrupted run.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError
from msb.io.atomic import atomic_path, atomic_write_bytes, atomic_write_json, writing
from msb.io.atoms import AtomTable
from msb.io.frames import Frames
from msb.io.writers import copy_bytes, make_encoder, write_names

__all__ = ["SegmentedWriter", "parts_folder", "refuse_unfinished"]


def parts_folder(path: str | Path) -> Path:
    """Return the work folder of an output: `OUT.xtc.parts` beside `OUT.xtc`."""
    path = Path(path)
    return path.with_name(path.name + ".parts")


def refuse_unfinished(path: str | Path) -> None:
    """Refuse an output of which an unfinished run is there.

    Parameters
    ----------
    path : str or Path
        The output.

    Raises
    ------
    TrajectoryError
        Its work folder holds one.
    """
    folder = parts_folder(path)
    if (folder / "job.json").exists():
        raise TrajectoryError(
            f"{folder} holds an unfinished run; go on with --resume, or remove the folder to begin anew."
        )


@dataclass(frozen=True)
class _Step:
    """What a finished step holds: frames, bytes, and the number of the last frame of each piece."""

    frames: tuple[int, ...]
    sizes: tuple[int, ...]
    next_frames: tuple[int, ...]


class SegmentedWriter:
    """A trajectory of K pieces that advance together, resumable after every step.

    Piece k is a stretch of consecutive frames; with K = 1 it is the whole trajectory. A step adds some frames
    (possibly none) to each piece. How the frames are divided into steps never changes the result::

        with SegmentedWriter("AA.xtc", topology, {"seed": 7, "cg": sha}, pieces=2, resume=True) as writer:
            while writer.frames_done != [500, 500]:
                start = writer.last_frames            # (2, N, 3), or None at the beginning
                ...
                writer.write([frames_of_piece_0, frames_of_piece_1])
            writer.finish()

    Parameters
    ----------
    path : str or Path
        The output; its format follows from the extension.
    atoms : Topology, Trajectory, MDAnalysis Universe or AtomGroup
        Whose names to write.
    fingerprint : mapping
        Everything the frames depend on, JSON-able: hashes of inputs and model, seed, options.
    pieces : int
        K.
    resume : bool
        Go on from what is there; where nothing is there, begin.
    precision, timestep
        See `open_writer`.

    Attributes
    ----------
    n_steps : int
        Steps done.
    frames_done : list of int
        Frames done in each piece.
    last_frames : ndarray (K, N, 3), float32, or None
        The last frame of each piece as it was given to `write`; None before the first step.

    Raises
    ------
    TrajectoryError
        If an unfinished run is there and `resume` is not set, or it was begun with other inputs or options.
    MsbError
        If the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        atoms: Any,
        fingerprint: Mapping[str, Any],
        *,
        pieces: int = 1,
        resume: bool = False,
        precision: int | None = None,
        timestep: float | None = None,
    ) -> None:
        if pieces < 1:
            raise TrajectoryError(f"a trajectory is written in at least 1 piece, not {pieces}.")
        self.path, self.pieces = Path(path), pieces
        self.folder = parts_folder(path)
        self._waste = self.folder.with_name(f".{self.folder.name}.done")
        self.encoder = make_encoder(self.path, AtomTable.of(atoms), precision, timestep)
        self.last_frames: NDArray[np.float32] | None = None
        self._steps: list[_Step] = []
        job = {
            "fingerprint": dict(fingerprint),
            "pieces": pieces,
            "atoms": len(self.encoder.atoms),
            "precision": self.encoder.precision,
            "timestep": timestep,
        }
        self._begin(json.loads(json.dumps(job)), resume)

    @property
    def n_steps(self) -> int:
        """Number of steps done."""
        return len(self._steps)

    @property
    def frames_done(self) -> list[int]:
        """Frames done in each piece."""
        return [sum(step.frames[piece] for step in self._steps) for piece in range(self.pieces)]

    @property
    def next_frames(self) -> list[int] | None:
        """Absolute number of the frame that comes next in each piece; None before the first step."""
        return list(self._steps[-1].next_frames) if self._steps else None

    def _begin(self, job: dict[str, Any], resume: bool) -> None:
        """Make the work folder, or take up what is in it."""
        shutil.rmtree(self._waste, ignore_errors=True)
        description = self.folder / "job.json"
        if description.exists():
            if not resume:
                refuse_unfinished(self.path)
            self._compare(json.loads(description.read_text(encoding="utf-8")), job)
            self._take_up()
            return
        if self.folder.exists() and any(self.folder.glob("[!.]*")):
            raise TrajectoryError(f"{self.folder} is there and is not from an unfinished run; move it away.")
        if not self.path.parent.is_dir():
            raise TrajectoryError(f"{self.path} cannot be written: there is no folder {self.path.parent}.")
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        atomic_write_json(description, job)

    def _compare(self, begun: dict[str, Any], job: dict[str, Any]) -> None:
        """Refuse to go on with anything that would give other frames."""
        before = {**begun, **begun["fingerprint"], "fingerprint": None}
        now = {**job, **job["fingerprint"], "fingerprint": None}
        for key in {**before, **now}:
            if before.get(key) != now.get(key):
                raise TrajectoryError(
                    f"{self.folder} was begun with {key} = {_short(before.get(key))}, not "
                    f"{_short(now.get(key))}: resume with the same inputs and options, or remove the folder "
                    "to begin anew."
                )

    def _take_up(self) -> None:
        """Count the steps that are whole, and remove what came after them."""
        while (record := self._file("json")).exists():
            fields = json.loads(record.read_text(encoding="utf-8"))
            step = _Step(**{key: tuple(value) for key, value in fields.items()})
            part = self._file("part")
            if not part.exists() or part.stat().st_size != sum(step.sizes):
                break
            self._steps.append(step)
        if self._steps:
            state = self._file("npy", self.n_steps - 1)
            if not state.exists():
                raise TrajectoryError(
                    f"{self.folder} is damaged ({state.name} is missing); remove the folder to begin anew."
                )
            self.last_frames = np.load(state, allow_pickle=False)
        whole = {f"{number:06d}" for number in range(self.n_steps)}
        for file in self.folder.iterdir():
            if file.suffix in (".part", ".npy", ".scratch") or file.name.startswith("."):
                if file.stem not in whole:
                    file.unlink()
            elif file.suffix == ".json" and file.stem not in whole | {"job"}:
                file.unlink()

    def _file(self, suffix: str, number: int | None = None) -> Path:
        return self.folder / f"{self.n_steps if number is None else number:06d}.{suffix}"

    def write(self, frames: Frames | Sequence[Frames]) -> None:
        """Add one step: the next frames of every piece, in order.

        Parameters
        ----------
        frames : Frames, or K Frames
            Some may be of length 0; the others go on where the piece stopped.

        Raises
        ------
        TrajectoryError
            If the number of pieces is wrong or a piece does not go on where it stopped.
        MsbError
            If the disk is full; the steps before stay.
        """
        pieces = [frames] if isinstance(frames, Frames) else list(frames)
        self._check(pieces)
        scratch = self.folder / f".{self.n_steps:06d}.scratch"
        with writing(self._file("part")):
            encoded = [self.encoder.encode(piece, scratch) for piece in pieces]
        last = self._last(pieces)
        step = _Step(
            tuple(len(piece) for piece in pieces),
            tuple(len(data) for data in encoded),
            tuple(self._after(number, piece) for number, piece in enumerate(pieces)),
        )
        if self.n_steps == 0:
            self._write_first(pieces)
        atomic_write_bytes(self._file("part"), b"".join(encoded))
        atomic_write_bytes(self._file("npy"), _npy(last))
        atomic_write_json(self._file("json"), asdict(step), indent=None)
        self._steps.append(step)
        self.last_frames = last
        if self.n_steps > 1:
            self._file("npy", self.n_steps - 2).unlink(missing_ok=True)

    def _check(self, pieces: list[Frames]) -> None:
        if len(pieces) != self.pieces:
            raise TrajectoryError(f"{self.path} has {self.pieces} pieces; {len(pieces)} were given.")
        if self.next_frames is None:
            if not all(len(piece) for piece in pieces):
                raise TrajectoryError(f"{self.path}: the first step must have a frame of every piece.")
            return
        for number, (piece, wanted) in enumerate(zip(pieces, self.next_frames, strict=True)):
            if len(piece) and piece.index != wanted:
                raise TrajectoryError(
                    f"{self.path}: piece {number} goes on with frame {wanted}, not {piece.index}."
                )

    def _after(self, number: int, piece: Frames) -> int:
        if not len(piece):
            return self._steps[-1].next_frames[number]
        return piece.index + piece.step * len(piece)

    def _last(self, pieces: list[Frames]) -> NDArray[np.float32]:
        """Last frame of every piece (K, N, 3)."""
        last = np.empty((self.pieces, len(self.encoder.atoms), 3), np.float32)
        for number, piece in enumerate(pieces):
            if len(piece):
                last[number] = piece.positions[-1]
            elif self.last_frames is not None:
                last[number] = self.last_frames[number]
        return last

    def _write_first(self, pieces: list[Frames]) -> None:
        """Keep the first frame for the PDB beside the output."""
        first = pieces[0][:1]
        box = np.zeros((1, 3, 3), np.float32) if first.boxes is None else first.boxes
        data = io.BytesIO()
        np.savez(data, positions=first.positions, boxes=box)
        atomic_write_bytes(self.folder / "first.npz", data.getvalue())

    def finish(self) -> Path:
        """Join the parts to the output, write the PDB beside it, and remove the work folder.

        Returns
        -------
        Path
            The output.

        Raises
        ------
        TrajectoryError
            If nothing was written.
        MsbError
            If the disk is full; the parts stay.
        """
        if not self._steps:
            raise TrajectoryError(f"no frame was written, so {self.path} was not made.")
        with atomic_path(self.path) as temporary, open(temporary, "wb") as target:
            target.write(self.encoder.header(sum(self.frames_done)))
            for piece in range(self.pieces):
                for number, step in enumerate(self._steps):
                    start = sum(step.sizes[:piece])
                    if step.sizes[piece]:
                        with open(self._file("part", number), "rb") as source:
                            copy_bytes(source, target, start, start + step.sizes[piece])
            target.write(self.encoder.footer())
            target.flush()
            if self.encoder.companion:
                self._write_names()
        self._remove()
        return self.path

    def _write_names(self) -> None:
        with np.load(self.folder / "first.npz", allow_pickle=False) as data:
            boxes = data["boxes"]
            first = Frames(data["positions"], boxes if boxes.any() else None)
        write_names(self.path, self.encoder.atoms, first)

    def _remove(self) -> None:
        """Remove the work folder; the rename makes it vanish at once, whatever happens to its files."""
        os.replace(self.folder, self._waste)
        shutil.rmtree(self._waste, ignore_errors=True)

    def __enter__(self) -> SegmentedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the finished steps where they are."""


def _npy(array: NDArray[np.float32]) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()


def _short(value: Any) -> str:
    """Show a value of a fingerprint; long hashes and lists are cut."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
