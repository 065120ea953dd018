"""A sketch-map of the beads' surroundings, and the free energy on it (thesis, section 7.3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sets import BeadSet

from msb.analysis import maps

__all__ = ["Chart", "fit_chart", "surroundings"]

Floats = NDArray[np.float64]
BINS = 20  # along each axis: one snapshot has 768 points
REACH, WIDTH = 2.0, 0.15  # of the surroundings and of the Gaussians, mean bonds
N_MAX, L_MAX = 6, 4
MARGIN = 0.1  # of the range of the places, on both sides


def surroundings(own: BeadSet, bond: float, *, alone: bool) -> Floats:
    """SOAP vectors (F, N, D) of all beads.

    Parameters
    ----------
    own : BeadSet
        Equal chains.
    bond : float
        The unit of lengths, nm.
    alone : bool
        Whether a bead is told of its own chain only, as in the thesis, or of all chains.
    """
    n_frames, n_beads = own.positions.shape[:2]
    size = own.topology.only_template().n_atoms if alone else n_beads
    x = own.positions.reshape(-1, size, 3)
    found = maps.soap_vectors(
        x,
        ["C"] * size,
        np.arange(size),
        None if alone else own.boxes,
        cutoff=REACH * bond,
        width=WIDTH * bond,
        n_max=N_MAX,
        l_max=L_MAX,
    )
    return found.values.reshape(n_frames, n_beads, -1)


@dataclass(frozen=True, eq=False)
class Chart:
    """A map, and bins on it.

    Attributes
    ----------
    plane : SketchMap
    edges : tuple of ndarray
    bond : float
        nm, the unit of lengths of the surroundings.
    alone : bool
        See `surroundings`.
    """

    plane: maps.SketchMap
    edges: tuple[Floats, Floats]
    bond: float
    alone: bool

    def counts(self, own: BeadSet) -> NDArray[np.int64]:
        """Populations of the bins in each frame, (F, BINS * BINS); what leaves the map counts at its edge."""
        found = []
        for f in range(len(own.positions)):
            vectors = surroundings(own[f : f + 1], self.bond, alone=self.alone)[0]
            inside = [
                np.clip(column, edges[0], np.nextafter(edges[-1], edges[0]))
                for column, edges in zip(self.plane.transform(vectors).T, self.edges, strict=True)
            ]
            found.append(np.histogram2d(*inside, bins=list(self.edges))[0].ravel())
        return np.asarray(np.stack(found), dtype=np.int64)


def fit_chart(
    sets: Sequence[BeadSet], bond: float, *, alone: bool, landmarks: int = 100, points: int = 3000
) -> Chart:
    """Fit a map around landmarks that are taken from several sets alike.

    Parameters
    ----------
    sets : sequence of BeadSet
        Those that the map must tell apart; the held-out ones are not among them.
    bond : float
        The target's mean bond, nm.
    alone : bool
    landmarks, points : int
        Landmarks, and the points they are chosen among.
    """
    rng = np.random.default_rng(0)
    chosen = []
    for own in sets:
        vectors = surroundings(own[:3], bond, alone=alone).reshape(-1, N_MAX * (N_MAX + 1) // 2 * (L_MAX + 1))
        chosen.append(vectors[rng.permutation(len(vectors))[: points // len(sets)]])
    every = np.concatenate(chosen)
    found = maps.farthest_points(every, min(landmarks, len(every)))
    plane = maps.fit_sketch_map(every[found.indices], weights=found.weights)
    places = plane.transform(every)
    low, high = places.min(0), places.max(0)
    margin = MARGIN * (high - low)
    edges = tuple(np.linspace(a, b, BINS + 1) for a, b in zip(low - margin, high + margin, strict=True))
    return Chart(plane, (edges[0], edges[1]), bond, alone)
