"""Critic of one atom's density in the voxelised environment of its bead.

References
----------
Thesis figure A.1: residual blocks down to a vector, one linear layer to a number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msb.errors import ConfigError
from msb.nn.blocks import ResidualBlock3d
from msb.nn.spectral import with_spectral_norm
from msb.nn.voxel_generator import WIDTHS, VoxelWidth

__all__ = ["VoxelCritic"]


class VoxelCritic(nn.Module):
    """Condition, density and label of an atom to one number.

    Parameters
    ----------
    channels : int
        Of the condition.
    labels : int
        Numbers that describe the atom.
    n : int
        Voxels along an edge, a multiple of 4, at least 8.
    width : {'tiny', 'small', 'base'}
        As the generator's.
    spectral_norm : bool
        Divide every weight matrix by its largest singular value.

    Raises
    ------
    ConfigError
        A size or a name is out of range.
    """

    def __init__(
        self,
        channels: int,
        labels: int,
        n: int,
        *,
        width: VoxelWidth = "small",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if n < 8 or n % 4:
            raise ConfigError(f"voxel critic: the grid must have a multiple of 4 voxels, 8 or more, got {n}")
        if width not in WIDTHS:
            raise ConfigError(f"voxel critic: width {width!r} is none of {', '.join(WIDTHS)}")
        if channels < 1 or labels < 1:
            raise ConfigError(f"voxel critic: {channels} channels and {labels} labels; both must be positive")
        c, blocks = WIDTHS[width]
        self.fine = nn.Sequential(
            nn.Conv3d(channels + 1, c, 3, padding=1),  # no normalisation: it would hide how much there is
            nn.LeakyReLU(inplace=True),
            *(ResidualBlock3d(c) for _ in range(blocks)),
            ResidualBlock3d(c, 2 * c, stride=2),
        )
        self.label = nn.Linear(labels, 2 * c)
        self.coarse = nn.Sequential(
            *(ResidualBlock3d(2 * c) for _ in range(blocks)), ResidualBlock3d(2 * c, stride=2)
        )
        self.output = nn.Linear(2 * c * (n // 4) ** 3, 1)
        if spectral_norm:
            with_spectral_norm(self)

    def forward(self, condition: Tensor, density: Tensor, label: Tensor) -> Tensor:
        """Judge atoms.

        Parameters
        ----------
        condition : Tensor (B, channels, n, n, n)
        density : Tensor (B, n, n, n)
        label : Tensor (B, labels)

        Returns
        -------
        Tensor (B,)
            Float32 at least, under autocast too.  Differentiable twice.
        """
        fine = self.fine(torch.cat([condition, density.to(condition)[:, None]], 1))
        known = self.label(label)[:, :, None, None, None]
        value = self.output(self.coarse(fine + known.to(fine)).flatten(1))[:, 0]
        out: Tensor = value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
        return out
