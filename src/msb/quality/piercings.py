"""Rings with a bond through them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.pairs import near_pairs
from msb.core.box import minimum_image
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["PiercingSearch"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_LONGEST = 0.6  # nm; a longer bond is none, and what it passes through says nothing
_ORDINARY = 0.2  # nm; longer bonds are few, and searched for by themselves
_WIDEST = 0.10  # nm for each atom of a ring: half of what a ring torn open would be across
_ALL = 4096  # ring-bond pairs up to which all are tried, without a search


class PiercingSearch:
    """Finds bonds that pass through a ring's surface: the triangles between its centre and its sides.

    Bonds that share an atom with the ring are none of them. In a box narrower than about half a nanometre
    only the nearest image of a bond is tried.

    Parameters
    ----------
    topology : Topology
        The system.
    largest : int
        Atoms of the largest ring to look at; 0 for all.
    """

    def __init__(self, topology: Topology, largest: int = 0) -> None:
        self.bonds = topology.bonds
        sizes = sorted({len(ring) for t in topology.templates for ring in t.rings})
        self._rings = []
        for size in sizes:
            if largest and size > largest:
                continue
            chosen = {
                t: np.array([r for r in t.rings if len(r) == size and _solid(t, r)], dtype=np.int64).reshape(
                    -1, size
                )
                for t in topology.templates
            }
            self._rings.append(topology.expand(chosen.__getitem__))

    def find(
        self, positions: FloatArray, boxes: FloatArray | None, usable: BoolArray | None = None
    ) -> list[tuple[IntArray, IntArray, FloatArray]]:
        """Return the pierced rings of some frames.

        Parameters
        ----------
        positions : ndarray (F, N, 3)
            nm; molecules whole.
        boxes : ndarray (F, 3, 3) or None
            Row vectors, nm.
        usable : ndarray (F, N), optional
            False for atoms whose rings and bonds are to be left out.

        Returns
        -------
        list of (frames (H,), atoms (H, m + 2), distances (H,))
            For every size m of rings: the ring's atoms and the bond's, and how far from the centre, in nm.
        """
        found = []
        for rings in self._rings:
            found.append(self._of_size(rings, positions, boxes, usable))
        return found

    def _of_size(
        self, rings: IntArray, x: FloatArray, boxes: FloatArray | None, usable: BoolArray | None
    ) -> tuple[IntArray, IntArray, FloatArray]:
        corners = x[:, rings]
        centres = corners.mean(axis=2)
        corners -= centres[:, :, None]
        radii = np.sqrt((corners**2).sum(-1).max(-1))
        half = 0.5 * (x[:, self.bonds[:, 1]] - x[:, self.bonds[:, 0]])
        if boxes is not None:
            half = 0.5 * np.asarray(minimum_image(2 * half, boxes))
        lengths = np.sqrt((half**2).sum(-1))
        middles = x[:, self.bonds[:, 0]] + half
        whole = radii < _WIDEST * rings.shape[1]
        fine = lengths < 0.5 * _LONGEST
        if usable is not None:
            whole &= usable[:, rings].all(-1)
            fine &= usable[:, self.bonds].all(-1)
        frame, ring, bond = self._near(centres, middles, boxes, radii, lengths, whole, fine)
        own = (rings[ring][:, :, None] == self.bonds[bond][:, None, :]).any((1, 2))
        frame, ring, bond = frame[~own], ring[~own], bond[~own]
        to = middles[frame, bond] - centres[frame, ring]
        if boxes is not None and len(to):
            to = np.asarray(minimum_image(to[:, None], boxes[frame]))[:, 0]
        near = (to**2).sum(-1) <= (radii[frame, ring] + lengths[frame, bond]) ** 2
        frame, ring, bond, to = frame[near], ring[near], bond[near], to[near]
        arm = half[frame, bond]
        through, distance = _pierced(corners[frame, ring], to - arm, 2 * arm)
        rows = np.flatnonzero(through)
        atoms = np.concatenate([rings[ring[rows]], self.bonds[bond[rows]]], axis=1)
        return frame[rows], atoms, distance[rows]

    def _near(
        self,
        centres: FloatArray,
        middles: FloatArray,
        boxes: FloatArray | None,
        radii: FloatArray,
        lengths: FloatArray,
        whole: BoolArray,
        fine: BoolArray,
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return the frames, rings and bonds that may meet."""
        n_rings, n_bonds = centres.shape[1], middles.shape[1]
        if n_rings * n_bonds <= _ALL:
            pick = whole[:, :, None] & fine[:, None, :]
            return tuple(np.nonzero(pick))  # type: ignore[return-value]
        parts = []
        for f in range(len(centres)):
            ordinary = lengths[f] <= 0.5 * _ORDINARY
            for chosen in (fine[f] & ordinary, fine[f] & ~ordinary):
                these, those = np.flatnonzero(whole[f]), np.flatnonzero(chosen)
                if not len(these) or not len(those):
                    continue
                reach = float(radii[f, these].max() + lengths[f, those].max()) + 1e-6
                cell = None if boxes is None else boxes[f]
                ring, bond = _mixed_pairs(centres[f, these], middles[f, those], cell, reach)
                parts.append((np.full(len(ring), f), these[ring], those[bond]))
        if not parts:
            none = np.empty(0, dtype=np.int64)
            return none, none, none
        frames, rings, bonds = (np.concatenate(column) for column in zip(*parts, strict=True))
        return frames, rings, bonds


def _solid(template: MoleculeTemplate, ring: Sequence[int]) -> bool:
    """Tell a ring from the triangle of a rigid water, whose third side is no bond."""
    return all(template.elements[atom] != "H" for atom in ring)


def _mixed_pairs(
    one: FloatArray, other: FloatArray, box: FloatArray | None, reach: float
) -> tuple[IntArray, IntArray]:
    """Return the pairs of one set of points and another within reach."""
    pairs = near_pairs(np.concatenate([one, other]), box, reach)
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    mixed = (low < len(one)) & (high >= len(one))
    return low[mixed], high[mixed] - len(one)


def _pierced(corners: FloatArray, start: FloatArray, vector: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Tell which segments pass through which fans of triangles around the origin, and how far from it.

    A line passes through a triangle when it is on the same side of its three edges (Pluecker coordinates),
    and a segment when its ends are on different sides of the plane; edges count, so that nothing slips
    between two triangles.

    Parameters
    ----------
    corners : ndarray (K, m, 3)
        Of the fan, in order.
    start, vector : ndarray (K, 3)
        First end, and from it to the other.

    Returns
    -------
    through : ndarray (K,)
    distance : ndarray (K,)
        nm; 0 where nothing passes.
    """
    following = np.roll(corners, -1, axis=1)
    normals = np.cross(corners, following)
    moment = np.cross(start, vector)[:, None]
    first, second = (corners * moment).sum(-1), (following * moment).sum(-1)
    along = (normals * vector[:, None]).sum(-1)
    outer = along + second - first
    same = ((first >= 0) & (outer >= 0) & (second <= 0)) | ((first <= 0) & (outer <= 0) & (second >= 0))
    height = (normals * start[:, None]).sum(-1)
    crossing = (height * (height + along) <= 0) & (along != 0)
    hit = same & crossing
    through = hit.any(-1)
    share = np.where(hit, -height / np.where(along == 0, 1.0, along), 0.0)
    share = np.take_along_axis(share, hit.argmax(-1)[:, None], axis=1)
    point = start + share * vector
    return through, np.where(through, np.sqrt((point**2).sum(-1)), 0.0)
