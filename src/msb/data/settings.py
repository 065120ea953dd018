"""The `data` sections of configurations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from msb.io.configuration import StrictModel

__all__ = ["DataSettings", "SnapshotSettings"]


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


class SnapshotSettings(StrictModel):
    """All-atom snapshots of condensed phases, their mapping, and what they were simulated with."""

    topology: tuple[str, ...] = Field(
        default=(),
        description="GROMACS .top or .itp files; without any, bonds are taken from the snapshots themselves.",
    )
    mapping: tuple[str, ...] = Field(
        min_length=1, description="Mapping files; relative to the configuration, or bundled."
    )
    snapshots: tuple[str, ...] = Field(
        min_length=1,
        description="Structures, and trajectories each after its structure: paths, patterns with * and ?, or "
        "names of `msb data list`; of one system or of several.",
    )
    validation: tuple[str, ...] = Field(
        default=(),
        description="Snapshots that choose the weights that are kept; the last of the others by default.",
    )
    stride: int = Field(default=1, ge=1, description="Every how many-th frame of a trajectory is taken.")
    skip: int = Field(default=0, ge=0, description="Frames at the beginning of each trajectory left out.")
    temperature: float = Field(gt=0, description="Temperature of the simulation, K.")
    force_field: Literal["topology", "none"] | tuple[str, ...] = Field(
        default="topology",
        description="What energies are from: the topology files, nothing, or OpenMM force-field files.",
    )
    cutoff: float = Field(default=1.0, gt=0, description="Of Lennard-Jones and Coulomb, nm.")
    dielectric: float = Field(default=78.3, gt=0, description="Of the reaction field beyond the cutoff.")
    rename_atoms: dict[str, str] = Field(
        default={},
        description="Other names for atom types (`HC: H`, `HC@CA: H_AR` where bonded to a CA).",
    )
    rename_beads: dict[str, str] = Field(default={}, description="Other names for bead types.")

    @field_validator("topology", "mapping", "snapshots", "validation", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value
