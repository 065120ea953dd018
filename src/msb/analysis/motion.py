"""Motion seen from three points of the molecule itself: overall turning and drifting drop out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from msb.core.geometry import local_frames
from msb.errors import TrajectoryError

__all__ = ["local_displacements", "local_positions"]

FloatArray = NDArray[np.float64]


def local_positions(positions: ArrayLike, points: ArrayLike, frame: tuple[int, int, int]) -> FloatArray:
    """Coordinates of some particles in a frame that three particles of the same structure span.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    points : array_like (P,)
        Particles looked at.
    frame : (int, int, int)
        Particles at the origin, on the first axis, and in the plane of the first two axes.

    Returns
    -------
    ndarray (F, P, 3)
        nm.

    Raises
    ------
    TrajectoryError
        If the positions are not (F, N, 3) or a particle is missing.
    """
    array, chosen = _checked(positions), np.asarray(points, dtype=np.int64)
    if max(*frame, *chosen.tolist()) >= array.shape[1]:
        raise TrajectoryError(
            f"the structures have {array.shape[1]} particles; {frame} and {chosen.tolist()} are asked for"
        )
    x = torch.from_numpy(array)
    axes = local_frames(*(x[:, k] for k in frame))
    return np.asarray(((x[:, chosen] - x[:, frame[0], None]) @ axes.mT).numpy())


def local_displacements(
    positions: ArrayLike, points: ArrayLike, frame: tuple[int, int, int], lag: int = 1
) -> FloatArray:
    """How far particles move in `lag` frames, as seen in a frame spanned by three particles.

    For the beta hydrogens of alanine the frame is (CA, N, C); their mean displacement over 1 ps is then
    0.040 nm in the reference run.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm; consecutive frames.
    points : array_like (P,)
        Particles looked at.
    frame : (int, int, int)
        Particles at the origin, on the first axis, and in the plane of the first two axes.
    lag : int
        Frames between the two looks.

    Returns
    -------
    ndarray (F - lag, P)
        nm.

    Raises
    ------
    TrajectoryError
        If there are not more than `lag` frames, or as :func:`local_positions`.
    """
    seen = local_positions(positions, points, frame)
    if not 1 <= lag < len(seen):
        raise TrajectoryError(
            f"a displacement over {lag} frames needs more than {lag} frames, got {len(seen)}"
        )
    return np.asarray(np.linalg.norm(seen[lag:] - seen[:-lag], axis=-1))


def _checked(positions: ArrayLike) -> FloatArray:
    array = np.ascontiguousarray(positions, dtype=np.float64)
    if array.ndim != 3 or array.shape[-1] != 3:
        raise TrajectoryError(f"positions must have shape (frames, particles, 3), got {array.shape}")
    bad = ~np.isfinite(array).all((1, 2))
    if bad.any():
        raise TrajectoryError(
            f"{int(bad.sum())} frames are not finite, the first is {int(np.flatnonzero(bad)[0])}"
        )
    return array
