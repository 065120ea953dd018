"""From a configuration to a trained model of condensed phases."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from msb.backmap.config import BackmapConfig
from msb.backmap.energy_of_model import candidate_energy
from msb.backmap.kinds import kind_named
from msb.backmap.knowledge import Knowledge, system_of_molecules
from msb.backmap.limits import EnergyLimits, EnergyOf
from msb.backmap.model import DeepBackmapper
from msb.backmapper import load_model
from msb.core.bead_environment import BeadEnvironments, Vocabulary
from msb.core.order import BeadOrder
from msb.core.scene import Tables
from msb.core.unfamiliarity import Familiarity
from msb.data.snapshots import Snapshots
from msb.data.training_set import TrainingSet, load_training
from msb.energy.replicate import system_of
from msb.energy.systems import system_from_xml
from msb.errors import ConfigError, EnergyError, MsbWarning
from msb.train.loop import Progress

__all__ = ["model_of", "train"]


def train(
    config: BackmapConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> DeepBackmapper:
    """Train as configured.

    Parameters
    ----------
    config : BackmapConfig
    base : Path
        Folder that the configuration's paths are relative to.
    folder : Path
        For checkpoints and the log.
    resume : bool
        Go on from the folder's checkpoint.
    device : str
    progress : callable, optional
        Told after every step.

    Raises
    ------
    ConfigError, MappingError, TopologyError, TrajectoryError
        If the configuration, the data or the mapping do not fit; see `msb.data.training_set.load_training`.
    """
    data = load_training(config.data, base)
    kind = kind_named(config.network.kind)
    network, metrics = kind.train(
        config,
        data,
        folder,
        start=_start(config.start_from, base),
        resume=resume,
        device=device,
        progress=progress,
    )
    return model_of(config, data, network.cpu().eval(), metrics)


def model_of(
    config: BackmapConfig, data: TrainingSet, network: nn.Module, metrics: dict[str, float]
) -> DeepBackmapper:
    """A model of a network that was trained on a set.

    Parameters
    ----------
    config : BackmapConfig
    data : TrainingSet
    network : nn.Module
    metrics : dict
        Figures of the training.
    """
    topology, mapping = system_of_molecules(data.molecules)
    model = DeepBackmapper(
        config.name,
        topology,
        mapping,
        data.temperature,
        config.model_dump(mode="json"),
        data.hashes,
        data.force_field,
        config=config,
        network=network,
        knowledge=Knowledge.of(data),
        familiarity=_familiarity(data),
        sampling=config.sampling,
        metrics=metrics,
    )
    if data.force_field:
        model.limits = _limits(model, data)
    return model


def _start(name: str, base: Path) -> nn.Module | None:
    """The network of the model that training begins with."""
    if not name:
        return None
    path = base / name
    model = load_model(path if path.is_dir() else name, "cpu")
    if not isinstance(model, DeepBackmapper):
        raise ConfigError(f"start_from: {name} is a model of the method `{model.method}`, not of `backmap`")
    return model.network


def _familiarity(data: TrainingSet) -> Familiarity:
    """The bead environments of all training frames."""
    vocabulary = Vocabulary.of(*(part.mapping for part in data.train))
    seen = [BeadEnvironments(part.mapping, vocabulary)(part.beads, part.boxes) for part in data.train]
    return Familiarity.fit(*seen)


def _limits(model: DeepBackmapper, data: TrainingSet) -> EnergyLimits:
    """Energies of beads in the training frames; none where the force field has unknown terms."""
    fields = {name: system_from_xml(text) for name, text in data.force_field.items()}

    def energy_for(part: Snapshots) -> Callable[[Tables], EnergyOf]:
        def make(tables: Tables) -> Any:
            box = None if part.boxes is None else part.boxes[0]
            rigid = data.rigid.constraints(part.topology)
            return candidate_energy(system_of(part.topology, fields, box), tables, rigid, data.temperature)

        return make

    _, placer = model.placer()
    order: BeadOrder = getattr(model.config.network, "order", "depth")
    try:
        return EnergyLimits.measure(
            [(part, energy_for(part)) for part in data.train], placer.phases(1), placer.reach, order
        )
    except EnergyError as error:
        warnings.warn(f"no limits of energies were measured: {error}", MsbWarning, stacklevel=2)
        return EnergyLimits()
