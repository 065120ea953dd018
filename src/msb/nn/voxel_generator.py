"""Generator of one atom's position from the voxelised environment of its bead.

An encoder of residual blocks halves the grid once; noise and what is known of the atom join on the coarse
grid; a decoder comes back to the fine grid by interpolation (tiling leaves blocks of eight equal voxels) and
gives a density, whose weighted mean is the position.  The other head gives the position at once, from the
coarse grid, and needs no decoder.

References
----------
Thesis figure A.1 and eqs. 4.11-4.12 (M. Stieffenhofer, M. Wand, T. Bereau, Mach. Learn.: Sci. Technol. 1,
045014 (2020)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from msb.core.voxel import VoxelGrid
from msb.errors import ConfigError
from msb.nn.blocks import ConvBlock3d, ResidualBlock3d
from msb.nn.spectral import with_spectral_norm

__all__ = ["WIDTHS", "Encoding", "Head", "VoxelGenerator", "VoxelWidth"]

Head = Literal["density", "coordinate"]
VoxelWidth = Literal["tiny", "small", "base"]
#: Channels on the fine grid (twice as many on the coarse one) and residual blocks at each level.
WIDTHS: dict[str, tuple[int, int]] = {"tiny": (16, 1), "small": (32, 1), "base": (64, 2)}


@dataclass(frozen=True, eq=False)
class Encoding:
    """What the encoder makes of an environment.

    Attributes
    ----------
    fine : Tensor (B, c, n, n, n)
    coarse : Tensor (B, 2 c, n / 2, n / 2, n / 2)
    """

    fine: Tensor
    coarse: Tensor

    def rows(self, index: Tensor) -> Encoding:
        """Some of the environments."""
        return Encoding(self.fine[index], self.coarse[index])


class VoxelGenerator(nn.Module):
    """Condition, label and noise to the position and the density of one atom.

    Parameters
    ----------
    channels : int
        Of the condition that is encoded.
    labels : int
        Numbers that describe the atom.
    grid : VoxelGrid
        Edge of a multiple of 4 voxels.
    updates : int
        Channels of a second condition that differs from atom to atom while the encoding of the first is
        shared by all atoms of a bead; 0 for none.
    width : {'tiny', 'small', 'base'}
    latent : int
        Length of the noise.
    head : {'density', 'coordinate'}
    spectral_norm : bool

    Raises
    ------
    ConfigError
        A size or a name is out of range.
    """

    def __init__(
        self,
        channels: int,
        labels: int,
        grid: VoxelGrid,
        *,
        updates: int = 0,
        width: VoxelWidth = "small",
        latent: int = 32,
        head: Head = "density",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        _check(grid.n, width, head, channels=channels, labels=labels, latent=latent)
        c, blocks = WIDTHS[width]
        half = grid.n // 2
        self.grid, self.head, self.latent, self.width = grid, head, latent, c
        self.encode_fine = nn.Sequential(ConvBlock3d(channels, c), *_residual(c, blocks))
        self.encode_coarse = nn.Sequential(ResidualBlock3d(c, 2 * c, stride=2), *_residual(2 * c, blocks))
        self.update_fine = ConvBlock3d(updates, c) if updates else None
        self.update_coarse = ResidualBlock3d(c, 2 * c, stride=2) if updates else None
        self.noise = nn.Sequential(nn.Linear(latent + labels, c * half**3), nn.LeakyReLU())
        self.joint = nn.Sequential(ConvBlock3d(3 * c, 2 * c), *_residual(2 * c, blocks))
        self.last_coarse = ConvBlock3d(2 * c, c)
        if head == "density":
            self.decode = nn.Sequential(ConvBlock3d(2 * c, c), *_residual(c, blocks))
            self.output: nn.Module = nn.Conv3d(c, 1, 1)
        else:
            hidden = nn.Linear(c * half**3, 4 * c)
            self.output = nn.Sequential(nn.Flatten(), hidden, nn.LeakyReLU(), nn.Linear(4 * c, 3))
        if spectral_norm:
            with_spectral_norm(self)

    def encode(self, condition: Tensor) -> Encoding:
        """Encode environments.

        Parameters
        ----------
        condition : Tensor (B, channels, n, n, n)
        """
        fine = self.encode_fine(condition)
        return Encoding(fine, self.encode_coarse(fine))

    def place(
        self, encoding: Encoding, label: Tensor, noise: Tensor, update: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Place one atom in each environment.

        Parameters
        ----------
        encoding : Encoding
            Of B environments.
        label : Tensor (B, labels)
        noise : Tensor (B, latent)
            Standard normal numbers.
        update : Tensor (B, updates, n, n, n)
            The second condition; None exactly where the network takes none.

        Returns
        -------
        position : Tensor (B, 3)
            nm from the grid's centre, inside the grid.
        density : Tensor (B, n, n, n)
            In [0, 1]; both in float32 at least, under autocast too.

        Raises
        ------
        ValueError
            An update is given to a network without, or the reverse.
        """
        fine, coarse = encoding.fine, encoding.coarse
        if (update is None) != (self.update_fine is None):
            needed = "no update" if self.update_fine is None else "an update"
            raise ValueError(f"this voxel generator takes {needed}")
        if update is not None and self.update_fine is not None and self.update_coarse is not None:
            change = self.update_fine(update)
            fine, coarse = fine + change, coarse + self.update_coarse(change)
        half = self.grid.n // 2
        drawn = self.noise(torch.cat([noise, label.to(noise)], 1)).reshape(-1, self.width, half, half, half)
        joined = self.last_coarse(self.joint(torch.cat([coarse, drawn.to(coarse)], 1)))
        if self.head == "coordinate":
            point = _precise(self.output(joined))
            position = torch.tanh(point) * (0.5 * self.grid.edge)
            return position, self.grid.densities(position[:, None])[:, 0]
        up = functional.interpolate(joined, scale_factor=2, mode="trilinear", align_corners=False)
        logits = _precise(self.output(self.decode(torch.cat([up, fine], 1))))
        density = torch.sigmoid(logits)
        return self.grid.positions(density)[:, 0], density[:, 0]

    def forward(
        self, condition: Tensor, label: Tensor, noise: Tensor, update: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode, then place; see these two."""
        return self.place(self.encode(condition), label, noise, update)


def _residual(channels: int, blocks: int) -> list[ResidualBlock3d]:
    return [ResidualBlock3d(channels) for _ in range(blocks)]


def _precise(values: Tensor) -> Tensor:
    """In float32 at least."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _check(n: int, width: str, head: str, **sizes: int) -> None:
    if n < 8 or n % 4:
        raise ConfigError(f"voxel generator: the grid must have a multiple of 4 voxels, 8 or more, got {n}")
    if width not in WIDTHS:
        raise ConfigError(f"voxel generator: width {width!r} is none of {', '.join(WIDTHS)}")
    if head not in get_args(Head):
        raise ConfigError(f"voxel generator: head {head!r} is none of {', '.join(get_args(Head))}")
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"voxel generator: `{name}` must be positive, got {size}")
