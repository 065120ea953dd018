"""Configurations of the methods that need no training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msb.data.settings import DataSettings
from msb.io.configuration import StrictModel

__all__ = ["LinearConfig", "LookupConfig"]


class LookupConfig(StrictModel):
    """`method: lookup`: each frame becomes the library's nearest, frame by frame."""

    method: Literal["lookup"] = "lookup"
    name: str = Field(description="Name of the model.")
    data: DataSettings
    pairs: int = Field(default=40_000, ge=1, description="Pairs of beads and atoms in the library.")


class LinearConfig(StrictModel):
    """`method: linear`: the conditional mean of the atoms, linear in the beads."""

    method: Literal["linear"] = "linear"
    name: str = Field(description="Name of the model.")
    data: DataSettings
