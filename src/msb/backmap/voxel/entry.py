"""The kind `voxel`: how its network is restored, made a placer of a system, and trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from msb.backmap.config import BackmapConfig
from msb.backmap.voxel.adversarial import AdversarialSettings
from msb.backmap.voxel.build import make_environment, make_placer, sized_generator
from msb.backmap.voxel.placer import VoxelPlacer
from msb.backmap.voxel.settings import VoxelNetworkSettings
from msb.core.channels import ChannelMap
from msb.core.mapping import Mapping
from msb.core.scene import Tables
from msb.data.training_set import TrainingSet
from msb.errors import ConfigError
from msb.nn.voxel_generator import VoxelGenerator
from msb.train.loop import Progress

__all__ = ["VoxelNetwork", "placer", "restore", "train"]


class VoxelNetwork(nn.Module):
    """A generator, and what its channels mean.

    Parameters
    ----------
    generator : VoxelGenerator
    channels : ChannelMap
    sizes : dict of str to int
        See :func:`msb.backmap.voxel.build.sizes_of`.
    """

    def __init__(self, generator: VoxelGenerator, channels: ChannelMap, sizes: dict[str, int]) -> None:
        super().__init__()
        self.generator, self.channels, self.sizes = generator, channels, dict(sizes)

    def description(self) -> dict[str, Any]:
        """What `restore` needs beside the settings."""
        return {"channels": self.channels.to_dict(), "sizes": dict(self.sizes)}


def restore(settings: VoxelNetworkSettings, description: dict[str, Any]) -> VoxelNetwork:
    """An untrained network of the shape that a trained one describes."""
    channels = ChannelMap.from_dict(description["channels"], "the model's channels")
    sizes = {name: int(value) for name, value in description["sizes"].items()}
    return VoxelNetwork(sized_generator(settings, sizes).eval(), channels, sizes)


def placer(
    network: VoxelNetwork,
    settings: VoxelNetworkSettings,
    mapping: Mapping,
    tables: Tables,
    hands: NDArray[np.int8] | None,
) -> VoxelPlacer:
    """What places the beads of a system.

    Raises
    ------
    MappingError
        Types that the channels do not know, all at once.
    """
    environment = make_environment(settings, network.channels, mapping, hands)
    return make_placer(settings, environment, network.generator)


def train(
    config: BackmapConfig,
    data: TrainingSet,
    folder: Path,
    *,
    start: nn.Module | None = None,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> tuple[VoxelNetwork, dict[str, float]]:
    """A trained network and its figures; see :func:`msb.backmap.voxel.training.train_generator`."""
    if start is not None:
        raise ConfigError("start_from: a model of kind `voxel` holds no critic, so none can be begun with")
    from msb.backmap.voxel.training import train_generator

    network, training = config.network, config.training
    if not isinstance(network, VoxelNetworkSettings) or not isinstance(training, AdversarialSettings):
        raise ConfigError("`network: {kind: voxel}` goes with the settings of adversarial training")
    generator, channels, sizes, metrics = train_generator(
        data,
        network,
        training,
        folder,
        seed=config.seed,
        resume=resume,
        device=device,
        progress=progress,
    )
    return VoxelNetwork(generator.cpu().float(), channels, sizes), metrics
