"""A quick look at small molecules: which frames are certainly fine, so that only the others are examined.

A trajectory of one small molecule is drawn at tens of thousands of frames a second, and a full examination of
each frame would take about as long. Distances of all pairs, in single precision and with the frames on the
fastest axis, tell bonds, angles and contacts; what is near a threshold is left to the examination.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.core.stereo import hands, signed_volumes
from msb.quality.checker import Checker
from msb.quality.contacts import ANY_PAIR, CARBON_PAIR
from msb.quality.findings import Examination

__all__ = ["Screen"]

Floats = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_LARGEST = 64  # atoms
_BLOCK = 256  # frames that stay in the cache
_NEAR = 1e-3  # share of a threshold that counts as near


class Screen:
    """Tells frames in which a checker would find nothing, and their statistics.

    Parameters
    ----------
    checker : Checker
        Of one molecule that `fits`.
    """

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        topology = checker.topology
        self._bonds = _Bonds(checker)
        contacts = checker._contacts
        self._pairs = np.asarray(contacts._all)
        one, other = contacts._code[self._pairs].T
        real = contacts._real[one] & contacts._real[other]
        self._pairs, one, other = self._pairs[real], one[real], other[real]
        self._least = _column(contacts._least[one, other] ** 2 * (1 + _NEAR))
        self._carbons = np.flatnonzero(contacts._carbon[one] & contacts._carbon[other])
        self._cutoff = contacts.cutoff
        self._hands = _Hands(checker)
        self._turns = _Turns(checker)
        mapping = checker.mapping
        self._weights: Floats | None = None
        if mapping is not None:
            x = np.zeros((topology.n_atoms, topology.n_atoms, 3))
            x[np.arange(topology.n_atoms), np.arange(topology.n_atoms), 0] = 1.0
            self._weights = np.asarray(mapping.beads(x))[..., 0].T.astype(np.float32)

    @classmethod
    def fits(cls, checker: Checker) -> bool:
        """Tell whether the checker's system is one small molecule without rings and force field."""
        topology = checker.topology
        return (
            topology.n_molecules == 1
            and 1 < topology.n_atoms <= _LARGEST
            and not any(template.rings for template in topology.templates)
            and checker._energy is None
            and checker._contacts._all is not None
            and len(checker._contacts._all) > 0
            and bool(np.isfinite(checker._bonded._length_limit).all())
        )

    def examine(self, positions: ArrayLike, beads: ArrayLike | None = None) -> Examination:
        """Look some frames through, as `Checker.examine` does in a system without a box.

        Parameters
        ----------
        positions : array_like (F, N, 3)
            nm.
        beads : array_like (F, M, 3), optional
            nm.

        Returns
        -------
        Examination
        """
        x = np.asarray(positions, dtype=np.float32)
        given = None if beads is None or self._weights is None else np.asarray(beads, dtype=np.float32)
        parts = [
            self._block(x[a : a + _BLOCK], None if given is None else given[a : a + _BLOCK])
            for a in range(0, len(x), _BLOCK)
        ]
        fine = np.concatenate([part[0] for part in parts])
        statistics = {key: np.concatenate([part[1][key] for part in parts]) for key in parts[0][1]}
        doubtful = np.flatnonzero(~fine)
        if not len(doubtful):
            return Examination([], statistics, 0, len(x))
        rest = self._checker.examine(x[doubtful], None, None if given is None else given[doubtful])
        for key, values in rest.statistics.items():
            statistics.setdefault(key, np.zeros(len(x)))[doubtful] = values
        places = doubtful.tolist()
        findings = [replace(finding, frame=places[finding.frame]) for finding in rest.findings]
        return Examination(findings, statistics, 0, len(x))

    def _block(self, x: Floats, beads: Floats | None) -> tuple[BoolArray, dict[str, NDArray[np.float64]]]:
        """Return which frames are fine, and the statistics of all."""
        n = len(x)
        turned = np.ascontiguousarray(x.transpose(2, 1, 0))  # (3, N, F)
        squares = _squares(turned, self._pairs)
        nearest = squares.min(axis=0)
        fine = (squares > self._least).all(axis=0) & self._bonds.fine(turned)
        fine &= self._hands.fine(turned) & self._turns.fine(turned)
        near = np.sqrt(nearest.astype(np.float64))
        counts = {
            "bonds_across_box": np.zeros(n),
            "stereocentres_judged": np.full(n, float(self._hands.judged)),
            "inverted_stereocentres": np.zeros(n),
            "turned_bonds": np.zeros(n),
            "ring_piercings": np.zeros(n),
            "pairs_below_0.17_nm": (squares < ANY_PAIR**2).sum(axis=0).astype(np.float64),
            "carbon_pairs_below_0.28_nm": (squares[self._carbons] < CARBON_PAIR**2)
            .sum(axis=0)
            .astype(np.float64),
            "nearest_contact_nm": np.where(near < self._cutoff, near, np.nan),
        }
        if beads is not None and self._weights is not None:
            off = np.matmul(self._weights, turned) - beads.transpose(2, 1, 0)
            size = np.sqrt((off * off).sum(axis=0))
            largest = size.max(axis=0)
            fine &= largest < self._checker.limits.bead * (1 - _NEAR)
            counts["bead_deviation_mean_nm"] = size.mean(axis=0).astype(np.float64)
            counts["bead_deviation_max_nm"] = largest.astype(np.float64)
        return fine, counts


