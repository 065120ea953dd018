"""Bins between quantiles, divergence and floor: exact answers, oracles, and intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from msb.analysis.divergence import excess_of_counts, js
from msb.assess.divergences import ForceBins, compare, score
from msb.assess.resampling import BlockedCounts, half_splits, thinned
from msb.errors import TrajectoryError

FORCES = arrays(np.float64, st.integers(20, 120), elements=st.floats(0, 1e6))


def magnitudes(rng: np.random.Generator, frames: int, beads: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.abs(rng.normal(size=(frames, beads)))


def truth(bins: ForceBins, scale: float) -> float:
    """Divergence of |N(0, scale)| from |N(0, 1)| in these bins."""

    def shares(s: float) -> np.ndarray:
        return np.diff(np.concatenate([2 * norm.cdf(bins.edges / s) - 1, [1.0]]))

    return float(js(shares(scale), shares(1.0)))


@settings(max_examples=40)
@given(FORCES.filter(lambda v: v.max() > 0), st.booleans())
def test_every_force_is_counted_once(values: np.ndarray, signed: bool) -> None:
    if signed:
        values = values - np.median(values)
        if not np.ptp(values):
            return
    bins = ForceBins.of_reference(values, 20, signed=signed)
    counts = bins.counts(values)
    assert counts.shape == (len(values), bins.n_bins)
    np.testing.assert_array_equal(counts.sum(1), 1)
    total = counts.sum(0)
    assert total[-1] == 0, "the reference itself is never beyond its own edges"
    assert not signed or total[0] == 0
    inside = total[1:-1] if signed else total[:-1]
    np.testing.assert_array_equal(inside, np.histogram(values, bins.edges)[0])


def test_quantiles_fill_the_bins_alike() -> None:
    values = magnitudes(np.random.default_rng(0), 50, 200)
    bins = ForceBins.of_reference(values)
    assert bins.n_bins == 101
    assert bins.edges[0] == 0.0
    assert set(bins.counts(values).sum(0)[:-1]) <= {99, 100, 101}
    assert ForceBins.of_reference(values[:1, :35]).n_bins == 4  # ten values a bin at least


def test_what_is_beyond_goes_to_the_overflow() -> None:
    bins = ForceBins.of_reference(np.arange(1000.0))
    wild = np.array([[999.0, 999.1], [np.inf, np.nan]])
    counts = bins.counts(wild)
    assert counts[:, -1].tolist() == [1, 2]
    assert counts[0, -2] == 1
    assert bins.overflow(counts) == 0.75
    both = ForceBins.of_reference(np.linspace(-1, 1, 1000), signed=True)
    counts = both.counts(np.array([[-2.0, -np.inf, -1.0, 1.0, 1.5]]))
    assert (counts[0, 0], counts[0, 1], counts[0, -2], counts[0, -1]) == (2, 1, 1, 1)
    assert both.overflow(counts) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("values", "words"),
    [([], "0 of 0"), ([1.0, np.nan], "1 of 2"), ([0.0, 0.0], "all 2 forces of the reference are 0 ")],
)
def test_bins_need_a_reference(values: list[float], words: str) -> None:
    with pytest.raises(TrajectoryError, match=words):
        ForceBins.of_reference(values)


def histograms(rng: np.random.Generator, frames: int, bins: int = 12, beads: int = 60) -> np.ndarray:
    return rng.multinomial(beads, rng.dirichlet(np.full(bins, 5.0)), size=frames) + 1


def test_one_split_of_as_many_frames_is_the_excess_of_the_analysis() -> None:
    rng = np.random.default_rng(1)
    test, reference = histograms(rng, 40), histograms(rng, 40)
    found = score(BlockedCounts.of(test), BlockedCounts.of(reference), splits=1)
    oracle = excess_of_counts(test.reshape(20, 2, 12), reference.reshape(20, 2, 12))
    assert found.divergence == pytest.approx(oracle.js, rel=1e-12)
    assert found.floor == pytest.approx(oracle.floor, rel=1e-12)


@pytest.mark.parametrize(("frames", "accuracy"), [((12, 12), 0.02), ((8, 12), 0.15), ((30, 12), 0.15)])
def test_influence_is_the_derivative_in_the_weights_of_blocks(
    frames: tuple[int, int], accuracy: float
) -> None:
    """Of moving weight from one block to the next.

    Where sets differ in size that changes the scale of the floor too, which no real sample does and the
    influence leaves out.
    """
    rng = np.random.default_rng(2)
    test, reference = (BlockedCounts.of(histograms(rng, n)) for n in frames)
    found, step = score(test, reference), 1e-6
    for counts, influence in ((test, found.of_test), (reference, found.of_reference)):
        slopes = []
        for k in range(counts.n_blocks):
            blocks = counts.blocks.copy()
            blocks[k] *= 1 + step
            blocks[k - 1] *= 1 - step
            moved = BlockedCounts(blocks, counts.n_frames)
            again = score(moved, reference) if counts is test else score(test, moved)
            slopes.append((again.excess - found.excess) / step)
        np.testing.assert_allclose(
            slopes, influence - np.roll(influence, 1), atol=accuracy * np.abs(influence).max()
        )


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_order_of_frames_within_a_block_is_of_no_account(seed: int) -> None:
    rng = np.random.default_rng(seed)
    test, reference = rng.integers(0, 5, size=(2, 60, 6)) + 1
    moved = [np.stack([rng.permutation(block) for block in x.reshape(20, 3, 6)]) for x in (test, reference)]
    kept = compare(test, reference, blocks=20, replicates=20)
    assert compare(moved[0].reshape(60, 6), moved[1].reshape(60, 6), blocks=20, replicates=20) == kept


def test_the_reference_itself_has_no_excess() -> None:
    """Not even the interval moves: it is paired, and held against frames it does not come from."""
    counts = ForceBins.of_reference(x := magnitudes(np.random.default_rng(3), 30, 80)).counts(x)
    found = compare(counts, counts, paired=True)
    assert found.js == found.floor > 0
    assert found.excess == pytest.approx(0.0, abs=1e-15)
    assert found.low == pytest.approx(0.0, abs=1e-15)
    assert found.high == pytest.approx(0.0, abs=1e-15)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_rises_with_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(20, 100, 3))
    reference = np.linalg.norm(vectors, axis=-1)
    bins = ForceBins.of_reference(reference, 50)
    counts = bins.counts(reference)
    noise = rng.normal(size=vectors.shape)
    found = [
        compare(bins.counts(np.linalg.norm(vectors + s * noise, axis=-1)), counts, paired=True, replicates=20)
        for s in (0.5, 1.0, 2.0, 4.0, 8.0)
    ]
    assert (np.diff([own.excess for own in found]) > 0).all()
    assert (np.diff([own.js for own in found]) > 0).all()


@pytest.mark.parametrize(
    ("frames", "scale"), [((20, 20), 1.2), ((8, 8), 1.25), ((10, 60), 1.15), ((60, 10), 1.15)]
)
def test_intervals_hold_the_truth(frames: tuple[int, int], scale: float) -> None:
    """95 % intervals hold it in 90 to 99 % of 200 repeats, whichever set is the smaller."""
    held, excess, exact = 0, [], []
    for k in range(200):
        rng = np.random.default_rng(k)
        reference, test = magnitudes(rng, frames[1], 100), magnitudes(rng, frames[0], 100, scale)
        bins = ForceBins.of_reference(reference, 30)
        found = compare(bins.counts(test), bins.counts(reference), replicates=400, seed=k)
        exact.append(truth(bins, scale))
        excess.append(found.excess)
        held += found.low <= exact[-1] <= found.high
    assert 0.90 <= held / 200 <= 0.995
    assert np.mean(excess) == pytest.approx(np.mean(exact), abs=0.4 * np.std(excess))


@pytest.mark.parametrize("frames", [(20, 20), (6, 40), (40, 6)])
def test_equal_distributions_score_their_floor(frames: tuple[int, int]) -> None:
    held, excess, floors = 0, [], []
    for k in range(100):
        rng = np.random.default_rng(k)
        reference, test = magnitudes(rng, frames[1], 60), magnitudes(rng, frames[0], 60)
        bins = ForceBins.of_reference(reference, 30)
        found = compare(bins.counts(test), bins.counts(reference), replicates=300, seed=k)
        held += found.low <= 0.0 <= found.high
        excess.append(found.excess)
        floors.append(found.floor)
    assert held >= 90
    assert abs(np.mean(excess)) < 0.1 * np.mean(floors)


def test_few_frames_have_no_interval() -> None:
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 9, size=(6, 5))
    assert np.isfinite(compare(counts[:4], counts).low)
    for some in (counts[:1], counts[:3]):
        found = compare(some, counts)
        assert np.isfinite([found.js, found.floor, found.excess]).all()
        assert np.isnan([found.low, found.high]).all()
    with pytest.raises(TrajectoryError, match=r"the reference has 1 frame.*at least 2"):
        compare(counts, counts[:1])


def test_what_does_not_fit_is_said() -> None:
    counts = np.ones((6, 5))
    with pytest.raises(TrajectoryError, match="4 bins and the reference in 5"):
        compare(counts[:, :4], counts)
    with pytest.raises(TrajectoryError, match="paired sets are of the same frames"):
        compare(counts[:5], counts, paired=True)
    with pytest.raises(TrajectoryError, match="nothing was counted in frame 2"):
        compare(np.array([[1, 1], [1, 0], [0, 0]]), np.ones((4, 2)))
    with pytest.raises(TrajectoryError, match="one histogram a frame"):
        compare(np.ones(5), counts)


@given(st.integers(1, 30), st.integers(0, 5), st.floats(0.01, 1.5))
def test_halves(n_blocks: int, seed: int, share: float) -> None:
    chosen = half_splits(n_blocks, 6, seed)
    np.testing.assert_array_equal(chosen, half_splits(n_blocks, 6, seed))
    if n_blocks > 1:
        np.testing.assert_array_equal(chosen.sum(1), 1)
        assert abs(int(chosen[0, 0].sum()) - int(chosen[0, 1].sum())) <= 1
        np.testing.assert_array_equal(chosen[0, 0], np.arange(n_blocks) % 2 == 0)
    fewer = thinned(chosen, share, seed)
    assert (fewer <= chosen).all()
    assert (fewer.sum(-1) >= 1).all()
    np.testing.assert_array_less(np.abs(fewer.sum(-1) - np.minimum(share, 1) * chosen.sum(-1)), 1.0)


def test_blocks_keep_every_frame() -> None:
    counts = np.random.default_rng(5).integers(1, 5, size=(71, 4))
    blocked = BlockedCounts.of(counts)
    assert (blocked.n_blocks, blocked.n_frames) == (36, 71)
    np.testing.assert_array_equal(blocked.blocks[:-1], counts[:70].reshape(35, 2, 4).sum(1))
    np.testing.assert_array_equal(blocked.blocks[-1], counts[70])
