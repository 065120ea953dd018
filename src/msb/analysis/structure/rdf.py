"""Radial distribution functions of non-bonded pairs, for many groups of atoms in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.structure.distributions import checked_positions, frame_boxes
from msb.analysis.structure.pairs import NearPairs, NonbondedPairs, atom_mask, uniform_bins
from msb.core.box import volume
from msb.core.topology import Topology
from msb.errors import ConfigError, TrajectoryError

__all__ = ["PairGroups", "RadialCounter", "RadialDistribution", "radial_distributions", "relative_l1"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PairGroups:
    """Which pairs of atoms count in which radial distribution function.

    Atoms that are alike for all groups form a class; groups are made of pairs of classes, so that the pairs
    of a frame are counted once however many groups there are.

    Attributes
    ----------
    names : tuple of str
        One a group.
    class_of : ndarray (N,)
        Class of every atom.
    members : ndarray (G, C, C)
        True for the pairs of classes that belong to a group; symmetric.
    """

    names: tuple[str, ...]
    class_of: IntArray
    members: BoolArray

    @classmethod
    def by_type(cls, labels: ArrayLike, pairs: Sequence[tuple[str, str]] | None = None) -> PairGroups:
        """Make one group for every pair of types, or for the given ones.

        Parameters
        ----------
        labels : array_like of str (N,)
            `topology.atom_types`, or elements.
        pairs : sequence of (str, str), optional
            All by default.

        Raises
        ------
        ConfigError
            A type is not there.
        """
        known, codes = np.unique(np.asarray(labels).astype(str), return_inverse=True)
        chosen = list(combinations_with_replacement(known.tolist(), 2) if pairs is None else pairs)
        missing = {label for pair in chosen for label in pair} - set(known.tolist())
        if missing:
            raise ConfigError(f"there is no {', '.join(sorted(missing))}; there are {', '.join(known)}")
        members = np.zeros((len(chosen), len(known), len(known)), dtype=bool)
        for row, (one, other) in zip(members, chosen, strict=True):
            i, j = np.searchsorted(known, [one, other])
            row[i, j] = row[j, i] = True
        return cls(tuple(f"{one}-{other}" for one, other in chosen), codes.ravel(), members)

    @classmethod
    def between(
        cls, n_atoms: int, selections: Mapping[str, tuple[ArrayLike, ArrayLike] | ArrayLike]
    ) -> PairGroups:
        """Make groups of selected atoms.

        Parameters
        ----------
        n_atoms : int
            Of the system.
        selections : mapping of str to atoms, or to (atoms, atoms)
            Indices or masks. One set: pairs within it. Two: pairs between them; pairs of which both atoms
            are in both sets count once.

        Raises
        ------
        ConfigError
            A set is empty or names atoms that are not there.
        """
        sides = np.zeros((len(selections), 2, n_atoms), dtype=bool)
        for row, (name, chosen) in zip(sides, selections.items(), strict=True):
            both = chosen if isinstance(chosen, tuple) else (chosen, chosen)
            for side, atoms in zip(row, both, strict=True):
                side[:] = atom_mask(atoms, n_atoms, name)
        patterns, class_of = np.unique(sides.reshape(-1, n_atoms).T, axis=0, return_inverse=True)
        one, other = patterns.reshape(len(patterns), -1, 2).transpose(2, 1, 0)
        members = one[:, :, None] & other[:, None, :]
        return cls(tuple(selections), class_of.ravel(), members | members.transpose(0, 2, 1))

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.members.shape[-1])

    def distinct_pairs(self, excluded: IntArray) -> IntArray:
        """Return how many pairs each group has, (G,), without the excluded ones (X, 2)."""
        sizes = np.bincount(self.class_of, minlength=self.n_classes)
        table = np.outer(sizes, sizes)
        np.fill_diagonal(table, sizes * (sizes - 1) // 2)
        codes = np.sort(self.class_of[excluded], axis=1)
        np.subtract.at(table, (codes[:, 0], codes[:, 1]), 1)
        upper = np.triu(table)
        return np.asarray((self.members * upper).sum(axis=(1, 2)))

    def count(self, pairs: NearPairs, edges: FloatArray) -> IntArray:
        """Count the pairs of one frame by distance.

        Parameters
        ----------
        pairs : NearPairs
            Those that count.
        edges : ndarray (B + 1,)
            nm; pairs outside are left out.

        Returns
        -------
        ndarray (G, B)
        """
        bins, classes = len(edges) - 1, self.n_classes
        place = uniform_bins(pairs.distances, edges)
        code = (self.class_of[pairs.first] * classes + self.class_of[pairs.second]) * bins + place
        code = code[(place >= 0) & (place < bins)]
        table = np.bincount(code, minlength=classes * classes * bins).reshape(classes, classes, bins)
        return np.asarray(np.einsum("gab,abn->gn", self.members.astype(np.int64), table))


@dataclass(frozen=True, eq=False)
class RadialDistribution:
    """Distances of the pairs of one group.

    Attributes
    ----------
    name : str
        Of the group.
    edges : ndarray (B + 1,)
        nm.
    counts : ndarray (B,)
        Pairs in all frames together, every pair once.
    expected : ndarray (B,) or None
        Pairs that as many atoms without structure would have; None without a box.
    n_frames, n_pairs : int
        Frames; pairs of atoms in the group, without the excluded.
    """

    name: str
    edges: FloatArray
    counts: IntArray
    expected: FloatArray | None
    n_frames: int
    n_pairs: int

    @property
    def r(self) -> FloatArray:
        """Middles of the bins, (B,), nm."""
        return np.asarray(0.5 * (self.edges[1:] + self.edges[:-1]))

    @property
    def g(self) -> FloatArray:
        r"""The function itself, (B,): counts over :math:`N_{pairs} \sum_f \Delta V / V_f`.

        Raises
        ------
        TrajectoryError
            There was no box, hence no density.
        """
        if self.expected is None:
            raise TrajectoryError(
                f"g(r) of {self.name} needs a density, and these frames have no box: use the counts"
            )
        return np.asarray(self.counts / self.expected)


class RadialCounter:
    """Counts pairs of frames by distance; its sums add up over frames and workers.

    Parameters
    ----------
    groups : PairGroups
        What to count.
    edges : array_like (B + 1,)
        nm, ascending, from 0 or above.
    pairs : NonbondedPairs
        Which pairs are non-bonded.

    Raises
    ------
    ConfigError
        The edges do not ascend or begin below 0, or a group is of another system.
    """

    def __init__(self, groups: PairGroups, edges: ArrayLike, pairs: NonbondedPairs) -> None:
        self.groups, self.edges, self.pairs = groups, np.asarray(edges, dtype=np.float64), pairs
        if (
            self.edges.ndim != 1
            or len(self.edges) < 2
            or self.edges[0] < 0
            or (np.diff(self.edges) <= 0).any()
        ):
            raise ConfigError("the edges of a radial distribution must ascend from 0 nm or above")
        if len(groups.class_of) != pairs.n_atoms:
            raise ConfigError(
                f"the groups are of {len(groups.class_of)} atoms, the system of {pairs.n_atoms}"
            )
        self.n_pairs = groups.distinct_pairs(pairs.excluded)

    @property
    def cutoff(self) -> float:
        """Largest distance that counts, nm."""
        return float(self.edges[-1])

    def inverse_volume(self, box: ArrayLike | None) -> float:
        """Return 1 / volume, 1/nm^3; NaN without a box."""
        if box is None or not np.any(box):
            return np.nan
        return 1.0 / float(volume(np.asarray(box, dtype=np.float64)))

    def result(
        self, counts: IntArray, inverse_volumes: float, n_frames: int
    ) -> dict[str, RadialDistribution]:
        """Make radial distributions of summed counts (G, B) and summed inverse volumes.

        Raises
        ------
        TrajectoryError
            No frame was counted.
        """
        if not n_frames:
            raise TrajectoryError(
                "no frame was counted, so there is no radial distribution: give at least one"
            )
        shells = 4.0 / 3.0 * np.pi * np.diff(self.edges**3)
        found = {}
        for name, own, number in zip(self.groups.names, counts, self.n_pairs.tolist(), strict=True):
            expected = number * shells * inverse_volumes if np.isfinite(inverse_volumes) and number else None
            found[name] = RadialDistribution(name, self.edges, own, expected, n_frames, number)
        return found


def radial_distributions(
    positions: ArrayLike,
    topology: Topology,
    boxes: ArrayLike | None,
    edges: ArrayLike,
    *,
    groups: PairGroups | None = None,
    exclude_bonds: int = 3,
) -> dict[str, RadialDistribution]:
    """Return radial distributions of non-bonded pairs.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    boxes : array_like (F, 3, 3) or (3, 3), or None
        Row vectors, nm; of any shape, and smaller than the distances if need be: all images count.
    edges : array_like (B + 1,)
        nm.
    groups : PairGroups, optional
        One for every pair of atom types by default.
    exclude_bonds : int
        Pairs up to this many bonds apart do not count.

    Returns
    -------
    dict of str to RadialDistribution

    Raises
    ------
    TrajectoryError, ConfigError
        There is no frame, or positions, edges or groups do not fit.
    """
    x = checked_positions(positions, topology)
    chosen = PairGroups.by_type(topology.atom_types) if groups is None else groups
    counter = RadialCounter(chosen, edges, NonbondedPairs(topology, exclude_bonds))
    cells = frame_boxes(boxes, len(x))
    counts: IntArray = np.zeros((len(chosen.names), len(counter.edges) - 1), dtype=np.int64)
    inverse = 0.0
    for frame, box in zip(x, cells, strict=True):
        counts += chosen.count(counter.pairs.find(frame, box, counter.cutoff), counter.edges)
        inverse += counter.inverse_volume(box)
    return counter.result(counts, inverse, len(x))


def relative_l1(test: ArrayLike, reference: ArrayLike) -> float:
    """Return the difference of two histograms: ``sum |test - reference| / sum reference``.

    Parameters
    ----------
    test, reference : array_like (B,)
        Counts over the same number of frames.

    Returns
    -------
    float

    Raises
    ------
    TrajectoryError
        The reference is empty or the bins differ.
    """
    one, other = np.asarray(test, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if one.shape != other.shape:
        raise TrajectoryError(f"histograms of {one.shape} and {other.shape} bins cannot be compared")
    if not other.sum() > 0:
        raise TrajectoryError("the reference histogram is empty: there is nothing to compare with")
    return float(np.abs(one - other).sum() / other.sum())
