"""Configuration of autoregressive backmapping."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.record import SamplerOptions
from msb.backmap.selection import Choice
from msb.backmap.voxel.adversarial import AdversarialSettings
from msb.backmap.voxel.settings import VoxelNetworkSettings
from msb.core.order import VisitingOrder
from msb.data.settings import SnapshotSettings
from msb.io.configuration import StrictModel
from msb.train.settings import TrainingSettings

__all__ = ["BackmapConfig", "MixtureConfig", "SamplingSettings", "VoxelConfig"]


class SamplingSettings(StrictModel):
    """How a trained network places atoms; every key can be changed afterwards."""

    sweeps: int = Field(default=2, ge=0, description="Gibbs sweeps after the forward pass.")
    candidates: int = Field(default=1, ge=1, description="Whole beads that a choice is made among.")
    hydrogen_candidates: int = Field(
        default=0, ge=0, description="At most so many where only hydrogens are placed; 0: as many."
    )
    select: Choice = Field(
        default="random",
        description="The choice: as the network draws (`random`, unbiased), the lowest energy (`min`), or "
        "corrected to the force field (`boltzmann`).",
    )
    bead_sd: float = Field(
        default=0.0015,
        ge=0,
        description="With `boltzmann`: springs of this width hold beads in the choice, nm; 0: none.",
    )
    forward_order: VisitingOrder = Field(default="rank", description="Order of beads in the forward pass.")
    sweep_order: VisitingOrder = Field(default="colour", description="Order of beads in a sweep.")
    batch: int = Field(default=1024, ge=1, description="Candidates placed at once; never changes the result.")
    precision: Literal["float32", "float64"] = Field(default="float32", description="Of positions.")
    redraw: bool = Field(
        default=True,
        description="With `random`: draw again what is above the reference's 99.9 % energy.",
    )
    project: bool = Field(default=True, description="End with the exact projection on the beads.")

    settle: bool = Field(default=True, description="The same before each sweep.")

    def options(self) -> SamplerOptions:
        """The same for the sampler."""
        import torch

        return SamplerOptions(
            sweeps=self.sweeps,
            candidates=self.candidates,
            hydrogen_candidates=self.hydrogen_candidates,
            bead_sd=self.bead_sd,
            select=self.select,
            forward_order=self.forward_order,
            sweep_order=self.sweep_order,
            max_batch=self.batch,
            project=self.project,
            settle=self.settle,
            dtype=getattr(torch, self.precision),
        )


class BackmapConfig(StrictModel):
    """`method: backmap`: beads placed one after another among what is there, then again in sweeps."""

    method: Literal["backmap"] = "backmap"
    name: str = Field(description="Name of the model.")
    seed: int = Field(default=0, ge=0, description="Of weights, order of samples and noise.")
    data: SnapshotSettings
    start_from: str = Field(
        default="",
        description="Model (folder, or name of a shipped one) whose weights training begins with; only for "
        "`mixture`. Its network may be narrower.",
    )
    network: Annotated[VoxelNetworkSettings | MixtureSettings, Field(discriminator="kind")]
    sampling: SamplingSettings = SamplingSettings()
    training: TrainingSettings | AdversarialSettings = TrainingSettings()

    @classmethod
    def parse(cls, data: dict[str, Any], source: Any = "configuration") -> Self:
        """Validate a mapping with the training section that the kind of network has; see StrictModel."""
        network = data.get("network")
        kind = network.get("kind") if isinstance(network, dict) else None
        chosen: type[BackmapConfig] = _CONFIGS.get(str(kind), cls) if cls is BackmapConfig else cls
        return super(BackmapConfig, chosen).parse(data, source)  # type: ignore[return-value]


class VoxelConfig(BackmapConfig):
    """The papers' generator and critic on voxel grids."""

    network: VoxelNetworkSettings
    training: AdversarialSettings = AdversarialSettings()


class MixtureConfig(BackmapConfig):
    """A mixture density network, trained by likelihood."""

    network: MixtureSettings
    training: TrainingSettings = TrainingSettings()


_CONFIGS: dict[str, type[BackmapConfig]] = {"voxel": VoxelConfig, "mixture": MixtureConfig}
