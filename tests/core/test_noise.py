from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core import noise

# Known answers published with Random123 (tests/kat_vectors): zeros, ones, digits of pi.
KNOWN = [
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter, key, expected):
    assert tuple(noise.philox4x32(counter, key)) == expected


def test_philox_is_vectorised():
    counters, keys, expected = (np.array(column, dtype=np.uint64) for column in zip(*KNOWN, strict=True))
    np.testing.assert_array_equal(noise.philox4x32(counters, keys), expected)
    np.testing.assert_array_equal(noise.philox4x32(counters, np.zeros(2, np.uint64))[0], expected[0])


integers = st.integers(-(2**62), 2**62)


@given(
    seed=integers,
    first=st.integers(0, 2**40),
    frames=st.integers(1, 7),
    n=st.integers(0, 23),
    sweep=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=60, deadline=None)
def test_same_numbers_whatever_the_batch(seed, first, frames, n, sweep, dtype):
    """One address at a time, a broadcast call and the block call agree to the bit."""
    index = np.arange(first, first + frames)
    for pointwise, block in ((noise.uniform, noise.uniform_block), (noise.normal, noise.normal_block)):
        whole = block(seed, index, n, sweep, dtype=dtype)
        assert whole.shape == (frames, n)
        assert whole.dtype == dtype
        np.testing.assert_array_equal(whole, pointwise(seed, index[:, None], sweep, np.arange(n), dtype))
        np.testing.assert_array_equal(whole[-1], block(seed, index[-1], n + 5, sweep, dtype=dtype)[:n])
        for atom in range(0, n, 5):
            assert whole[0, atom] == pointwise(seed, first, sweep, atom, dtype)


def test_every_part_of_the_address_matters():
    reference = (7, 11, 3, 5)
    values = {float(noise.normal(*reference))}
    for part in range(4):
        for step in (1, 4, 2**16):
            address = list(reference)
            address[part] += step
            values.add(float(noise.normal(*address)))
    for seed, frame in ((7 + 2**32, 11), (7, 11 + 2**32), (-7, 11), (7, -11)):
        values.add(float(noise.normal(seed, frame, 3, 5)))
    assert len(values) == 1 + 12 + 4


def test_seeds_may_be_an_array():
    seeds = np.array([3, 2**60, -1])
    expected = [noise.uniform(int(seed), 4, 0, 9) for seed in seeds]
    np.testing.assert_array_equal(noise.uniform(seeds, 4, 0, 9), expected)


def test_uniform_moments_and_range():
    numbers = noise.uniform_block(1, np.arange(4000), 50)
    assert numbers.min() > 0.0
    assert numbers.max() < 1.0
    counts, _ = np.histogram(numbers, bins=50, range=(0, 1))
    expected = numbers.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 49 + 5 * np.sqrt(2 * 49)


def test_float32_uniform_never_reaches_one():
    assert noise._below_one(np.array([1 - 2.0**-33]), np.float32)[0] < 1
    assert noise._open_interval(np.array([0, 2**32 - 1], dtype=np.uint64)) == pytest.approx([0, 1], abs=1e-9)
    assert noise._open_interval(np.array([0], dtype=np.uint64))[0] > 0


def test_normal_moments_and_independence():
    numbers = noise.normal_block(2, np.arange(20000), 10, dtype=np.float64)
    error = 1 / np.sqrt(len(numbers))
    assert np.abs(numbers.mean(0)).max() < 5 * error
    assert np.abs(np.cov(numbers.T) - np.eye(10)).max() < 6 * error
    assert (numbers**4).mean() == pytest.approx(3, abs=0.1)
    lagged = (numbers[1:] * numbers[:-1]).mean(0)
    assert np.abs(lagged).max() < 5 * error
    uniforms = noise.uniform_block(2, np.arange(20000), 10, dtype=np.float64) - 0.5
    assert np.abs((uniforms * numbers).mean(0)).max() < 5 * error


def test_child_seeds_differ_and_fit():
    seeds = {noise.child_seed(seed, label) for seed in range(30) for label in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert noise.child_seed(5, 3) == noise.child_seed(5, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5, 0, 0, 0), "`seed` must hold integers"),
        ((0, 0.0, 0, 0), "`frame` must hold integers"),
        ((0, 0, 0, 2**32), "`atom` must hold"),
        ((0, 0, 0, -1), "`atom` must hold"),
    ],
)
def test_wrong_addresses_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        noise.uniform(*arguments)


def test_negative_count_is_refused():
    with pytest.raises(ValueError, match="`n` must not be negative"):
        noise.normal_block(0, np.arange(2), -1)
