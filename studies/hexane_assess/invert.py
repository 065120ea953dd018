"""Potentials out of the all-atom distributions: direct inversion of the bonded ones, iterative of the rest.

D. Reith, M. Puetz, F. Mueller-Plathe, J. Comput. Chem. 24, 1624 (2003).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from coarse import CUTOFF, KT, SPACING, TYPES, Mixture, Potentials, bead_system, dynamics, kind_of
from numpy.typing import NDArray

from msb.analysis.structure import radial_distributions
from msb.core.topology import Topology

__all__ = ["first_guess", "improve", "invert", "radial"]

FloatArray = NDArray[np.float64]
BONDS, ANGLES = 3, 3  # normals
DAMPING = 0.8  # of an iteration's correction
SEEN = 0.05  # of g(r): below, the counts say too little
CORE = 2e4  # kJ/mol/nm^2, curvature inside of what was seen
SETTLE, FRAMES, EVERY = 400, 30, 60


def bonds_and_angles(beads: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lengths (R,) in nm and angles (R',) in radians of whole three-bead molecules (F, M, 3)."""
    x = beads.reshape(-1, 3, 3)
    one, other = x[:, 0] - x[:, 1], x[:, 2] - x[:, 1]
    lengths = np.linalg.norm(np.stack([one, other]), axis=-1)
    cosine = (one * other).sum(-1) / lengths.prod(axis=0)
    return lengths.ravel(), np.arccos(np.clip(cosine, -1, 1))


def radial(beads: FloatArray, boxes: FloatArray, topology: Topology) -> dict[str, FloatArray]:
    """Return g(r) between molecules by types of beads, in bins of `SPACING` to `CUTOFF`."""
    edges = np.linspace(0, CUTOFF, round(CUTOFF / SPACING) + 1)
    found = radial_distributions(beads, topology, boxes, edges, exclude_bonds=2)
    return {kind_of(*name.split("-")): distribution.g for name, distribution in found.items()}


def first_guess(beads: FloatArray, target: dict[str, FloatArray]) -> Potentials:
    """Return direct Boltzmann inversions of everything."""
    lengths, angles = bonds_and_angles(beads)
    bond = Mixture.fit(lengths, lengths**-2.0, BONDS)
    angle = Mixture.fit(angles, 1.0 / np.maximum(np.sin(angles), 0.05), ANGLES)
    pairs = {}
    for kind in TYPES:
        g = _smooth(target[kind])
        pairs[kind] = _table(-KT * np.log(np.maximum(g, 1e-9)), g > SEEN)
    return Potentials(bond, angle, pairs)


def improve(
    potentials: Potentials, found: dict[str, FloatArray], target: dict[str, FloatArray]
) -> Potentials:
    """Return the next iteration: every table corrected by kT times the logarithm of found over target."""
    pairs = {}
    for kind in TYPES:
        g, wanted = _smooth(found[kind]), _smooth(target[kind])
        seen = (g > SEEN) & (wanted > SEEN)
        change = np.where(seen, KT * np.log(np.maximum(g, 1e-9) / np.maximum(wanted, 1e-9)), 0.0)
        middle = _middles(np.array(potentials.pairs[kind]))
        pairs[kind] = _table(middle + DAMPING * _smooth(change), wanted > SEEN)
    return Potentials(potentials.bond, potentials.angle, pairs)


def invert(
    beads: FloatArray,
    boxes: FloatArray,
    topology: Topology,
    iterations: int,
    seed: int,
    told: Callable[[int, Potentials, float], None],
    begin: tuple[int, Potentials] | None = None,
    settle: int = SETTLE,
    frames: int = FRAMES,
) -> Potentials:
    """Iterate; the bonded terms stay what they are.

    Parameters
    ----------
    beads : ndarray (F, M, 3)
        Of the all-atom liquid, nm, molecules whole.
    boxes : ndarray (F, 3, 3)
        nm; all the same cube.
    topology : Topology
        Of the beads.
    iterations, seed : int
    told : callable
        Given the number of each iteration, its potentials and the largest mean difference of a g(r).
    begin : (int, Potentials), optional
        Iterations that are done, and what they gave.
    settle, frames : int
        Steps before the first frame; frames of an iteration.
    """
    target = radial(beads, boxes, topology)
    done, potentials = begin or (0, first_guess(beads, target))
    for number in range(done, iterations):
        system = bead_system(potentials, topology, float(boxes[0, 0, 0]))
        x = np.stack(list(dynamics(system, beads[number % len(beads)], settle, frames, EVERY, seed + number)))
        found = radial(x, np.repeat(boxes[:1], len(x), axis=0), topology)
        off = max(float(np.abs(found[k] - target[k]).mean()) for k in TYPES)
        potentials = improve(potentials, found, target)
        told(number + 1, potentials, off)
    return potentials


def _smooth(values: FloatArray) -> FloatArray:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:])


def _middles(table: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (table[1:] + table[:-1]))


def _table(middles: FloatArray, seen: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return a table on the bins' edges, zero at the cutoff, ever steeper inside of what was seen."""
    r = SPACING * np.arange(len(middles) + 1)
    first = int(np.argmax(seen)) + 1
    edges = np.interp(r, r[:-1] + SPACING / 2, middles)
    edges -= edges[-1]
    slope = max((edges[first] - edges[first + 2]) / (2 * SPACING), 20.0)
    inside = r[first] - r[:first]
    edges[:first] = edges[first] + slope * inside + 0.5 * CORE * inside**2
    return tuple(edges.tolist())
