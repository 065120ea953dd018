"""Tables between beads, evaluated for OpenMM in numpy: its own tabulated functions take six times as long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

__all__ = ["PairTables"]

FloatArray = NDArray[np.float64]
SKIN = 0.15  # nm, by which the list of neighbours reaches farther than the tables


class PairTables:
    """Energy and forces of beads in a cubic box; called with OpenMM's State (`openmm.PythonForce`).

    Parameters
    ----------
    tables : ndarray (K, K, T)
        kJ/mol, by kinds of both beads, on 0, spacing ... cutoff.
    spacing : float
        nm.
    kinds : int array (M,)
    excluded : int array (P, 2)
        Pairs left out, the smaller index first.
    """

    def __init__(
        self, tables: FloatArray, spacing: float, kinds: NDArray[np.int64], excluded: NDArray[np.int64]
    ) -> None:
        r = spacing * np.arange(tables.shape[-1])
        self._spacing, self._cutoff = spacing, r[-1]
        spline = CubicSpline(r, tables.reshape(-1, len(r)).T, bc_type="natural")
        self._parts = [np.ascontiguousarray(c.T.ravel()) for c in spline.c]  # by kind of pair, then place
        self._kinds, self._n_kinds, self._places = kinds, tables.shape[0], len(r) - 1
        self._excluded = excluded[:, 0] * len(kinds) + excluded[:, 1]
        self._edge, self._listed = 0.0, np.zeros((0, 3))
        self._pairs = self._rows = np.zeros(0, dtype=np.int64)

    def __call__(self, state: Any) -> tuple[float, FloatArray]:
        """Energy, kJ/mol, and forces (M, 3), kJ/mol/nm."""
        x = np.asarray(state.getPositions(asNumpy=True)._value, dtype=np.float64)
        return self.evaluate(x, float(state.getPeriodicBoxVectors()[0][0]._value))

    def evaluate(self, x: FloatArray, edge: float) -> tuple[float, FloatArray]:
        """Energy and forces of positions (M, 3), nm, in a cube of this edge."""
        if edge != self._edge or np.abs(x - self._listed).max() > SKIN / (2 * 3**0.5):
            self._list(x, edge)
        i, j = self._pairs
        apart = [_difference(line, i, j, edge) for line in np.ascontiguousarray(x.T)]
        square = apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2]
        near = np.flatnonzero(square < self._cutoff**2)
        i, j, r = i.take(near), j.take(near), np.sqrt(square.take(near))
        place = (r * (1 / self._spacing)).astype(np.int64)
        np.minimum(place, self._places - 1, out=place)
        t = r - self._spacing * place
        place += self._rows.take(near)
        three, two, one, zero = (part.take(place) for part in self._parts)
        energy = float((((three * t + two) * t + one) * t + zero).sum())
        pull = ((3 * three * t + 2 * two) * t + one) / np.maximum(r, 1e-6)
        forces = []
        for line in apart:
            own = pull * line.take(near)
            forces.append(np.bincount(i, own, len(x)) - np.bincount(j, own, len(x)))
        return energy, np.stack(forces, axis=1)

    def _list(self, x: FloatArray, edge: float) -> None:
        self._edge, self._listed = edge, x.copy()
        inside = x % edge
        inside[inside >= edge] = 0.0
        reach = min(self._cutoff + SKIN, 0.499 * edge)
        pairs = np.sort(cKDTree(inside, boxsize=edge).query_pairs(reach, output_type="ndarray"), axis=1)
        pairs = pairs[~np.isin(pairs[:, 0] * len(x) + pairs[:, 1], self._excluded)]
        self._pairs = pairs.T.copy()
        kinds = self._kinds[pairs]
        self._rows = (kinds[:, 0] * self._n_kinds + kinds[:, 1]) * self._places


def _difference(x: FloatArray, i: NDArray[np.int64], j: NDArray[np.int64], edge: float) -> FloatArray:
    apart = x.take(j) - x.take(i)
    apart -= edge * np.rint(apart * (1 / edge))
    return apart
