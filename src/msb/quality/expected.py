"""How long bonds and how wide angles should be: by the force field, a reference, or the elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.core.elements import COVALENT_RADII
from msb.core.stereo import equivalence_classes
from msb.core.template import Interaction, MoleculeTemplate
from msb.quality.limits import Limits
from msb.units import BOLTZMANN

__all__ = ["Expected", "expected_geometry"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SAMPLES = 100  # below, the spread of a reference is not worth much, and the typical one is allowed
_SMALL_RING = 4  # atoms; wider rings have ordinary angles
_Rest = dict[tuple[int, ...], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Expected:
    """Geometry at rest of one molecule's bonds and angles, and how far each may deviate.

    Attributes
    ----------
    lengths, length_limits : ndarray (B,)
        nm, as `MoleculeTemplate.bonds`; no limit where nothing is known (a bond to a metal or a bead).
    angles, angle_limits : ndarray (A,)
        Degrees, as `MoleculeTemplate.angles`.
    """

    lengths: FloatArray
    length_limits: FloatArray
    angles: FloatArray
    angle_limits: FloatArray


def expected_geometry(
    template: MoleculeTemplate,
    limits: Limits,
    lengths: FloatArray | None = None,
    angles: FloatArray | None = None,
) -> Expected:
    """Return the expected geometry of a molecule.

    What the topology says of a term (harmonic, G96, Morse and Urey-Bradley terms, constraints) goes before
    the reference, and the reference before the elements. Terms that the bond graph's symmetry makes equal
    share what the reference says.

    Parameters
    ----------
    template : MoleculeTemplate
        The molecule.
    limits : Limits
        Thresholds.
    lengths : ndarray (S, B), optional
        nm, in the samples of a reference.
    angles : ndarray (S, A), optional
        Degrees.

    Returns
    -------
    Expected
    """
    length, length_limit = _typical_lengths(template, limits)
    angle, angle_limit = _typical_angles(template, limits)
    if lengths is not None:
        mean, spread = _learnt(template, template.bonds, lengths)
        length = mean
        length_limit = mean * np.clip(limits.widths * spread / mean, limits.bond_least, limits.bond_most)
    if angles is not None:
        angle, spread = _learnt(template, template.angles, angles)
        spread = np.where(np.isfinite(spread), limits.widths * spread, limits.angle_typical)
        angle_limit = np.clip(spread, limits.angle_least, limits.angle_most)
    known = _known(template, limits.temperature)
    for row, (i, j) in enumerate(template.bonds.tolist()):
        if (i, j) in known:
            rest, width = known[i, j]
            length[row] = rest
            length_limit[row] = rest * _share(template, (i, j), limits.widths * width / rest, limits)
    for row, (i, j, k) in enumerate(template.angles.tolist()):
        if (i, j, k) in known:
            angle[row], width = known[i, j, k]
            angle_limit[row] = np.clip(limits.widths * width, limits.angle_least, limits.angle_most)
    return Expected(length, length_limit, angle, angle_limit)


def _share(template: MoleculeTemplate, pair: tuple[int, int], share: float, limits: Limits) -> float:
    """Bound a bond's allowed deviation; bonds of beads may be as soft as they are."""
    real = all(template.elements[a] in COVALENT_RADII for a in pair)
    return float(np.clip(share, limits.bond_least, limits.bond_most if real else np.inf))


def _typical_lengths(template: MoleculeTemplate, limits: Limits) -> tuple[FloatArray, FloatArray]:
    radii = np.array([COVALENT_RADII.get(symbol, np.nan) for symbol in template.elements])
    lengths = radii[template.bonds].sum(axis=1)
    unknown = np.isnan(lengths) | np.array(
        [_holds_rigid(template, i, j) for i, j in template.bonds.tolist()], bool
    )
    return np.where(unknown, 1.0, lengths), np.where(unknown, np.inf, limits.bond_typical * lengths)


def _holds_rigid(template: MoleculeTemplate, i: int, j: int) -> bool:
    """Tell whether a pair is two hydrogens of one atom: some files bond them to hold a water rigid."""
    if template.elements[i] != "H" or template.elements[j] != "H" or j not in template.neighbours[i]:
        return False
    return bool(set(template.neighbours[i]) & set(template.neighbours[j]))


