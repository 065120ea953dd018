"""The kind `mixture`: how its network is restored, made a placer of a system, and trained."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from msb.backmap.config import BackmapConfig
from msb.backmap.mixture.hands import Labels, measure_labels, wanted_hands
from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.mixture.placer import MixturePlacer
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.training import MixtureTask, Part
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.core.mapping import Mapping
from msb.core.scene import Tables
from msb.data.training_set import TrainingSet
from msb.errors import ConfigError
from msb.nn.grow import grow
from msb.nn.seeding import seeded
from msb.train.loop import Progress, fit
from msb.train.settings import TrainingSettings

__all__ = ["LabelledNetwork", "placer", "restore", "train"]


class LabelledNetwork(nn.Module):
    """A network, and the hands of centres that carry numbered hydrogens.

    Parameters
    ----------
    network : MixtureNetwork
    labels : dict of str to int
        See :func:`msb.backmap.mixture.hands.measure_labels`.
    """

    def __init__(self, network: MixtureNetwork, labels: Labels) -> None:
        super().__init__()
        self.network, self.labels = network, dict(labels)

    def description(self) -> dict[str, Any]:
        """What `restore` needs beside the settings."""
        words = self.network.vocabulary
        return {
            "atom_types": list(words.atoms),
            "bead_types": list(words.beads),
            "sizes": list(self.network.sizes),
            "labels": self.labels,
        }


def restore(settings: MixtureSettings, description: dict[str, Any]) -> LabelledNetwork:
    """An untrained network of the shape that a trained one describes."""
    words = Vocabulary(tuple(description["atom_types"]), tuple(description["bead_types"]))
    slots, beads, static = (int(size) for size in description["sizes"])
    network = MixtureNetwork(settings, words, slots, beads, static)
    return LabelledNetwork(network.eval(), {k: int(v) for k, v in description["labels"].items()})


def placer(
    network: LabelledNetwork,
    settings: MixtureSettings,
    mapping: Mapping,
    tables: Tables,
    hands: NDArray[np.int8] | None,
) -> MixturePlacer:
    """What places the beads of a system.

    Raises
    ------
    MappingError
        Types that the network does not know, all at once.
    """
    layout = Layout.of(mapping, network.network.vocabulary, settings.order, closes=settings.closes)
    wanted = wanted_hands(mapping.topology, layout, network.labels, hands)
    return MixturePlacer(network.network, layout, tables, wanted)


def train(
    config: BackmapConfig,
    data: TrainingSet,
    folder: Path,
    *,
    start: nn.Module | None = None,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> tuple[LabelledNetwork, dict[str, float]]:
    """A trained network and its figures, mean negative log likelihoods of an atom in nats.

    Parameters
    ----------
    config : BackmapConfig
    data : TrainingSet
    folder : Path
        For checkpoints and the log.
    start : LabelledNetwork, optional
        Begin with its weights, where it knows the same types.
    resume : bool
    device : str
        Only the CPU: the batches are small and made there.
    progress : callable, optional

    Raises
    ------
    ConfigError
        The sections of the configuration do not go together.
    """
    settings, training = config.network, config.training
    if not isinstance(settings, MixtureSettings) or not isinstance(training, TrainingSettings):
        raise ConfigError("`network: {kind: mixture}` goes with the settings of plain training")
    words = Vocabulary.of(*(part.mapping for part in data.train))
    parts = [Part.of(source, words, settings) for source in data.train]
    select = [Part.of(source, words, settings) for source in data.select]
    with seeded(config.seed):
        network = MixtureNetwork.for_layout(settings, parts[0].layout)
    for part, source in zip(parts, data.train, strict=True):
        bonds = torch.tensor(np.asarray(source.topology.bonds).reshape(-1, 2))
        network.calibrate(part.layout, bonds, torch.tensor(source.positions[:4]))
    if start is not None:
        _begin(network, start)
    labels = measure_labels(
        [(source.topology, part.layout, part.signs) for part, source in zip(parts, data.train, strict=True)]
    )
    trained = config.model_dump_json(exclude={"sampling": True, "network": {"levels"}})
    fingerprint = sha256(f"{trained} {sorted(data.hashes.items())}".encode()).hexdigest()
    metrics = fit(
        MixtureTask(network, parts, select),
        training,
        folder,
        seed=config.seed,
        resume=resume,
        fingerprint=fingerprint,
        progress=progress,
    )
    return LabelledNetwork(network.eval(), labels), _named(metrics)


def _begin(network: MixtureNetwork, start: nn.Module) -> None:
    """Take the weights of a trained network for types in the same order."""
    if not isinstance(start, LabelledNetwork):
        raise ConfigError("start_from: that model is of another kind of network")
    known, own = start.network.vocabulary, network.vocabulary
    if known != own:
        raise ConfigError(
            f"start_from: that model knows atoms {', '.join(known.atoms)}, beads {', '.join(known.beads)}; "
            f"the data have {', '.join(own.atoms)} and {', '.join(own.beads)}"
        )
    lengths, rigid = network.lengths.clone(), network.rigid.clone()  # of the data, not of that model
    grow(network, start.network)
    network.lengths.copy_(lengths)
    network.rigid.copy_(rigid)


def _named(metrics: dict[str, float]) -> dict[str, float]:
    """Figures of the selection set, named as such; when and how long it took."""
    own = ("seconds", "step")
    return {k if k in own else f"select_{k}": v for k, v in metrics.items()}
