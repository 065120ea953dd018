"""Total energies of molecules: their own, and half of what they share with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from msb.analysis.structure.distributions import checked_positions, frame_boxes
from msb.analysis.structure.energies import LennardJones
from msb.analysis.structure.pairs import NearPairs, NonbondedPairs
from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.errors import EnergyError
from msb.units import COULOMB

__all__ = ["intramolecular_energies", "total_energies"]

FloatArray = NDArray[np.float64]


def intramolecular_energies(
    positions: ArrayLike,
    topology: Topology,
    energies: Mapping[str, Callable[[Tensor], Tensor]],
    boxes: ArrayLike | None = None,
) -> FloatArray:
    """Return the energy of every molecule by itself.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    energies : mapping of molecule name to callable
        Of positions (B, n, 3) to kJ/mol (B,): `msb.energy.Energy` of one molecule without a box.
    boxes : array_like (F, 3, 3) or (3, 3), optional
        Row vectors, nm; molecules are made whole.

    Returns
    -------
    ndarray (F, molecules)
        kJ/mol.

    Raises
    ------
    EnergyError
        A kind of molecule has no energy.
    TrajectoryError
        There is no frame, or positions do not fit.
    """
    missing = [template.name for template in topology.templates if template.name not in energies]
    if missing:
        raise EnergyError(f"there is no energy for {', '.join(missing)}: give one for every kind of molecule")
    x = checked_positions(positions, topology)
    x = x if boxes is None else make_whole(x, np.asarray(boxes, dtype=np.float64), topology)
    found = []
    with torch.no_grad():
        for template, block in topology.split(x):
            flat = torch.from_numpy(np.ascontiguousarray(block).reshape(-1, template.n_atoms, 3))
            found.append(energies[template.name](flat).reshape(len(x), -1).numpy())
    return np.concatenate(found, axis=1)


def total_energies(
    positions: ArrayLike,
    topology: Topology,
    boxes: ArrayLike | None,
    energies: Mapping[str, Callable[[Tensor], Tensor]],
    parameters: LennardJones,
    *,
    cutoff: float = 0.8,
    dielectric: float | None = None,
) -> FloatArray:
    r"""Return the energy of every molecule: its own, and half of that of its pairs with other molecules.

    Pairs of different molecules have Lennard-Jones with a plain cutoff and, where a dielectric constant is
    given, Coulomb with a reaction field, :math:`q (1/r + k r^2 - c)` with
    :math:`k = r_c^{-3} (\epsilon - 1) / (2 \epsilon + 1)` and
    :math:`c = 3 \epsilon / (r_c (2 \epsilon + 1))`.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system; its charges are used.
    boxes : array_like (F, 3, 3) or (3, 3), or None
        Row vectors, nm.
    energies
        As `intramolecular_energies`.
    parameters : LennardJones
        Of the system.
    cutoff : float
        nm.
    dielectric : float, optional
        Beyond the cutoff; without it there is no Coulomb energy between molecules.

    Returns
    -------
    ndarray (F, molecules)
        kJ/mol.

    Raises
    ------
    EnergyError, TrajectoryError, ConfigError
        As `intramolecular_energies` and `near_pairs`.
    """
    totals = intramolecular_energies(positions, topology, energies, boxes)
    x, finder, owner = (
        checked_positions(positions, topology),
        NonbondedPairs(topology, 0),
        topology.molecule_index,
    )
    cells = frame_boxes(boxes, len(x))
    for total, frame, box in zip(totals, x, cells, strict=True):
        pairs = finder.find(frame, box, cutoff)
        pairs = pairs[owner[pairs.first] != owner[pairs.second]]
        values = parameters.pair_energies(pairs)
        if dielectric is not None:
            values = values + _reaction_field(pairs, np.asarray(topology.charges), cutoff, dielectric)
        for side in (pairs.first, pairs.second):
            total += np.bincount(owner[side], 0.5 * values, len(total))
    return totals


def _reaction_field(pairs: NearPairs, charges: FloatArray, cutoff: float, dielectric: float) -> FloatArray:
    k = (dielectric - 1) / (2 * dielectric + 1) / cutoff**3
    c = 3 * dielectric / (2 * dielectric + 1) / cutoff
    r = pairs.distances
    return np.asarray(COULOMB * charges[pairs.first] * charges[pairs.second] * (1 / r + k * r * r - c))
