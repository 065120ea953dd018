"""Configurations of the methods that need no training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msb.data.settings import DataSettings
from msb.io.configuration import StrictModel

__all__ = [
    "FragmentConfig",
    "FragmentOptions",
    "GeometricConfig",
    "GeometricOptions",
    "LibraryConfig",
    "LibraryOptions",
    "LinearConfig",
    "LinearOptions",
    "RandomConfig",
    "RandomOptions",
]

Unit = Literal["bead", "monomer", "molecule"]


class FragmentOptions(StrictModel):
    """What can be set about fragments."""

    unit: Unit = Field(default="monomer", description="What is placed as one piece.")
    best: int = Field(default=1, ge=1, description="Draw each unit among so many best; 1 takes the best.")
    candidates: int = Field(default=32, ge=1, description="Entries a unit chooses from by its surroundings.")
    sweeps: int = Field(
        default=4, ge=0, description="Rounds of choosing by junctions and overlaps; 0 leaves the bead fit."
    )
    near: float = Field(
        default=0.05, ge=0, description="Weight of the beads of bonded units; its own weigh 1."
    )
    far: float = Field(default=0.0, ge=0, description="Weight of the beads of the units beyond those.")
    mirrors: bool = Field(
        default=True,
        description="Pieces without stereocentres also serve as their mirror images; false where what is "
        "placed are beads, whose torsions tell hands that no centre shows.",
    )


class LibraryOptions(StrictModel):
    """What can be set about libraries of whole molecules."""

    pairs: int = Field(default=40_000, ge=1, description="Pairs of beads and atoms in the library.")


class LinearOptions(StrictModel):
    """What can be set about linear means."""

    unit: Unit = Field(default="monomer", description="What has a frame and a regression of its own.")
    ridge: float = Field(default=1e-9, ge=0, description="Keeps the regression from inverting zeros, nm^2.")


class FragmentConfig(FragmentOptions):
    """`method: fragment`: equilibrated pieces of molecules, chosen by their beads and what is around them."""

    method: Literal["fragment"] = "fragment"
    name: str = Field(description="Name of the model.")
    data: DataSettings
    snapshots: int = Field(default=4000, ge=1, description="Training frames that the pieces are cut from.")


class LibraryConfig(LibraryOptions):
    """`method: library`: each frame becomes the library's nearest, frame by frame."""

    method: Literal["library"] = "library"
    name: str = Field(description="Name of the model.")
    data: DataSettings


class LinearConfig(LinearOptions):
    """`method: linear`: the conditional mean of the atoms, linear in the beads."""

    method: Literal["linear"] = "linear"
    name: str = Field(description="Name of the model.")
    data: DataSettings
    unit: Unit = Field(default="molecule", description="What has a frame and a regression of its own.")


class RandomOptions(StrictModel):
    """What can be set about random mapping."""

    unit: Unit = Field(default="bead", description="What is turned as one rigid piece.")


class GeometricOptions(StrictModel):
    """What can be set about geometric placement."""

    placement: list[str] = Field(
        default=[], description="Mapping files whose rules cis, trans, out and chiral place atoms."
    )
    kick: float = Field(default=0.05, ge=0, description="Standard deviation of the first places, nm.")
    embed: bool = Field(
        default=True,
        description="Bring atoms to bonds, angles and hands at rest; else leave it to relaxation.",
    )
    turning: int = Field(default=120, ge=0, description="Steps in which centres may turn over.")
    settling: int = Field(default=180, ge=0, description="Steps in which atoms keep apart.")


class RandomConfig(RandomOptions):
    """`method: random`: rigid pieces at rest, turned at random about their beads."""

    method: Literal["random"] = "random"
    name: str = Field(description="Name of the model.")
    data: DataSettings


class GeometricConfig(GeometricOptions):
    """`method: geometric`: weighted bead positions, a kick, and the mapping's rules."""

    method: Literal["geometric"] = "geometric"
    name: str = Field(description="Name of the model.")
    data: DataSettings
