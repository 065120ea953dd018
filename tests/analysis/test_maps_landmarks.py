"""Farthest-point choice against brute force; the average kernel against its double sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from msb.analysis.maps import average_kernel, farthest_points, kernel_distances, structure_vectors
from msb.errors import ConfigError, TrajectoryError


def brute_force(points: np.ndarray, number: int) -> list[int]:
    chosen = [0]
    while len(chosen) < number:
        rest = [i for i in range(len(points)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: min(np.linalg.norm(points[i] - points[j]) for j in chosen)))
    return chosen


@given(st.integers(0, 2**31), st.integers(2, 25), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_farthest_points_are_those_of_brute_force(seed: int, number: int, features: int) -> None:
    points = np.random.default_rng(seed).normal(size=(number, features))
    found = farthest_points(points, max(1, number // 2))
    assert found.indices.tolist() == brute_force(points, max(1, number // 2))
    distances = cdist(points, points[found.indices])
    assert found.covering == pytest.approx(distances.min(1).max())
    nearest = np.bincount(distances.argmin(1), minlength=len(found.indices)) / number
    np.testing.assert_allclose(found.weights, nearest)
    assert (np.diff(found.radii[1:]) <= 1e-12).all()


def test_copies_are_not_chosen_twice() -> None:
    found = farthest_points(np.array([[0.0], [1.0], [0.0], [1.0]]), 4, start=1)
    assert found.indices.tolist() == [1, 0]
    assert found.covering == 0
    np.testing.assert_allclose(found.weights, [0.5, 0.5])


def test_bad_landmarks_are_a_sentence() -> None:
    with pytest.raises(ConfigError, match="`n_landmarks` must be 1 to 3"):
        farthest_points(np.eye(3), 4)
    with pytest.raises(ConfigError, match="`start` must be 0 to 2"):
        farthest_points(np.eye(3), 2, start=3)
    with pytest.raises(TrajectoryError, match=r"must be \(points, features\), got \(3,\)"):
        farthest_points(np.ones(3), 1)


def descriptors(structures: int, centres: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(0.01, 1.0, (structures, centres, 7))
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_kernel_is_positive_semidefinite_with_unit_diagonal(seed: int, number: int, centres: int) -> None:
    kernel = average_kernel(descriptors(number, centres, seed))
    np.testing.assert_array_equal(np.diag(kernel), 1.0)
    np.testing.assert_array_equal(kernel, kernel.T)
    assert np.linalg.eigvalsh(kernel).min() > -1e-12
    assert kernel.min() >= 0
    assert kernel.max() <= 1 + 1e-12


def test_kernel_is_the_normalised_mean_over_pairs_of_centres() -> None:
    first, second = descriptors(3, 4, 1), descriptors(2, 5, 2)

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([[p @ q for q in b] for p in a]))

    expected = [[mean(a, b) / np.sqrt(mean(a, a) * mean(b, b)) for b in second] for a in first]
    np.testing.assert_allclose(average_kernel(first, second), expected, rtol=1e-12)


def test_order_of_centres_does_not_matter_and_distances_are_those_of_the_vectors() -> None:
    values = descriptors(5, 4, 3)
    np.testing.assert_allclose(structure_vectors(values[:, ::-1]), structure_vectors(values), atol=1e-15)
    vectors = structure_vectors(values)
    np.testing.assert_allclose(
        kernel_distances(average_kernel(values)), cdist(vectors, vectors), atol=1e-7, rtol=1e-6
    )


def test_bad_kernels_are_a_sentence() -> None:
    values = descriptors(3, 2, 0)
    with pytest.raises(TrajectoryError, match="7 and 6 features"):
        average_kernel(values, values[..., :6])
    with pytest.raises(TrajectoryError, match=r"must be \(structures, centres, features\)"):
        structure_vectors(values[0])
    values[1, 0, 0] = np.nan
    with pytest.raises(TrajectoryError, match="structure 1"):
        structure_vectors(values)
    with pytest.raises(TrajectoryError, match="normalise it"):
        kernel_distances(np.array([[2.0]]))
