"""What can be wrong with frames of beads before any atom is placed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.periodic_pairs import periodic_pairs
from msb.errors import MsbWarning, TrajectoryError

__all__ = ["check_frames"]

_ONE_POINT = 1e-3  # nm
_STRETCHED = 1.5  # times the longest that training had
_NAMED = 4

Floats = NDArray[Any]


def check_frames(
    mapping: Mapping,
    beads: Floats,
    boxes: Floats | None,
    numbers: NDArray[np.int64],
    *,
    reach: float,
    longest: float,
) -> None:
    """Refuse frames of beads that cannot be right.

    Parameters
    ----------
    mapping : Mapping
    beads : array (F, M, 3)
        nm, molecules whole.
    boxes : array (F, 3, 3) or None
        nm.
    numbers : int array (F,)
        Of the frames, for messages.
    reach : float
        Distance at which beads see each other, nm.
    longest : float
        Longest distance of bonded beads in training, nm; 0 where it is not known.

    Raises
    ------
    TrajectoryError
        Positions are no numbers, two beads are at one point, or a molecule is broken.

    Warns
    -----
    MsbWarning
        A box is narrower than what a bead sees.
    """
    names = _Names(mapping)
    bonds = np.asarray(mapping.bead_topology().bonds).reshape(-1, 2)
    narrow: list[float] = []
    for k, number in enumerate(np.asarray(numbers).tolist()):
        x = np.asarray(beads[k], dtype=np.float64)
        box = None if boxes is None else np.asarray(boxes[k], dtype=np.float64)
        if not np.isfinite(x).all():
            bead = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise TrajectoryError(f"frame {number}: the position of {names(bead)} is no number")
        _refuse_broken(x, box, bonds, longest, number, names)
        _refuse_one_point(x, box, number, names)
        if box is not None:
            width = float((1.0 / np.linalg.norm(np.linalg.inv(box), axis=0)).min())
            narrow += [width] if width < reach else []
    if narrow:
        warnings.warn(
            f"the box is {min(narrow):.2f} nm wide, smaller than the cutoff within which a bead sees others "
            f"({reach:g} nm): beads see their own images; a larger box would say more about a bulk phase",
            MsbWarning,
            stacklevel=3,
        )


def _refuse_broken(
    x: Floats, box: Floats | None, bonds: NDArray[np.int64], longest: float, number: int, names: _Names
) -> None:
    if not longest or not len(bonds):
        return
    lengths = np.linalg.norm(x[bonds[:, 0]] - x[bonds[:, 1]], axis=1)
    worst = int(lengths.argmax())
    if lengths[worst] > _STRETCHED * longest:
        i, j = bonds[worst].tolist()
        why = (
            "the molecule is broken over a box that the file does not have: give the box, or whole molecules"
            if box is None
            else "check the units (nm in .gro, angstrom in .pdb), the order of the beads and the box"
        )
        raise TrajectoryError(
            f"frame {number}: {names(i)} and {names(j)} are bonded and {lengths[worst]:.2f} nm apart, where "
            f"training had at most {longest:.2f} nm; {why}"
        )


def _refuse_one_point(x: Floats, box: Floats | None, number: int, names: _Names) -> None:
    pairs = periodic_pairs(x, box, _ONE_POINT)
    rows = np.flatnonzero(pairs.first < pairs.second)
    if len(rows):
        told = [f"{names(int(pairs.first[r]))} and {names(int(pairs.second[r]))}" for r in rows[:_NAMED]]
        more = f" and {len(rows) - _NAMED} pairs more" if len(rows) > _NAMED else ""
        raise TrajectoryError(
            f"frame {number}: at one point are {', '.join(told)}{more}; two beads cannot share a place: "
            "correct the positions"
        )


class _Names:
    """Beads in words."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping

    def __call__(self, bead: int) -> str:
        for block in self.mapping.blocks:
            n = block.template.n_beads
            if bead < block.first_bead + n * block.count:
                copy, local = divmod(bead - block.first_bead, n)
                return f"bead {block.template.bead_names[local]} of {block.template.molecule} {copy + 1}"
        return f"bead {bead + 1}"
