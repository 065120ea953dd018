"""Pairs of atoms within a cutoff, with or without a box, and sums over them in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from msb.core.box import minimum_image
from msb.energy.parameters import Table
from msb.energy.terms import Configuration
from msb.errors import EnergyError

__all__ = ["PairList", "Partners", "neighbour_pairs"]

CHUNK = 2**19  # pairs evaluated at once: about 100 MB in float64
_SLACK = 1e-3  # nm; the search of triclinic boxes runs in single precision
_Ints = NDArray[np.int64]

PairEnergy = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PairList:
    """Pairs of a batch of configurations.

    Parameters
    ----------
    first, second : Tensor (P,) of int64
        Atoms, first < second.
    frame : Tensor (P,) of int64, optional
        Configuration of each pair; without it all pairs belong to every configuration.
    offset : Tensor (P, 3), optional
        What to add to the difference of positions for the minimum image, nm; only with frames.
    """

    first: Tensor
    second: Tensor
    frame: Tensor | None = None
    offset: Tensor | None = None

    def __getitem__(self, rows: Tensor | slice) -> PairList:
        """Take some of the pairs."""
        return PairList(*(None if c is None else c[rows] for c in self._columns()))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.first)

    def _columns(self) -> tuple[Tensor | None, ...]:
        return self.first, self.second, self.frame, self.offset

    def energy(self, positions: Tensor, function: PairEnergy) -> Tensor:
        """Sum an energy over the pairs.

        Parameters
        ----------
        positions : Tensor (B, N, 3)
            nm.
        function : callable
            Of difference vectors (..., P, 3), first and second atoms (P,), to energies (..., P).

        Returns
        -------
        Tensor (B,) of float64
            kJ/mol.
        """
        if self.frame is None:
            vectors = positions.index_select(1, self.second) - positions.index_select(1, self.first)
            return function(vectors, self.first, self.second).sum(-1, dtype=torch.float64)
        flat, start = positions.reshape(-1, 3), self.frame * positions.shape[1]
        vectors = flat.index_select(0, start + self.second) - flat.index_select(0, start + self.first)
        if self.offset is not None:
            vectors = vectors + self.offset
        values = function(vectors, self.first, self.second).to(torch.float64)
        return values.new_zeros(positions.shape[0]).index_add(0, self.frame, values)


class Partners:
    """Which pairs of atoms interact, and sums over them in bounded memory.

    Parameters
    ----------
    n_atoms : int
    excluded : int array (X, 2)
        Pairs left out.
    cutoff : float, optional
        nm; without one all pairs count.
    periodic : bool
        Take minimum images (only with a cutoff).
    groups : sequence of pairs of int sequences
        Where given, only pairs between the two sets of a group count, once for every such group.
    """

    def __init__(
        self,
        n_atoms: int,
        excluded: NDArray[np.int64],
        cutoff: float | None = None,
        periodic: bool = False,
        groups: Sequence[tuple[Sequence[int], Sequence[int]]] = (),
    ) -> None:
        self.n_atoms, self.cutoff, self.periodic = n_atoms, cutoff, periodic
        members = np.zeros((len(groups), 2, n_atoms), dtype=bool)
        for k, (one, other) in enumerate(groups):
            members[k, 0, list(one)], members[k, 1, list(other)] = True, True
        ordered = np.sort(excluded.reshape(-1, 2), axis=1)
        self._rules = Table(keys=np.unique(ordered[:, 0] * n_atoms + ordered[:, 1]), members=members)
        self._fixed: Table | None = None
        if cutoff is None:
            first, second = torch.triu_indices(n_atoms, n_atoms, 1)
            pairs = self._allowed(PairList(first, second), torch.zeros(0))
            self._fixed = Table(first=pairs.first.numpy(), second=pairs.second.numpy())

    def sum(self, configuration: Configuration, function: PairEnergy) -> Tensor:
        """Sum an energy over all interacting pairs, a bounded number at a time.

        Parameters
        ----------
        configuration : Configuration
        function : callable
            Of difference vectors (..., P, 3), first and second atoms (P,), to energies (..., P).

        Returns
        -------
        Tensor (B,)
            kJ/mol, in the dtype of the positions; accumulated in float64.
        """
        positions = configuration.positions
        pairs = self.pairs(configuration)
        chunk = max(1, CHUNK // positions.shape[0]) if pairs.frame is None else CHUNK
        forget = len(pairs) > chunk and positions.requires_grad and torch.is_grad_enabled()
        total = configuration.nothing().to(torch.float64)
        for start in range(0, len(pairs), chunk):
            part = pairs[start : start + chunk]
            if forget:  # intermediate results are computed again when gradients are taken
                total = total + checkpoint(part.energy, positions, function, use_reentrant=False)
            else:
                total = total + part.energy(positions, function)
        return total.to(positions.dtype)

    def pairs(self, configuration: Configuration) -> PairList:
        """Interacting pairs of a batch.

        Parameters
        ----------
        configuration : Configuration

        Returns
        -------
        PairList

        Raises
        ------
        EnergyError
            As :func:`neighbour_pairs`.
        """
        if self._fixed is not None:
            fixed = self._fixed.on(configuration.positions)
            return PairList(fixed["first"], fixed["second"])
        if self.cutoff is None:
            raise EnergyError("pairs without a cutoff are fixed")
        near = neighbour_pairs(configuration, self.cutoff, self.periodic)
        return self._allowed(near, configuration.positions)

    def _allowed(self, pairs: PairList, like: Tensor) -> PairList:
        """Leave excluded pairs out, and keep what the groups say, as often as they say."""
        rules = self._rules.on(like)
        keys, members = rules["keys"], rules["members"].bool()
        if len(keys):
            wanted = pairs.first * self.n_atoms + pairs.second
            place = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
            pairs = pairs[keys[place] != wanted]
        if not len(members):
            return pairs
        times = torch.zeros_like(pairs.first)
        for one, other in members.unbind(0):
            times += (one[pairs.first] & other[pairs.second]) | (other[pairs.first] & one[pairs.second])
        return pairs[torch.repeat_interleave(torch.arange(len(times), device=times.device), times)]


def neighbour_pairs(configuration: Configuration, cutoff: float, periodic: bool) -> PairList:
    """All pairs closer than a cutoff; searched once per configuration and cutoff.

    Parameters
    ----------
    configuration : Configuration
    cutoff : float
        nm.
    periodic : bool
        Take minimum images.

    Returns
    -------
    PairList
        On the device of the positions.

    Raises
    ------
    EnergyError
        If a position is not finite, there is no box, or the box is too small for the cutoff.
    """
    key = (cutoff, periodic)
    if key not in configuration.shared:
        with torch.no_grad():
            configuration.shared[key] = _search(configuration, cutoff, periodic)
    pairs: PairList = configuration.shared[key]
    return pairs


def _search(configuration: Configuration, cutoff: float, periodic: bool) -> PairList:
    """Neighbour search, frame by frame, on the CPU."""
    positions = configuration.positions
    coordinates = positions.detach().cpu().double().numpy()
    finite = np.isfinite(coordinates).all(axis=(1, 2))
    if not finite.all():
        raise EnergyError(
            f"configuration {int(np.argmin(finite))} of the batch has a position that is not finite"
        )
    boxes = configuration.boxes().detach().cpu().double().numpy() if periodic else None
    found = []
    for k, frame in enumerate(coordinates):
        pairs = _free_pairs(frame, cutoff) if boxes is None else _box_pairs(frame, boxes[k], cutoff)
        pairs = np.sort(pairs, axis=1)
        found.append(np.concatenate([np.full((len(pairs), 1), k), pairs], axis=1))
    table = torch.from_numpy(np.concatenate(found).astype(np.int64)).to(positions.device)
    frames, first, second = table.unbind(1)
    listed = PairList(first, second, frames)
    if boxes is None:
        return listed
    vectors = positions[frames, second] - positions[frames, first]
    nearest = torch.empty_like(vectors)
    for k, box in enumerate(configuration.boxes()):
        rows = frames == k
        nearest[rows] = minimum_image(vectors[rows], box)
    listed = PairList(first, second, frames, nearest - vectors)
    return listed[nearest.square().sum(-1) < cutoff**2]


def _free_pairs(positions: NDArray[np.float64], cutoff: float) -> _Ints:
    """Pairs closer than the cutoff without a box."""
    return np.asarray(cKDTree(positions).query_pairs(cutoff, output_type="ndarray"), dtype=np.int64)


def _box_pairs(positions: NDArray[np.float64], box: NDArray[np.float64], cutoff: float) -> _Ints:
    """Pairs closer than the cutoff (and a few just beyond) in a box, orthorhombic or triclinic."""
    widths = abs(np.linalg.det(box)) / np.linalg.norm(np.cross(box[[1, 2, 0]], box[[2, 0, 1]]), axis=1)
    if cutoff > 0.5 * widths.min():
        raise EnergyError(
            f"the cutoff of {cutoff:g} nm is more than half of the box's smallest width, {widths.min():g} nm"
        )
    if np.count_nonzero(box - np.diag(np.diagonal(box))) == 0:
        lengths = np.diagonal(box)
        wrapped = np.mod(positions, lengths)
        wrapped[wrapped >= lengths] = 0.0  # a tiny negative coordinate rounds to the length itself
        tree = cKDTree(wrapped, boxsize=lengths)
        return np.asarray(tree.query_pairs(cutoff + _SLACK, output_type="ndarray"), dtype=np.int64)
    from MDAnalysis.lib.distances import self_capped_distance
    from MDAnalysis.lib.mdamath import triclinic_box

    wrapped = positions - np.floor(positions @ np.linalg.inv(box)) @ box
    dimensions = triclinic_box(*box)
    found = self_capped_distance(
        wrapped.astype(np.float32), cutoff + _SLACK, box=dimensions, return_distances=False
    )
    return np.asarray(found, dtype=np.int64).reshape(-1, 2)
