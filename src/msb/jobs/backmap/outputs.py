"""What the jobs that write trajectories share: where samples go, inputs that are spared, how far a job is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msb.errors import TrajectoryError

__all__ = ["Told", "follow", "sample_paths", "spare_inputs"]

#: Told (frames done since the last call, frames in all).
Told = Callable[[int, int], None]


def sample_paths(output: str | Path, samples: int) -> tuple[Path, ...]:
    """Return where the samples go: the output itself for one, `OUTPUT_s1` … `OUTPUT_sN` for several.

    Parameters
    ----------
    output : path
    samples : int

    Returns
    -------
    tuple of Path
    """
    path = Path(output)
    if samples == 1:
        return (path,)
    return tuple(path.with_name(f"{path.stem}_s{number}{path.suffix}") for number in range(1, samples + 1))


def spare_inputs(output: str | Path, *inputs: str | Path | None) -> None:
    """Refuse to write over an input.

    Parameters
    ----------
    output : path
    inputs : path or None

    Raises
    ------
    TrajectoryError
        The output is one of the inputs.
    """
    for path in inputs:
        if path is not None and Path(output).resolve() == Path(path).resolve():
            raise TrajectoryError(f"{output} is an input too and would be overwritten: choose another output")


def follow(progress: Told | None, total: int) -> Callable[[int], None]:
    """Return a function that is told the frames done since its last call, and passes on the total.

    Parameters
    ----------
    progress : callable, optional
    total : int
        Frames in all.
    """
    return (lambda done: None) if progress is None else (lambda done: progress(done, total))
