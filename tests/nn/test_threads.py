"""Threads are limited inside, and as before outside."""

from __future__ import annotations

import pytest
import torch

from msb.nn.threads import limited_threads


def test_limits_and_restores() -> None:
    before = torch.get_num_threads()
    with limited_threads(1):
        assert torch.get_num_threads() == 1
        with limited_threads(64):
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(RuntimeError, match="inside"), limited_threads(1):
        raise RuntimeError("inside")
    assert torch.get_num_threads() == before
