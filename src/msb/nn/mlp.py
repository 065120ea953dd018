"""A residual multilayer perceptron."""

from __future__ import annotations

from torch import Tensor, nn

from msb.errors import ConfigError

__all__ = ["MLP"]


class MLP(nn.Module):
    r"""Linear map in, residual layers :math:`h \leftarrow h + W_2\,\mathrm{SiLU}(W_1 h)`, linear map out.

    Parameters
    ----------
    features_in, features_out : int
    width : int
        Features of every layer between.
    depth : int
        Residual layers; 0 leaves one hidden SiLU layer.
    layer_norm : bool
        Normalise what enters every residual layer and the output map.
    zero_output : bool
        Start as the zero function, for a correction to something already good.

    Raises
    ------
    ConfigError
        If a size is not positive or the depth negative.
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        width: int,
        depth: int = 2,
        layer_norm: bool = False,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        if min(features_in, features_out, width) < 1 or depth < 0:
            raise ConfigError(
                "multilayer perceptron: sizes must be positive and the depth not negative, got "
                f"{features_in} -> {width} x {depth} -> {features_out}"
            )
        self.input = nn.Linear(features_in, width)
        self.layers = nn.ModuleList(_residual(width, layer_norm) for _ in range(depth))
        self.output = nn.Sequential(
            nn.LayerNorm(width) if layer_norm else nn.Identity(), nn.SiLU(), nn.Linear(width, features_out)
        )
        if zero_output:
            for parameter in self.output[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network to the last axis.

        Parameters
        ----------
        x : Tensor (..., features_in)

        Returns
        -------
        Tensor (..., features_out)
        """
        h = self.input(x)
        for layer in self.layers:
            h = h + layer(h)
        out: Tensor = self.output(h)
        return out


def _residual(width: int, layer_norm: bool) -> nn.Sequential:
    """Build what one residual layer adds."""
    return nn.Sequential(
        nn.LayerNorm(width) if layer_norm else nn.Identity(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, width),
    )
