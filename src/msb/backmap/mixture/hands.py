"""Wanted handedness of every atom with four neighbours, in the order in which they are placed.

True stereocentres come with the system.  Centres with two equal neighbours (a CH2) have a hand too as soon as
their hydrogens have numbers; where all copies of a training set agree on it, it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.backmap.mixture.layout import Layout
from msb.core.topology import Topology

__all__ = ["Labels", "measure_labels", "wanted_hands"]

Labels = dict[str, int]
"""Sign by kind of centre: its type, and those of its neighbours in order of placement."""


def wanted_hands(
    topology: Topology, layout: Layout, labels: Labels, hands: NDArray[np.int8] | None
) -> Tensor:
    """Signs (N,) of all atoms as `Layout.signs_of` measures them; 0 where any will do.

    Parameters
    ----------
    topology : Topology
    layout : Layout
        Of the same system.
    labels : dict
        Of centres that are no stereocentres.
    hands : int8 array (C,) or None
        Of stereocentres, in the order of their atoms, as `MoleculeTemplate.chirality` measures them.
    """
    found = np.zeros(topology.n_atoms, dtype=np.float32)
    corners = layout.corners.numpy()
    types = topology.atom_types
    centres = _stereocentres(topology)
    is_centre = np.zeros(topology.n_atoms, dtype=bool)
    is_centre[centres[:, 0]] = True
    for atom in np.flatnonzero((corners[:, 0] >= 0) & ~is_centre).tolist():
        found[atom] = labels.get(_name(types, atom, corners[atom]), 0)
    if hands is not None and len(centres):
        # a hand is the sign of the volume of the four neighbours in ascending order
        place = [
            [row[1:].tolist().index(a) for a in corners[row[0]].tolist()] if corners[row[0], 0] >= 0 else None
            for row in centres
        ]
        parity = np.array([0 if p is None else _parity(p) for p in place])
        found[centres[:, 0]] = parity * np.asarray(hands, dtype=np.float32)
    return torch.from_numpy(found)


def measure_labels(parts: Sequence[tuple[Topology, Layout, Tensor]]) -> Labels:
    """Signs on which all copies of a kind of centre agree.

    Parameters
    ----------
    parts : sequence of (Topology, Layout, Tensor (F, N))
        Systems with the signs of their frames.
    """
    seen: dict[str, set[int]] = {}
    for topology, layout, signs in parts:
        corners, types = layout.corners.numpy(), topology.atom_types
        low, high = signs.amin(0).numpy(), signs.amax(0).numpy()
        stereo = set(_stereocentres(topology)[:, 0].tolist())
        for atom in np.flatnonzero(corners[:, 0] >= 0).tolist():
            if atom not in stereo:
                name = _name(types, atom, corners[atom])
                seen.setdefault(name, set()).update((int(low[atom]), int(high[atom])))
    return {name: values.copy().pop() for name, values in sorted(seen.items()) if len(values) == 1}


def _stereocentres(topology: Topology) -> NDArray[np.int64]:
    """Atoms and their four neighbours, ascending (C, 5)."""
    rows: list[list[int]] = []
    for template, first, count in topology.blocks():
        own = [[a, *sorted(int(b) for b in template.neighbours[a])] for a in template.stereocentres]
        rows += [[x + first + copy * template.n_atoms for x in row] for copy in range(count) for row in own]
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def _name(types: NDArray[np.str_], atom: int, corners: NDArray[np.int64]) -> str:
    return f"{types[atom]}|{','.join(str(types[a]) for a in corners)}"


def _parity(first_three: list[int]) -> int:
    """Sign of the permutation of four that begins with these places."""
    order = [*first_three, 6 - sum(first_three)]
    swaps = sum(order[i] > order[j] for i in range(4) for j in range(i + 1, 4))
    return -1 if swaps % 2 else 1
