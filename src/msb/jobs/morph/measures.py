"""What is measured of every frame while it is morphed, small enough to be kept beside the output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.chains import chain_sizes
from msb.core.topology import Topology
from msb.io.atomic import atomic_write_json
from msb.morph.statistics import LocalStatistics, Ranges, bonded_values, pair_counter

__all__ = [
    "BEYOND",
    "LENGTHS",
    "ChainSizes",
    "FrameMeasures",
    "Records",
    "beyond",
    "length_counts",
    "size_sums",
]

Floats = NDArray[np.floating]

#: What `beyond` counts, in its order.
BEYOND = ("bonds", "angles", "contacts")

#: Edges of the bins that all bonds are counted in, in mean bonds of the target.
LENGTHS = np.linspace(0.0, 2.5, 151)

_SETS = ("before", "after", "centres")
_ARRAYS = ("sizes", "beyond", "lengths")


@dataclass(frozen=True)
class ChainSizes:
    """Mean sizes of all chains, nm.

    Attributes
    ----------
    end_to_end, gyration : float
        Roots of the mean squares.
    contour : float
        Mean length along the bonds.
    """

    end_to_end: float
    gyration: float
    contour: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.end_to_end, self.gyration, self.contour))


@dataclass(frozen=True, eq=False)
class FrameMeasures:
    """One frame, or several summed.

    Attributes
    ----------
    before, after : LocalStatistics
        Of the beads.
    centres : LocalStatistics
        Of the centres in the bottleneck, which are the same before and after.
    sizes : ndarray (2, 4)
        Before and after: sums over chains of squared end-to-end distance, squared radius of gyration and
        contour length, and the number of chains.
    beyond : ndarray (2, 3)
        Before and after: how many bonds and angles are outside the target's range, and how many non-bonded
        pairs nearer than the nearest of the target.
    lengths : ndarray (2, B)
        Before and after: bonds in the bins of `LENGTHS`; the statistics hold those beyond the target's range
        in their last bins.
    moved : float
        Farthest that a centre was moved, nm.
    seconds : float
    frames : int
    """

    before: LocalStatistics
    after: LocalStatistics
    centres: LocalStatistics
    sizes: NDArray[np.float64]
    beyond: NDArray[np.int64]
    lengths: NDArray[np.int64]
    moved: float
    seconds: float
    frames: int = 1

    def __add__(self, other: FrameMeasures) -> FrameMeasures:
        return FrameMeasures(
            self.before + other.before,
            self.after + other.after,
            self.centres + other.centres,
            self.sizes + other.sizes,
            self.beyond + other.beyond,
            self.lengths + other.lengths,
            max(self.moved, other.moved),
            self.seconds + other.seconds,
            self.frames + other.frames,
        )

    @property
    def chain_sizes(self) -> tuple[ChainSizes, ChainSizes]:
        """Sizes of the chains before and after."""
        ends, gyration, contour = (self.sizes[:, :3] / self.sizes[:, 3:]).T
        both = np.stack([np.sqrt(ends), np.sqrt(gyration), contour], axis=1)
        return ChainSizes(*both[0].tolist()), ChainSizes(*both[1].tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-able."""
        sets = {name: getattr(self, name).to_dict() for name in _SETS}
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {**sets, **arrays, "moved": self.moved, "seconds": self.seconds, "frames": self.frames}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> FrameMeasures:
        """Make it of what `to_dict` gives."""
        before, after, centres = (LocalStatistics.from_dict(plain[name]) for name in _SETS)
        sizes, outside, lengths = (np.array(plain[name]) for name in _ARRAYS)
        told = plain["moved"], plain["seconds"], plain["frames"]
        return cls(before, after, centres, sizes, outside, lengths, *told)


def size_sums(positions: Floats, topology: Topology) -> NDArray[np.float64]:
    """Return sums (4,) over the chains of a frame; see `FrameMeasures.sizes`.

    Parameters
    ----------
    positions : ndarray (N, 3)
        nm, chains whole.
    topology : Topology
        Of the chains.
    """
    found = np.concatenate(list(chain_sizes(positions[None], topology).values()), axis=1)[0]
    return np.append(found.sum(0), len(found))


def beyond(positions: Floats, box: Floats | None, topology: Topology, ranges: Ranges) -> NDArray[np.int64]:
    """Return how much of a frame is outside a range; see `FrameMeasures.beyond`.

    Parameters
    ----------
    positions : ndarray (N, 3)
        nm, chains whole.
    box : ndarray (3, 3) or None
        nm.
    topology : Topology
        Of the chains.
    ranges : Ranges
        Of the target.
    """
    found = []
    for values, (low, high) in zip(
        bonded_values(positions[None], topology), (ranges.bond, ranges.angle), strict=True
    ):
        found.append(int(np.sum((values < low) | (values > high))))
    near = 0
    if 0 < ranges.nearest < np.inf:
        counter = pair_counter(topology, np.array([0.0, ranges.nearest]))
        pairs = counter.pairs.find(np.asarray(positions, dtype=np.float64), box, ranges.nearest)
        near = int(np.sum(pairs.distances < ranges.nearest))
    return np.array([*found, near], dtype=np.int64)


def length_counts(positions: Floats, topology: Topology, mean_bond: float) -> NDArray[np.int64]:
    """Return the bonds of a frame (N, 3) of whole chains, counted in the bins of `LENGTHS` (B,).

    Parameters
    ----------
    positions : ndarray (N, 3)
        nm.
    topology : Topology
        Of the chains.
    mean_bond : float
        Of the target, nm.
    """
    bonds = bonded_values(positions[None], topology)[0] / mean_bond
    return np.asarray(np.histogram(np.minimum(bonds, LENGTHS[-1]), LENGTHS)[0], dtype=np.int64)


class Records:
    """Measures of the frames of each step of an unfinished output, which a resumed run takes up.

    Parameters
    ----------
    folder : Path
        The work folder of the output, see `msb.io.segments.parts_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[FrameMeasures] = []

    def take_up(self, n_steps: int) -> None:
        """Read what is known of the steps that are done.

        Parameters
        ----------
        n_steps : int
        """
        for number in range(n_steps):
            plain = json.loads(self._path(number).read_text(encoding="utf-8"))
            self.steps.append(FrameMeasures.from_dict(plain))

    def add(self, frames: Sequence[FrameMeasures]) -> None:
        """Keep the measures of one step, before its frames are written.

        Parameters
        ----------
        frames : sequence of FrameMeasures
        """
        step = reduce(add, frames)
        atomic_write_json(self._path(len(self.steps)), step.to_dict(), indent=None)
        self.steps.append(step)

    def total(self) -> FrameMeasures:
        """Return the measures of all frames together."""
        return reduce(add, self.steps)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.found"
