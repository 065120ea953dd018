r"""Whole chains on a map: SOAP of every second backbone carbon, entropy-match kernel, sketch-map, phases.

The kernel of two chains is the regularised best match of their surroundings: with the matrix C of dot
products of unit SOAP vectors, :math:`k = \mathrm{Tr}(P^T C)` for the coupling P (rows and columns sum to 1/K)
that minimises :math:`\sum P_{ij} (1 - C_{ij} + \gamma \ln P_{ij})`, found by Sinkhorn's iteration and
scaled to one for a chain with itself (De, Bartok, Csanyi, Ceriotti, Phys. Chem. Chem. Phys. 18, 13754, 2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis import maps
from msb.analysis.structure import term_values

__all__ = [
    "PHASES",
    "ChainMap",
    "entropy_match",
    "label_regions",
    "trans_share",
]

PHASES = ("beta", "alpha", "amorphous")
GAMMA, ITERATIONS = 0.05, 30
EXTENDED = 0.9  # share of trans dihedrals along the backbone of an extended chain
TRANS = np.radians(120.0)
_EMPTY = 1e-8  # eigenvalue of the landmarks' kernel, relative to the largest, that carries nothing
Floats = NDArray[np.float64]


def trans_share(positions: NDArray[np.floating], atoms: NDArray[np.int64], chains: int) -> Floats:
    """Share of trans among the backbone dihedrals of each chain, (F, chains); molecules whole."""
    values = term_values(positions, "dihedral", atoms)
    return np.asarray((np.abs(values) > TRANS).reshape(len(values), chains, -1).mean(-1))


def entropy_match(first: Floats, second: Floats, gamma: float = GAMMA) -> Floats:
    """Kernel (A, B) of structures (A, K, D) and (B, K, D), one for a structure with itself."""
    own = [_matched(x, x, gamma) for x in (first, second)]
    rows = [_matched(np.broadcast_to(x, second.shape), second, gamma) for x in first]
    return np.asarray(np.stack(rows) / np.sqrt(own[0][:, None] * own[1]))


def _matched(first: Floats, second: Floats, gamma: float) -> Floats:
    """Kernel (B,) of pairs of structures (B, K, D), not scaled."""
    similar = np.einsum("bid,bjd->bij", first, second)
    weight = np.exp((similar - 1.0) / gamma)
    rows, columns = (1.0 / similar.shape[axis] for axis in (1, 2))
    v = np.full((len(similar), similar.shape[2]), columns)
    for _ in range(ITERATIONS):
        u = rows / np.einsum("bij,bj->bi", weight, v)
        v = columns / np.einsum("bij,bi->bj", weight, u)
    return np.asarray(np.einsum("bi,bij,bj,bij->b", u, weight, v, similar))


@dataclass(frozen=True)
class ChainMap:
    """A sketch-map of chains around landmarks.

    The kernel is no plain dot product, so a chain becomes a point whose distances to the landmarks are
    those of the kernel: its coordinates along the landmarks' kernel, and one more for what they do not span.
    """

    landmarks: Floats  # (L, K, D)
    axes: Floats  # (L, E)
    plane: maps.SketchMap

    @classmethod
    def of(cls, chains: Floats, n_landmarks: int) -> ChainMap:
        """A map of chains (N, K, D), landmarks chosen by the average kernel."""
        chosen = maps.farthest_points(maps.structure_vectors(chains), min(n_landmarks, len(chains)))
        landmarks = chains[chosen.indices]
        kernel = entropy_match(landmarks, landmarks)
        values, vectors = np.linalg.eigh(0.5 * (kernel + kernel.T))
        kept = values > _EMPTY * values.max()
        axes = vectors[:, kept] / np.sqrt(values[kept])
        points = _points(kernel, axes)
        return cls(landmarks, axes, maps.fit_sketch_map(points, weights=chosen.weights))

    def places(self, chains: Floats) -> Floats:
        """Places (N, 2) of chains (N, K, D)."""
        kernel = entropy_match(self.landmarks, chains).T
        return np.asarray(self.plane.transform(_points(kernel, self.axes)))


def _points(kernel: Floats, axes: Floats) -> Floats:
    along = kernel @ axes
    beside = np.sqrt(np.maximum(1.0 - (along**2).sum(1), 0.0))
    return np.concatenate([along, beside[:, None]], axis=1)


def label_regions(members: Mapping[float, NDArray[np.int64]], trans: Mapping[float, Floats]) -> Sequence[str]:
    """Name the phase of each region by who lives there.

    Parameters
    ----------
    members : dict of float to int array (N,)
        Temperature in K: region of each chain of MD, -1 for outliers; as many chains at each.
    trans : dict of float to array (N,)
        Share of trans along the same chains.

    Returns
    -------
    sequence of str
        Where 313 K has most, beta; where 453 K has most, alpha; elsewhere alpha where the chains are
        extended (that is what alpha shares with beta), else amorphous.
    """
    number = 1 + max(int(regions.max()) for regions in members.values())
    names = []
    for region in range(number):
        counts = {kelvin: int((own == region).sum()) for kelvin, own in members.items()}
        most = max(counts, key=lambda kelvin: counts[kelvin])
        there = np.concatenate([trans[kelvin][own == region] for kelvin, own in members.items()])
        extended = len(there) > 0 and float(there.mean()) >= EXTENDED
        names.append("beta" if most < 400 else "alpha" if most < 500 or extended else "amorphous")
    return names
