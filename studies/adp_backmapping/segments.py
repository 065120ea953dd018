"""Long OpenMM runs as a chain of files: a killed run goes on from its last whole file, to the same bytes.

Every segment has its own seed and starts from the positions and velocities (float64) that the one before it
stored, so a segment is a function of its number alone and an interrupted run equals the uninterrupted one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["gather", "run_segments", "save_arrays"]


def save_arrays(path: Path, **arrays: NDArray) -> None:
    """Write an npz under a temporary name, then rename it."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def run_segments(
    folder: Path,
    make_context: Callable[[int], object],
    n_frames: int,
    *,
    steps: int,
    segment: int,
    seed: int,
    burn_in: int = 0,
) -> list[Path]:
    """Run what is missing of ``n_frames`` frames, ``segment`` to a file.

    Parameters
    ----------
    folder : Path
        Gets ``segment_00000.npz`` and so on: ``positions`` (segment, N, 3) float32 nm, ``last`` and
        ``velocities`` (N, 3) float64.
    make_context : callable
        From a seed to an OpenMM context with positions and velocities of a start.
    n_frames : int
        Frames of the whole run.
    steps : int
        Integration steps a frame.
    segment : int
        Frames a file.
    seed : int
        Of the first segment; the others count up from it.
    burn_in : int
        Integration steps before the first frame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"segment_{k:05d}.npz" for k in range(-(-n_frames // segment))]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        context = make_context(seed + number)
        integrator = context.getIntegrator()
        if number == 0:
            integrator.step(burn_in)
        else:
            with np.load(paths[number - 1]) as before:
                context.setPositions(before["last"])
                context.setVelocities(before["velocities"])
        frames = np.empty((min(segment, n_frames - number * segment), *_positions(context).shape), np.float32)
        for index in range(len(frames)):
            integrator.step(steps)
            frames[index] = _positions(context)
        velocities = context.getState(getVelocities=True).getVelocities(asNumpy=True)._value
        if not np.isfinite(frames).all():
            raise RuntimeError(f"{path.name}: the dynamics became NaN; a smaller time step is needed.")
        save_arrays(path, positions=frames, last=_positions(context), velocities=np.array(velocities))
        print(f"{path.name}: {len(frames)} frames", flush=True)
    return paths


def _positions(context) -> NDArray[np.float64]:
    return np.array(context.getState(getPositions=True).getPositions(asNumpy=True)._value)


def gather(paths: list[Path]) -> NDArray[np.float32]:
    """Return the positions (F, N, 3), nm, of all segments."""
    parts = []
    for path in paths:
        with np.load(path) as segment:
            parts.append(segment["positions"])
    return np.concatenate(parts)
