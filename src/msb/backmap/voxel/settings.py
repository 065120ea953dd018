"""Settings of the networks on voxel grids."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from msb.io.configuration import StrictModel

__all__ = ["VoxelNetworkSettings"]

Width = Literal["tiny", "small", "base"]


class VoxelNetworkSettings(StrictModel):
    """Generator and critic on voxelised environments (thesis chapters 4 and 5, figure A.1)."""

    kind: Literal["voxel"] = "voxel"
    grid: int = Field(default=8, ge=8, multiple_of=4, description="Voxels along an edge.")
    edge: float = Field(default=1.2, gt=0, description="Edge of the grid, nm.")
    sigma: float = Field(default=0.1, gt=0, description="Standard deviation of a particle's Gaussian, nm.")
    cutoff: float = Field(
        default=0.7, gt=0, description="Distance from the bead up to which things are seen, nm."
    )
    reach: float = Field(
        default=1.0, gt=0, description="Distance of beads that see each other, nm; cutoff and a bead's size."
    )
    width: Width = Field(default="small", description="Channels: 16, 32 or 64 on the fine grid.")
    critic_width: Width | None = Field(default=None, description="The generator's width where None.")
    latent: int = Field(default=32, ge=1, description="Random numbers an atom.")
    head: Literal["density", "coordinate"] = Field(
        default="density", description="What the generator gives: a density (eq. 4.11) or a point (eq. 4.12)."
    )
    encoding: Literal["shared", "atom"] = Field(
        default="shared",
        description="Whether a bead's environment is encoded once for all its atoms, or anew for each.",
    )
    generator_spectral_norm: bool = Field(default=False, description="Spectral norm in the generator.")
    critic_spectral_norm: bool = Field(default=True, description="Spectral norm in the critic.")
    hands: bool = Field(default=True, description="Tell the networks the wanted hands of stereocentres.")
    channels: dict[str, Any] | None = Field(
        default=None, description="Channel map (see msb.core.channels); made from the topology where None."
    )

    @model_validator(mode="after")
    def _sees_what_it_reaches(self) -> Self:
        if self.reach < self.cutoff:
            raise ValueError(
                f"reach {self.reach} nm is below the cutoff {self.cutoff} nm: what is seen must be reached"
            )
        return self
