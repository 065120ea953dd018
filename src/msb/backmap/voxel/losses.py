r"""Losses of the adversarial training.

The sign is the papers': the critic is low on the reference and high on what the generator made, so both
networks minimise.

References
----------
M. Stieffenhofer, M. Wand, T. Bereau, Mach. Learn.: Sci. Technol. 1, 045014 (2020), eqs. 9-15;
M. Stieffenhofer, T. Bereau, M. Wand, APL Mater. 9, 031107 (2021), eqs. 3-11; thesis, eqs. 4.13-4.17.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = [
    "centre_of_mass",
    "critic_difference",
    "drift",
    "gradient_penalty",
    "ramp",
    "reconstruction",
    "sequence_mean",
]

_SMALLEST = 1e-12  # under the root of the gradient's norm, whose derivative must stay finite


def sequence_mean(values: Tensor, mask: Tensor) -> Tensor:
    r"""Mean over beads of the mean over each bead's atoms, :math:`E_I[|\omega_I|^{-1} \sum_{i\in\omega_I}]`.

    Parameters
    ----------
    values : Tensor (B, T)
    mask : bool Tensor (B, T)
        Where there is an atom; each bead has one at least.

    Returns
    -------
    Tensor ()
    """
    kept = torch.where(mask, values, 0.0)
    return (kept.sum(1) / mask.sum(1)).mean()


def critic_difference(reference: Tensor, generated: Tensor, mask: Tensor) -> Tensor:
    r"""The critic's estimate of minus the Wasserstein distance, :math:`E[C(u,\gamma) - C(u,\hat\gamma)]`.

    Parameters
    ----------
    reference, generated : Tensor (B, T)
        The critic on atoms of the reference and of the generator.
    mask : bool Tensor (B, T)
    """
    return sequence_mean(reference - generated, mask)


def drift(reference: Tensor, mask: Tensor) -> Tensor:
    """Mean square of the critic (B, T) on the reference: it keeps the critic's free constant near zero."""
    return sequence_mean(reference.square(), mask)


def gradient_penalty(
    critic: Callable[..., Tensor],
    reference: Sequence[Tensor],
    generated: Sequence[Tensor],
    share: Tensor,
    *fixed: Tensor,
) -> Tensor:
    r"""Squared deviation of the critic's gradient from norm 1, :math:`(\|\nabla C\|_2 - 1)^2`, of each row.

    It is taken at :math:`\epsilon x + (1 - \epsilon) \hat x` between a reference and a generated input; the
    norm is over all inputs together, condition and density.

    Parameters
    ----------
    critic : callable
        Of the inputs and what is `fixed`, gives (R,).
    reference, generated : sequence of Tensor (R, ...)
        Inputs that are interpolated.
    share : Tensor (R,)
        The weight of the reference, in [0, 1].
    *fixed : Tensor (R, ...)
        Inputs that are the same on both sides.

    Returns
    -------
    Tensor (R,)
        Differentiable in the critic's weights.
    """
    between = []
    for real, made in zip(reference, generated, strict=True):
        weight = share.to(real).reshape(-1, *[1] * (real.ndim - 1))
        between.append(torch.lerp(made.detach(), real.detach(), weight).requires_grad_(True))
    value = critic(*between, *fixed)
    gradients = torch.autograd.grad(value.sum(), between, create_graph=True)
    squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
    return ((squares + _SMALLEST).sqrt() - 1).square()


def ramp(step: int, first: int, last: int) -> float:
    r"""The papers' smooth rise of a weight from 0 at one step to 1 at another, :math:`3x^2 - 2x^3`."""
    if step >= last:
        return 1.0
    x = max(0.0, (step - first) / (last - first))
    return x * x * (3.0 - 2.0 * x)


def centre_of_mass(positions: Tensor, reference: Tensor, masses: Tensor, mask: Tensor) -> Tensor:
    r"""Distance of the centres of mass, :math:`|g(\varphi_I) - g(\hat\varphi_I)|`, mean over beads.

    Parameters
    ----------
    positions, reference : Tensor (B, T, 3)
        nm.
    masses : Tensor (B, T)
        amu.
    mask : bool Tensor (B, T)

    Returns
    -------
    Tensor ()
        nm.
    """
    weights = torch.where(mask, masses, 0.0).to(positions)
    shares = weights / weights.sum(1, keepdim=True)
    away = (shares[..., None] * (positions - reference)).sum(1)
    return (away.square().sum(-1) + _SMALLEST).sqrt().mean()


def reconstruction(positions: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Mean square distance, nm^2, of generated atoms (B, T, 3) from those of the reference."""
    return sequence_mean((positions - reference).square().sum(-1), mask)
