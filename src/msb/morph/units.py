"""From a top-down model's lengths to nm: athermal models say everything in units of the bead diameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from msb.core.arrays import FloatArray
from msb.core.box import minimum_image, volume
from msb.core.topology import Topology
from msb.errors import ConfigError, TopologyError

__all__ = ["How", "LengthScale", "length_scale"]

How = Literal["auto", "bond", "density"] | float

_SAME = 1.4  # bonds within this factor of the target's are in nm already
_KREMER_GREST_BOND = 0.965  # sigma; Kremer and Grest, J. Chem. Phys. 92, 5057 (1990)


@dataclass(frozen=True)
class LengthScale:
    """What to multiply the file's lengths by.

    Attributes
    ----------
    factor : float
        nm per nm of the file.
    how : str
        A sentence for the user: what was found and done.
    """

    factor: float
    how: str


def length_scale(
    positions: FloatArray,
    boxes: FloatArray | None,
    topology: Topology,
    *,
    bond: float,
    density: float,
    how: How = "auto",
) -> LengthScale:
    """Return the factor that brings a structure to the target's lengths.

    `auto` leaves a structure as it is whose mean bond is within a factor of 1.4 of the target's. Anything
    else is in reduced units (a Kremer-Grest bond is 0.965 sigma, and files have 0.1 nm or 1 nm for sigma): it
    is scaled to the target's number density, as the thesis does, or where there is no box by the bond.

    Parameters
    ----------
    positions : ndarray (F, N, 3)
        nm of the file; molecules may be cut by the box.
    boxes : ndarray (F, 3, 3), or None
        Row vectors, nm of the file.
    topology : Topology
        The chains.
    bond : float
        The target's mean bond, nm.
    density : float
        The target's beads per nm^3.
    how : "auto", "bond", "density" or float
        What to scale by, or the factor itself.

    Returns
    -------
    LengthScale

    Raises
    ------
    ConfigError
        `how` is no such word and no positive number, or the density is asked for without a box.
    TopologyError
        There are no bonds to tell by.

    Notes
    -----
    Lengths scaled by the density put the top-down model where the thesis (section 7.2.1) has it: its bonds
    are then shorter than the target's, which is for morphing to mend.
    """
    if not isinstance(how, str):
        if not (np.isfinite(how) and how > 0):
            raise ConfigError(f"lengths cannot be multiplied by {how}: give a positive number")
        return LengthScale(float(how), f"lengths are multiplied by {how:g}, as given")
    if how not in ("auto", "bond", "density"):
        raise ConfigError(f"lengths can be scaled by auto, bond, density or a number, not by {how!r}")
    if boxes is not None and not np.asarray(boxes).any():
        boxes = None
    own_density = None if boxes is None else topology.n_atoms / float(np.mean(np.asarray(volume(boxes))))
    if how == "density" and own_density is None:
        raise ConfigError("lengths cannot be scaled by the density without a box; give `bond` or a number")
    own_bond = _mean_bond(positions, boxes, topology) if len(topology.bonds) or how != "density" else None
    if how == "auto" and own_bond is not None and 1 / _SAME <= own_bond / bond <= _SAME:
        return LengthScale(1.0, _nm_already(own_bond, bond, own_density, density))
    reason = _unlike(own_bond, bond) if how == "auto" and own_bond is not None else ""
    if how == "bond" or own_density is None:
        factor = bond / _known(own_bond)
        return LengthScale(factor, f"{reason}{_scaled(factor)}: the mean bond becomes {bond:.3g} nm")
    factor = (own_density / density) ** (1 / 3)
    words = f"{reason}{_scaled(factor)}: the density becomes the target's, {density:.3g} beads/nm^3"
    if own_bond is not None:
        words += f", the mean bond {factor * own_bond:.3g} nm (target: {bond:.3g} nm)"
    return LengthScale(factor, words)


def _mean_bond(positions: FloatArray, boxes: FloatArray | None, topology: Topology) -> float:
    """Return the mean bond in nm of the file."""
    if not len(topology.bonds):
        raise TopologyError(
            "the beads have no bonds, so their unit of length cannot be told; give the factor to nm"
        )
    x = np.asarray(positions, dtype=np.float64)
    i, j = topology.bonds.T
    cells = None if boxes is None else np.asarray(boxes, dtype=np.float64)
    vectors = np.asarray(minimum_image(x[:, j] - x[:, i], cells))
    return float(np.linalg.norm(vectors, axis=-1).mean())


def _known(own_bond: float | None) -> float:
    if not own_bond:
        raise TopologyError("all bonds have length zero, so no factor to nm can be told")
    return own_bond


def _nm_already(own: float, bond: float, own_density: float | None, density: float) -> str:
    words = f"lengths are taken as nm: the mean bond is {own:.3g} nm (target: {bond:.3g} nm)"
    ratio = 1.0 if own_density is None else own_density / density
    if own_density is not None and not 1 / _SAME <= ratio <= _SAME:
        words += (
            f"; but there are {own_density:.3g} beads/nm^3, not {density:.3g}: if these are reduced units, "
            "choose --scale density"
        )
    return words


def _unlike(own: float, bond: float) -> str:
    return (
        f'a mean bond of {own:.3g} "nm" against {bond:.3g} nm of the target: these are reduced units '
        f"(a Kremer-Grest bond is {_KREMER_GREST_BOND} sigma), not nm; "
    )


def _scaled(factor: float) -> str:
    return f"lengths are multiplied by {factor:.4g}"
