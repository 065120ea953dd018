"""Losses of the adversarial training against what they are on paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from msb.backmap.voxel.losses import (
    centre_of_mass,
    critic_difference,
    drift,
    gradient_penalty,
    reconstruction,
    sequence_mean,
)

MASK = torch.tensor([[True, True, False], [True, False, False]])


def test_every_bead_counts_alike_whatever_its_length():
    values = torch.tensor([[1.0, 3.0, 99.0], [10.0, 99.0, 99.0]])
    assert float(sequence_mean(values, MASK)) == pytest.approx((2 + 10) / 2)


def test_fillings_leave_no_trace_in_the_gradient():
    values = torch.tensor([[1.0, 3.0, math.nan], [10.0, 1.0, 1.0]], requires_grad=True)
    sequence_mean(values, MASK).backward()
    assert values.grad.tolist() == [[0.25, 0.25, 0.0], [0.5, 0.0, 0.0]]


def test_critic_loss_in_closed_form():
    reference = torch.tensor([[1.0, 2.0, 0.0], [4.0, 0.0, 0.0]])
    generated = torch.tensor([[0.0, 4.0, 7.0], [1.0, 7.0, 7.0]])
    assert float(critic_difference(reference, generated, MASK)) == pytest.approx((-0.5 + 3) / 2)
    assert float(drift(reference, MASK)) == pytest.approx((2.5 + 16) / 2)


def test_penalty_of_a_linear_critic():
    r"""C = <a, u> + <b, g> has the gradient (a, b) everywhere: the penalty is (sqrt(|a|² + |b|²) - 1)²."""
    torch.manual_seed(0)
    a, b = torch.randn(4, 3, 3, 3), torch.randn(1, 3, 3, 3)

    def critic(condition, density):
        return (condition * a).flatten(1).sum(1) + (density * b).flatten(1).sum(1)

    def inputs():
        return torch.randn(5, 4, 3, 3, 3), torch.randn(5, 1, 3, 3, 3)

    penalty = gradient_penalty(critic, inputs(), inputs(), torch.rand(5))
    wanted = (math.sqrt(float(a.square().sum() + b.square().sum())) - 1) ** 2
    assert penalty.tolist() == pytest.approx([wanted] * 5, rel=1e-5)
    only_density = gradient_penalty(
        lambda density, condition: critic(condition, density),
        inputs()[1:],
        inputs()[1:],
        torch.rand(5),
        inputs()[0],
    )
    assert only_density.tolist() == pytest.approx([(float(b.square().sum()) ** 0.5 - 1) ** 2] * 5, rel=1e-5)


def test_penalty_is_taken_between_the_two():
    """C = x²/2 has the gradient x: with the share s of the reference at r and the generated at g."""
    share = torch.tensor([0.0, 0.25, 1.0])
    real, made = torch.full((3, 1), 3.0), torch.full((3, 1), 1.0)
    penalty = gradient_penalty(lambda x: x.square().sum(1) / 2, [real], [made], share)
    assert penalty.tolist() == pytest.approx([0.0, 0.25, 4.0], abs=1e-5)


def test_penalty_reaches_the_weights():
    """(|w| - 1)² has the gradient 2 (|w| - 1) w / |w|."""
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0]]))
    x = torch.randn(6, 2)
    gradient_penalty(lambda y: layer(y)[:, 0], [x], [x + 1], torch.rand(6)).mean().backward()
    assert layer.weight.grad[0].tolist() == pytest.approx([2 * 4 * 0.6, 2 * 4 * 0.8], rel=1e-5)


def test_centres_of_mass():
    reference = torch.zeros(2, 3, 3)
    positions = reference.clone()
    positions[0, 0, 0], positions[0, 1, 1], positions[0, 2] = 0.3, 0.4, 9.0
    positions[1, 0, 2] = 0.1
    masses = torch.tensor([[1.0, 1.0, 5.0], [12.0, 5.0, 5.0]])
    distance = centre_of_mass(positions, reference, masses, MASK)
    assert float(distance) == pytest.approx((0.25 + 0.1) / 2, rel=1e-4)


def test_reconstruction():
    reference = torch.zeros(2, 3, 3)
    positions = torch.ones(2, 3, 3) * torch.tensor([1.0, 2.0, 9.0])[None, :, None]
    assert float(reconstruction(positions, reference, MASK)) == pytest.approx(((3 + 12) / 2 + 3) / 2)