def _typical_angles(template: MoleculeTemplate, limits: Limits) -> tuple[FloatArray, FloatArray]:
    planar = set(template.impropers[:, 0].tolist())
    small = [set(ring) for ring in template.rings if len(ring) <= _SMALL_RING]
    values, allowed = [], []
    for i, j, k in template.angles.tolist():
        value, limit = _typical_angle(template, j, j in planar)
        if any(_holds_rigid(template, *pair) for pair in ((i, j), (j, k), (i, k))):
            value, limit = 109.5, np.inf
        strained = [ring for ring in small if j in ring]
        inside = [ring for ring in strained if i in ring and k in ring]
        if inside and np.isfinite(limit):
            value = 180.0 - 360.0 / len(inside[0])
        elif strained:
            limit += 15.0
        values.append(value)
        allowed.append(limits.angle_typical + limit)
    return np.array(values, dtype=np.float64), np.array(allowed, dtype=np.float64)


def _typical_angle(template: MoleculeTemplate, centre: int, planar: bool) -> tuple[float, float]:
    """Return an angle in degrees and what may be added to its usual limit."""
    around = len(template.neighbours[centre])
    symbol = template.elements[centre]
    if symbol not in COVALENT_RADII or around > 4:
        return 109.5, np.inf
    if around == 4:
        return 109.5, 0.0
    if around == 3:
        return (120.0, 0.0) if planar else (109.5, 0.0)
    if symbol in ("C", "N", "B"):  # linear, or bent where hydrogens are not explicit
        return 140.0, 10.0
    return (125.0, 5.0) if symbol == "Si" else (112.0, 5.0)


def _learnt(
    template: MoleculeTemplate, terms: IntArray, samples: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of every term, pooled over equivalent ones.

    An infinite deviation says that there are too few samples.
    """
    classes = np.array(
        equivalence_classes(
            [(e, len(n)) for e, n in zip(template.elements, template.neighbours, strict=True)],
            template.neighbours,
        )
    )
    rows = classes[terms]
    turned = rows[:, ::-1]
    ends = rows[:, 0] > rows[:, -1]
    rows = np.where(ends[:, None], turned, rows)
    _, group = np.unique(rows, axis=0, return_inverse=True)
    group = group.ravel()
    count = np.bincount(group) * len(samples)
    mean = np.bincount(group, samples.sum(axis=0)) / count
    square = np.bincount(group, ((samples - mean[group]) ** 2).sum(axis=0)) / count
    spread = np.where(count >= _SAMPLES, np.sqrt(square), np.inf)
    return mean[group], spread[group]


def _known(template: MoleculeTemplate, temperature: float) -> _Rest:
    """Return value at rest and thermal width, nm or degrees, of the terms that the topology holds."""
    found: _Rest = {}
    for entry in template.interactions:
        rule = _RULES.get((entry.kind, entry.function))
        numbers = [p for p in entry.parameters if not isinstance(p, str)]
        if rule is None or len(numbers) != len(entry.parameters) or not numbers:
            continue
        try:
            rest, constant = rule(numbers)
        except IndexError:
            continue
        width = np.sqrt(BOLTZMANN * temperature / constant) if constant > 0 else 0.0
        if len(entry.atoms) == 3:
            width = np.degrees(width)
        if rest > 0:
            found[_key(entry)] = (rest, float(width))
    return found


def _key(entry: Interaction) -> tuple[int, ...]:
    atoms = tuple(entry.atoms)
    return atoms if atoms[0] < atoms[-1] else atoms[::-1]


def _harmonic(p: list[float]) -> tuple[float, float]:
    return p[0], p[1]


def _quartic_bond(p: list[float]) -> tuple[float, float]:
    return p[0], 2.0 * p[1] * p[0] ** 2


def _morse(p: list[float]) -> tuple[float, float]:
    return p[0], 2.0 * p[1] * p[2] ** 2


def _cosine_angle(p: list[float]) -> tuple[float, float]:
    return p[0], p[1] * max(np.sin(np.radians(p[0])), 0.3) ** 2


def _stiff(p: list[float]) -> tuple[float, float]:
    return p[0], np.inf


_RULES: dict[tuple[str, int], Callable[[list[float]], tuple[float, float]]] = {
    ("bonds", 1): _harmonic,
    ("bonds", 2): _quartic_bond,
    ("bonds", 3): _morse,
    ("bonds", 6): _harmonic,
    ("constraints", 1): _stiff,
    ("constraints", 2): _stiff,
    ("settles", 1): _stiff,
    ("angles", 1): _harmonic,
    ("angles", 2): _cosine_angle,
    ("angles", 5): _harmonic,
}
