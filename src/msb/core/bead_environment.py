"""What surrounds a bead, as numbers that need beads only: neighbours in shells by type, and its bonded terms.

A description does not change when the system is turned, moved, wrapped over its box or numbered anew, and
is the same for the same surroundings in a larger box or a longer chain.  Its columns are those of a
`Vocabulary`, so that systems can be compared with the ones that a model was trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix

from msb.core.arrays import FloatArray, IntArray
from msb.core.box import minimum_image
from msb.core.geometry import vector_angles, vector_dihedrals
from msb.core.lattice import check_boxes
from msb.core.mapping import Mapping
from msb.core.periodic_pairs import periodic_pairs
from msb.core.template import MoleculeTemplate
from msb.errors import MappingError

__all__ = ["BeadEnvironments", "Environments", "Vocabulary"]

CUTOFF, SHELLS = 1.2, 8  # nm
_WIDTH = CUTOFF / SHELLS
_CENTRES = (np.arange(SHELLS) + 0.5) * _WIDTH
_SIZES = (2, 3, 4)  # beads of a bond, an angle, a dihedral
_TERMS: dict[int, Callable[[MoleculeTemplate], IntArray]] = {
    2: lambda molecule: molecule.bonds,
    3: lambda molecule: molecule.angles,
    4: lambda molecule: molecule.dihedrals,
}
_FLOOR = {"shell": 0.05, "distance": 0.002, "angle": 0.01, "dihedral": 0.02}  # counts, nm, 1, 1


@dataclass(frozen=True)
class Vocabulary:
    """What columns a description has.

    Attributes
    ----------
    types : tuple of str
        Types of neighbours that are counted apart; all others are counted together.
    terms : tuple of str
        Bonds, angles and dihedrals by the types of their beads and the place of the described one.
    """

    types: tuple[str, ...]
    terms: tuple[str, ...]

    @classmethod
    def of(cls, *mappings: Mapping) -> Vocabulary:
        """Everything that occurs in some systems."""
        types: set[str] = set()
        terms: set[str] = set()
        for mapping in mappings:
            for template in mapping.bead_topology().templates:
                types |= set(template.atom_types)
                for size in _SIZES:
                    terms |= {word for row in _words(template, size) for word in row}
        return cls(tuple(sorted(types)), tuple(sorted(terms)))

    @property
    def n_columns(self) -> int:
        """Length of a description."""
        return SHELLS * len(self.types) + 1 + 2 * len(self.terms)

    @property
    def resolution(self) -> FloatArray:
        """Differences (n_columns,) that mean nothing: counts, nm, cosines."""
        floors = [_FLOOR["shell"]] * (SHELLS * len(self.types) + 1)
        kinds = {2: "distance", 3: "angle", 4: "dihedral"}
        for term in self.terms:
            floors += [_FLOOR[kinds[len(term.split()) - 1]]] * 2
        return np.array(floors)


@dataclass(frozen=True, eq=False)
class Environments:
    """The surroundings of all beads of some frames.

    Attributes
    ----------
    vocabulary : Vocabulary
    kinds : tuple of str (M,)
        What each bead is by its bonds: its type, and how many of which terms it is in.
    values : float32 array (F, M, n_columns)
        Soft counts of neighbours of each type in eight Gaussian shells up to 1.2 nm, then of all types that
        are not in the vocabulary; then for each term the mean and the spread of bond lengths (nm) or of
        cosines of angles, or the mean cosine and the mean sine of dihedrals.  NaN where the bead is in no
        such term, or the spread is one of a single value.
    """

    vocabulary: Vocabulary
    kinds: tuple[str, ...]
    values: FloatArray


class BeadEnvironments:
    """Describes the beads of one system.

    Parameters
    ----------
    mapping : Mapping
        Of the system.
    vocabulary : Vocabulary, optional
        The columns; those of the system itself by default.
    """

    def __init__(self, mapping: Mapping, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = Vocabulary.of(mapping) if vocabulary is None else vocabulary
        self.n_beads = mapping.n_beads
        topology = mapping.bead_topology()
        number = {name: k for k, name in enumerate(self.vocabulary.types)}
        other = len(number)
        self._types = np.array([number.get(str(name), other) for name in topology.atom_types], dtype=np.int64)
        self._members = {size: topology.expand(_TERMS[size]) for size in _SIZES}
        kinds = {template: _kinds(template) for template in topology.templates}
        self.kinds = tuple(k for template, n in topology.molecules for k in kinds[template] * n)
        words = {size: [w for t, n in topology.molecules for w in _words(t, size) * n] for size in _SIZES}
        self._means = {size: self._averages(size, words[size]) for size in _SIZES}

    def _averages(self, size: int, words: list[list[str]]) -> csr_matrix:
        """Matrix (M * terms, K) that averages the values of a system's terms over those of each bead."""
        known = {term: k for k, term in enumerate(self.vocabulary.terms)}
        n = len(known)
        columns = np.array([[known.get(w, -1) for w in row] for row in words], dtype=np.int64).reshape(
            -1, size
        )
        rows = self._members[size] * n + columns
        seen = columns >= 0
        which = np.broadcast_to(np.arange(len(rows))[:, None], rows.shape)[seen]
        ones = np.ones(len(which))
        counts = csr_matrix((ones, (rows[seen], which)), shape=(self.n_beads * n, len(rows)))
        totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
        return csr_matrix(counts.multiply(1.0 / totals[:, None]))

    def __call__(self, beads: FloatArray, boxes: FloatArray | None = None) -> Environments:
        """Describe frames.

        Parameters
        ----------
        beads : ndarray (F, M, 3)
            nm, anywhere in their periodic images.
        boxes : ndarray (F, 3, 3), optional
            nm; of any shape, also smaller than the shells.

        Returns
        -------
        Environments

        Raises
        ------
        MappingError
            The number of beads is another.
        MsbError
            A box has no volume.
        """
        x = np.asarray(beads, dtype=np.float64)
        if x.ndim != 3 or x.shape[1:] != (self.n_beads, 3):
            raise MappingError(f"beads of shape {x.shape} do not fit a system of {self.n_beads} (F, M, 3)")
        cells: list[FloatArray | None] = [None] * len(x)
        if boxes is not None:
            given = np.asarray(boxes, dtype=np.float64)
            cells = [b if there else None for b, there in zip(given, check_boxes(given), strict=True)]
        values = np.full((len(x), self.n_beads, self.vocabulary.n_columns), np.nan, dtype=np.float32)
        for frame, (points, box) in enumerate(zip(x, cells, strict=True)):
            if np.isfinite(points).all():
                shells = self._shells(points, box)
                values[frame] = np.concatenate([shells, self._terms(points, box)], axis=1)
        return Environments(self.vocabulary, self.kinds, values)

    def _shells(self, x: FloatArray, box: FloatArray | None) -> FloatArray:
        """Soft counts (M, columns), smooth at the cutoff."""
        types = len(self.vocabulary.types)
        pairs = periodic_pairs(x, box, CUTOFF)
        vectors = x[pairs.second] + pairs.shifts - x[pairs.first]
        distance = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        fade = 0.5 + 0.5 * np.cos(np.pi / CUTOFF * distance)
        place = pairs.first * (types + 1) + self._types[pairs.second]
        counts = np.empty((SHELLS, len(x), types + 1))
        for k, centre in enumerate(_CENTRES):
            weight = fade * np.exp(-0.5 * ((distance - centre) / (0.5 * _WIDTH)) ** 2)
            counts[k].flat = np.bincount(place, weight, counts[k].size)
        known = counts[..., :types].transpose(1, 2, 0).reshape(len(x), -1)
        return np.concatenate([known, counts[..., types].sum(0)[:, None]], axis=1)

    def _terms(self, x: FloatArray, box: FloatArray | None) -> FloatArray:
        """Averages (M, 2 * terms) over the bonded terms of each bead."""
        bonds, angles, dihedrals = (self._members[size] for size in _SIZES)
        steps = [
            bonds,
            angles[:, 1::-1],
            angles[:, 1:],
            dihedrals[:, :2],
            dihedrals[:, 1:3],
            dihedrals[:, 2:],
        ]
        first, last = np.concatenate(steps).T
        nearest = torch.from_numpy(minimum_image(x[last] - x[first], box))
        bond, back, on, *three = torch.split(nearest, [len(step) for step in steps])
        length = bond.norm(dim=-1).numpy()
        cosine = vector_angles(back, on).cos().numpy()
        turn = vector_dihedrals(*three)
        shape = (len(x), len(self.vocabulary.terms))
        mean, second = np.zeros(shape), np.zeros(shape)
        counts = {size: np.diff(self._means[size].indptr).reshape(shape) for size in _SIZES}
        for size, values in ((2, length), (3, cosine)):
            average = (self._means[size] @ values).reshape(shape)
            square = (self._means[size] @ values**2).reshape(shape)
            mean += average
            spread = np.sqrt(np.maximum(square - average**2, 0.0))
            second += np.where(counts[size] == 1, np.nan, spread)
        mean += (self._means[4] @ turn.cos().numpy()).reshape(shape)
        second += (self._means[4] @ turn.sin().numpy()).reshape(shape)
        absent = sum(counts.values()) == 0
        both = np.stack([np.where(absent, np.nan, mean), np.where(absent, np.nan, second)], axis=-1)
        return both.reshape(len(x), -1)


def _words(molecule: MoleculeTemplate, size: int) -> list[list[str]]:
    """Each bonded term of some size, as its beads call it: types in the order that sorts first, and place."""
    return [_word([molecule.atom_types[bead] for bead in row]) for row in _TERMS[size](molecule).tolist()]


def _word(types: list[str]) -> list[str]:
    back = types[::-1]
    places: Iterable[int] = range(len(types))
    if types == back:
        places = [min(p, len(types) - 1 - p) for p in places]
    elif back < types:
        types, places = back, [len(types) - 1 - p for p in places]
    return [" ".join([*types, str(place)]) for place in places]


def _kinds(molecule: MoleculeTemplate) -> tuple[str, ...]:
    """What each bead of a molecule is by its bonds."""
    found: list[Counter[str]] = [Counter() for _ in molecule.atom_names]
    for size in _SIZES:
        for row, words in zip(_TERMS[size](molecule).tolist(), _words(molecule, size), strict=True):
            for bead, word in zip(row, words, strict=True):
                found[bead][word] += 1
    return tuple(
        f"{kind}: " + ", ".join(f"{count} x {word}" for word, count in sorted(counter.items()))
        for kind, counter in zip(molecule.atom_types, found, strict=True)
    )
