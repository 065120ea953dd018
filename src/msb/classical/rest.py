"""What a molecule looks like at rest: bond lengths, angles, planes, ester and amide bonds, hands.

Everything becomes distances between atoms up to three bonds apart, and volumes of four atoms: zero where they
lie in a plane, signed where a centre has a hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.core.elements import COVALENT_RADII, NO_ELEMENT
from msb.core.template import MoleculeTemplate
from msb.errors import TopologyError

__all__ = ["RestGeometry", "least_distances"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TETRAHEDRAL = np.degrees(np.arccos(-1 / 3))
_CORNERS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)
_CORNER_VOLUME = abs(np.linalg.det(_CORNERS[:3] - _CORNERS[3]))
_BEAD_BOND = 0.3  # nm; between particles without an element
_DOUBLE = 0.141  # nm; a carbon-carbon bond shorter than this does not turn
_RADII = {"H": 0.11, "C": 0.16, "N": 0.145, "O": 0.14, "F": 0.14, "P": 0.17, "S": 0.17, "Cl": 0.17}
_RADIUS = 0.17  # nm; of any other element


@dataclass(frozen=True, eq=False)
class RestGeometry:
    """Geometry of a molecule at rest.

    Attributes
    ----------
    pairs : ndarray (P, 2)
        Bonded atoms first, then those two bonds apart, then those three bonds apart whose torsion is fixed.
    lengths : ndarray (P,)
        nm.
    weights : ndarray (P,)
        How much a pair counts; bonds count 1.
    corners : ndarray (V, 4)
        Atoms whose volume is known.
    volumes : ndarray (V,)
        Six times the signed volume of `corners`, nm^3, as `msb.core.stereo.signed_volumes`; 0 for a plane.
    n_bonds : int
        How many of the pairs are bonds.
    """

    pairs: IntArray
    lengths: FloatArray
    weights: FloatArray
    corners: IntArray
    volumes: FloatArray
    n_bonds: int

    @classmethod
    def of(
        cls,
        template: MoleculeTemplate,
        hands: NDArray[np.int8] | None = None,
        torsions: dict[tuple[int, int, int, int], bool] | None = None,
    ) -> RestGeometry:
        """Geometry at rest of a molecule.

        Bond lengths and angles are the topology's where its interactions have them (harmonic and similar
        terms, constraints), else what is usual for the elements and the number of neighbours.

        Parameters
        ----------
        template : MoleculeTemplate
        hands : int8 array (C,), optional
            Wanted sign of every stereocentre; 0 for any.
        torsions : dict of (i, j, k, l) to bool, optional
            Torsions that are cis (True) or trans (False), besides amides and esters, which are trans unless
            they are named here.

        Returns
        -------
        RestGeometry

        Raises
        ------
        TopologyError
            If there is another number of hands than stereocentres.
        """
        wanted = np.zeros(len(template.stereocentres), np.int8) if hands is None else np.asarray(hands)
        if wanted.shape != (len(template.stereocentres),):
            raise TopologyError(
                f"{template.name} has {len(template.stereocentres)} stereocentres, but hands of shape "
                f"{wanted.shape}"
            )
        known = _known(template)
        length = {
            (i, j): known.get((i, j), _usual_length(template, i, j)) for i, j in template.bonds.tolist()
        }
        planar = _planar(template)
        angle = {
            (i, j, k): known.get((i, j, k), _usual_angle(template, planar, i, j, k))
            for i, j, k in template.angles.tolist()
        }
        flat, turns = _stiff_torsions(template, planar, length)
        if torsions:
            named = {frozenset(four[1:3]) for four in torsions}
            turns = {four: cis for four, cis in turns.items() if frozenset(four[1:3]) not in named} | torsions
        far = {four: _across(four, cis, length, angle) for four, cis in turns.items()}
        one_three = {(i, k): _opposite(length, i, j, k, angle[i, j, k]) for i, j, k in angle}
        rings = _ring_distances(template, planar, length)
        rings = {pair: value for pair, value in rings.items() if pair not in length and pair not in one_three}
        pairs = [*length, *one_three, *((a, d) for a, _, _, d in far), *rings]
        values = [*length.values(), *one_three.values(), *far.values(), *rings.values()]
        weights = [1.0] * len(length) + [0.5] * len(one_three) + [0.5] * len(far) + [0.3] * len(rings)
        planes = [*template.impropers.tolist(), *flat]
        centres = [
            (template.neighbours[c], int(hand) * _volume(template, length, c))
            for c, hand in zip(template.stereocentres, wanted.tolist(), strict=True)
            if hand
        ]
        return cls(
            np.array(pairs, dtype=np.int64).reshape(-1, 2),
            np.array(values, dtype=np.float64),
            np.array(weights),
            np.array([*planes, *(list(around) for around, _ in centres)], dtype=np.int64).reshape(-1, 4),
            np.array([0.0] * len(planes) + [volume for _, volume in centres]),
            len(length),
        )


def least_distances(elements: NDArray[np.str_]) -> FloatArray:
    """How near atoms more than three bonds apart may come: the sum of these radii (N,), nm.

    Particles without an element have no size.
    """
    kinds, code = np.unique(elements, return_inverse=True)
    radii = [0.0 if kind == NO_ELEMENT else _RADII.get(str(kind), _RADIUS) for kind in kinds]
    return np.asarray(np.array(radii)[code], dtype=np.float64)


def _known(template: MoleculeTemplate) -> dict[tuple[int, ...], float]:
    """Lengths (nm) and angles (degrees) that the interactions state."""
    found: dict[tuple[int, ...], float] = {}
    for entry in template.interactions:
        angle = entry.kind == "angles" and entry.function in (1, 2, 5)
        bond = entry.kind in ("bonds", "constraints") and entry.function in (1, 2, 3, 6)
        if not (angle or bond) or not entry.parameters or isinstance(entry.parameters[0], str):
            continue
        atoms = entry.atoms if entry.atoms[0] < entry.atoms[-1] else entry.atoms[::-1]
        if float(entry.parameters[0]) > 0:
            found.setdefault(tuple(atoms), float(entry.parameters[0]))
    return found


def _usual_length(template: MoleculeTemplate, i: int, j: int) -> float:
    """Sum of covalent radii, shorter between atoms that have fewer neighbours than they could."""
    one, other = template.elements[i], template.elements[j]
    if one not in COVALENT_RADII or other not in COVALENT_RADII:
        return _BEAD_BOND
    length = COVALENT_RADII[one] + COVALENT_RADII[other]
    full = {"C": 4, "N": 3, "O": 2, "S": 2, "P": 4}
    if all(len(template.neighbours[a]) < full.get(template.elements[a], 0) for a in (i, j)):
        length *= 0.92
    return length


def _planar(template: MoleculeTemplate) -> set[int]:
    """Planar centres, and ring atoms with two neighbours between two of them."""
    planar = set(template.impropers[:, 0].tolist())
    for ring in template.rings:
        if len(ring) in (5, 6) and sum(a in planar for a in ring) >= len(ring) - 2:
            thin = [a for a in ring if a not in planar]
            if all(len(template.neighbours[a]) == 2 or template.elements[a] == "N" for a in thin):
                planar.update(thin)
    return planar


def _usual_angle(template: MoleculeTemplate, planar: set[int], i: int, j: int, k: int) -> float:
    inside = [r for r in template.rings if j in r and len(r) <= 6]
    own = [r for r in inside if i in r and k in r]
    flat = j in planar
    if own:
        size = len(own[0])
        return 180.0 - 360.0 / size if flat or size < 5 else (104.5 if size == 5 else 111.0)
    around = len(template.neighbours[j])
    if flat and inside and around == 3:
        return 90.0 + 180.0 / len(inside[0])
    if around == 4:
        return float(_TETRAHEDRAL)
    if around == 3:
        return 120.0 if flat else 109.0
    if around == 2 and template.elements[j] == "C":
        return 180.0
    return 117.0 if flat or template.elements[j] == "N" else 111.0


def _stiff_torsions(
    template: MoleculeTemplate, planar: set[int], length: dict[tuple[int, int], float]
) -> tuple[list[tuple[int, ...]], dict[tuple[int, int, int, int], bool]]:
    """Sets of four atoms in a plane, and torsions that are cis (True) or trans (False)."""
    flat: list[tuple[int, ...]] = []
    turns: dict[tuple[int, int, int, int], bool] = {}
    rings = [frozenset(ring) for ring in template.rings if all(a in planar for a in ring)]
    for i, j, k, m in template.dihedrals.tolist():
        four = (i, j, k, m)
        ring = next((r for r in rings if j in r and k in r), None)
        if ring is not None:
            flat.append(four)
        elif _is_acyl(template, j, k) or _is_acyl(template, k, j):
            acyl, other = (j, k) if _is_acyl(template, j, k) else (k, j)
            near, end = (i, m) if acyl == j else (m, i)
            amide = template.elements[other] == "N" and other in planar
            if amide:
                flat.append(four)
            if amide or template.elements[other] == "O":
                oxo = template.elements[near] == "O" and len(template.neighbours[near]) == 1
                turns[four] = oxo == _main(template, other, end)
        elif _is_double(template, planar, length, j, k):
            flat.append(four)
    return flat, turns


def _ring_distances(
    template: MoleculeTemplate, planar: set[int], length: dict[tuple[int, int], float]
) -> dict[tuple[int, int], float]:
    """Distances within flat rings and what is bonded to them, taken for regular polygons."""
    found: dict[tuple[int, int], float] = {}
    for ring in template.rings:
        if len(ring) > 6 or not all(a in planar for a in ring):
            continue
        sides = [length[min(a, b), max(a, b)] for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        radius = float(np.mean(sides)) / (2 * np.sin(np.pi / len(ring)))
        places: dict[int, FloatArray] = {}
        for k, atom in enumerate(ring):
            way = np.array([np.cos(2 * np.pi * k / len(ring)), np.sin(2 * np.pi * k / len(ring))])
            places[atom] = radius * way
            arms = [a for a in template.neighbours[atom] if a not in ring]
            if len(arms) == 1:
                places[arms[0]] = (radius + length[min(atom, arms[0]), max(atom, arms[0])]) * way
        atoms = sorted(places)
        for n, a in enumerate(atoms):
            for b in atoms[n + 1 :]:
                found.setdefault((a, b), float(np.linalg.norm(places[a] - places[b])))
    return found


def _is_acyl(template: MoleculeTemplate, carbon: int, other: int) -> bool:
    """Whether a bond is that of an amide or ester, from its C=O to N or O."""
    if template.elements[carbon] != "C" or template.elements[other] not in ("N", "O"):
        return False
    if len(template.neighbours[carbon]) != 3 or len(template.neighbours[other]) < 2:
        return False
    return any(
        template.elements[o] == "O" and len(template.neighbours[o]) == 1
        for o in template.neighbours[carbon]
        if o != other
    )


def _main(template: MoleculeTemplate, other: int, end: int) -> bool:
    """Whether an atom on an amide's N or an ester's O is the one that is trans to the acyl chain.

    It is the only carbon, or the one beside another C=O (proline), or the first.
    """
    carbons = [a for a in template.neighbours[other] if template.elements[a] == "C"]
    ends = [a for a in carbons if not _has_oxo(template, a)] or carbons
    beside = [
        a
        for a in ends
        if any(template.elements[b] == "C" and _has_oxo(template, b) for b in template.neighbours[a])
    ]
    return end == (beside or ends)[0]


def _has_oxo(template: MoleculeTemplate, carbon: int) -> bool:
    return any(
        template.elements[o] == "O" and len(template.neighbours[o]) == 1 for o in template.neighbours[carbon]
    )


def _is_double(
    template: MoleculeTemplate, planar: set[int], length: dict[tuple[int, int], float], j: int, k: int
) -> bool:
    if not (j in planar and k in planar and length[min(j, k), max(j, k)] < _DOUBLE):
        return False
    rings = [ring for ring in template.rings if j in ring and k in ring]
    return all(len(ring) > 4 for ring in rings)


def _opposite(length: dict[tuple[int, int], float], i: int, j: int, k: int, angle: float) -> float:
    a, b = length[min(i, j), max(i, j)], length[min(j, k), max(j, k)]
    return float(np.sqrt(a * a + b * b - 2 * a * b * np.cos(np.radians(angle))))


def _across(
    four: tuple[int, int, int, int],
    cis: bool,
    length: dict[tuple[int, int], float],
    angle: dict[tuple[int, int, int], float],
) -> float:
    """Distance of the ends of a flat torsion."""
    i, j, k, m = four
    a, b, c = (length[min(p, q), max(p, q)] for p, q in ((i, j), (j, k), (k, m)))
    first, second = (np.radians(angle[min(p, r), q, max(p, r)]) for p, q, r in ((i, j, k), (j, k, m)))
    start = np.array([a * np.cos(first), a * np.sin(first)])
    side = 1.0 if cis else -1.0
    end = np.array([b - c * np.cos(second), side * c * np.sin(second)])
    return float(np.linalg.norm(end - start))


def _volume(template: MoleculeTemplate, length: dict[tuple[int, int], float], centre: int) -> float:
    """Size of a centre's signed volume with its neighbours at the corners of a tetrahedron."""
    r = [length[min(centre, a), max(centre, a)] for a in template.neighbours[centre]]
    corners = _CORNERS * np.array(r)[:, None]
    return float(abs(np.linalg.det(corners[:3] - corners[3])))
