"""Weights of a narrower network as the beginning of a wider one."""

from __future__ import annotations

import torch
from torch import nn

from msb.errors import ConfigError

__all__ = ["grow"]


@torch.no_grad()
def grow(network: nn.Module, start: nn.Module) -> None:
    """Let a network begin as the function that another one of the same layers is.

    Each tensor of the other fills the leading block of its own.  What else reads those outputs gets weight
    zero, and what else is computed keeps its random weights: layers that read only through linear maps and
    elementwise functions (no norm over the widened axis) give the same result as before, and the new part
    learns from the first step on.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    start : nn.Module
        With the same names, and no axis longer.

    Raises
    ------
    ConfigError
        If the layers differ or one is narrower.
    """
    own, other = network.state_dict(), start.state_dict()
    if own.keys() != other.keys():
        odd = sorted(own.keys() ^ other.keys())
        raise ConfigError(f"start_from: the networks have other layers ({', '.join(odd[:4])})")
    for name, given in other.items():
        mine = own[name]
        if mine.dim() != given.dim() or any(a < b for a, b in zip(mine.shape, given.shape, strict=True)):
            raise ConfigError(
                f"start_from: `{name}` is {tuple(mine.shape)}, which cannot begin as {tuple(given.shape)}; "
                "a network can only be widened"
            )
        if mine.dim() > 1:
            mine[: given.shape[0], given.shape[1] :] = 0
        mine[tuple(slice(n) for n in given.shape)] = given
