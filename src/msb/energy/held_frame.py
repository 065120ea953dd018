"""One frame to be relaxed: whole molecules, and the images of the beads that belong to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.energy.restraints import RestrainedSystem
from msb.errors import EnergyError

__all__ = ["HeldFrame"]

Floats = NDArray[np.float64]


class HeldFrame:
    """A frame in whole molecules with its beads beside them.

    Parameters
    ----------
    prepared : RestrainedSystem
    positions : array_like (N, 3)
        nm; molecules may straddle the box.
    beads : array_like (M, 3)
        nm, any image.
    box : array_like (3, 3), optional
        Row vectors, nm.

    Raises
    ------
    EnergyError
        If shapes do not fit, or a coordinate is not finite.
    """

    def __init__(
        self, prepared: RestrainedSystem, positions: ArrayLike, beads: ArrayLike, box: ArrayLike | None
    ) -> None:
        self._input = np.asarray(positions)
        shape = (prepared.n_atoms, 3)
        given, wanted = np.asarray(positions, dtype=np.float64), np.asarray(beads, dtype=np.float64)
        if given.shape != shape or wanted.shape != (prepared.weights.shape[0], 3):
            raise EnergyError(
                f"relaxation is of one frame of {shape[0]} atoms and {prepared.weights.shape[0]} beads: "
                f"got positions {given.shape} and beads {wanted.shape}"
            )
        for what, values in (("atom", given), ("bead", wanted)):
            broken = np.flatnonzero(np.logical_not(np.isfinite(values).all(axis=1)))
            if len(broken):
                indices = ", ".join(map(str, broken[:5]))
                raise EnergyError(f"{len(broken)} {what}s to relax have no finite position: {what} {indices}")
        self._prepared = prepared
        self.box = None if box is None else np.asarray(box, dtype=np.float64)
        self.start: Floats = prepared.whole(given, self.box)
        self.beads: Floats = prepared.near(self.start, wanted, self.box)
        self._moved = given - self.start

    def given(self, positions: Floats) -> NDArray[Any]:
        """Positions in the images and dtype of the input.

        Parameters
        ----------
        positions : float array (N, 3)
            nm, whole molecules.

        Returns
        -------
        float array (N, 3)
        """
        moved = positions + self._moved
        return moved.astype(self._input.dtype if self._input.dtype.kind == "f" else np.float64)

    def away(self, positions: Floats) -> tuple[float, float]:
        """Root mean square and largest distance of the beads of some positions from those wanted, nm."""
        distances = np.linalg.norm(self._prepared.weights @ positions - self.beads, axis=1)
        return float(np.sqrt(np.mean(distances**2))), float(distances.max(initial=0.0))
