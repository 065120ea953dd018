"""Histograms of bonds, angles and dihedrals, group by group, over bins that are stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.structure.pairs import uniform_bins
from msb.analysis.structure.terms import KINDS, Kind, Term, bonded_terms, term_values
from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.errors import ConfigError, TrajectoryError

__all__ = ["BINS", "Distribution", "InternalCounter", "internal_distributions"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BINS: Mapping[Kind, FloatArray] = {
    "bond": np.linspace(0.05, 0.25, 401),
    "angle": np.deg2rad(np.linspace(40.0, 180.0, 281)),
    "dihedral": np.deg2rad(np.linspace(-180.0, 180.0, 181)),
    "improper": np.deg2rad(np.linspace(-60.0, 60.0, 241)),
}
"""Edges in nm and radians: 0.5 pm from 0.05 to 0.25 nm; half degrees from 40 to 180; two degrees all around;
half degrees within 60 of the plane."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """How often the values of one term fell into bins.

    Attributes
    ----------
    term : Term
        Whose values.
    edges : ndarray (B + 1,)
        nm or radians.
    counts : ndarray (B,)
        What lies outside the edges counts in the first or last bin.
    mean, sd : float
        Of the values themselves (nm or radians); of angles on the line, not on the circle.
    """

    term: Term
    edges: FloatArray
    counts: IntArray
    mean: float
    sd: float

    @property
    def density(self) -> FloatArray:
        """Probability density, (B,), in 1/nm or 1/radian."""
        return np.asarray(self.counts / (self.counts.sum() * np.diff(self.edges)))


class InternalCounter:
    """Counts the bonds, angles and dihedrals of frames; its sums add up over frames and workers.

    Parameters
    ----------
    topology : Topology
        The system.
    terms : sequence of Term, optional
        What to count; by default everything there is.
    bins : mapping of kind to edges
        In place of `BINS`; equal bins, ascending.

    Raises
    ------
    ConfigError
        The edges of a kind are no equal, ascending bins.
    """

    def __init__(
        self,
        topology: Topology,
        terms: Sequence[Term] | None = None,
        bins: Mapping[Kind, ArrayLike] | None = None,
    ) -> None:
        self.topology = topology
        self.terms = tuple(bonded_terms(topology) if terms is None else terms)
        self.edges = {kind: np.asarray({**BINS, **(bins or {})}[kind], dtype=np.float64) for kind in KINDS}
        for kind, edges in self.edges.items():
            if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
                raise ConfigError(f"the edges of kind {kind!r} must be at least two ascending numbers")
        self._rows = {kind: [k for k, t in enumerate(self.terms) if t.kind == kind] for kind in KINDS}
        self._width = max(len(edges) - 1 for edges in self.edges.values())

    def nothing(self) -> tuple[IntArray, FloatArray]:
        """Return counts and moments of no frames, to add to."""
        return np.zeros((len(self.terms), self._width), dtype=np.int64), np.zeros((len(self.terms), 3))

    def count(self, positions: ArrayLike, boxes: ArrayLike | None = None) -> tuple[IntArray, FloatArray]:
        """Count some frames.

        Parameters
        ----------
        positions : array_like (F, N, 3)
            nm; molecules are made whole where there are boxes.
        boxes : array_like (F, 3, 3) or (3, 3), optional
            Row vectors, nm.

        Returns
        -------
        counts : ndarray (terms, widest)
            The first bins of a row are those of the term's kind.
        moments : ndarray (terms, 3)
            Number, sum and sum of squares of the values.
        """
        x = checked_positions(positions, self.topology)
        x = x if boxes is None else make_whole(x, np.asarray(boxes, dtype=np.float64), self.topology)
        counts, moments = self.nothing()
        for kind, rows in self._rows.items():
            if not rows:
                continue
            edges, atoms = self.edges[kind], [self.terms[k].atoms for k in rows]
            values = term_values(x, kind, np.concatenate(atoms))
            place = np.clip(uniform_bins(values, edges), 0, len(edges) - 2)
            start = 0
            for k, own in zip(rows, atoms, strict=True):
                part = slice(start, start + len(own))
                counts[k, : len(edges) - 1] = np.bincount(place[:, part].ravel(), minlength=len(edges) - 1)
                chosen = values[:, part]
                moments[k] = chosen.size, chosen.sum(), np.square(chosen).sum()
                start = part.stop
        return counts, moments

    def result(self, counts: IntArray, moments: FloatArray) -> dict[str, Distribution]:
        """Make distributions of summed counts, by the names of their terms.

        Raises
        ------
        TrajectoryError
            Nothing was counted.
        """
        if not moments[:, 0].all():
            raise TrajectoryError("no frame was counted, so there are no distributions: give at least one")
        mean = moments[:, 1] / moments[:, 0]
        sd = np.sqrt(np.maximum(moments[:, 2] / moments[:, 0] - mean**2, 0.0))
        found = {}
        for k, term in enumerate(self.terms):
            edges = self.edges[term.kind]
            own = counts[k, : len(edges) - 1].copy()
            found[term.name] = Distribution(term, edges, own, float(mean[k]), float(sd[k]))
        return found


def internal_distributions(
    positions: ArrayLike,
    topology: Topology,
    boxes: ArrayLike | None = None,
    *,
    terms: Sequence[Term] | None = None,
    bins: Mapping[Kind, ArrayLike] | None = None,
    chunk: int = 8,
) -> dict[str, Distribution]:
    """Return the distribution of every bond, angle, proper and improper dihedral, by types.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    boxes : array_like (F, 3, 3) or (3, 3), optional
        Row vectors, nm.
    terms, bins
        See `InternalCounter`.
    chunk : int
        Frames at once: memory only.

    Returns
    -------
    dict of str to Distribution
        "angle C-C-H" for instance.

    Raises
    ------
    TrajectoryError
        There is no frame, or atoms do not fit the topology.
    """
    counter, x = InternalCounter(topology, terms, bins), checked_positions(positions, topology)
    cells = None if boxes is None else np.stack(frame_boxes(boxes, len(x)))  # type: ignore[arg-type]
    counts, moments = counter.nothing()
    for first in range(0, len(x), chunk):
        part = slice(first, first + chunk)
        new = counter.count(x[part], None if cells is None else cells[part])
        counts, moments = counts + new[0], moments + new[1]
    return counter.result(counts, moments)


def checked_positions(positions: ArrayLike, topology: Topology) -> FloatArray:
    """Return positions (F, N, 3) in float64 if they are finite, fit the topology and are not none."""
    x = np.asarray(positions, dtype=np.float64)
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or x.shape[1:] != (topology.n_atoms, 3):
        raise TrajectoryError(
            f"positions of shape {np.shape(positions)} do not fit {topology.n_atoms} atoms: "
            f"(frames, {topology.n_atoms}, 3) is needed"
        )
    if not len(x):
        raise TrajectoryError("there are no frames: give at least one")
    bad = ~np.isfinite(x).all(axis=(1, 2))
    if bad.any():
        raise TrajectoryError(
            f"{int(bad.sum())} of {len(x)} frames have coordinates that are not finite, the first is frame "
            f"{int(np.argmax(bad))} (counted from 0): leave them out or repair the file"
        )
    return x


def frame_boxes(boxes: ArrayLike | None, n_frames: int) -> list[FloatArray | None]:
    """Return one box (3, 3) a frame, or None for each, from boxes (F, 3, 3), one box, or None."""
    if boxes is None:
        return [None] * n_frames
    cells = np.asarray(boxes, dtype=np.float64)
    if cells.shape not in ((3, 3), (n_frames, 3, 3)):
        raise TrajectoryError(
            f"boxes of shape {cells.shape} do not fit {n_frames} frames: "
            f"({n_frames}, 3, 3) or (3, 3) is needed"
        )
    return list(np.broadcast_to(cells, (n_frames, 3, 3)))
