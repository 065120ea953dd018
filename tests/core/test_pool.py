"""Things made in order, here or by workers; mistakes come back as sentences."""

from __future__ import annotations

import pickle
import warnings

import pytest

from msb.core import pool
from msb.errors import MsbError, MsbWarning


class Doubler:
    """Doubles numbers; warns at 3 and refuses 5."""

    def make(self, task: int) -> int:
        if task == 3:
            warnings.warn("three is odd", MsbWarning, stacklevel=2)
        if task == 5:
            raise MsbError("five is too much")
        return 2 * task


@pytest.mark.parametrize("workers", [1, None])
def test_in_the_order_of_the_tasks(workers: int | None) -> None:
    tasks = [4, 1, 2, 0, 7, 1]
    assert list(pool.in_order(Doubler(), tasks, len(tasks), workers)) == [2 * task for task in tasks]


@pytest.mark.parametrize("workers", [1, 2, None])
def test_nothing_to_do(workers: int | None) -> None:
    assert list(pool.in_order(Doubler(), [], 0, workers)) == []


def test_what_a_worker_says_and_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MAKER", Doubler())
    with pytest.warns(MsbWarning, match="three is odd"):
        assert pool._taken(pickle.loads(pickle.dumps(pool._make(3)))) == 6
    with pytest.raises(MsbError, match="five is too much"):
        pool._taken(pickle.loads(pickle.dumps(pool._make(5))))
