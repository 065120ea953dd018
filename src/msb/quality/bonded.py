"""Bonds and angles that are not as they should be, and molecules that do not hold together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msb.core.box import image_shifts, minimum_image
from msb.core.topology import Topology
from msb.quality.expected import expected_geometry
from msb.quality.findings import Hits, Kind
from msb.quality.limits import Limits
from msb.quality.reference import Reference

__all__ = ["BondedCheck"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class BondedCheck:
    """Compares every bond and angle with what it should be.

    Parameters
    ----------
    topology : Topology
        The system.
    limits : Limits
        Thresholds.
    reference : Reference, optional
        For the terms that the topology has no parameters for.
    """

    def __init__(self, topology: Topology, limits: Limits, reference: Reference | None = None) -> None:
        known = {}
        for template in topology.templates:
            learnt = (None, None) if reference is None else reference.geometry(template)
            known[template] = expected_geometry(template, limits, *learnt)
        self.bonds = topology.bonds
        self.angles = topology.expand(lambda t: t.angles).reshape(-1, 3)
        expected = [(known[t], count) for t, count in topology.molecules]
        none = [np.empty(0)]
        self._length = np.concatenate([*none, *(np.tile(e.lengths, k) for e, k in expected)])
        self._length_limit = np.concatenate([*none, *(np.tile(e.length_limits, k) for e, k in expected)])
        self._angle = np.radians(np.concatenate([*none, *(np.tile(e.angles, k) for e, k in expected)]))
        limit = np.radians(np.concatenate([*none, *(np.tile(e.angle_limits, k) for e, k in expected)]))
        self._low = np.cos(np.minimum(self._angle + limit, np.pi))  # limits may be endless
        self._high = np.cos(np.maximum(self._angle - limit, 0.0))
        self._low[self._angle + limit >= np.pi] = -np.inf
        self._high[self._angle - limit <= 0] = np.inf
        self._angle_limit = limit
        self._broken = limits.broken * np.where(np.isinf(self._length_limit), np.inf, self._length)

    def find(
        self, x: FloatArray, boxes: FloatArray | None, usable: BoolArray
    ) -> tuple[list[Hits], BoolArray]:
        """Return what is wrong in whole molecules (F, N, 3), and which bonds are too long to be any, (F, B).

        An angle one of whose bonds is wrong is not judged: it is a consequence.
        """
        i, j = self.bonds.T
        vectors = x[:, j] - x[:, i]
        if boxes is not None:
            winding = (image_shifts(vectors, boxes) != 0).any(-1)
            vectors = np.asarray(minimum_image(vectors, boxes))
        else:
            winding = np.zeros(vectors.shape[:2], dtype=bool)
        lengths = np.sqrt(np.einsum("fbk,fbk->fb", vectors, vectors))
        fine = usable[:, i] & usable[:, j]
        broken = fine & (winding | (lengths > self._broken))
        off = np.abs(lengths - self._length)
        wrong = fine & ~broken & (off > self._length_limit)
        hits = [
            self._bond_hits("broken", broken, lengths, lengths / self._length),
            self._bond_hits("bond", wrong, lengths, off / self._length_limit),
            self._angle_hits(x, usable, broken | wrong),
        ]
        return hits, broken

    def _bond_hits(self, kind: Kind, chosen: BoolArray, values: FloatArray, severity: FloatArray) -> Hits:
        frames, rows = np.nonzero(chosen)
        return Hits(kind, frames, self.bonds[rows], values[frames, rows], severity[frames, rows])

    def _angle_hits(self, x: FloatArray, usable: BoolArray, bad_bonds: BoolArray) -> Hits:
        """Compare cosines, which are cheap, and take the arc cosine of the few that are off."""
        i, j, k = self.angles.T
        one, other = x[:, i] - x[:, j], x[:, k] - x[:, j]
        cosine = np.einsum("fak,fak->fa", one, other)
        square = np.einsum("fak,fak->fa", one, one) * np.einsum("fak,fak->fa", other, other)
        cosine /= np.sqrt(np.maximum(square, 1e-30))
        frames, rows = np.nonzero((cosine < self._low) | (cosine > self._high))
        triples = self.angles[rows]
        keep = usable[frames[:, None], triples].all(-1)
        if bad_bonds.any() and len(rows):
            keep &= ~self._touches(frames, triples, bad_bonds, x.shape[1])
        frames, rows, triples = frames[keep], rows[keep], triples[keep]
        found = np.arccos(np.clip(cosine[frames, rows], -1.0, 1.0))
        severity = np.abs(found - self._angle[rows]) / self._angle_limit[rows]
        return Hits("angle", frames, triples, np.degrees(found), severity)

    def _touches(
        self, frames: NDArray[np.int64], triples: NDArray[np.int64], bad: BoolArray, n: int
    ) -> BoolArray:
        """Tell which angles have a bad bond."""
        frame, row = np.nonzero(bad)
        size = np.int64(n) * n
        keys = np.sort(frame * size + self.bonds[row, 0] * np.int64(n) + self.bonds[row, 1])
        found = np.zeros(len(frames), dtype=bool)
        for side in (triples[:, :2], triples[:, 1:]):
            low, high = side.min(axis=1), side.max(axis=1)
            wanted = frames * size + low * np.int64(n) + high
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            found |= keys[place] == wanted
        return found
