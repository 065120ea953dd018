"""Conditional densities with exact sampling: coupling flows on the line, mixtures on the circle.

Both map given noise to a sample, so a trajectory is a function of a counter, never of a generator's state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["CircularMixture", "CouplingFlow", "wrap_angle"]

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_LOG_SCALE_BOUND = 2.0  # a coupling layer scales by at most exp(2): keeps samples far from the data finite


def wrap_angle(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _perceptron(width_in: int, width: int, width_out: int, hidden: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(hidden):
        layers += [nn.Linear(width_in, width), nn.SiLU()]
        width_in = width
    last = nn.Linear(width_in, width_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


class CouplingFlow(nn.Module):
    """Affine coupling flow y = f(noise; context) with a learned linear conditional mean.

    Each layer shifts and scales one half of the coordinates by a network of the other half and the context
    (L. Dinh et al., "Density estimation using Real NVP", ICLR 2017, eqs. 7-8); the halves are a random
    partition that changes every second layer.

    Parameters
    ----------
    size : int
        Coordinates D.
    context : int
        Width of the context.
    width : int
        Hidden width of the layers' networks.
    layers : int
        Number of coupling layers.
    seed : int
        Of the partitions.
    """

    def __init__(self, size: int, context: int, width: int = 128, layers: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.size = size
        self.mean = nn.Linear(context, size)
        self.log_scale = nn.Parameter(torch.zeros(size))
        generator = torch.Generator().manual_seed(seed)
        half = size // 2
        order = torch.arange(size)
        nets = []
        for layer in range(layers):
            if layer % 2 == 0:
                order = torch.randperm(size, generator=generator)
            kept, moved = (order[:half], order[half:]) if layer % 2 == 0 else (order[half:], order[:half])
            self.register_buffer(f"kept_{layer}", kept)
            self.register_buffer(f"moved_{layer}", moved)
            self.register_buffer(f"merge_{layer}", torch.argsort(torch.cat([kept, moved])))
            nets.append(_perceptron(len(kept) + context, width, 2 * len(moved), 1))
        self.nets = nn.ModuleList(nets)

    def _parts(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        return (
            self.get_buffer(f"kept_{layer}"),
            self.get_buffer(f"moved_{layer}"),
            self.get_buffer(f"merge_{layer}"),
        )

    def _shift_and_scale(self, layer: int, kept: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = self.nets[layer](torch.cat([kept, context], dim=-1)).chunk(2, dim=-1)
        return shift, _LOG_SCALE_BOUND * torch.tanh(raw / _LOG_SCALE_BOUND)

    def log_prob(self, y: Tensor, context: Tensor) -> Tensor:
        """Log density of data, shape (B,).

        Parameters
        ----------
        y : Tensor (B, D)
        context : Tensor (B, C)
        """
        y = y - self.mean(context)
        log_det = -self.log_scale.sum()
        for layer in range(len(self.nets)):
            kept, moved, merge = self._parts(layer)
            a, b = y[..., kept], y[..., moved]
            shift, log_scale = self._shift_and_scale(layer, a, context)
            y = torch.cat([a, (b - shift) * torch.exp(-log_scale)], dim=-1)[..., merge]
            log_det = log_det - log_scale.sum(-1)
        y = y * torch.exp(-self.log_scale)
        return (-0.5 * y.square() - _LOG_SQRT_2PI).sum(-1) + log_det

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Samples (..., D) from standard normal noise (..., D) and context (..., C)."""
        y = noise * torch.exp(self.log_scale)
        for layer in reversed(range(len(self.nets))):
            kept, moved, merge = self._parts(layer)
            a, b = y[..., kept], y[..., moved]
            shift, log_scale = self._shift_and_scale(layer, a, context)
            y = torch.cat([a, b * torch.exp(log_scale) + shift], dim=-1)[..., merge]
        sample: Tensor = y + self.mean(context)
        return sample


class CircularMixture(nn.Module):
    """Angles drawn in turn, each from a mixture of wrapped normals given a context and those before.

    Parameters
    ----------
    size : int
        Number of angles.
    context : int
        Width of the context.
    components : int
        Normals per angle.
    width : int
        Hidden width.
    """

    def __init__(self, size: int, context: int, components: int = 10, width: int = 128) -> None:
        super().__init__()
        self.size, self.components = size, components
        self.nets = nn.ModuleList(_perceptron(context + 2 * k, width, 4 * components, 2) for k in range(size))
        ring = torch.arange(components) * (2 * math.pi / components)
        start = torch.cat([torch.zeros(components), ring.cos(), ring.sin(), torch.zeros(components)])
        for net in self.nets:  # spread the centres, or they would all start and stay together
            net[-1].bias.data.copy_(start)  # type: ignore[index]

    def _mixture(self, k: int, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, centres and log widths, each (B, components)."""
        logits, x, y, raw = self.nets[k](context).chunk(4, dim=-1)
        return torch.log_softmax(logits, -1), torch.atan2(y, x), raw.clamp(-4.0, 1.0) - 1.0

    def log_prob(self, angles: Tensor, context: Tensor) -> Tensor:
        """Log density of angles (B, size), radians, given a context (B, C); shape (B,)."""
        total = angles.new_zeros(len(angles))
        for k in range(self.size):
            angle = angles[:, k : k + 1]
            log_weight, centre, log_width = self._mixture(k, context)
            offset = wrap_angle(angle - centre)
            terms = [
                log_weight - 0.5 * ((offset + 2 * math.pi * turn) / log_width.exp()).square() - log_width
                for turn in (-1, 0, 1)
            ]
            total = total + torch.logsumexp(torch.cat(terms, dim=-1), dim=-1) - _LOG_SQRT_2PI
            context = torch.cat([context, angle.sin(), angle.cos()], dim=-1)
        return total

    def forward(self, pick: Tensor, noise: Tensor, context: Tensor, temperature: float = 1.0) -> Tensor:
        """Angles (B, size) from uniform numbers and normal noise.

        Parameters
        ----------
        pick : Tensor (B, size)
            Uniform in (0, 1): chooses the component.
        noise : Tensor (B, size)
            Standard normal: the place within it.
        context : Tensor (B, C)
        temperature : float
            In units of the training temperature: weights go as their power 1/temperature, widths as its root.
        """
        angles = []
        for k in range(self.size):
            log_weight, centre, log_width = self._mixture(k, context)
            weight = torch.softmax(log_weight / temperature, -1)
            chosen = (weight.cumsum(-1) < pick[:, k : k + 1]).sum(-1, keepdim=True)
            chosen = chosen.clamp(max=self.components - 1)
            width = log_width.gather(-1, chosen).exp() * math.sqrt(temperature)
            angle = wrap_angle(centre.gather(-1, chosen) + width * noise[:, k : k + 1])
            angles.append(angle)
            context = torch.cat([context, angle.sin(), angle.cos()], dim=-1)
        return torch.cat(angles, dim=-1) if angles else pick
