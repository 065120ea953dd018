"""Two ensembles side by side: quantities counted block by block as frames stream, then scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.bootstrap import block_numbers
from msb.analysis.divergence import Excess, excess_of_counts
from msb.analysis.structure.rdf import relative_l1
from msb.analysis.timescales import ImpliedTimescales
from msb.errors import TrajectoryError

__all__ = [
    "BlockHistogram",
    "Compared",
    "EnsembleComparison",
    "KineticComparison",
    "Quantity",
    "compare_counts",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Quantity:
    """What is counted, and in which bins.

    Attributes
    ----------
    name : str
        For tables and titles: ``"C-C-H"``.
    kind : str
        ``"bond"``, ``"angle"``, ``"dihedral"``, ``"improper"``, ``"rdf"``, ``"energy"`` or ``"surface"``.
    unit : str
        Of the edges.
    edges : ndarray (B + 1,)
        Bin edges.
    per_frame : int
        Values in a frame; 0 where that varies.
    constrained : bool
        The reference has no more spread than the rounding of its file: widths are compared, not shapes.
    """

    name: str
    kind: str
    unit: str
    edges: FloatArray
    per_frame: int = 0
    constrained: bool = False


class BlockHistogram:
    """Counts in contiguous blocks of frames, even and odd frames apart, with mean and spread; flat memory.

    Parameters
    ----------
    n_frames : int
        Frames there will be, at least two.
    n_bins : int
        Bins of the quantity.
    blocks : int
        Blocks of the bootstrap.

    Attributes
    ----------
    counts : ndarray (K, 2, B)
        Block, parity of the frame, bin.

    Raises
    ------
    TrajectoryError
        Fewer than two frames.
    """

    def __init__(self, n_frames: int, n_bins: int, blocks: int = 50) -> None:
        self._block = block_numbers(n_frames, blocks)
        self.counts: IntArray = np.zeros((int(self._block[-1]) + 1, 2, n_bins), dtype=np.int64)
        self._number, self._sum, self._squares, self._origin = 0, 0.0, 0.0, 0.0

    def add(self, frames: IntArray, bins: IntArray, values: ArrayLike | None = None) -> None:
        """Count values by their bins (F, K), of the frames (F,); -1 is not counted.

        Parameters
        ----------
        frames : int array (F,)
            Absolute numbers, from 0.
        bins : int array (F, K)
            As :func:`msb.analysis.histograms.bin_numbers` gives them.
        values : array_like (F, K), optional
            The values themselves, for mean and spread.
        """
        n_bins = self.counts.shape[-1]
        cells = (2 * self._block[frames] + frames % 2)[:, None] * n_bins + bins
        self.counts += np.bincount(cells[bins >= 0], minlength=self.counts.size).reshape(self.counts.shape)
        if values is not None:
            self._add_moments(np.asarray(values, dtype=np.float64))

    def add_counts(self, frames: IntArray, counts: ArrayLike) -> None:
        """Add the histograms (F, B) of the frames (F,)."""
        np.add.at(self.counts, (self._block[frames], frames % 2), np.asarray(counts, dtype=np.int64))

    def _add_moments(self, values: FloatArray) -> None:
        if self._number == 0:
            self._origin = float(values.mean())
        self._number += values.size
        self._sum += float((values - self._origin).sum())
        self._squares += float(((values - self._origin) ** 2).sum())

    @property
    def mean(self) -> float:
        """Mean of the values; NaN where only counts were given."""
        return self._origin + self._sum / self._number if self._number else float("nan")

    @property
    def spread(self) -> float:
        """Standard deviation of the values; NaN where only counts were given."""
        if not self._number:
            return float("nan")
        variance = self._squares / self._number - (self._sum / self._number) ** 2
        return float(np.sqrt(max(variance, 0.0)))


@dataclass(frozen=True)
class Compared:
    """One quantity of a test ensemble beside the same of the reference.

    Attributes
    ----------
    quantity : Quantity
        What was compared.
    reference, test : ndarray (B,)
        Counts.
    means, spreads : (float, float)
        Mean and standard deviation of the reference, and of the test.
    score : Excess or None
        None where the reference is constrained: then the spreads are compared.
    l1, l1_floor : float or None
        Of pair distances: sum of the differences over the sum of the counts, between even frames of one and
        odd frames of the other, and between even and odd frames of the reference.
    """

    quantity: Quantity
    reference: IntArray
    test: IntArray
    means: tuple[float, float]
    spreads: tuple[float, float]
    score: Excess | None
    l1: float | None = None
    l1_floor: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether no difference shows: the interval of the excess reaches zero, or the widths are alike."""
        if self.score is None:
            return self.spreads[1] <= self.spreads[0] + 3e-4
        return self.score.low <= 0.0

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        told: dict[str, Any] = {"name": self.quantity.name, "kind": self.quantity.kind}
        told |= {"unit": self.quantity.unit, "means": _plain(np.array(self.means))}
        told["spreads"] = _plain(np.array(self.spreads))
        told |= {"per_frame": self.quantity.per_frame, "agrees": self.agrees}
        told["constrained"] = self.quantity.constrained
        told |= vars(self.score) if self.score else {}
        told |= {} if self.l1 is None else {"l1": self.l1, "l1_floor": self.l1_floor}
        told |= {"edges": self.quantity.edges.tolist()}
        return told | {"reference": self.reference.tolist(), "test": self.test.tolist()}


