r"""How far the forces of a set are from those of the reference: Jensen-Shannon divergence on its quantiles.

A single clash exerts forces thousands of times the usual ones and would own any grid of equal bins.  So the
bins are quantiles of the reference, each as full as the others, and one more bin takes everything larger than
the reference has ever seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.divergence import Excess, js
from msb.assess.resampling import LEAST_FRAMES, BlockedCounts, cloud, draw_weights, half_splits, thinned
from msb.errors import TrajectoryError

__all__ = ["ForceBins", "Score", "check_sets", "compare", "score"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEAST_A_BIN = 10  # values of the reference


@dataclass(frozen=True, eq=False)
class ForceBins:
    """Bins between quantiles of a reference, and one beyond the last (both ends, where signs matter).

    Attributes
    ----------
    edges : float array (n + 1,)
        Ascending, kJ/mol/nm: bins 0 to n - 1, the last one closed.  Bin n, the overflow, holds what is larger
        or not finite.
    signed : bool
        Components of forces: one more bin, the first, holds what is smaller.
    """

    edges: FloatArray
    signed: bool = False

    @classmethod
    def of_reference(cls, values: ArrayLike, n: int = 100, *, signed: bool = False) -> ForceBins:
        """Put the same share of a reference into each of n bins.

        Parameters
        ----------
        values : array_like (...)
            Magnitudes of forces, or components, kJ/mol/nm.
        n : int
            Number of bins; fewer where they would hold less than ten values each, or where many values are
            equal.
        signed : bool
            Whether values are components; magnitudes begin at zero.

        Returns
        -------
        ForceBins

        Raises
        ------
        TrajectoryError
            If the reference is empty, not finite, or has no spread.
        """
        flat = np.asarray(values, dtype=np.float64).ravel()
        bad = flat.size - int(np.isfinite(flat).sum())
        if not flat.size or bad or n < 1:
            raise TrajectoryError(
                f"bins need finite forces of the reference and at least one bin, but {bad} of {flat.size} "
                f"forces are not finite and {n} bins were asked for: look at the reference's frames and at "
                "whether the force field is theirs"
            )
        number = max(1, min(n, flat.size // _LEAST_A_BIN))
        edges = np.quantile(flat, np.linspace(0.0, 1.0, number + 1))
        if not signed:
            edges[0] = 0.0
        edges = np.unique(edges)
        if len(edges) < 2:
            raise TrajectoryError(
                f"all {flat.size} forces of the reference are {edges[0]:.6g} kJ/mol/nm: there is nothing to "
                "compare; is the force field empty for these beads?"
            )
        return cls(edges, signed)

    @property
    def n_bins(self) -> int:
        """Number of bins, those beyond the edges included."""
        return len(self.edges) + int(self.signed)

    def numbers(self, values: ArrayLike) -> IntArray:
        """Bin of each value (...); what is not a number is in the overflow."""
        array = np.asarray(values, dtype=np.float64)
        found = np.searchsorted(self.edges, array, side="right") - 1
        found[array == self.edges[-1]] = len(self.edges) - 2
        return (found + 1 if self.signed else np.maximum(found, 0)).astype(np.int64)

    def counts(self, values: ArrayLike) -> IntArray:
        """Count the values of every frame.

        Parameters
        ----------
        values : array_like (F, ...)
            kJ/mol/nm; all axes but the first are counted together.

        Returns
        -------
        ndarray (F, n_bins)
        """
        array = np.atleast_1d(np.asarray(values))
        cells = self.numbers(array).reshape(len(array), -1) + self.n_bins * np.arange(len(array))[:, None]
        return np.bincount(cells.ravel(), minlength=len(array) * self.n_bins).reshape(-1, self.n_bins)

    def overflow(self, counts: ArrayLike) -> float:
        """Share of the values that lie beyond all of the reference, 0 to 1."""
        total = np.asarray(counts, dtype=np.float64).reshape(-1, self.n_bins).sum(0)
        outside = total[-1] + (total[0] if self.signed else 0.0)
        return float(outside / total.sum()) if total.sum() else 0.0


@dataclass(frozen=True, eq=False)
class Score:
    """Divergence, floor, and how every block of frames moves their difference.

    Attributes
    ----------
    divergence, floor : float
        Nats.
    of_test : float array (K,)
        Change of ``divergence - floor`` if a block of the test counted once more, to first order.
    of_reference : float array (L,)
        The same of the reference's blocks.
    """

    divergence: float
    floor: float
    of_test: FloatArray
    of_reference: FloatArray

    @property
    def excess(self) -> float:
        """Divergence less floor."""
        return self.divergence - self.floor


def compare(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    paired: bool = False,
    blocks: int = 50,
    replicates: int = 1000,
    seed: int = 0,
) -> Excess:
    """Divergence of a test from a reference, less what a perfect test of as many values would score.

    Parameters
    ----------
    test : array_like (F, B)
        Counts of every frame, in the same bins.
    reference : array_like (G, B)
    paired : bool
        The frames of the test are those of the reference, one by one (reference to beads and back): both are
        resampled together.  Other sets are taken as independent.
    blocks, replicates, seed : int
        Of the block bootstrap.

    Returns
    -------
    Excess
        See :func:`score`.  The ends of the interval are NaN where a set has fewer than four frames.

    Raises
    ------
    TrajectoryError
        If the reference has fewer than two frames, a set is empty, or paired sets differ in length.
    """
    sets = [BlockedCounts.of(counts, blocks) for counts in (test, reference)]
    check_sets({"test": sets[0]}, sets[1], ("test",) if paired else ())
    found = score(*sets, seed=seed)
    generator = np.random.default_rng(seed)
    drawn = draw_weights(sets[1].n_blocks, replicates, generator)
    again = drawn if paired else draw_weights(sets[0].n_blocks, replicates, generator)
    fewest = min(blocked.n_blocks for blocked in sets)
    ends = np.full(2, np.nan)
    if fewest >= LEAST_FRAMES:
        changes = again @ found.of_test + drawn @ found.of_reference
        ends = np.percentile(cloud(found.excess, changes, fewest), [2.5, 97.5])
    return Excess(found.divergence, found.floor, found.excess, float(ends[0]), float(ends[1]))


def score(test: BlockedCounts, reference: BlockedCounts, *, splits: int = 32, seed: int = 0) -> Score:
    r"""Divergence of halves of the test from the other halves of the reference, and the floor.

    :math:`\tfrac12 [JS(T_a, R_b) + JS(T_b, R_a)]` less :math:`JS(R_a, R_b)`, the mean over several ways to
    divide the blocks into halves a and b (of which even and odd blocks are the first).  So a test made from
    the reference's own frames is never held against the very frames it came from.  A smaller sample scores
    higher: where the test has fewer values, the first half of the reference in the floor is thinned to as
    many; what remains unequal is scaled, in proportion to 1/n of both samples.

    The change with each block is the derivative in its weight, sizes taken as they are, from
    :math:`\partial JS / \partial p_i = \tfrac12 \ln (p_i / m_i)`.  Resampled divergences themselves would
    add the noise of resampling to that of the sample, and show thrice the variance where test and reference
    agree.

    Parameters
    ----------
    test, reference : BlockedCounts
        In the same bins.
    splits : int
        Ways to divide.
    seed : int
        Of the ways.

    Returns
    -------
    Score
    """
    ways = [half_splits(counts.n_blocks, splits, seed) for counts in (test, reference)]
    own, other = _Halves.of(test.blocks, ways[0]), _Halves.of(reference.blocks, ways[1][:, ::-1])
    share = float(test.blocks.sum() / reference.blocks.sum())
    perfect = _Halves.of(reference.blocks, thinned(ways[1], share, seed))
    scale = (1.0 / own.total + 1.0 / other.total) / (1.0 / perfect.total + 1.0 / other.total)
    divergence = js(own.counts, other.counts).mean()
    floor = (scale * js(perfect.counts, other.counts)).mean()
    of_test = own.influence(other.counts)
    of_reference = other.influence(own.counts)
    of_reference -= perfect.influence(other.counts, scale) + other.influence(perfect.counts, scale)
    return Score(float(divergence), float(min(floor, np.log(2.0))), of_test, of_reference)


@dataclass(frozen=True, eq=False)
class _Halves:
    """Histograms (S, 2, B) of the halves of S splits, from blocks (K, B) and who is in which (S, 2, K)."""

    blocks: FloatArray
    chosen: NDArray[np.bool_]
    counts: FloatArray

    @classmethod
    def of(cls, blocks: FloatArray, chosen: NDArray[np.bool_]) -> _Halves:
        return cls(blocks, chosen, chosen @ blocks)

    @property
    def total(self) -> FloatArray:
        return np.asarray(self.counts.sum(-1))

    def influence(self, others: FloatArray, scale: ArrayLike = 1.0) -> FloatArray:
        """Derivative (K,) of the mean of ``scale * js(self, others)`` over halves, in the blocks' weights."""
        p, q = (counts / counts.sum(-1, keepdims=True) for counts in (self.counts, others))
        gradient = np.zeros_like(p)
        np.divide(2.0 * p, p + q, out=gradient, where=p > 0)
        np.log(gradient, out=gradient, where=p > 0)
        gradient *= 0.5
        along = np.einsum("shb,kb->shk", gradient, self.blocks, optimize=True)
        level = (p * gradient).sum(-1)[..., None] * self.blocks.sum(-1)
        change = np.asarray(scale)[..., None] * self.chosen * (along - level) / self.total[..., None]
        return np.asarray(change.mean((0, 1)))


def check_sets(
    tests: dict[str, BlockedCounts], reference: BlockedCounts, paired: tuple[str, ...] = ()
) -> None:
    """Refuse what cannot be compared.

    Parameters
    ----------
    tests : dict of str to BlockedCounts
        By name, for the message.
    reference : BlockedCounts
    paired : tuple of str
        Names of the tests whose frames are the reference's.

    Raises
    ------
    TrajectoryError
    """
    if reference.n_blocks < 2:
        raise TrajectoryError(
            f"the reference has {reference.n_frames} frame: its two halves tell what finite samples score, "
            "so give at least 2 frames, better 20"
        )
    for name, test in tests.items():
        if test.blocks.shape[1] != reference.blocks.shape[1]:
            raise TrajectoryError(
                f"{name} was counted in {test.blocks.shape[1]} bins and the reference in "
                f"{reference.blocks.shape[1]}: count both with the bins of the reference"
            )
        if name in paired and test.n_frames != reference.n_frames:
            raise TrajectoryError(
                f"{name} has {test.n_frames} frames and the reference {reference.n_frames}: paired sets are "
                "of the same frames"
            )
