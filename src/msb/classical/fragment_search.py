"""Entries of one kind of unit, and those whose beads are most like some given ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from msb.core.geometry import kabsch

__all__ = ["Entries", "Placed"]

_TRIED = 4  # times as many entries are superposed as are wanted
_AT_ONCE = 2048  # units, which bounds the memory
_CONVERGED = 1e-9  # relative change of the overlap at which it is known

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Placed:
    """Candidates for Q units, the best first.

    Attributes
    ----------
    atoms : float32 array (Q, k, a, 3)
        nm.
    halo : float32 array (Q, k, J, 3)
        Where the candidates have the atoms that the unit is bonded to, nm.
    error : float32 array (Q, k)
        Weighted mean square distance of the beads, nm^2.
    """

    atoms: Array
    halo: Array
    error: Array

    def first(self, count: int) -> Placed:
        """So many of the best."""
        return Placed(self.atoms[:, :count], self.halo[:, :count], self.error[:, :count])


@dataclass(frozen=True, eq=False)
class Entries:
    """Units that are alike, from all-atom snapshots.

    Attributes
    ----------
    atoms : float32 array (E, a, 3)
        nm.
    beads : float32 array (E, b, 3)
        Its own and those around it, nm.
    halo : float32 array (E, J, 3)
        Atoms that it is bonded to, nm.
    weights : float64 array (b,)
        Of the beads in the superposition.
    """

    atoms: Array
    beads: Array
    halo: Array
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def n_beads(self) -> int:
        """Number of beads that it is recognised by."""
        return int(self.beads.shape[1])

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self._descriptors(self.beads))

    def nearest(
        self, beads: Array, count: int, turns: Array | None = None, lots: NDArray[np.float64] | None = None
    ) -> Placed:
        """The entries that fit best, superposed.

        Parameters
        ----------
        beads : float32 array (Q, b, 3)
            nm.
        count : int
            Candidates for each; fewer where there are fewer entries.
        turns : float32 array (Q, count, 3, 3), optional
            Rotations of the entries beforehand, for beads that leave the orientation open.
        lots : float array (Q, count), optional
            Numbers from 0 to 1 that pick entries where a single bead fits them all.

        Returns
        -------
        Placed
        """
        parts = []
        for first in range(0, len(beads), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            parts.append(
                self._nearest(
                    beads[rows],
                    min(count, len(self)),
                    None if turns is None else turns[rows],
                    None if lots is None else lots[rows],
                )
            )
        return Placed(
            np.concatenate([part.atoms for part in parts]),
            np.concatenate([part.halo for part in parts]),
            np.concatenate([part.error for part in parts]),
        )

    def _nearest(
        self, beads: Array, count: int, turns: Array | None, lots: NDArray[np.float64] | None
    ) -> Placed:
        if lots is not None and self.n_beads == 1:
            near = (lots[:, :count] * len(self)).astype(np.int64)
        else:
            _, near = self._tree.query(self._descriptors(beads), k=min(_TRIED * count, len(self)), workers=1)
            near = np.reshape(near, (len(beads), -1))
        weights = torch.as_tensor(self.weights / self.weights.sum(), dtype=torch.float32)
        wanted = torch.as_tensor(beads)[:, None]
        error = _errors(torch.as_tensor(self.beads)[near], wanted, weights)
        chosen = torch.topk(error, count, dim=1, largest=False, sorted=True)
        index = np.take_along_axis(near, chosen.indices.numpy(), axis=1)
        mobile, atoms, halo = (torch.as_tensor(x)[index] for x in (self.beads, self.atoms, self.halo))
        if turns is not None:
            mobile, atoms, halo = (x @ torch.as_tensor(turns[:, :count]) for x in (mobile, atoms, halo))
        rotation, shift = kabsch(mobile, wanted.expand_as(mobile), weights)
        atoms, halo = (x @ rotation + shift.unsqueeze(-2) for x in (atoms, halo))
        return Placed(atoms.numpy(), halo.numpy(), chosen.values.clamp_min(0).numpy())

    @cached_property
    def _size(self) -> float:
        """Mean distance of the other beads from the first, nm."""
        away = np.linalg.norm(self.beads[:, 1:] - self.beads[:, :1], axis=-1)
        return max(float(away.mean()), 1e-3)

    def _descriptors(self, beads: Array) -> NDArray[np.float64]:
        """Distances between the beads, and signed volumes that tell mirror images apart (Q, d)."""
        used = np.flatnonzero(self.weights > 0)
        n = len(used)
        if n == 1:
            return np.zeros((len(beads), 1))
        i, j = np.triu_indices(n, 1)
        x = beads[:, used].astype(np.float64)
        root = np.sqrt(self.weights[used])
        lengths = np.linalg.norm(x[:, i] - x[:, j], axis=-1) * (root[i] * root[j])
        parts = [lengths]
        if n >= 4:
            a = x - x[:, :1]
            triples = [(k, (k + 1) % n or 1, (k + 2) % n or 2) for k in range(1, n)]
            volumes = [np.einsum("qi,qi->q", a[:, p], np.cross(a[:, q], a[:, r])) for p, q, r in triples]
            scale = np.sqrt(np.array([root[p] * root[q] * root[r] for p, q, r in triples]))
            parts.append(np.stack(volumes, axis=1) * (scale / self._size**2))
        return np.concatenate(parts, axis=1)


def _errors(mobile: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean square distance (Q, k) after the best superposition.

    From the largest eigenvalue of the quaternion matrix: Theobald, Acta Cryst. A 61, 478 (2005).
    """
    w = weights[:, None]
    p = (mobile - (w * mobile).sum(-2, keepdim=True)).double()
    q = (target - (w * target).sum(-2, keepdim=True)).double()
    sizes = (w * (p.square() + q.square())).sum((-1, -2))
    s = (w * p).mT @ q  # (Q, k, 3, 3)
    norm = s.square().sum((-1, -2))
    c1 = -8.0 * torch.linalg.det(s)
    c2 = -2.0 * norm
    gram = s.mT @ s
    c0 = 2.0 * gram.square().sum((-1, -2)) - norm.square()
    # characteristic polynomial x^4 + c2 x^2 + c1 x + c0, whose largest root is the best overlap
    x = sizes / 2
    for _ in range(30):
        value = ((x * x + c2) * x + c1) * x + c0
        slope = (4 * x * x + 2 * c2) * x + c1
        step = torch.where(slope.abs() > 1e-30, value / slope, 0.0)
        x = x - step
        if float((step.abs() / sizes.clamp_min(1e-30)).amax()) < _CONVERGED:
            break
    return (sizes - 2 * x).float()
