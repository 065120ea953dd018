"""Spread over independent samples."""

from __future__ import annotations

import numpy as np
import pytest

from msb.backmap.spread import spread
from msb.core.box import wrap
from msb.errors import MsbError


def test_known_width_also_over_the_border_of_the_box() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([np.diag([2.0, 2.0, 2.0]), [[2.0, 0, 0], [0.9, 2.0, 0], [0.3, -0.8, 2.0]]])
    middle = rng.random((2, 40, 3)) @ boxes
    width = np.linspace(0.01, 0.05, 40)
    samples = [middle + width[:, None] * rng.normal(size=middle.shape) for _ in range(400)]
    exact = np.sqrt(np.var(np.stack(samples), axis=0, ddof=1).sum(-1))
    np.testing.assert_allclose(spread(samples), exact, rtol=1e-5)
    wrapped = [wrap(sample, boxes) for sample in samples]
    np.testing.assert_allclose(spread(wrapped, boxes), exact, rtol=1e-5)
    np.testing.assert_allclose(spread(samples) / np.sqrt(3) / width, 1.0, atol=0.12)


def test_samples_must_fit() -> None:
    one = np.zeros((1, 3, 3))
    assert not spread([one, one]).any()
    with pytest.raises(MsbError, match="two samples"):
        spread([one])
    with pytest.raises(MsbError, match="same frames"):
        spread([one, one[:, :2]])
