"""Building blocks of the networks on voxel grids."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ConvBlock3d", "ResidualBlock3d"]


class ConvBlock3d(nn.Module):
    """Convolution that keeps the grid size, normalisation over all channels, LeakyReLU.

    Parameters
    ----------
    channels_in, channels_out : int
    kernel : int
        Edge of the kernel, odd.
    normalise : bool
        GroupNorm with one group: no statistics over the batch, so a sample never sees its neighbours.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, normalise: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels_in, channels_out, kernel, padding=kernel // 2)
        self.norm = nn.GroupNorm(1, channels_out) if normalise else nn.Identity()
        self.activation = nn.LeakyReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block.

        Parameters
        ----------
        x : Tensor (B, channels_in, n, n, n)

        Returns
        -------
        Tensor (B, channels_out, n, n, n)
        """
        out: Tensor = self.activation(self.norm(self.convolution(x)))
        return out


class ResidualBlock3d(nn.Module):
    """Half the sum of two normalised convolutions and a shortcut.

    The shortcut is the identity, or a convolution of one voxel where the size or the channels change.

    Parameters
    ----------
    channels_in : int
    channels_out : int, optional
        Default: as many.
    stride : int
        2 halves the grid.
    """

    def __init__(self, channels_in: int, channels_out: int | None = None, stride: int = 1) -> None:
        super().__init__()
        channels_out = channels_in if channels_out is None else channels_out
        self.block = nn.Sequential(
            nn.Conv3d(channels_in, channels_out, 3, stride=stride, padding=1),
            nn.GroupNorm(1, channels_out),
            nn.LeakyReLU(inplace=True),
            nn.Conv3d(channels_out, channels_out, 3, padding=1),
            nn.GroupNorm(1, channels_out),
            nn.LeakyReLU(inplace=True),
        )
        same = stride == 1 and channels_in == channels_out
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Conv3d(channels_in, channels_out, 1, stride=stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block.

        Parameters
        ----------
        x : Tensor (B, channels_in, n, n, n)

        Returns
        -------
        Tensor (B, channels_out, n / stride, n / stride, n / stride)
        """
        out: Tensor = 0.5 * (self.block(x) + self.shortcut(x))
        return out
