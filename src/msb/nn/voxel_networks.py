"""Encoder and decoder of the conditional variational autoencoder on voxel grids.

References
----------
The temporally coherent backmapping of chapter 8 of the thesis (K. Shmilovich, M. Stieffenhofer,
N. E. Charron, M. Hoffmann, J. Phys. Chem. A 126, 9124 (2022)), with any grid size instead of 12³.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msb.errors import ConfigError
from msb.nn.blocks import ConvBlock3d, ResidualBlock3d

__all__ = ["VoxelDecoder", "VoxelEncoder"]

_SEED_VOXELS = 8  # the latent enters the decoder as a block of 2³ voxels


class VoxelEncoder(nn.Module):
    """Densities to the mean and the log standard deviation of a normal distribution over latents.

    Parameters
    ----------
    channels_in : int
        Target and condition together.
    width : int
        Channels inside; 32 in the paper.
    latent : int
    n : int
        Voxels along an edge, divisible by 4; 12 in the paper.

    Raises
    ------
    ConfigError
        If a size is not positive or `n` is not divisible by 4.
    """

    def __init__(self, channels_in: int, width: int, latent: int, n: int) -> None:
        super().__init__()
        _check_sizes(n, channels_in=channels_in, width=width, latent=latent)
        self.layers = nn.Sequential(
            ConvBlock3d(channels_in, width, kernel=5),
            ResidualBlock3d(width),
            ResidualBlock3d(width, stride=2),
            ResidualBlock3d(width),
            ResidualBlock3d(width, stride=2),
            ResidualBlock3d(width),
        )
        features = width * (n // 4) ** 3
        self.mean = nn.Linear(features, latent)
        self.log_sigma = nn.Linear(features, latent)

    def forward(self, densities: Tensor) -> tuple[Tensor, Tensor]:
        """Encode.

        Parameters
        ----------
        densities : Tensor (B, channels_in, n, n, n)

        Returns
        -------
        mu, log_sigma : Tensor (B, latent)
            float32, under autocast too.
        """
        features = self.layers(densities).flatten(1)
        return self.mean(features).float(), self.log_sigma(features).float()


class VoxelDecoder(nn.Module):
    """Condition densities and a latent to one density in (0, 1) per atom.

    The latent is laid out as latent / 8 channels of 2³ voxels, each enlarged to an octant of the grid, and
    joined with the features of the condition.

    Parameters
    ----------
    channels_condition : int
        Previous atoms and current beads, for instance.
    latent : int
        Divisible by 8; 0 leaves it out.
    width : int
        Channels of the two branches; twice as many after they join. 32 in the paper.
    channels_out : int
        Atoms.
    n : int
        Voxels along an edge, divisible by 4; 12 in the paper.

    Raises
    ------
    ConfigError
        If a size is not positive, `n` is not divisible by 4 or `latent` not by 8.
    """

    def __init__(self, channels_condition: int, latent: int, width: int, channels_out: int, n: int) -> None:
        super().__init__()
        _check_sizes(n, channels_condition=channels_condition, width=width, channels_out=channels_out)
        if latent < 0 or latent % _SEED_VOXELS:
            raise ConfigError(f"voxel decoder: `latent` must be a multiple of {_SEED_VOXELS}, got {latent}")
        self.n = n
        self.condition = nn.Sequential(
            ConvBlock3d(channels_condition, width), ResidualBlock3d(width), ResidualBlock3d(width)
        )
        self.noise = ConvBlock3d(latent // _SEED_VOXELS, width, kernel=5, normalise=False) if latent else None
        joined = 2 * width
        self.joint = nn.Sequential(
            ConvBlock3d(joined if latent else width, joined), ResidualBlock3d(joined), ResidualBlock3d(joined)
        )
        self.output = nn.Conv3d(joined, channels_out, 1)

    def forward(self, condition: Tensor, latent: Tensor | None = None) -> Tensor:
        """Decode.

        Parameters
        ----------
        condition : Tensor (B, channels_condition, n, n, n)
        latent : Tensor (B, latent)
            None only for a decoder without one.

        Returns
        -------
        Tensor (B, channels_out, n, n, n)
            Densities in (0, 1); float32, under autocast too.

        Raises
        ------
        ValueError
            If a latent is given to a decoder without one or the reverse.
        """
        features = self.condition(condition)
        if (latent is None) != (self.noise is None):
            needed = "no latent" if self.noise is None else "a latent"
            raise ValueError(f"this voxel decoder takes {needed}")
        if latent is not None and self.noise is not None:
            seed = latent.reshape(len(latent), -1, 2, 2, 2)
            blocks = nn.functional.interpolate(seed, size=(self.n,) * 3, mode="nearest")
            features = torch.cat((features, self.noise(blocks)), dim=1)
        return torch.sigmoid(self.output(self.joint(features)).float())


def _check_sizes(n: int, **sizes: int) -> None:
    """Refuse grids that cannot be halved twice and sizes that are not positive."""
    if n < 4 or n % 4:
        raise ConfigError(f"voxel network: grid size `n` must be a positive multiple of 4, got {n}")
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"voxel network: `{name}` must be positive, got {size}")
