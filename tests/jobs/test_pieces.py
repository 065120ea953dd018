"""Pieces and chunks: every frame once, each with the frame that truly follows it, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.errors import TrajectoryError
from msb.jobs.backmap.pieces import Pieces


@given(st.data(), st.integers(1, 200), st.integers(1, 70))
def test_every_frame_is_kept_once(data: st.DataObject, n_frames: int, step: int) -> None:
    pieces = Pieces(n_frames, data.draw(st.integers(1, n_frames)))
    seen = []
    for first in range(0, pieces.length, step):
        stop = min(pieces.length, first + step)
        for numbers, count in zip(pieces.frames(first, stop + 1), pieces.kept(first, stop), strict=True):
            seen += numbers[:count].tolist()
            following = numbers[1 : count + 1]
            assert np.array_equal(following, np.minimum(numbers[:count] + 1, n_frames - 1))
    assert sorted(seen) == list(range(n_frames))


@given(st.data(), st.integers(1, 500))
def test_pieces_are_as_equal_as_can_be(data: st.DataObject, n_frames: int) -> None:
    lengths = np.diff(Pieces(n_frames, data.draw(st.integers(1, n_frames))).bounds)
    assert lengths.sum() == n_frames
    assert lengths.max() - lengths.min() <= 1
    assert (np.diff(lengths) <= 0).all()


@pytest.mark.parametrize("count", [0, 6])
def test_more_pieces_than_frames_are_refused(count: int) -> None:
    with pytest.raises(TrajectoryError, match="5 frames cannot be cut into"):
        Pieces(5, count)
