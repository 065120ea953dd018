from __future__ import annotations

import pytest
import torch

from msb.errors import ConfigError
from msb.nn import MLP, seeded

SWITCHES = [{"depth": 0}, {"depth": 1}, {"depth": 3}, {"layer_norm": True}, {"depth": 0, "layer_norm": True}]


def network(seed=0, **switches):
    with seeded(seed):
        return MLP(7, 4, 16, **switches)


def rand(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_shapes_and_gradients(switches):
    mlp = network(**switches)
    out = mlp(rand(3, 5, 7))
    assert out.shape == (3, 5, 4)
    (out * rand(3, 5, 4)).sum().backward()
    for name, parameter in mlp.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_a_batch_of_five_equals_five_of_one(switches):
    mlp, x = network(**switches), rand(5, 7)
    alone = torch.cat([mlp(x[k : k + 1]) for k in range(5)])
    torch.testing.assert_close(mlp(x), alone, atol=1e-6, rtol=0)


def test_same_seed_same_weights():
    x = rand(2, 7)
    assert torch.equal(network(1)(x), network(1)(x))
    assert not torch.equal(network(1)(x), network(2)(x))


def test_zero_output_starts_as_zero_and_learns():
    mlp, x = network(zero_output=True), rand(6, 7)
    assert torch.equal(mlp(x), torch.zeros(6, 4))
    for _ in range(2):  # the first step moves the output map only, the second all the rest
        mlp.zero_grad()
        (mlp(x) - 1).square().mean().backward()
        with torch.no_grad():
            for parameter in mlp.parameters():
                parameter -= 0.1 * parameter.grad
    assert all(parameter.grad.abs().max() > 0 for parameter in mlp.parameters())


@pytest.mark.parametrize("sizes", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, -1)])
def test_wrong_sizes_are_refused(sizes):
    with pytest.raises(ConfigError, match="sizes must be positive"):
        MLP(*sizes)
