"""Sketch-map: exact layouts, gradients, landmarks that stay, and scikit-matter as another answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.spatial.distance import cdist, pdist

from msb.analysis.maps import Identity, Sigmoid, fit_sketch_map
from msb.analysis.maps.layout import stress_and_gradient
from msb.errors import ConfigError, TrajectoryError


def embedded_plane(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points of a plane, and the same points in ten dimensions, isometrically."""
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-1, 1, (number, 2)) * [2.0, 1.0]
    frame = np.linalg.qr(rng.normal(size=(10, 10)))[0][:2]
    return flat, flat @ frame + rng.normal(size=10)


def basins(number: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 6)) * 2.0
    return centres[np.arange(number) % 4] + 0.3 * rng.normal(size=(number, 6))


@pytest.mark.parametrize(
    "transform", [Identity(), Sigmoid(50.0, 1.0, 1.0), Sigmoid(1.0, 2.0, 2.0), Sigmoid(0.7, 4.0, 3.0)]
)
def test_a_plane_comes_back(transform: Identity | Sigmoid) -> None:
    flat, points = embedded_plane(60)
    found = fit_sketch_map(points, high=transform, low=transform)
    np.testing.assert_allclose(pdist(found.places), pdist(flat), atol=1e-3)
    assert found.stress < 1e-10
    np.testing.assert_allclose(found.weights @ found.places, 0.0, atol=1e-9)
    assert np.ptp(found.places[:, 0]) > np.ptp(found.places[:, 1])


def test_new_points_of_the_plane_find_their_places() -> None:
    flat, points = embedded_plane(120)
    found = fit_sketch_map(points[:60], high=Sigmoid(1.0), low=Sigmoid(1.0))
    places = found.transform(points[60:])
    np.testing.assert_allclose(cdist(places, found.places), cdist(flat[60:], flat[:60]), atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_landmarks_project_onto_their_own_places(weighted: bool) -> None:
    points = basins(80)
    weights = np.random.default_rng(3).uniform(0.2, 2.0, len(points)) if weighted else None
    found = fit_sketch_map(points, weights=weights, sweeps=20)
    size = np.ptp(found.places)
    np.testing.assert_allclose(found.transform(points), found.places, atol=1e-3 * size)


def test_projection_is_the_global_minimum_of_its_cost() -> None:
    found = fit_sketch_map(basins(40))
    points = basins(6, seed=0) + 0.1
    wanted = found.high(cdist(points, found.landmarks))

    def cost(place: np.ndarray, row: np.ndarray) -> float:
        left = found.low(np.linalg.norm(place - found.places, axis=1)) - row
        return float(found.weights @ left**2)

    low, high = found.places.min(0), found.places.max(0)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, 60).T), -1).reshape(-1, 2)
    for place, row in zip(found.transform(points), wanted, strict=True):
        best = min(grid, key=lambda z, row=row: cost(z, row))
        brute = minimize(
            cost, best, args=(row,), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
        )
        assert cost(place, row) <= brute.fun + 1e-7


def test_gradient_is_the_derivative_of_the_stress() -> None:
    rng = np.random.default_rng(1)
    places, weights = rng.normal(size=(7, 2)), rng.uniform(0.5, 1.5, 7)
    wanted = Sigmoid(1.0, 4.0, 2.0)(cdist(*[rng.normal(size=(7, 5))] * 2))
    for low in (Sigmoid(1.3, 2.0, 3.0), Identity()):
        numbers = approx_fprime(
            places.ravel(),
            lambda flat, low=low: stress_and_gradient(flat.reshape(7, 2), wanted, weights, low)[0],
            1e-7,
        )
        exact = stress_and_gradient(places, wanted, weights, low)[1]
        np.testing.assert_allclose(exact.ravel(), numbers, atol=1e-6)


def test_stress_is_the_weighted_mean_over_pairs() -> None:
    found = fit_sketch_map(basins(12), weights=np.arange(1.0, 13.0))
    first, second = np.triu_indices(12, 1)
    left = found.low(pdist(found.places)) - found.high(pdist(found.landmarks))
    pairs = found.weights[first] * found.weights[second]
    assert found.stress == pytest.approx((pairs * left**2).sum() / pairs.sum())


def test_sigmoid_is_one_half_at_sigma_and_its_slope_is_its_derivative() -> None:
    sigmoid = Sigmoid(0.4, 3.0, 5.0)
    assert sigmoid(np.array([0.0, 0.4, 1e9])) == pytest.approx([0.0, 0.5, 1.0])
    at = np.linspace(0.05, 2.0, 9)
    np.testing.assert_allclose(sigmoid.slope(at), (sigmoid(at + 1e-6) - sigmoid(at - 1e-6)) / 2e-6, atol=1e-7)


def test_basins_stay_apart_and_the_answer_is_the_same_twice() -> None:
    points = basins(80)
    first, second = fit_sketch_map(points), fit_sketch_map(points)
    np.testing.assert_array_equal(first.places, second.places)
    distances = cdist(first.places, first.places)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(distances.argmin(1) % 4, np.arange(80) % 4)


def test_scikit_matter_agrees() -> None:
    """Its sketch-map of the same data with the same sigmoids has no lower stress, and ours is its stress."""
    decomposition = pytest.importorskip("skmatter.decomposition")
    points = basins(40, seed=2)
    high, low = Sigmoid(2.0, 4.0, 4.0), Sigmoid(2.0, 2.0, 2.0)
    theirs = decomposition.SketchMap(
        sigma=2.0, a_high=4.0, b_high=4.0, a_low=2.0, b_low=2.0, mixing_ratio=0.0
    ).fit(points)
    same = stress_and_gradient(theirs.embedding_, high(cdist(points, points)), np.full(40, 1 / 40), low)[0]
    assert same == pytest.approx(theirs.stress_, rel=1e-4)
    assert fit_sketch_map(points, high=high, low=low).stress <= 1.001 * theirs.stress_


def test_one_and_three_dimensions() -> None:
    line = np.outer(np.array([0.0, 1.0, 3.0, 7.0]), np.ones(5) / np.sqrt(5))
    found = fit_sketch_map(line, high=Identity(), low=Identity(), dimensions=1)
    np.testing.assert_allclose(pdist(found.places), pdist(line), atol=1e-6)
    assert fit_sketch_map(basins(20), dimensions=3).transform(basins(5, 1)).shape == (5, 3)


def test_bad_input_is_a_sentence() -> None:
    points = basins(10)
    with pytest.raises(TrajectoryError, match="all landmarks are the same point"):
        fit_sketch_map(np.ones((5, 3)))
    with pytest.raises(ConfigError, match="2 dimensions needs at least 3 landmarks, got 2"):
        fit_sketch_map(points[:2])
    for weights in (np.ones(3), -np.ones(10), np.zeros(10)):
        with pytest.raises(ConfigError, match="`weights` must be 10 numbers"):
            fit_sketch_map(points, weights=weights)
    found = fit_sketch_map(points)
    with pytest.raises(TrajectoryError, match="fitted to 6 features, the points have 3"):
        found.transform(points[:, :3])
    points[4] = np.nan
    with pytest.raises(TrajectoryError, match=r"point 4 \(counted from 0\) of the points is not finite"):
        found.transform(points)
    with pytest.raises(ConfigError, match="positive sigma"):
        Sigmoid(0.0)
