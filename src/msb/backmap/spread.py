"""How far apart independent structures of the same beads are, atom by atom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.box import minimum_image
from msb.errors import MsbError

__all__ = ["spread"]


def spread(samples: Sequence[NDArray[Any]], boxes: NDArray[Any] | None = None) -> NDArray[np.float32]:
    """Measure the root mean square deviation of each atom from its mean over samples.

    Parameters
    ----------
    samples : sequence of ndarray (F, N, 3)
        nm; the same frames, placed independently.
    boxes : ndarray (F, 3, 3), optional
        nm; where given, deviations are those of the nearest images.

    Returns
    -------
    float32 array (F, N)
        nm, with the samples' number less one in the denominator: what many more samples would show on
        average.  As an isotropic B factor it is 8 pi^2/3 times its square.

    Raises
    ------
    MsbError
        If there are fewer than two samples, or they do not have the same atoms and frames.
    """
    shapes = {tuple(np.shape(sample)) for sample in samples}
    if len(samples) < 2 or len(shapes) != 1:
        raise MsbError(
            f"a spread needs at least two samples of the same frames and atoms, not {len(samples)} of shapes "
            f"{sorted(shapes)}"
        )
    first = np.asarray(samples[0], dtype=np.float64)
    total, squares = np.zeros_like(first), np.zeros(first.shape[:-1])
    for sample in samples:
        away = minimum_image(np.asarray(sample, dtype=np.float64) - first, boxes)
        total += away
        squares += (away**2).sum(-1)
    n = len(samples)
    variance = (squares - (total**2).sum(-1) / n) / (n - 1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=np.float32)
