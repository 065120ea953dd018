"""Densities that integrate to one, and samples that follow them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from msb.nn.flow import CircularMixture, CouplingFlow, wrap_angle


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights: the zeros that training starts from would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return module.double()


def test_density_is_that_of_the_noise_over_the_jacobian():
    flow = shaken(CouplingFlow(5, 3, width=8, layers=4))
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(6, 5, dtype=torch.float64, generator=generator)
    context = torch.randn(6, 3, dtype=torch.float64, generator=generator)
    y = flow(noise, context)
    for k in range(6):
        jacobian = torch.autograd.functional.jacobian(
            lambda e, k=k: flow(e[None], context[k : k + 1])[0], noise[k]
        )
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise[k]).sum()
        expected = normal - torch.linalg.slogdet(jacobian)[1]
        assert torch.allclose(flow.log_prob(y[k : k + 1], context[k : k + 1])[0], expected, atol=1e-9)


def test_flow_of_a_batch_is_that_of_its_rows():
    flow = shaken(CouplingFlow(4, 2, width=8, layers=3))
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(3, 7, 4, dtype=torch.float64, generator=generator)
    context = torch.randn(3, 7, 2, dtype=torch.float64, generator=generator)
    rows = torch.stack([flow(noise[i, j][None], context[i, j][None])[0] for i in range(3) for j in range(7)])
    assert torch.allclose(flow(noise, context).reshape(-1, 4), rows, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_circular_density_integrates_to_one(seed):
    mixture = shaken(CircularMixture(2, 3, components=4, width=8), seed)
    n = 200
    angle = (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * math.pi / n) - math.pi
    grid = torch.cartesian_prod(angle, angle)
    context = torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).expand(
        len(grid), 3
    )
    total = mixture.log_prob(grid, context).exp().sum().detach() * (2 * math.pi / n) ** 2
    assert float(total) == pytest.approx(1.0, abs=2e-4)


def test_circular_samples_follow_the_density():
    mixture = shaken(CircularMixture(1, 1, components=5, width=8), 4)
    n, bins = 40_000, 24
    generator = torch.Generator().manual_seed(5)
    pick = torch.rand(n, 1, dtype=torch.float64, generator=generator)
    noise = torch.randn(n, 1, dtype=torch.float64, generator=generator)
    context = torch.zeros(n, 1, dtype=torch.float64)
    angles = mixture(pick, noise, context)[:, 0]
    counts = torch.histc(angles, bins, -math.pi, math.pi)
    fine = (torch.arange(bins * 50, dtype=torch.float64) + 0.5) * (2 * math.pi / bins / 50) - math.pi
    density = mixture.log_prob(fine[:, None], context[: len(fine)]).exp().reshape(bins, 50).mean(1) * (
        2 * math.pi / bins
    )
    chi2 = ((counts - n * density).square() / (n * density)).sum()
    assert float(chi2) < 55  # 24 bins: the 99.9 % quantile is 50


def test_wrap_angle_keeps_the_angle():
    angle = torch.linspace(-20, 20, 101, dtype=torch.float64)
    wrapped = wrap_angle(angle)
    assert torch.all(wrapped >= -math.pi)
    assert torch.all(wrapped < math.pi)
    assert torch.allclose(wrapped.sin(), angle.sin(), atol=1e-12)
    assert torch.allclose(wrapped.cos(), angle.cos(), atol=1e-12)


def test_a_hotter_sample_is_wider():
    mixture = shaken(CircularMixture(1, 1, components=1, width=8), 6)
    noise = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None]
    pick, context = torch.full_like(noise, 0.5), torch.zeros_like(noise)
    centre = mixture(pick, torch.zeros_like(noise), context)
    cold = wrap_angle(mixture(pick, 0.1 * noise, context) - centre)
    hot = wrap_angle(mixture(pick, 0.1 * noise, context, temperature=4.0) - centre)
    assert torch.allclose(hot, 2 * cold, atol=1e-9)
