"""A wider network begins as the function that a narrower one is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from msb.errors import ConfigError
from msb.nn.grow import grow


def stack(inputs: int, width: int) -> nn.Sequential:
    """Two hidden layers of one width."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 5)
    )


def test_it_is_the_same_function_and_its_new_part_learns() -> None:
    torch.manual_seed(0)
    narrow, wide = stack(3, 6).double(), stack(3, 11).double()
    x = torch.randn(20, 3, dtype=torch.float64)
    grow(wide, narrow)
    torch.testing.assert_close(wide(x), narrow(x), rtol=1e-12, atol=1e-12)
    wide(x).square().sum().backward()
    assert wide[4].weight.grad[:, 6:].abs().max() > 0  # type: ignore[index, union-attr]


def test_more_inputs_do_not_matter_at_first() -> None:
    torch.manual_seed(0)
    narrow, wide = stack(3, 6).double(), stack(4, 6).double()
    grow(wide, narrow)
    x = torch.randn(20, 4, dtype=torch.float64)
    torch.testing.assert_close(wide(x), narrow(x[:, :3]), rtol=1e-12, atol=1e-12)


def test_a_network_cannot_be_narrowed_or_have_other_layers() -> None:
    with pytest.raises(ConfigError, match="only be widened"):
        grow(stack(3, 5), stack(3, 6))
    with pytest.raises(ConfigError, match="other layers"):
        grow(stack(3, 6), nn.Sequential(nn.Linear(3, 6)))
