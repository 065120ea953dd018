"""Regions, confusion and divergence on a map: what is identical is diagonal and zero."""

from __future__ import annotations

import numpy as np
import pytest

from msb.analysis import free_energy_surface
from msb.analysis.maps import Regions, compare_on_map, compare_regions, find_regions
from msb.errors import ConfigError, TrajectoryError

CENTRES = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
SHARES = [0.5, 0.3, 0.2]


def places(number: int, seed: int, shares: list[float] | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return CENTRES[rng.choice(3, number, p=shares or SHARES)] + 0.4 * rng.normal(size=(number, 2))


def test_regions_are_the_basins_most_populated_first() -> None:
    points = places(600, 0)
    found = find_regions(points, 3, seed=1)
    np.testing.assert_allclose(found.centres, CENTRES, atol=0.15)
    np.testing.assert_array_equal(find_regions(points, 3, seed=1).centres, found.centres)
    assert found.assign(CENTRES + 0.3).tolist() == [0, 1, 2]


def test_identical_data_are_diagonal() -> None:
    points = places(400, 0)
    found = compare_regions(find_regions(points, 3, outliers=0.05), points, points)
    np.testing.assert_array_equal(found.confusion, np.diag(np.diag(found.confusion)))
    assert found.confusion.sum() == 400
    assert found.kept == 1.0
    assert found.js == 0.0
    np.testing.assert_array_equal(found.reference, found.test)
    assert found.reference[3] == pytest.approx(0.05, abs=0.01)  # the outliers


def test_confusion_by_hand() -> None:
    regions = Regions(CENTRES, np.array([1.0, 1.0, np.inf]))
    reference = CENTRES[[0, 0, 1, 2]]
    test = np.array([[0.1, 0.0], [5.0, 0.1], [5.0, -3.0], [0.0, 9.0]])
    found = compare_regions(regions, reference, test)
    np.testing.assert_array_equal(found.confusion, [[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(found.reference, [0.5, 0.25, 0.25, 0])
    np.testing.assert_allclose(found.test, [0.25, 0.25, 0.25, 0.25])
    assert found.kept == 0.5


def test_divergence_of_identical_data_is_zero() -> None:
    points = places(400, 0)
    found = compare_on_map(points, points, 300.0, bins=12)
    assert found.js == 0.0
    assert found.excess.excess == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_array_equal(found.reference, found.test)
    surface = free_energy_surface(*points.T, *found.edges, 300.0)
    np.testing.assert_allclose(found.reference.filled(-1), surface.filled(-1))


def test_a_perfect_test_scores_its_floor_and_a_wrong_one_more() -> None:
    reference, second = places(4000, 0), places(4000, 1)
    perfect = compare_on_map(reference, places(4000, 2), 300.0, bins=12, second=second, replicates=50)
    wrong = compare_on_map(reference, places(4000, 2, [0.2, 0.3, 0.5]), 300.0, bins=12, second=second)
    assert perfect.js > 0.001
    assert perfect.excess.low < 0 < perfect.excess.high
    assert wrong.excess.low > 0.03


def test_what_leaves_the_map_counts() -> None:
    reference = places(200, 0).reshape(100, 2, 2)
    assert compare_on_map(reference, reference + 100.0, 300.0, bins=10).js > 0.6
    edges = (np.linspace(-2, 7, 5), np.linspace(-2, 7, 4))
    assert compare_on_map(reference, reference, 300.0, edges=edges).reference.shape == (4, 3)


def test_bad_input_is_a_sentence() -> None:
    points = places(20, 0)
    with pytest.raises(ConfigError, match="`n_regions` must be 1 to 1"):
        find_regions(np.ones((5, 2)), 2)
    with pytest.raises(ConfigError, match="`outliers` is a share"):
        find_regions(points, 2, outliers=1.0)
    regions = find_regions(points, 2)
    with pytest.raises(TrajectoryError, match="20 points on the map and the test 19"):
        compare_regions(regions, points, points[1:])
    with pytest.raises(TrajectoryError, match="regions lie in 2 dimensions, the places in 1"):
        regions.assign(points[:, :1])
    with pytest.raises(TrajectoryError, match="must cover the same frames"):
        compare_on_map(points, points[1:], 300.0)
    with pytest.raises(TrajectoryError, match=r"\(frames, 2\) or \(frames, points, 2\)"):
        compare_on_map(points[:, :1], points, 300.0)
