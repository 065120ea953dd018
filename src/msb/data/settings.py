"""The `data` section of a configuration."""

from __future__ import annotations

from pydantic import Field

from msb.io.configuration import StrictModel

__all__ = ["DataSettings"]


class DataSettings(StrictModel):
    """Paired data: an all-atom trajectory, its mapping, and what it was simulated with."""

    structure: str = Field(description="All-atom structure: a path, or a name of `msb data list`.")
    trajectory: str = Field(description="All-atom trajectory: a path, or a name of `msb data list`.")
    mapping: str = Field(description="Mapping file; relative to the configuration.")
    temperature: float = Field(gt=0, description="Temperature of the simulation, K.")
    lag: float = Field(gt=0, description="Frame spacing, ps.")
    force_field: tuple[str, ...] = Field(
        default=(), description="OpenMM force-field files of the molecule; kept in the model's bundle."
    )
    split: tuple[float, float, float] = Field(
        default=(0.7, 0.1, 0.2), description="Fractions, in order of time, that train, select and test."
    )
    library: int = Field(default=2000, ge=1, description="Training frames kept to start trajectories from.")
