"""From a configuration to a trained morph model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msb.backmap.config import MixtureConfig, SamplingSettings
from msb.backmap.kinds import kind_named
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.training import model_of
from msb.data.settings import SnapshotSettings
from msb.data.snapshots import Snapshots
from msb.morph.config import DecoderSettings, MorphConfig
from msb.morph.morpher import Morpher
from msb.morph.statistics import LocalStatistics
from msb.morph.target import Target, load_target
from msb.train.loop import Progress
from msb.train.settings import TrainingSettings

__all__ = ["train"]

_BOND = 0.15  # nm; the bond that the network's built-in lengths are made for
_OWN = 0.1  # share of the disturbance that beads of the same centre have: they are drawn with each other
_EXTENT = 1.0  # mean bonds that a bead may be away from its centre, s = 2; grows with s


def train(
    config: MorphConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> Morpher:
    """Train as configured.

    Parameters
    ----------
    config : MorphConfig
    base : Path
        Folder that the configuration's paths are relative to.
    folder : Path
        For checkpoints and the log.
    resume : bool
        Go on from the folder's checkpoint.
    device : str
        Networks of this size are trained on the CPU.
    progress : callable, optional
        Told after every step.

    Raises
    ------
    ConfigError, MappingError, TopologyError, TrajectoryError
        The configuration or the data do not fit; see `msb.morph.target.load_target`.
    """
    target = load_target(config, base)
    statistics = _statistics(target)
    inner = decoder_config(config, statistics["target"].mean_bond)
    data = target.training_set(config)
    network, metrics = kind_named("mixture").train(
        inner, data, folder, resume=resume, device=device, progress=progress
    )
    decoder = model_of(inner, data, network.cpu().eval(), metrics)
    return Morpher(config, decoder, target.pattern, **statistics, metrics=metrics)


def decoder_config(config: MorphConfig, bond: float) -> MixtureConfig:
    """Return the decoder's own configuration.

    Parameters
    ----------
    config : MorphConfig
    bond : float
        The target's mean bond, nm.
    """
    return MixtureConfig(
        name=config.name,
        seed=config.seed,
        data=SnapshotSettings(
            mapping=("bottleneck",), snapshots=config.data.snapshots, temperature=config.data.temperature
        ),
        network=_network(config.decoder, config.s, bond),
        sampling=SamplingSettings(**config.sampling.model_dump()),
        training=TrainingSettings(**config.training.model_dump()),
    )


def _network(decoder: DecoderSettings, s: int, bond: float) -> MixtureSettings:
    """Settings of the network, whose unit makes the mean bond that of carbon."""
    reach = decoder.cutoff + _EXTENT * s / 2
    return MixtureSettings(
        unit=bond / _BOND,
        width=decoder.width,
        blocks=decoder.blocks,
        components=decoder.components,
        around_width=decoder.around_width,
        atoms_around=decoder.beads_around,
        cutoff=decoder.cutoff * _BOND,
        reach=reach * _BOND,
        shift=decoder.disturbance * _BOND,
        jitter=0.5 * decoder.disturbance * _BOND,
        own=_OWN,
        closes=True,
        levels=decoder.levels,
        order=decoder.order,
    )


def _statistics(target: Target) -> dict[str, LocalStatistics]:
    """Of beads and of centres, of what trains and of what does not."""

    def of(part: Snapshots, like: LocalStatistics | None = None) -> LocalStatistics:
        return LocalStatistics.of(part.positions, part.boxes, part.topology, like)

    def centres(part: Snapshots, like: LocalStatistics | None = None) -> LocalStatistics:
        return LocalStatistics.of(part.beads, part.boxes, part.mapping.bead_topology(), like)

    known, between = of(target.train), centres(target.train)
    return {
        "target": known,
        "held_out": of(target.select, known),
        "centres": between,
        "centres_held_out": centres(target.select, between),
    }