def compare_counts(
    quantity: Quantity, test: BlockHistogram, reference: BlockHistogram, seed: int = 0
) -> Compared:
    """Score what was counted.

    Parameters
    ----------
    quantity : Quantity
        What was counted.
    test, reference : BlockHistogram
        Over the same number of frames and the same bins.
    seed : int
        Of the bootstrap.

    Raises
    ------
    TrajectoryError
        Nothing was counted in one of them.
    """
    try:
        score = None if quantity.constrained else excess_of_counts(test.counts, reference.counts, seed=seed)
    except TrajectoryError as error:
        raise TrajectoryError(f"{quantity.kind} {quantity.name}: {error}") from None
    l1 = _l1(test.counts, reference.counts) if quantity.kind == "rdf" else (None, None)
    return Compared(
        quantity,
        reference.counts.sum((0, 1)),
        test.counts.sum((0, 1)),
        (reference.mean, test.mean),
        (reference.spread, test.spread),
        score,
        *l1,
    )


def _l1(test: IntArray, reference: IntArray) -> tuple[float, float]:
    """Relative L1 of test and reference, and its floor, even frames against odd ones.

    Odd frames count for as much as even ones where there is one more of these.
    """
    own, other = (counts.sum(0) / counts.sum((0, 2))[:, None] for counts in (test, reference))
    crossed = other[::-1]
    found = [
        float(np.mean([relative_l1(*pair) for pair in zip(x, crossed, strict=True)])) for x in (own, other)
    ]
    return found[0], found[1]


@dataclass(frozen=True)
class KineticComparison:
    """Slow processes of test and reference on the states of the reference.

    Attributes
    ----------
    features : str
        What they were computed from.
    axes : (str, str)
        Names of the surface's coordinates, with units.
    edges : (ndarray (A + 1,), ndarray (B + 1,))
        Bins of the surface.
    surfaces : (ndarray (A, B), ndarray (A, B))
        Free energy of the reference and of the test, kJ/mol; NaN where nothing was seen.
    surface : Excess
        Divergence of the populations of the surface.
    reference, test : ImpliedTimescales
        Over the same lags.
    similarity : ndarray (K,)
        Cosine similarity of the eigenvectors, weighted by the stationary distribution.
    markovian : (bool or None, bool or None)
        Whether the models of reference and test passed the Chapman-Kolmogorov test; None: not done.
    """

    features: str
    axes: tuple[str, str]
    edges: tuple[FloatArray, FloatArray]
    surfaces: tuple[FloatArray, FloatArray]
    surface: Excess
    reference: ImpliedTimescales
    test: ImpliedTimescales
    similarity: FloatArray
    markovian: tuple[bool | None, bool | None]

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able; None for what is not finite."""
        runs = {"reference": self.reference, "test": self.test}
        return {
            "features": self.features,
            "surface": vars(self.surface),
            "lags_ps": self.reference.lags.tolist(),
            "similarity": _plain(self.similarity),
            "chapman_kolmogorov_passed": list(self.markovian),
            **{
                f"{name}_{field}": _plain(getattr(run, field))
                for name, run in runs.items()
                for field in ("timescales", "low", "high", "active")
            },
        }


@dataclass(frozen=True)
class EnsembleComparison:
    """One test ensemble beside the reference, everything that was compared.

    Attributes
    ----------
    label : str
        The test's name.
    n_frames : int
        Frames that were compared.
    compared : tuple of Compared
        Distributions.
    kinetics : KineticComparison or None
        Where it was asked for.
    notes : tuple of str
        What a reader of the numbers must know.
    """

    label: str
    n_frames: int
    compared: tuple[Compared, ...]
    kinetics: KineticComparison | None = None
    notes: tuple[str, ...] = field(default=())

    def excesses(self) -> dict[str, float]:
        """Excess of everything that has one, by kind and name, the largest first."""
        found = {
            f"{c.quantity.kind} {c.quantity.name}": c.score.excess
            for c in self.compared
            if c.score is not None
        }
        if self.kinetics is not None:
            found[f"surface {self.kinetics.features}"] = self.kinetics.surface.excess
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        return {
            "test": self.label,
            "n_frames": self.n_frames,
            "largest_excess": next(iter(self.excesses().items()), None),
            "quantities": [compared.summary() for compared in self.compared],
            "kinetics": None if self.kinetics is None else self.kinetics.summary(),
            "notes": list(self.notes),
        }


def _plain(values: FloatArray) -> Any:
    return (
        [_plain(row) for row in values]
        if values.ndim > 1
        else [float(value) if np.isfinite(value) else None for value in values]
    )
