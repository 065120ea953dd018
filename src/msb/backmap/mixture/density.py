"""Mixtures of normals for one atom: around a bonded atom in bond length, angle and turn, or free in space."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["N_PARAMETERS", "draw", "is_width", "log_density"]

N_PARAMETERS = 9  # of a component: logit, three means (the turn's as a vector), three widths, one shear
_ANGLE = 1.95  # rad; where mixtures begin
_FREE = 0.1  # nm
_BOND = 0.003  # nm
_LOG_2PI = math.log(2 * math.pi)


def is_width(parameters: Tensor) -> Tensor:
    """1 for the parameters that are logarithms of widths, 0 for the others, (9,)."""
    column = torch.arange(N_PARAMETERS)
    return ((column >= 5) & (column <= 7)).to(parameters)


def _split(parameters: Tensor) -> tuple[Tensor, ...]:
    logit, a, b, c, d, s1, s2, s3, shear = parameters.unbind(-1)
    return F.log_softmax(logit, -1), a, b, c, d, s1.clamp(-5, 3), s2.clamp(-6, 2), s3.clamp(-6, 3), shear


def log_density(parameters: Tensor, local: Tensor, bonded: Tensor, length: Tensor, rigid: Tensor) -> Tensor:
    """Log density, in nats, of places in an atom's axes.

    For a bonded atom the volume is d(theta) sin(theta) d(phi), times dr where the bond is not rigid; the
    constants that only depend on the atom are left out.

    Parameters
    ----------
    parameters : Tensor (..., C, 9)
    local : Tensor (..., 3)
        nm, z along the bond before.
    bonded, rigid : bool Tensor (...)
    length : Tensor (...)
        Mean bond length, nm.

    Returns
    -------
    Tensor (...)
    """
    logit, a, b, c, d, s1, s2, s3, shear = _split(parameters)
    r = local.norm(dim=-1).clamp(min=1e-6)
    flat = local[..., :2].norm(dim=-1)
    theta = torch.atan2(flat, local[..., 2])[..., None]
    phi = torch.atan2(local[..., 1], local[..., 0])[..., None]
    off = (theta - (_ANGLE + 0.3 * b)) / (0.1 * s2.exp())
    turn = phi - torch.atan2(c, d + 1e-6) - 0.1 * shear * off * s3.exp()
    turn = torch.remainder(turn + math.pi, 2 * math.pi) - math.pi
    angular = -0.5 * off.square() - s2 - 0.5 * (turn / (0.1 * s3.exp())).square() - s3
    stretch = (r[..., None] - length[..., None] - _BOND * a) / (_BOND * s1.exp())
    radial = torch.where(rigid[..., None], 0.0, -0.5 * stretch.square() - s1 - 0.5 * _LOG_2PI)
    tied = logit + angular + radial - _LOG_2PI - 2 * math.log(0.1)
    x, y, z = ((v / _FREE)[..., None] for v in local.unbind(-1))
    loose = logit - 0.5 * (
        ((x - a) / s1.exp()).square() + ((y - b) / s2.exp()).square() + ((z - c) / s3.exp()).square()
    )
    loose = loose - s1 - s2 - s3 - 1.5 * _LOG_2PI
    total = torch.where(bonded[..., None], tied, loose).logsumexp(-1)
    sine = (flat / r).clamp(min=1e-4).log()
    return torch.where(bonded, total - sine, total)


def draw(
    parameters: Tensor, pick: Tensor, noise: Tensor, bonded: Tensor, length: Tensor, rigid: Tensor
) -> Tensor:
    """Draw places in an atom's axes; shapes may broadcast.

    Parameters
    ----------
    parameters : Tensor (..., C, 9)
    pick : Tensor (...)
        Uniform, chooses the component.
    noise : Tensor (..., 3)
        Normal.
    bonded, length, rigid : Tensor (...)

    Returns
    -------
    Tensor (..., 3)
        nm.
    """
    logit, *others = _split(parameters)
    weight = logit.exp().cumsum(-1)
    chosen = (pick[..., None] * weight[..., -1:] > weight).sum(-1).clamp(max=logit.shape[-1] - 1)
    rows = chosen[..., None]
    a, b, c, d, s1, s2, s3, shear = (v.expand(*chosen.shape, -1).gather(-1, rows)[..., 0] for v in others)
    n1, n2, n3 = noise.unbind(-1)
    theta = _ANGLE + 0.3 * b + 0.1 * s2.exp() * n2
    phi = torch.atan2(c, d + 1e-6) + 0.1 * s3.exp() * (n3 + shear * n2)
    r = length + torch.where(rigid, 0.0, _BOND * (a + s1.exp() * n1))
    tied = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], -1) * r[..., None]
    loose = _FREE * torch.stack([a + s1.exp() * n1, b + s2.exp() * n2, c + s3.exp() * n3], -1)
    return torch.where(bonded[..., None], tied, loose)