class _Bonds:
    """Bonds, and angles from the distances of their ends."""

    def __init__(self, checker: Checker) -> None:
        bonded = checker._bonded
        self._pairs, self._angles = bonded.bonds, bonded.angles
        low = np.maximum(bonded._length - bonded._length_limit, 0.0) ** 2
        high = np.minimum(bonded._length + bonded._length_limit, bonded._broken) ** 2
        self._low, self._high = _column(low * (1 + _NEAR)), _column(high * (1 - _NEAR))
        number = {tuple(sorted(pair)): k for k, pair in enumerate(self._pairs.tolist())}
        i, j, k = self._angles.T.tolist()
        self._one = np.array(
            [number[min(a, b), max(a, b)] for a, b in zip(i, j, strict=True)], dtype=np.int64
        )
        self._other = np.array(
            [number[min(a, b), max(a, b)] for a, b in zip(j, k, strict=True)], dtype=np.int64
        )
        self._least, self._most = _column(bonded._low + _NEAR), _column(bonded._high - _NEAR)

    def fine(self, turned: Floats) -> BoolArray:
        """Tell which frames have no bond and no angle near its limit."""
        squares = _squares(turned, self._pairs)
        fine = ((squares > self._low) & (squares < self._high)).all(axis=0)
        if len(self._angles):
            one, other = squares[self._one], squares[self._other]
            cosine = one + other
            cosine -= _squares(turned, self._angles[:, ::2])
            one *= other
            cosine /= 2 * np.sqrt(one)
            fine &= ((cosine > self._least) & (cosine < self._most)).all(axis=0)
        return np.asarray(fine)


class _Hands:
    """Volumes of the stereocentres' neighbours."""

    def __init__(self, checker: Checker) -> None:
        found = checker._hands
        wanted = found.wanted
        rows = np.empty(0, dtype=np.int64) if wanted is None else np.flatnonzero(wanted)
        self.judged = len(rows)
        self._corners = found.centres[rows, 1:]
        trial = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        sense = int(np.asarray(hands(signed_volumes(trial, [[0, 1, 2, 3]])))[0])
        self._wanted = _column(sense * (np.empty(0) if wanted is None else wanted[rows]))

    def fine(self, turned: Floats) -> BoolArray:
        """Tell which frames have all centres of the wanted hand, and none nearly flat."""
        if not self.judged:
            return np.ones(turned.shape[2], dtype=bool)
        a, b, c, d = (turned[:, self._corners[:, k]] for k in range(4))
        volume = ((b - a) * _cross(c - a, d - a)).sum(axis=0)
        return np.asarray((volume * self._wanted > _NEAR * 1e-3).all(axis=0))  # nm^3; a methane's is 0.005


class _Turns:
    """Cosines of the dihedrals of peptide and double bonds."""

    def __init__(self, checker: Checker) -> None:
        found = checker._turns
        self._atoms = found.atoms
        self._cosine = float(np.cos(np.radians(checker.limits.cis))) + _NEAR
        self._wanted = _column(found.wanted)

    def fine(self, turned: Floats) -> BoolArray:
        """Tell which frames have none turned or twisted."""
        if not len(self._atoms):
            return np.ones(turned.shape[2], dtype=bool)
        a, b, c, d = (turned[:, self._atoms[:, k]] for k in range(4))
        first, second = _cross(b - a, c - b), _cross(c - b, d - c)
        cosine = (first * second).sum(axis=0)
        cosine /= np.sqrt((first * first).sum(axis=0) * (second * second).sum(axis=0))
        towards = np.where(self._wanted == 0, np.abs(cosine), self._wanted * cosine)
        return np.asarray((towards > self._cosine).all(axis=0))


def _squares(turned: Floats, pairs: NDArray[np.int64]) -> Floats:
    """Squared distances (P, F) of pairs of atoms in (3, N, F)."""
    i, j = pairs.T
    total: Floats = np.zeros((len(pairs), turned.shape[2]), dtype=np.float32)
    for axis in turned:
        step = axis.take(i, axis=0)
        step -= axis.take(j, axis=0)
        step *= step
        total += step
    return total


def _cross(a: Floats, b: Floats) -> Floats:
    """Cross products along the first axis."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=0)


def _column(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float32)[:, None]
