"""The `training` section of a configuration."""

from __future__ import annotations

from pydantic import Field

from msb.io.configuration import StrictModel

__all__ = ["TrainingSettings"]


class TrainingSettings(StrictModel):
    """The loop: how long, how fast, how precise."""

    steps: int = Field(default=10_000, ge=1, description="Optimiser steps.")
    batch: int = Field(default=1024, ge=1, description="Samples a step, over all processes.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Peak of the one-cycle schedule.")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Fraction of the steps with rising rate.")
    weight_decay: float = Field(default=1e-3, ge=0)
    clip: float = Field(default=5.0, gt=0, description="Gradient norm above which a step is shortened.")
    ema: float = Field(default=0.999, ge=0, lt=1, description="Decay of the averaged weights that are kept.")
    precision: str = Field(default="auto", pattern="^(auto|float32|bfloat16)$")
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="Minutes between checkpoints.")
    validate_every: int = Field(default=500, ge=1, description="Steps between validations.")
