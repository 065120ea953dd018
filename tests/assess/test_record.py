"""What a set of frames is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msb.assess.record import SetResult, frames_of
from msb.errors import TrajectoryError


def made(**changed: Any) -> SetResult:
    parts: dict[str, Any] = {
        "name": "model",
        "kind": "generalisation",
        "column": "raw",
        "frames": np.arange(2),
        "bead_forces": np.full((2, 3, 3), 2.0, dtype=np.float32),
        "beads": np.zeros((2, 3, 3), dtype=np.float32),
        "bead_types": ("B", "A", "B"),
        "molecule": np.zeros(3, dtype=np.int64),
    }
    return SetResult(**{**parts, **changed})


def test_forces_by_type() -> None:
    result = made()
    assert result.types == ("B", "A")
    assert result.magnitudes_of("B").shape == (2, 2)
    assert result.magnitudes_of(None).shape == (2, 3)
    np.testing.assert_allclose(result.magnitudes, np.sqrt(12.0), rtol=1e-6)
    assert frames_of([result, result]) == 4


def test_an_unknown_type_is_refused_with_those_there() -> None:
    with pytest.raises(TrajectoryError, match=r"no beads of type C; it has B, A"):
        made().beads_of("C")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"beads": np.zeros((2, 4, 3), dtype=np.float32)}, r"beads \(2, 4, 3\)"),
        ({"molecule": np.zeros(2, dtype=np.int64)}, r"molecule \(2,\)"),
        ({"deviation": np.zeros(3)}, "deviation of 3 frames"),
        ({"findings": {"clash": np.zeros(1, dtype=np.int64)}}, "clash of 1 frames"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(TrajectoryError, match=said):
        made(**changed)
