"""What a model tells of the structures that it has just placed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole

__all__ = ["told_by"]


def told_by(model: Any, beads: NDArray[np.float32], box: NDArray[np.float64]) -> dict[str, Any]:
    """Bead deviation before the projection, seconds by part, stages; empty for models that tell nothing.

    Parameters
    ----------
    model : Backmapper
        A trained model keeps what its last call took as `last`, and knows which beads are unfamiliar.
    beads : float32 array (M, 3)
        Of that call, nm; in any image.
    box : float array (3, 3)
        nm.

    Returns
    -------
    dict
        JSON-able; `unfamiliar` is the share of beads unlike any of the training set, `redrawn` and `above`
        those of visits whose energy was beyond the limit, at first and in the end.
    """
    sampled = getattr(model, "last", None)
    if sampled is None:
        return {}
    whole = make_whole(beads[None].astype(np.float64), box[None], model.mapping.bead_topology())
    given = np.asarray(whole, dtype=np.float32), np.asarray(box, dtype=np.float32)[None]
    share = model.unfamiliar(*given)
    away = np.asarray(sampled.deviation, dtype=np.float64)
    return {
        "bead_rms_before": float(np.sqrt((away**2).mean())),
        "bead_max_before": float(away.max()),
        "seconds": {name: float(value) for name, value in sampled.seconds.items()},
        "unfamiliar": None if share is None else float(share[0]),
        "stages": [int(number) for number in sampled.stages],
        "redrawn": sampled.redrawn / sampled.visits,
        "above": sampled.above / sampled.visits,
    }
