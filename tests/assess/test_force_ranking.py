"""The order of models: as sure as it says, and as many frames as it asks for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from msb.assess.divergences import ForceBins, compare
from msb.assess.ranking import Ranking, rank
from msb.errors import TrajectoryError

BEADS = 60


def magnitudes(rng: np.random.Generator, frames: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.abs(rng.normal(size=(frames, BEADS)))


def ranked(number: int, scales: dict[str, float], frames: int = 20, **options: int) -> Ranking:
    """Models whose forces are wider than the reference's by known factors."""
    rng = np.random.default_rng(number)
    bins = ForceBins.of_reference(reference := magnitudes(rng, frames), 20)
    models = {name: bins.counts(magnitudes(rng, frames, scale)) for name, scale in scales.items()}
    return rank(models, bins.counts(reference), **options)


def test_clear_differences() -> None:
    found = ranked(0, {"far": 3.0, "near": 1.1, "middle": 1.6})
    assert found.order == ("near", "middle", "far")
    assert found.probability > 0.99
    assert found.separated
    assert (found.overlapping, found.frames_needed) == ((), None)
    assert list(found.frames.items()) == [("near", 20), ("middle", 20), ("far", 20)]
    excess = [own.excess for own in found.excess.values()]
    assert excess == sorted(excess)
    np.testing.assert_allclose(found.pairwise + found.pairwise.T, 1.0)
    assert (found.pairwise[np.triu_indices(3, 1)] > 0.99).all()
    assert "near" in found.sentence()
    assert found.sentence().endswith("no two intervals overlap.")


def test_each_model_scores_what_it_scores_alone() -> None:
    rng = np.random.default_rng(1)
    bins = ForceBins.of_reference(reference := magnitudes(rng, 12), 20)
    models = {"A": bins.counts(magnitudes(rng, 30, 1.3)), "B": bins.counts(1.5 * reference)}
    found = rank(models, bins.counts(reference), paired=["B"])
    for name, paired in (("A", False), ("B", True)):
        alone = compare(models[name], bins.counts(reference), paired=paired, replicates=2000)
        together = found.excess[name]
        assert (together.js, together.floor) == (alone.js, alone.floor)
        width = alone.high - alone.low
        assert together.low == pytest.approx(alone.low, abs=0.1 * width)
        assert together.high == pytest.approx(alone.high, abs=0.1 * width)


def test_probability_is_calibrated() -> None:
    """Over models with chance differences, an order said to be right with probability p is so as often."""
    stated, right = [], []
    for seed in range(250):
        scales = dict(zip("AB", 1.15 + 0.08 * np.random.default_rng([9, seed]).normal(size=2), strict=True))
        found = ranked(seed, scales, replicates=300)
        stated.append(found.probability)
        right.append(found.order == tuple(sorted(scales, key=lambda name: abs(np.log(scales[name])))))
    stated, right = np.array(stated), np.array(right)
    assert np.mean(right) == pytest.approx(np.mean(stated), abs=0.06)
    unsure, sure = stated < 0.75, stated > 0.95
    assert min(unsure.sum(), sure.sum()) > 30
    assert right[unsure].mean() == pytest.approx(stated[unsure].mean(), abs=0.17)
    assert right[sure].mean() > 0.95


def test_as_many_frames_as_asked_for_do() -> None:
    scales = {"A": 1.15, "B": 1.35}
    pilot = ranked(2, scales, frames=10)
    assert not pilot.separated
    assert pilot.overlapping == (pilot.order,)
    assert 10 < pilot.frames_needed < 2000
    assert f"about {pilot.frames_needed} frames a model would part them, there are 10" in pilot.sentence()
    assert ranked(2, scales, frames=2 * pilot.frames_needed).separated


def test_models_that_are_alike() -> None:
    rng = np.random.default_rng(3)
    bins = ForceBins.of_reference(reference := magnitudes(rng, 20), 20)
    same = bins.counts(reference)
    found = rank({"A": same, "B": same}, same, paired=["A", "B"])
    assert not found.separated
    assert found.frames_needed is None
    np.testing.assert_array_equal(found.pairwise, 0.5)
    assert found.probability == 0.0
    assert "alike" in found.sentence()


def test_one_model_has_nothing_to_be_ranked_against() -> None:
    found = ranked(4, {"A": 1.5})
    assert (found.order, found.probability, found.separated) == (("A",), 1.0, True)
    assert "alone" in found.sentence()


def test_the_seed_decides() -> None:
    scales = {"A": 1.2, "B": 1.3}
    first, again, other = (ranked(5, scales, seed=s).to_dict() for s in (0, 0, 1))
    assert json.loads(json.dumps(first)) == first == again
    assert other["excess"] != first["excess"]
    assert other["order"] == first["order"]


def test_too_few_frames_are_said() -> None:
    rng = np.random.default_rng(6)
    bins = ForceBins.of_reference(reference := magnitudes(rng, 20), 20)
    counts = bins.counts(reference)
    with pytest.raises(TrajectoryError, match=r"too few frames to rank \(B has 3\): 4 .* how many would"):
        rank({"A": counts, "B": counts[:3]}, counts)
    with pytest.raises(TrajectoryError, match="the reference has 2"):
        rank({"A": counts}, counts[:2])
    with pytest.raises(TrajectoryError, match="no model to rank"):
        rank({}, counts)
    with pytest.raises(TrajectoryError, match="B was counted in 20 bins"):
        rank({"A": counts, "B": counts[:, 1:]}, counts)
