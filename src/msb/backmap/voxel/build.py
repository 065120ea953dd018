"""Networks and environments from their settings."""

from __future__ import annotations

from numpy.typing import ArrayLike

from msb.backmap.voxel.placer import VoxelPlacer
from msb.backmap.voxel.settings import VoxelNetworkSettings
from msb.core.channel_tables import ChannelTables
from msb.core.channels import ChannelMap, default_channels
from msb.core.environment import VoxelEnvironment
from msb.core.mapping import Mapping
from msb.core.voxel import VoxelGrid
from msb.nn.critic import VoxelCritic
from msb.nn.precision import Precision
from msb.nn.seeding import seeded
from msb.nn.voxel_generator import VoxelGenerator

__all__ = [
    "channels_of",
    "make_critic",
    "make_environment",
    "make_generator",
    "make_placer",
    "sized_generator",
    "sizes_of",
]


def channels_of(settings: VoxelNetworkSettings, mapping: Mapping) -> ChannelMap:
    """The declared channel map, or one made from the topology.

    With a shared encoding: types, and types by bond, angle and torsion.  Without: the papers' map, in which
    every atom has exactly one channel.

    Raises
    ------
    ConfigError
        The declared map is not one.
    """
    if settings.channels is not None:
        return ChannelMap.from_dict(settings.channels, "network.channels")
    if settings.encoding == "shared":
        return default_channels(mapping)
    return default_channels(mapping, relations=("bond", "angle", "torsion", "lennard-jones"), by_type=False)


def make_environment(
    settings: VoxelNetworkSettings, channels: ChannelMap, mapping: Mapping, hands: ArrayLike | None = None
) -> VoxelEnvironment:
    """Channels looked up for a system, on the settings' grid.

    Parameters
    ----------
    settings : VoxelNetworkSettings
    channels : ChannelMap
        The model's: for a new system not that of the system itself.
    mapping : Mapping
        The system.
    hands : int array (C,), optional
        Wanted sign of every stereocentre; not told where the settings say so.

    Raises
    ------
    MappingError
        The channels do not know all of the system.
    """
    grid = VoxelGrid(settings.grid, settings.edge, settings.sigma)
    tables = ChannelTables.of(channels, mapping, hands if settings.hands else None)
    return VoxelEnvironment(grid, tables, settings.encoding == "shared")


def make_generator(
    settings: VoxelNetworkSettings, environment: VoxelEnvironment, seed: int = 0
) -> VoxelGenerator:
    """A generator for an environment's channels, with reproducible initial weights."""
    return sized_generator(settings, sizes_of(environment), seed)


def sizes_of(environment: VoxelEnvironment) -> dict[str, int]:
    """What the shape of a generator depends on beside its settings."""
    shared = environment.shared
    return {
        "channels": environment.n_static if shared else environment.n_dynamic,
        "labels": environment.tables.n_labels,
        "updates": environment.n_dynamic if shared else 0,
    }


def sized_generator(settings: VoxelNetworkSettings, sizes: dict[str, int], seed: int = 0) -> VoxelGenerator:
    """A generator of known sizes, see :func:`sizes_of`, with reproducible initial weights."""
    with seeded(seed):
        return VoxelGenerator(
            sizes["channels"],
            sizes["labels"],
            VoxelGrid(settings.grid, settings.edge, settings.sigma),
            updates=sizes["updates"],
            width=settings.width,
            latent=settings.latent,
            head=settings.head,
            spectral_norm=settings.generator_spectral_norm,
        )


def make_critic(settings: VoxelNetworkSettings, environment: VoxelEnvironment, seed: int = 0) -> VoxelCritic:
    """A critic for an environment's channels, with reproducible initial weights."""
    with seeded(seed):
        return VoxelCritic(
            environment.n_static + environment.n_dynamic,
            environment.tables.n_labels,
            environment.grid.n,
            width=settings.critic_width or settings.width,
            spectral_norm=settings.critic_spectral_norm,
        )


def make_placer(
    settings: VoxelNetworkSettings,
    environment: VoxelEnvironment,
    generator: VoxelGenerator,
    precision: Precision | None = None,
) -> VoxelPlacer:
    """The placer of a system."""
    return VoxelPlacer(generator, environment, settings.cutoff, settings.reach, precision)
