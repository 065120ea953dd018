"""Spectral normalisation: every layer's weight matrix divided by its largest singular value."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["with_spectral_norm"]

_Module = TypeVar("_Module", bound=nn.Module)


def with_spectral_norm(module: _Module, power_iterations: int = 1) -> _Module:
    """Normalise the convolutions and linear layers of a network, in place.

    The matrix of a convolution has one row an output channel.  The largest singular value follows the
    weights by power iterations, some at every pass in training mode, none in evaluation mode.

    Parameters
    ----------
    module : nn.Module
    power_iterations : int
        At every pass.

    Returns
    -------
    nn.Module
        The same one.

    References
    ----------
    T. Miyato, T. Kataoka, M. Koyama, Y. Yoshida, ICLR 2018.
    """
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv3d | nn.Linear):
            spectral_norm(layer, n_power_iterations=power_iterations)
    return module
