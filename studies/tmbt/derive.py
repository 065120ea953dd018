"""Potentials out of the all-atom beads: bonded ones by direct inversion, the rest by iteration.

D. Reith, M. Puetz, F. Mueller-Plathe, J. Comput. Chem. 24, 1624 (2003), with the pressure correction of the
paper's equation 6.2. As printed there, its sign would drive the pressure away; VOTCA's is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from potentials import CUTOFF, IMPROPER, KT, MODELS, PROPER, SPACING, TERMS, Fields, values

from msb.analysis.structure import radial_distributions
from msb.core.topology import Topology

from coarse import TYPES, Mixture, kind_of  # isort: skip  (of hexane_assess, which potentials makes known)
from invert import DAMPING, SEEN, _middles, _smooth, _table  # isort: skip

__all__ = ["factors", "first_guess", "improve", "press", "radial"]

FloatArray = NDArray[np.float64]
NORMALS = 3  # of a bond's or an angle's density
SAMPLES = 50_000  # of it that are enough
TORSION_BINS = 72
TARGET_PRESSURE = 1.0  # bar
PRESSURE_FACTOR = 0.001  # 1/bar, the paper's f
RESCALING = 0.7  # of what would bring a harmonic term home at once
LIMITS = (0.5, 2.0)  # of one rescaling


def radial(beads: FloatArray, boxes: FloatArray, topology: Topology) -> dict[str, FloatArray]:
    """Return g(r) by types of beads, pairs up to three bonds apart left out, in bins of `SPACING`."""
    edges = np.linspace(0, CUTOFF, round(CUTOFF / SPACING) + 1)
    found = radial_distributions(beads, topology, boxes, edges, exclude_bonds=3)
    return {kind_of(*name.split("-")): distribution.g for name, distribution in found.items()}


def first_guess(beads: FloatArray, target: dict[str, FloatArray]) -> Fields:
    """Return direct Boltzmann inversions of everything.

    Parameters
    ----------
    beads : ndarray (F, M, 3)
        Of the all-atom liquid, nm, molecules whole.
    target : dict of str to ndarray
        Its g(r).
    """
    curves, lengths = {}, {}
    for term, members in TERMS.items():
        found = values(term, beads)
        some = found[:: max(1, len(found) // SAMPLES)]
        if term == PROPER:
            curves[term] = _cosines(found)
        elif term == IMPROPER:
            curves[term] = (float(KT / np.mean(found**2)),)
        elif len(members[0]) == 3:
            curves[term] = Mixture.fit(some, 1.0 / np.maximum(np.sin(some), 0.05), NORMALS)
        else:
            curves[term] = Mixture.fit(some, some**-2.0, NORMALS)
            lengths[term] = float(found.mean())
    pairs = {}
    for kind in TYPES:
        g = _smooth(target[kind])
        pairs[kind] = _table(-KT * np.log(np.maximum(g, 1e-9)), g > SEEN)
    return Fields(curves, lengths, dict.fromkeys(TERMS, 1.0), pairs)


def _cosines(torsions: FloatArray) -> tuple[float, ...]:
    """Return the six coefficients that come nearest to the inverted distribution, by least squares."""
    edges = np.linspace(-np.pi, np.pi, TORSION_BINS + 1)
    counts = np.histogram(torsions, edges)[0] + np.histogram(-torsions, edges)[0] + 1.0
    powers = np.cos(0.5 * (edges[1:] + edges[:-1]) - np.pi)[:, None] ** np.arange(6)
    weights = np.sqrt(counts / counts.max()) + 0.05
    energy = -KT * np.log(counts / counts.max())
    found = np.linalg.lstsq(powers * weights[:, None], energy * weights, rcond=None)[0]
    return tuple(found.tolist())


def improve(fields: Fields, found: dict[str, FloatArray], target: dict[str, FloatArray]) -> Fields:
    """Return the next iteration: every table corrected by kT times the logarithm of found over target."""
    pairs = {}
    for kind in TYPES:
        g, wanted = _smooth(found[kind]), _smooth(target[kind])
        seen = (g > SEEN) & (wanted > SEEN)
        change = np.where(seen, KT * np.log(np.maximum(g, 1e-9) / np.maximum(wanted, 1e-9)), 0.0)
        middle = _middles(np.array(fields.pairs[kind]))
        pairs[kind] = _table(middle + DAMPING * _smooth(change), wanted > SEEN)
    return Fields(fields.curves, fields.lengths, fields.scales, pairs)


def press(fields: Fields, pressure: float) -> Fields:
    """Return the fields with a linear pull where the pressure, bar, is too high, else a push."""
    away = pressure - TARGET_PRESSURE
    height = -np.sign(away) * 0.1 * KT * min(1.0, PRESSURE_FACTOR * abs(away))
    r = SPACING * np.arange(round(CUTOFF / SPACING) + 1)
    change = height * (1 - r / CUTOFF)
    pairs = {kind: tuple((np.array(table) + change).tolist()) for kind, table in fields.pairs.items()}
    return Fields(fields.curves, fields.lengths, fields.scales, pairs)


def factors(fields: Fields, model: str, found: FloatArray, wanted: FloatArray) -> dict[str, float]:
    """Return what every bonded term of a model is to be multiplied by.

    The mean of a term above its least, not scaled, is larger than in the all-atom liquid where the term is
    too weak; for a harmonic one it goes as one over the factor.

    Parameters
    ----------
    fields : Fields
    model : str
    found, wanted : ndarray (F, M, 3)
        Beads of the model and of the all-atom liquid, nm, molecules whole.
    """
    result = {}
    for term in MODELS[model]:
        ours, theirs = (fields.energy(term, values(term, x)) for x in (found, wanted))
        least = min(ours.min(), theirs.min())
        ratio = max(ours.mean() - least, 1e-6) / max(theirs.mean() - least, 1e-6)
        result[term] = float(np.clip(ratio**RESCALING, *LIMITS))
    return result
