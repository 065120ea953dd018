"""Configuration of morphing."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from msb.backmap.config import SamplingSettings
from msb.io.configuration import StrictModel
from msb.train.settings import TrainingSettings

__all__ = ["DecoderSettings", "MorphConfig", "MorphSampling", "MorphTraining", "TargetSettings"]


class TargetSettings(StrictModel):
    """Snapshots of the faithful model, at the resolution of the structures that are to be morphed."""

    snapshots: tuple[str, ...] = Field(
        min_length=1,
        description="Structures, and trajectories each after its structure: paths, patterns with * and ?, or "
        "names of `msb data list`. Beads of a chain stand one after another.",
    )
    validation: tuple[str, ...] = Field(
        default=(),
        description="Snapshots that choose the weights, the scheme and s; the last fifth of the "
        "others by default.",
    )
    per_chain: int | None = Field(
        default=None, ge=2, description="Beads of a chain, where files do not tell."
    )
    stride: int = Field(default=1, ge=1, description="Every how many-th frame of a trajectory is taken.")
    temperature: float = Field(gt=0, description="Temperature of the target, K.")
    reverse: bool = Field(default=True, description="Chains of one kind of bead are learned from either end.")

    @field_validator("snapshots", "validation", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class DecoderSettings(StrictModel):
    """Size of the decoder's network; lengths are in mean bonds of the target."""

    width: int = Field(default=128, ge=8, description="Hidden width.")
    blocks: int = Field(default=3, ge=1, description="Residual blocks.")
    components: int = Field(default=8, ge=1, description="Components of each bead's mixture.")
    around_width: int = Field(default=32, ge=4, description="Hidden width of what is around.")
    beads_around: int = Field(default=40, ge=0, description="Nearest beads that one is told about.")
    cutoff: float = Field(default=2.2, gt=0, description="Reach of a bead's surroundings, mean bonds.")
    disturbance: float = Field(
        default=0.2, ge=0, description="Displacement of known beads at level 1, mean bonds."
    )
    levels: tuple[float, ...] = Field(
        default=(0.8, 0.5, 0.3, 0.2), description="Level told in the forward pass and in each sweep after it."
    )
    order: Literal["depth", "breadth", "random", "index"] = "depth"


class MorphSampling(SamplingSettings):
    """How beads are placed."""

    sweeps: int = Field(default=4, ge=0, description="Gibbs sweeps after the forward pass.")
    candidates: int = Field(
        default=8, ge=1, description="Sets of places for a centre's beads, one of which is chosen."
    )


class MorphTraining(TrainingSettings):
    """The loop; a sample is a snapshot in which some beads are placed."""

    steps: int = Field(default=6000, ge=1, description="Optimiser steps.")
    batch: int = Field(default=8, ge=1, description="Samples a step, over all processes.")
    learning_rate: float = Field(default=1.5e-3, gt=0, description="Peak of the one-cycle schedule.")
    clip: float = Field(default=10.0, gt=0, description="Gradient norm above which a step is shortened.")
    validate_every: int = Field(default=250, ge=1, description="Steps between validations.")


class MorphConfig(StrictModel):
    """`method: morph`: s beads through their centre of mass and back, as the target has them."""

    method: Literal["morph"] = "morph"
    name: str = Field(description="Name of the model.")
    seed: int = Field(default=0, ge=0, description="Of weights, order of samples and noise.")
    s: int = Field(default=2, ge=2, description="Beads that become one at the bottleneck.")
    data: TargetSettings
    decoder: DecoderSettings = DecoderSettings()
    sampling: MorphSampling = MorphSampling()
    weigh: Literal["field", "walls", "none"] = Field(
        default="field",
        description="What is chosen among candidates: weighted by the target's own statistics (`field`); any "
        "whose bonds, angles and non-bonded distances the target has (`walls`); any (`none`).",
    )
    training: MorphTraining = MorphTraining()
