"""Atoms that are not bonded and yet too near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.pairs import NonbondedPairs
from msb.core.box import minimum_image
from msb.core.elements import NO_ELEMENT
from msb.core.topology import Topology
from msb.quality.limits import Limits, contact_distances, contact_symbols

__all__ = ["ANY_PAIR", "CARBON_PAIR", "ContactSearch", "Contacts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ANY_PAIR, CARBON_PAIR = 0.17, 0.28
"""nm; below these, pairs of any atoms and of carbons are counted whatever the limits."""

_BONDS = 3  # pairs up to this many bonds apart are bonds, angles and dihedrals
_FEW = 4096  # pairs of atoms up to which all are measured, without a search


@dataclass(frozen=True, eq=False)
class Contacts:
    """Near pairs of some frames.

    Attributes
    ----------
    frames, first, second : ndarray (P,)
        Frame, from 0, and atoms.
    distances, least : ndarray (P,)
        nm, as they are and as they should be at least.
    counts : dict of str to ndarray (F,)
        Statistics of every frame.
    """

    frames: IntArray
    first: IntArray
    second: IntArray
    distances: FloatArray
    least: FloatArray
    counts: dict[str, FloatArray]


class ContactSearch:
    """Finds pairs more than three bonds apart, in any image, that are nearer than their elements allow.

    Parameters
    ----------
    topology : Topology
        The system.
    limits : Limits
        Thresholds.
    """

    def __init__(self, topology: Topology, limits: Limits) -> None:
        words = {t: np.array(contact_symbols(t), dtype=np.str_) for t in topology.templates}
        expanded = [np.empty(0, np.str_), *(np.tile(words[t], count) for t, count in topology.molecules)]
        symbols, self._code = np.unique(np.concatenate(expanded), return_inverse=True)
        self._least = contact_distances(symbols.tolist(), limits)
        self._carbon = symbols == "C"
        self._real = symbols != NO_ELEMENT
        self.cutoff = max(self._least.max(initial=0.0), CARBON_PAIR if self._carbon.any() else ANY_PAIR)
        self._pairs = NonbondedPairs(topology, exclude_bonds=_BONDS)
        self._all: IntArray | None = None
        n = topology.n_atoms
        if n * (n - 1) // 2 <= _FEW:
            table = np.triu(np.ones((n, n), dtype=bool), 1)
            table[tuple(self._pairs.excluded.T)] = False
            self._all = np.argwhere(table)

    def find(self, positions: FloatArray, boxes: FloatArray | None, usable: BoolArray) -> Contacts:
        """Return the pairs of some frames that are too near.

        Parameters
        ----------
        positions : ndarray (F, N, 3)
            nm.
        boxes : ndarray (F, 3, 3) or None
            Row vectors, nm.
        usable : ndarray (F, N)
            False for atoms to be left out.

        Returns
        -------
        Contacts
        """
        if self._all is not None and (boxes is None or _wide(boxes, 2 * self.cutoff)):
            frames, first, second, distances = self._measured(self._all, positions, boxes)
        else:
            frames, first, second, distances = self._searched(positions, boxes)
        one, other = self._code[first], self._code[second]
        real = self._real[one] & self._real[other]
        if not usable.all():
            real &= usable[frames, first] & usable[frames, second]
        carbons = self._carbon[one] & self._carbon[other]
        n = len(positions)
        nearest = np.full(n, np.inf)
        np.minimum.at(nearest, frames[real], distances[real])
        counts = {
            "pairs_below_0.17_nm": _count(frames, real & (distances < ANY_PAIR), n),
            "carbon_pairs_below_0.28_nm": _count(frames, real & carbons & (distances < CARBON_PAIR), n),
            "nearest_contact_nm": np.where(np.isinf(nearest), np.nan, nearest),
        }
        least = self._least[one, other]
        bad = real & (distances < least)
        return Contacts(frames[bad], first[bad], second[bad], distances[bad], least[bad], counts)

    def _searched(
        self, positions: FloatArray, boxes: FloatArray | None
    ) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        parts = []
        for f, x in enumerate(positions):
            near = self._pairs.find(x, None if boxes is None else boxes[f], self.cutoff)
            parts.append((np.full(len(near), f), near.first, near.second, near.distances))
        frames, first, second, distances = (np.concatenate(column) for column in zip(*parts, strict=True))
        return frames, first, second, distances

    def _measured(
        self, pairs: IntArray, positions: FloatArray, boxes: FloatArray | None
    ) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        vectors = positions[:, pairs[:, 1]] - positions[:, pairs[:, 0]]
        if boxes is not None:
            vectors = np.asarray(minimum_image(vectors, boxes))
        squares = np.einsum("fpk,fpk->fp", vectors, vectors)
        frames, rows = np.nonzero(squares < self.cutoff**2)
        return frames, pairs[rows, 0], pairs[rows, 1], np.sqrt(squares[frames, rows])


def _count(frames: IntArray, chosen: BoolArray, n: int) -> FloatArray:
    return np.bincount(frames[chosen], minlength=n).astype(np.float64)


def _wide(boxes: FloatArray, least: float) -> bool:
    """Tell whether all boxes are so wide that an atom has one image in reach of another."""
    periodic = np.abs(boxes).sum((-2, -1)) > 0
    if not periodic.any():
        return True
    inverse = np.linalg.inv(boxes[periodic])
    return bool((1.0 / np.linalg.norm(inverse, axis=-2)).min() > least)
