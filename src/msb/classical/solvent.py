"""Water and ions for beads of solvent.

The rule: a bead that stands for several molecules becomes that many, evenly around it (four at the corners of
a tetrahedron, as for Martini's W), at the distance that water has from water; each is a rigid molecule of the
wanted model.  Tetrahedron and molecules are turned at random.  A bead that stands for one molecule becomes
one, its heavy atom on the bead.  An ion is where its bead is.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from msb.core.geometry import rotations_from_uniform
from msb.core.noise import uniform_block
from msb.errors import ConfigError

__all__ = ["WATER_GEOMETRY", "fill_waters", "place_ions", "water_positions"]

WATER_GEOMETRY: dict[str, tuple[float, float]] = {
    "spc": (0.1, 109.47),
    "spce": (0.1, 109.47),
    "tip3p": (0.09572, 104.52),
    "tip4p": (0.09572, 104.52),
}
"""O-H bond (nm) and H-O-H angle (degrees) of rigid water models; of four-site ones the three atoms."""

_NEIGHBOURS = 0.28  # nm; from oxygen to oxygen in water
_SITES = {
    1: [[0.0, 0.0, 0.0]],
    2: [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]],
    3: [[1.0, 0.0, 0.0], [-0.5, 0.8660254, 0.0], [-0.5, -0.8660254, 0.0]],
    4: [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]],
}


def water_positions(model: str = "tip3p") -> NDArray[np.float64]:
    """O, H, H of a water molecule (3, 3), nm, the oxygen at the origin.

    Raises
    ------
    ConfigError
        If the model is unknown.
    """
    if model not in WATER_GEOMETRY:
        raise ConfigError(f"`{model}` is not a water model; known models: {', '.join(WATER_GEOMETRY)}")
    length, degrees = WATER_GEOMETRY[model]
    half = np.radians(degrees) / 2
    x, y = length * np.cos(half), length * np.sin(half)
    return np.array([[0.0, 0.0, 0.0], [x, y, 0.0], [x, -y, 0.0]])


def fill_waters(
    beads: ArrayLike,
    *,
    per_bead: int = 4,
    geometry: ArrayLike | str = "tip3p",
    seed: int = 0,
    frame: int = 0,
) -> NDArray[np.float32]:
    """Molecules of water for beads of water.

    Parameters
    ----------
    beads : array_like (W, 3)
        nm.
    per_bead : int
        Molecules that a bead stands for, 1 to 4; Martini's W is 4.
    geometry : array_like (a, 3) or str
        Atoms of one molecule about its heavy atom, nm, or a name of `WATER_GEOMETRY`.
    seed, frame : int
        The same give the same places.

    Returns
    -------
    float32 array (W, per_bead, a, 3)
        nm.  The mean of a bead's heavy atoms is the bead.

    Raises
    ------
    ConfigError
        If there is no rule for so many molecules, or no such model.
    """
    if per_bead not in _SITES:
        raise ConfigError(f"a bead can stand for 1 to {max(_SITES)} molecules of water, not {per_bead}")
    molecule = water_positions(geometry) if isinstance(geometry, str) else np.asarray(geometry, np.float64)
    places = np.asarray(beads, dtype=np.float64).reshape(-1, 3)
    sites = np.array(_SITES[per_bead])
    if per_bead > 1:
        sites *= _NEIGHBOURS / np.linalg.norm(sites[0] - sites[1])
    draws = uniform_block(seed, frame, 3 * len(places) * (per_bead + 1), dtype=np.float64)
    turns = rotations_from_uniform(torch.from_numpy(draws.reshape(len(places), per_bead + 1, 3))).numpy()
    heavy = places[:, None] + sites @ turns[:, 0]
    atoms = heavy[:, :, None] + molecule @ turns[:, 1:]
    return np.asarray(atoms, dtype=np.float32)


def place_ions(beads: ArrayLike) -> NDArray[np.float32]:
    """Ions for their beads (I, 3), nm: at the same places, without the water that a bead may imply."""
    return np.asarray(beads, dtype=np.float32).reshape(-1, 3).copy()
