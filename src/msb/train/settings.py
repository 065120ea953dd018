"""The `training` sections of configurations."""

from __future__ import annotations

from pydantic import Field

from msb.io.configuration import StrictModel

__all__ = ["AlternatingSettings", "TrainingSettings"]


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


class AlternatingSettings(StrictModel):
    """The loop of two networks that train against each other."""

    steps: int = Field(default=10_000, ge=1, description="Steps of the generator, pre-training included.")
    batch: int = Field(default=64, ge=1, description="Samples an update, over all processes.")
    critic_steps: int = Field(default=5, ge=1, description="Updates of the critic for one of the generator.")
    critic_first: int = Field(
        default=0, ge=0, description="Updates of the critic alone before the generator's first against it."
    )
    pretrain: int = Field(
        default=0, ge=0, description="Steps in which the generator learns to reconstruct, without a critic."
    )
    pretrain_rate: float = Field(default=1e-3, gt=0, description="Learning rate of these steps.")
    generator_rate: float = Field(default=5e-5, gt=0, description="Learning rate of the generator.")
    critic_rate: float = Field(default=1e-4, gt=0, description="Learning rate of the critic.")
    betas: tuple[float, float] = Field(default=(0.0, 0.9), description="Adam's decay of both moments.")
    cooldown: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Fraction of the steps, at the end, over which the rates fall to 0.",
    )
    clip: float = Field(
        default=0.0, ge=0, description="Gradient norm above which a step is shortened; 0: none."
    )
    ema: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Decay of the average of the generator's weights; 0: no average.",
    )
    precision: str = Field(default="auto", pattern="^(auto|float32|bfloat16)$")
    validate_every: int = Field(default=250, ge=1, description="Generator steps between validations.")
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="Minutes between checkpoints.")
    hours: float = Field(
        default=0.0,
        ge=0,
        description="Training ends after this time, resumed time included; 0: after the steps.",
    )
