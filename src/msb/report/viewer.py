"""Frames of molecules, packed small enough to sit inside a page."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALE", "unpack", "viewer_data"]

SCALE = 1e-4  # nm per step of the 16-bit integers: ± 3.27 nm around the centre


def viewer_data(
    panels: Mapping[str, NDArray[np.floating]],
    beads: NDArray[np.floating],
    elements: Sequence[str],
    bonds: NDArray[np.integer],
    bead_bonds: NDArray[np.integer],
    times: Sequence[str],
) -> dict[str, Any]:
    """Pack the frames of one molecule, seen several ways, as the page's script reads them.

    Every frame is turned and moved so that its beads lie on those of the first frame (least squares): the
    molecule moves inside and does not tumble.

    Parameters
    ----------
    panels : mapping of label to ndarray (F, N, 3)
        Atoms in nm; the same frames in each panel.
    beads : ndarray (F, M, 3)
        Their beads in nm.
    elements : sequence of str, length N
        Chemical symbols.
    bonds, bead_bonds : ndarray (B, 2), (K, 2) of int
        Pairs of atoms, pairs of beads.
    times : sequence of str, length F
        What to print under each frame.

    Returns
    -------
    dict
        JSON-able; positions as base64 of little-endian int16 in units of `SCALE` nm.
    """
    import torch

    from msb.core.geometry import kabsch

    centre = beads[0].mean(0)
    moving = torch.as_tensor(beads, dtype=torch.float64)
    rotation, shift = kabsch(
        moving, torch.as_tensor(beads[0] - centre, dtype=torch.float64).expand_as(moving)
    )
    turn, move = rotation.numpy(), shift.numpy()[:, None]
    return {
        "labels": list(panels),
        "atoms": [_pack(positions @ turn + move) for positions in panels.values()],
        "beads": _pack(beads @ turn + move),
        "elements": list(elements),
        "bonds": np.asarray(bonds).tolist(),
        "beadBonds": np.asarray(bead_bonds).tolist(),
        "times": list(times),
        "scale": SCALE,
    }


def unpack(text: str, count: int) -> NDArray[np.float64]:
    """Return the positions (F, count, 3) in nm that the page's script makes of packed ones."""
    return np.frombuffer(b64decode(text), dtype="<i2").reshape(-1, count, 3) * SCALE


def _pack(positions: NDArray[np.floating]) -> str:
    limits = np.iinfo(np.int16)
    steps = np.clip(np.round(positions / SCALE), limits.min, limits.max)
    return b64encode(steps.astype("<i2").tobytes()).decode("ascii")
