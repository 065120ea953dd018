"""Configuration of temporally coherent backmapping."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from msb.data.settings import DataSettings
from msb.io.configuration import StrictModel
from msb.train.settings import TrainingSettings

__all__ = ["FlowSettings", "LossWeights", "TemporalConfig", "VoxelSettings"]


class FlowSettings(StrictModel):
    """The network in internal coordinates (see :mod:`msb.temporal.flow_network`)."""

    kind: Literal["flow"] = "flow"
    width: int = Field(default=128, ge=8, description="Hidden width.")
    layers: int = Field(default=8, ge=1, description="Coupling layers.")
    components: int = Field(default=10, ge=1, description="Wrapped normals per rotor.")
    next_beads: bool = Field(default=False, description="Condition on the beads one frame later, too.")


class LossWeights(StrictModel):
    """Weights of the cVAE's losses (thesis eqs. 8.1-8.6); a weight of 0 switches a loss off."""

    voxel: float = Field(default=1.0, ge=0, description="Densities, eq. 8.1.")
    position: float = Field(default=1.0, ge=0, description="Coordinates, eq. 8.2.")
    distance: float = Field(default=1.0, ge=0, description="Distance matrix, eq. 8.3.")
    beads: float = Field(default=1.0, ge=0, description="Bead consistency, eq. 8.4.")
    energy: float = Field(
        default=0.01, ge=0, description="Potential energy, eq. 8.5, at the end of its ramp."
    )
    energy_start: float = Field(default=0.3, ge=0, le=1, description="Fraction of training before the ramp.")
    energy_ramp: float = Field(default=0.5, gt=0, le=1, description="Length of the exponential ramp.")
    displacement: float = Field(default=0.0, ge=0, description="Displacements from the frame before.")
    kl: float = Field(default=1e-3, ge=0, description="Kullback-Leibler term, eq. 8.6.")
    kl_cycles: int = Field(default=4, ge=0, description="Cycles of the KL weight; 0 keeps it constant.")


class VoxelSettings(StrictModel):
    """The cVAE on voxel densities, one channel a particle (thesis chapter 8)."""

    kind: Literal["voxel"] = "voxel"
    grid: int = Field(default=8, ge=4, multiple_of=4, description="Voxels along an edge.")
    edge: float = Field(default=1.8, gt=0, description="Edge of the grid, nm.")
    sigma: float = Field(default=0.07, gt=0, description="Width of a particle's Gaussian, nm.")
    width: int = Field(default=32, ge=4, description="Channels of the convolutions.")
    latent: int = Field(default=32, ge=8, multiple_of=8, description="Size of the latent.")
    mixture: int = Field(default=10, ge=0, description="Components fitted to the latents; 0 samples N(0, 1).")
    frame: Literal["beads", "random"] = Field(
        default="beads", description="Turn to the beads' own frame, or train on random rotations."
    )
    mean: Literal["none", "linear"] = Field(
        default="linear", description="Predict positions, or displacements from a linear conditional mean."
    )
    reach: float = Field(
        default=0.45, gt=0, description="Edge of the grid of displacements, nm (mean: linear)."
    )
    next_beads: bool = Field(default=False, description="Condition on the beads one frame later, too.")
    unroll: int = Field(default=1, ge=1, description="Frames generated in a row during training.")
    project: bool = Field(default=True, description="End with the exact projection on beads and rigid bonds.")
    weights: LossWeights = LossWeights()


class TemporalConfig(StrictModel):
    """`method: temporal`."""

    method: Literal["temporal"] = "temporal"
    name: str = Field(description="Name of the model.")
    seed: int = Field(default=0, ge=0, description="Of weights, order of samples and noise.")
    data: DataSettings
    network: Annotated[FlowSettings | VoxelSettings, Field(discriminator="kind")] = FlowSettings()
    training: TrainingSettings = TrainingSettings()
