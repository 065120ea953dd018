"""From a training set to a trained voxel generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from msb.backmap.divergences import Divergences
from msb.backmap.energies import CandidateEnergy
from msb.backmap.reference import ReferenceScene
from msb.backmap.regularisers import Regulariser
from msb.backmap.voxel.adversarial import AdversarialSettings
from msb.backmap.voxel.build import (
    channels_of,
    make_critic,
    make_environment,
    make_generator,
    make_placer,
    sizes_of,
)
from msb.backmap.voxel.settings import VoxelNetworkSettings
from msb.backmap.voxel.streams import Streams, multiplicities
from msb.backmap.voxel.task import System, VoxelTask
from msb.core.channels import ChannelMap
from msb.core.mapping import Mapping
from msb.core.noise import child_seed
from msb.core.scene import Tables
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots
from msb.data.training_set import TrainingSet
from msb.energy.replicate import system_of
from msb.energy.systems import system_from_xml
from msb.errors import ConfigError
from msb.nn.precision import Precision, choose_precision
from msb.nn.voxel_generator import VoxelGenerator
from msb.train.alternating import alternate
from msb.train.loop import Progress

__all__ = ["channels_for", "make_task", "train_generator", "wanted_hands"]

_CRITIC = 1  # label of the critic's seed


def train_generator(
    data: TrainingSet,
    network: VoxelNetworkSettings,
    settings: AdversarialSettings,
    folder: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> tuple[VoxelGenerator, ChannelMap, dict[str, int], dict[str, float]]:
    """Train a generator against a critic on snapshots.

    Parameters
    ----------
    data : TrainingSet
    network : VoxelNetworkSettings
    settings : AdversarialSettings
    folder : Path
        For `checkpoint.pt` and `log.jsonl`.
    seed : int
        Of weights, samples and noise.
    resume : bool
        Go on from the folder's checkpoint.
    device : str
    progress : callable, optional
        Told after every step.

    Returns
    -------
    generator : VoxelGenerator
        With the averaged weights that scored best on the selection snapshots.
    channels : ChannelMap
        What its input means.
    sizes : dict of str to int
        Its shape, see :func:`msb.backmap.voxel.build.sizes_of`.
    metrics : dict of str to float
        `score` and `step` of these weights, `seconds` of training.

    Raises
    ------
    ConfigError
        The checkpoint is of another configuration, or a setting does not fit the data.
    EnergyError
        Energies are asked for and the force field is not known.
    """
    channels = channels_for(network, data)
    task = make_task(data, network, settings, channels, seed=seed, device=device)
    metrics = alternate(
        task,
        settings,
        folder,
        seed=seed,
        resume=resume,
        fingerprint=_fingerprint(data, network, settings, channels, seed),
        progress=progress,
    )
    generator = choose_precision(device, "float32").prepare(task.generator.eval())  # as when read from a file
    return generator, channels, sizes_of(task.systems[0].environment), metrics


def make_task(
    data: TrainingSet,
    network: VoxelNetworkSettings,
    settings: AdversarialSettings,
    channels: ChannelMap,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> VoxelTask:
    """Everything that the loop needs: networks, systems to learn from, systems to select with.

    Parameters
    ----------
    data, network, settings, seed, device
        As in :func:`train_generator`.
    channels : ChannelMap
        See :func:`channels_for`.
    """
    precision = choose_precision(device, settings.precision)
    systems = [
        _system(part, data, network, settings, channels, precision, index)
        for index, part in enumerate(data.train)
    ]
    environment = systems[0].environment
    generator = precision.prepare(_faint(make_generator(network, environment, seed)))
    critic = precision.prepare(make_critic(network, environment, child_seed(seed, _CRITIC)))
    selection = []
    for part in data.select:
        scene = _scene(part, network, settings)
        own = make_environment(network, channels, part.mapping, wanted_hands(part))
        placer = make_placer(network, own, generator, precision)
        beads = settings.validation_beads
        selection.append((Divergences(part.topology, scene, placer.phases(1), beads), placer))
    return VoxelTask(generator, critic, systems, network.cutoff, settings, precision, selection)


def channels_for(network: VoxelNetworkSettings, data: TrainingSet) -> ChannelMap:
    """The declared channels, or those that all molecules of a training set need."""
    mappings = {molecule.name: mapping for molecule, mapping in data.molecules}
    topology = Topology(tuple((molecule, 1) for molecule, _ in data.molecules))
    return channels_of(network, Mapping(mappings, topology))


def wanted_hands(part: Snapshots) -> NDArray[np.int8]:
    """Signs (C,) of the stereocentres of a system in its first frame, in the order of its atoms."""
    signs = [
        np.asarray(molecule.chirality(np.asarray(positions, dtype=np.float64))).reshape(-1)
        for molecule, positions in part.topology.split(part.positions[0])
    ]
    return np.concatenate(signs).astype(np.int8) if signs else np.zeros(0, dtype=np.int8)


def _faint(generator: VoxelGenerator) -> VoxelGenerator:
    """The same, whose density starts with the mass of one atom instead of half of every voxel."""
    if isinstance(generator.output, nn.Conv3d) and generator.output.bias is not None:
        mean = generator.grid.total / generator.grid.n**3
        nn.init.constant_(generator.output.bias, math.log(mean / (1 - mean)))
    return generator


def _scene(part: Snapshots, network: VoxelNetworkSettings, settings: AdversarialSettings) -> ReferenceScene:
    tables = Tables.of(part.mapping)
    return ReferenceScene.make(
        tables, part.positions, part.beads, part.boxes, reach=network.reach, how=settings.order
    )


def _system(
    part: Snapshots,
    data: TrainingSet,
    network: VoxelNetworkSettings,
    settings: AdversarialSettings,
    channels: ChannelMap,
    precision: Precision,
    index: int,
) -> System:
    scene = _scene(part, network, settings)
    environment = make_environment(network, channels, part.mapping, wanted_hands(part))
    weights = multiplicities(part.mapping, settings.multiplicity)
    return System(
        scene,
        environment.to(precision.device),
        Streams.of(scene.tables, len(part.positions), weights),
        torch.from_numpy(np.array(part.topology.masses)).float(),
        _regulariser(part, data, scene.tables, settings),
    )


def _regulariser(
    part: Snapshots, data: TrainingSet, tables: Tables, settings: AdversarialSettings
) -> Regulariser | None:
    """The prior on energies, where one is asked for."""
    wanted = settings.regulariser
    if wanted.kind == "none":
        return None
    if not data.force_field:
        raise ConfigError(
            f"`regulariser: {{kind: {wanted.kind}}}` needs the force field: name its files under "
            "`data.topology` or `data.force_field`, or choose `none`"
        )
    fields = {name: system_from_xml(text) for name, text in data.force_field.items()}
    box = None if part.boxes is None else part.boxes[0]
    energy = CandidateEnergy(
        system_of(part.topology, fields, box),
        tables,
        soft=wanted.soft,
        bond_sd=wanted.bond_sd,
        temperature=data.temperature,
        reaction_field_for_pme=True,
    )
    return Regulariser.of(energy, wanted.kind, wanted.bonded, wanted.lj, wanted.coulomb)


def _fingerprint(
    data: TrainingSet,
    network: VoxelNetworkSettings,
    settings: AdversarialSettings,
    channels: ChannelMap,
    seed: int,
) -> str:
    """Of everything that decides the weights after a step; how long and where to train may change."""
    free: Sequence[str] = ("hours", "checkpoint_minutes")
    fixed = settings.model_dump(mode="json", exclude=set(free))
    if not settings.cooldown:
        fixed.pop("steps")
    parts = (fixed, network.model_dump(mode="json"), channels.to_dict(), sorted(data.hashes.items()), seed)
    return sha256(repr(parts).encode()).hexdigest()
