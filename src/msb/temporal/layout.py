"""Which internal coordinates are constant, stiff or rotors, and which of them remember the frame before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.core.features import bead_features, choose_frame
from msb.core.internal import InternalCoordinates
from msb.nn.flow import wrap_angle

__all__ = ["Layout", "measure_layout"]

_CONSTANT_LENGTH = 2e-5  # nm: a constrained bond after rounding to float32 or five decimals
_CONSTANT_ANGLE = 2e-4  # rad
_ROTOR_SPREAD = 0.6  # rad: above this circular spread a dihedral has several minima, or none
_MEMORY = 0.1  # autocorrelation over one frame, above which a stiff coordinate is conditioned on its past


@dataclass(frozen=True)
class Layout:
    """What each internal coordinate of a molecule is, measured on training data.

    Attributes
    ----------
    frame : tuple of int
        Beads (origin, axis, plane) of the canonical frame.
    stiff : list of (placement, component)
        Coordinates with one narrow peak, component 0, 1, 2 = distance, angle, dihedral.
    rotors : list of int
        Placements whose dihedral turns.
    slow : list of int
        Positions in `stiff` of those that remember the frame before.
    """

    frame: tuple[int, int, int]
    stiff: tuple[tuple[int, int], ...]
    rotors: tuple[int, ...]
    slow: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for a model's file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Layout:
        """The inverse of :meth:`to_dict`."""
        o, a, p = data["frame"]
        stiff = tuple((int(k), int(j)) for k, j in data["stiff"])
        return cls((o, a, p), stiff, tuple(data["rotors"]), tuple(data["slow"]))


def measure_layout(
    chart: InternalCoordinates, positions: Tensor, beads: Tensor, bead_bonds: NDArray[np.int64]
) -> tuple[Layout, Tensor, Tensor]:
    """Classify the coordinates of a trajectory.

    Parameters
    ----------
    chart : InternalCoordinates
    positions : Tensor (F, N, 3)
        Consecutive frames, nm.
    beads : Tensor (F, M, 3)
    bead_bonds : int array (K, 2)

    Returns
    -------
    Layout
    centre, spread : Tensor (n_placed, 3)
        Means (circular for dihedrals) and standard deviations, nm and rad.
    """
    internal = chart.encode(positions.double(), beads.double())
    centre = internal.mean(0)
    cartesian = torch.tensor([p.root for p in chart.placements])
    circular = torch.atan2(internal[..., 2].sin().mean(0), internal[..., 2].cos().mean(0))
    centre[:, 2] = torch.where(cartesian, centre[:, 2], circular)
    offset = internal - centre
    offset[..., 2] = torch.where(cartesian, offset[..., 2], wrap_angle(offset[..., 2]))
    spread = offset.square().mean(0).sqrt()
    rotors = tuple(
        k for k in range(chart.n_placed) if not chart.placements[k].root and spread[k, 2] > _ROTOR_SPREAD
    )
    stiff = tuple(
        (k, j)
        for k in range(chart.n_placed)
        for j in range(3)
        if not (j == 2 and k in rotors)
        and spread[k, j] > (_CONSTANT_LENGTH if j == 0 or chart.placements[k].root else _CONSTANT_ANGLE)
    )
    frame = choose_frame(beads, bead_bonds)
    columns = torch.stack([offset[:, k, j] / spread[k, j] for k, j in stiff], dim=-1)
    slow = _remembering(columns, bead_features(beads.double(), frame))
    return Layout(frame, stiff, rotors, slow), centre, spread


def _remembering(columns: Tensor, features: Tensor) -> tuple[int, ...]:
    """Columns whose part not explained linearly by the beads correlates over one frame."""
    design = torch.cat([features, torch.ones(len(features), 1, dtype=features.dtype)], dim=-1)
    residual = columns - design @ torch.linalg.lstsq(design, columns, driver="gelsd").solution
    variance = residual.square().mean(0).clamp_min(1e-30)
    correlation = (residual[1:] * residual[:-1]).mean(0) / variance
    return tuple(int(k) for k in torch.nonzero(correlation > _MEMORY).flatten())
