"""How many decimals coordinates have, and what rounding them does to forces."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.divergence import js
from msb.assess.forces import BeadForces, relative_error

__all__ = ["RoundingFloor", "decimals_of", "rounding_floor"]

_MOST = 5  # decimals that single precision tells from none in a box of ten nanometres
_QUANTILES = 100
_ALL = "all"


@dataclass(frozen=True)
class RoundingFloor:
    """What rounding coordinates does to the forces of a system.

    Attributes
    ----------
    decimals : int
        Of coordinates in nm.
    atom_error, bead_error : float
        Root mean square change of the forces on atoms and beads, over the forces themselves.
    divergence : dict of str to float
        Jensen-Shannon divergence, nats, between the distributions of the force magnitudes with and without
        rounding, by bead type, and over all beads under ``"all"``; on 100 quantiles and an overflow bin,
        less what chance makes of few values.
    exact : bool
        Whether unrounded coordinates were there to round; if not, rounded ones were given another error of
        the same size, which tells what the one they have does.
    """

    decimals: int
    atom_error: float
    bead_error: float
    divergence: MappingOf[str, float]
    exact: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {**vars(self), "divergence": dict(self.divergence)}

    def words(self) -> str:
        """Say it in one sentence."""
        return (
            f"coordinates of {self.decimals} decimals put an error of {100 * self.atom_error:.2g} % into the "
            f"forces on atoms and of {100 * self.bead_error:.2g} % into those on beads, and a divergence of "
            f"{self.divergence[_ALL]:.2g} between forces of the same frames"
        )


def decimals_of(positions: ArrayLike) -> int | None:
    """Decimals to which coordinates are rounded.

    Parameters
    ----------
    positions : float array (..., 3)
        nm, as they were read: molecules made whole over a box are no longer on the grid.

    Returns
    -------
    int or None
        The fewest that tell all coordinates, 0 to 5; None where they are not rounded, or there are none.
    """
    values = np.asarray(positions, dtype=np.float64).ravel()
    if not values.size or not np.isfinite(values).all():
        return None
    rounding = 2.0 * float(np.finfo(np.float32).eps) * max(float(np.abs(values).max()), 1e-3)
    for decimals in range(_MOST + 1):
        unit = 10.0**-decimals
        if rounding > 0.1 * unit:
            break
        if np.abs(values - unit * np.rint(values / unit)).max() <= rounding:
            return decimals
    return None


def rounding_floor(
    forces: BeadForces,
    positions: ArrayLike,
    boxes: ArrayLike | None = None,
    *,
    decimals: int = 3,
    seed: int = 0,
) -> RoundingFloor:
    """Forces of frames with and without rounding of their coordinates.

    Parameters
    ----------
    forces : BeadForces
        Fitted where its map needs it.
    positions : float array (F, N, 3)
        nm, as they were read.  Where they have no more than `decimals` decimals themselves, errors that are
        even over one unit of the last decimal are added instead.
    boxes : float array (F, 3, 3), optional
        nm.
    decimals : int
        Of coordinates in nm: 3 in GRO and most XTC files, 4 in PDB.
    seed : int

    Returns
    -------
    RoundingFloor
    """
    x = np.asarray(positions, dtype=np.float64)
    present = decimals_of(x)
    exact = present is None or present > decimals
    if exact:
        moved = np.round(x, decimals)
    else:
        errors = np.random.default_rng(seed).uniform(-0.5, 0.5, x.shape)
        moved = x + 10.0**-decimals * errors
    before, after = (forces.atom_forces(frames, boxes) for frames in (x, moved))
    beads = [forces.project(values) for values in (before, after)]
    sizes = [np.linalg.norm(values, axis=-1) for values in beads]
    types = np.array(forces.bead_types)
    chosen = {name: types == name for name in dict.fromkeys(forces.bead_types)}
    chosen[_ALL] = np.ones(len(types), dtype=bool)
    return RoundingFloor(
        decimals,
        relative_error(after, before),
        relative_error(beads[1], beads[0]),
        {name: _divergence(sizes[0][:, mask], sizes[1][:, mask]) for name, mask in chosen.items()},
        exact,
    )


def _divergence(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Divergence of two sets of magnitudes on quantiles of the first, with a bin above the largest.

    Values that merely change places leave counts that differ by chance, with a variance of one for each value
    that goes into a bin or out of it; what that makes, to second order, is taken off.
    """
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _QUANTILES + 1)))[1:]
    bins = [np.searchsorted(edges, values.ravel()) for values in (before, after)]
    moved = bins[0] != bins[1]
    counts = [np.bincount(number, minlength=len(edges) + 1) for number in bins]
    moves = sum(np.bincount(number[moved], minlength=len(edges) + 1) for number in bins)
    share = np.divide(moves, sum(counts), out=np.zeros(len(edges) + 1), where=sum(counts) > 0)
    chance = float(share.sum()) / (4 * before.size)
    return max(float(js(*counts)) - chance, 0.0)
