"""Motion from frame to frame: velocities, diffusion, and motion as seen from the molecule itself."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from msb.core.geometry import local_frames
from msb.errors import ConfigError, TrajectoryError

__all__ = ["frame_velocities", "local_displacements", "local_positions", "mean_square_displacement"]

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


def frame_velocities(positions: ArrayLike, timestep: float) -> FloatArray:
    r"""Velocities between frames, :math:`v(t) = (s(t) - s(t - \tau)) / \tau`.

    Their speeds are compared with :func:`msb.analysis.divergence.excess`: two trajectories over the same
    frames whose neighbouring frames fit together alike have the same distribution.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm; consecutive frames, not wrapped into a box.
    timestep : float
        ps between frames.

    Returns
    -------
    ndarray (F - 1, N, 3)
        nm/ps.

    Raises
    ------
    TrajectoryError
        If there are fewer than two frames, or a position is not finite.
    ConfigError
        If the timestep is not positive.
    """
    if not timestep > 0:
        raise ConfigError(f"`timestep` must be positive, in ps, got {timestep}")
    array = _checked(positions)
    if len(array) < 2:
        raise TrajectoryError(f"a velocity needs two frames, got {len(array)}")
    return np.asarray(np.diff(array, axis=0) / timestep)


def mean_square_displacement(positions: ArrayLike, max_lag: int) -> FloatArray:
    r"""Mean square displacement, :math:`\langle |x(t + \tau) - x(t)|^2 \rangle` over particles and times.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm; consecutive frames, not wrapped into a box.
    max_lag : int
        Largest lag, frames.

    Returns
    -------
    ndarray (max_lag + 1,)
        nm²; 0 at lag 0.

    Raises
    ------
    TrajectoryError
        If the trajectory is not longer than `max_lag`, or a position is not finite.
    """
    array = _checked(positions)
    n_frames = len(array)
    if not 0 <= max_lag < n_frames:
        raise TrajectoryError(f"a lag of {max_lag} frames needs a longer trajectory than {n_frames} frames")
    flat = (array - array.mean(0)).reshape(n_frames, -1)
    spectrum = np.abs(np.fft.rfft(flat, n=2 * n_frames, axis=0)) ** 2
    products = np.fft.irfft(spectrum.sum(1), n=2 * n_frames)[: max_lag + 1]
    squares = np.concatenate([[0.0], np.cumsum((flat**2).sum(1))])
    lags = np.arange(max_lag + 1)
    both = squares[n_frames - lags] + squares[n_frames] - squares[lags]
    found = (both - 2.0 * products) / ((n_frames - lags) * array.shape[1])
    found[0] = 0.0
    return np.asarray(np.maximum(found, 0.0))


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
