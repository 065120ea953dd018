"""Local statistics of chains of beads: bond lengths, angles and non-bonded distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.divergence import js
from msb.analysis.histograms import bin_edges
from msb.analysis.structure.pairs import NonbondedPairs
from msb.analysis.structure.rdf import PairGroups, RadialCounter
from msb.analysis.structure.terms import term_values
from msb.core.box import volume
from msb.core.topology import Topology
from msb.errors import TrajectoryError

__all__ = [
    "EXCLUDED",
    "QUANTITIES",
    "LocalStatistics",
    "Ranges",
    "bonded_values",
    "pair_counter",
    "share_left",
]

QUANTITIES = ("bond", "angle", "rdf")
EXCLUDED = 2  # pairs up to so many bonds apart are no non-bonded ones
_BINS = 60
_MARGIN = 0.5  # of the range of bonds on both sides; what lies outside counts in the last bins
_REACH = 3.0  # mean bonds that non-bonded distances are counted to
_NOTHING = 1e-12  # nats

Floats = NDArray[Any]


@dataclass(frozen=True)
class Ranges:
    """The smallest and largest values of a set.

    Attributes
    ----------
    bond : (float, float)
        nm.
    angle : (float, float)
        rad.
    nearest : float
        Shortest non-bonded distance, nm.
    """

    bond: tuple[float, float]
    angle: tuple[float, float]
    nearest: float

    def __or__(self, other: Ranges) -> Ranges:
        """Return the ranges of both sets together."""
        return Ranges(
            (min(self.bond[0], other.bond[0]), max(self.bond[1], other.bond[1])),
            (min(self.angle[0], other.angle[0]), max(self.angle[1], other.angle[1])),
            min(self.nearest, other.nearest),
        )


@dataclass(frozen=True, eq=False)
class LocalStatistics:
    """Histograms of a set of frames, all types of beads together.

    Attributes
    ----------
    edges : dict of str to ndarray (B + 1,)
        Of `bond` (nm), `angle` (rad) and `rdf` (nm).
    counts : dict of str to ndarray (B,)
        Over all frames; whole numbers, unless they are what a field aims at.
    mean_bond : float
        nm; NaN without bonds.
    density : float
        Beads per nm^3; NaN without boxes.
    ranges : Ranges
    frames : int
    """

    edges: dict[str, Floats]
    counts: dict[str, NDArray[Any]]
    mean_bond: float
    density: float
    ranges: Ranges
    frames: int = 1

    @classmethod
    def of(
        cls, positions: Floats, boxes: Floats | None, topology: Topology, like: LocalStatistics | None = None
    ) -> LocalStatistics:
        """Count frames.

        Parameters
        ----------
        positions : array (F, N, 3)
            nm, molecules whole.
        boxes : array (F, 3, 3) or None
            nm.
        topology : Topology
            Of the beads.
        like : LocalStatistics, optional
            Take its bins; by default bins that suit these frames.

        Raises
        ------
        TrajectoryError
            There are no frames.
        """
        if not len(positions):
            raise TrajectoryError("no frames, hence no distributions of bonds and angles: give at least one")
        bonds, angles = bonded_values(positions, topology)
        edges = _edges(bonds, boxes, topology) if like is None else like.edges
        counter = pair_counter(topology, edges["rdf"])
        cells = [None] * len(positions) if boxes is None else list(boxes)
        pairs, nearest = np.zeros(len(edges["rdf"]) - 1, dtype=np.int64), np.inf
        for x, box in zip(positions, cells, strict=True):
            near = counter.pairs.find(np.asarray(x, dtype=np.float64), box, counter.cutoff)
            pairs += counter.groups.count(near, counter.edges).sum(0)
            nearest = min(nearest, float(near.distances.min(initial=np.inf)))
        counts = {
            "bond": _counted(bonds, edges["bond"]),
            "angle": _counted(angles, edges["angle"]),
            "rdf": pairs,
        }
        ranges = Ranges(_ends(bonds, (0.0, np.inf)), _ends(angles, (0.0, np.pi)), nearest)
        mean = float(bonds.mean()) if bonds.size else float("nan")
        return cls(edges, counts, mean, _density(positions, boxes), ranges, len(positions))

    def __add__(self, other: LocalStatistics) -> LocalStatistics:
        """Return the statistics of both sets of frames together; they have the same bins."""
        shares = np.array([self.counts["bond"].sum(), other.counts["bond"].sum()], dtype=float)
        frames = np.array([self.frames, other.frames])
        return LocalStatistics(
            self.edges,
            {q: self.counts[q] + other.counts[q] for q in QUANTITIES},
            float(shares @ [self.mean_bond, other.mean_bond] / shares.sum())
            if shares.any()
            else float("nan"),
            float(frames @ [self.density, other.density] / frames.sum()),
            self.ranges | other.ranges,
            int(frames.sum()),
        )

    def divergences(self, other: LocalStatistics) -> dict[str, float]:
        """Jensen-Shannon divergences, nats, of what both have, by quantity."""
        both = [q for q in QUANTITIES if self.counts[q].any() and other.counts[q].any()]
        return {q: float(js(self.counts[q], other.counts[q])) for q in both}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            "edges": {q: self.edges[q].tolist() for q in QUANTITIES},
            "counts": {q: self.counts[q].tolist() for q in QUANTITIES},
            "mean_bond": _plain(self.mean_bond),
            "density": _plain(self.density),
            "bond": [_plain(value) for value in self.ranges.bond],
            "angle": list(self.ranges.angle),
            "nearest": _plain(self.ranges.nearest),
            "frames": self.frames,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> LocalStatistics:
        """Undo `to_dict`."""
        return cls(
            {q: np.array(plain["edges"][q], dtype=np.float64) for q in QUANTITIES},
            {q: np.array(plain["counts"][q], dtype=np.int64) for q in QUANTITIES},
            _number(plain["mean_bond"], np.nan),
            _number(plain["density"], np.nan),
            Ranges(
                (float(plain["bond"][0]), _number(plain["bond"][1], np.inf)),
                (float(plain["angle"][0]), float(plain["angle"][1])),
                _number(plain["nearest"], np.inf),
            ),
            int(plain["frames"]),
        )


def share_left(found: Mapping[str, float], before: Mapping[str, float], floor: Mapping[str, float]) -> float:
    """Return what is left of divergences, each as a share of what it was, in the mean.

    Divergences of bonds, angles and pair distances differ by orders of magnitude: their own mean is that of
    the bonds.

    Parameters
    ----------
    found, before : mapping of str to float
        Divergences from the target by quantity, nats.
    floor : mapping of str to float
        Those of the target's own snapshots from one another: what is nearer than that has nothing to lose.
    """
    shares = [value / max(before[q], floor[q], _NOTHING) for q, value in found.items()]
    return float(np.mean(shares))


def bonded_values(positions: Floats, topology: Topology) -> tuple[Floats, Floats]:
    """Bond lengths (F, B), nm, and angles (F, A), rad, of frames (F, N, 3) of whole molecules."""
    atoms = {
        "bond": topology.expand(lambda molecule: molecule.bonds),
        "angle": topology.expand(lambda molecule: molecule.angles),
    }
    return term_values(positions, "bond", atoms["bond"]), term_values(positions, "angle", atoms["angle"])


def pair_counter(topology: Topology, edges: Floats) -> RadialCounter:
    """Counts non-bonded pairs of all beads, whatever their types."""
    everything = PairGroups.by_type(np.full(topology.n_atoms, "bead"))
    return RadialCounter(everything, edges, NonbondedPairs(topology, EXCLUDED))


def _edges(bonds: Floats, boxes: Floats | None, topology: Topology) -> dict[str, Floats]:
    if bonds.size:
        reach = _REACH * float(bonds.mean())
    elif boxes is not None:  # single points: as far apart as their density has them
        reach = _REACH * float(volume(np.asarray(boxes[0])) / topology.n_atoms) ** (1 / 3)
    else:
        reach = 1.0
    if boxes is not None:
        reach = min(reach, 0.5 * min(float(np.cbrt(volume(np.asarray(box)))) for box in boxes))
    return {
        "bond": bin_edges(bonds, _BINS, margin=_MARGIN) if bonds.size else np.linspace(0.0, 1.0, _BINS + 1),
        "angle": np.linspace(0.0, np.pi, _BINS + 1),
        "rdf": np.linspace(0.0, reach, _BINS + 1),
    }


def _ends(values: Floats, otherwise: tuple[float, float]) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if values.size else otherwise


def _counted(values: Floats, edges: Floats) -> NDArray[np.int64]:
    """Histogram; what lies outside counts in the last bins."""
    inside = np.clip(values.ravel(), edges[0], np.nextafter(edges[-1], edges[0]))
    return np.asarray(np.histogram(inside, edges)[0], dtype=np.int64)


def _density(positions: Floats, boxes: Floats | None) -> float:
    if boxes is None or not len(boxes) or not np.any(boxes):
        return float("nan")
    return float(np.mean([positions.shape[1] / float(volume(np.asarray(box))) for box in boxes]))


def _plain(value: float) -> float | None:
    """JSON has no infinity and no NaN."""
    return float(value) if np.isfinite(value) else None


def _number(value: float | None, otherwise: float) -> float:
    return float(otherwise) if value is None else float(value)
