"""The target of morphing: its snapshots, read from files, as chains of beads with a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots, read_frames
from msb.data.training_set import TrainingSet, locate_all
from msb.errors import ConfigError
from msb.io.trajectory import open_trajectory
from msb.morph.chains import chain_topology, find_chains
from msb.morph.config import MorphConfig
from msb.morph.encoder import bottleneck

__all__ = ["BEAD", "Target", "load_target"]

BEAD = "B"  # type of the beads of a chain of one kind, whatever the files call them
_HELD = 5  # one in so many snapshots selects


@dataclass(frozen=True, eq=False)
class Target:
    """Snapshots that train and that select.

    Attributes
    ----------
    train, select : Snapshots
        "Atoms" are the target's beads, "beads" the centres of mass at the bottleneck.
    chains : str
        How the chains were found.
    """

    train: Snapshots
    select: Snapshots
    chains: str

    def training_set(self, config: MorphConfig) -> TrainingSet:
        """What `msb.backmap` trains from, without a force field: the snapshots, grouped from every bead on.

        Where a centre's beads begin along the chain is of no physical meaning, and neither is, for chains of
        one kind of bead, which end comes first: so one snapshot stands for many.
        """
        sources = [self.train]
        if config.data.reverse and len(set(self.pattern)) == 1:
            sources.append(replace(self.train, positions=_reversed(self.train)))
        shortest = min(template.n_atoms for template in self.train.topology.templates)
        starts = range(min(config.s, max(1, shortest - config.s)))
        parts = [_grouped(source, config.s, first) for source in sources for first in starts]
        return TrainingSet(tuple(parts), (self.select,), {}, config.data.temperature)

    @property
    def pattern(self) -> tuple[str, ...]:
        """Types of the beads of the longest chain."""
        longest: MoleculeTemplate = max(self.train.topology.templates, key=lambda t: t.n_atoms)
        return tuple(longest.atom_types)


def load_target(config: MorphConfig, base: Path) -> Target:
    """Read the snapshots that a configuration names.

    Parameters
    ----------
    config : MorphConfig
    base : Path
        Folder that relative paths start from.

    Raises
    ------
    ConfigError
        Files are missing, or snapshots are of different systems.
    TopologyError
        Chains cannot be told apart.
    TrajectoryError, FileFormatError
        Files cannot be read.
    """
    settings = config.data
    train = _read(locate_all(settings.snapshots, base), config)
    if settings.validation:
        return Target(train[0], _read(locate_all(settings.validation, base), config)[0], train[1])
    frames = len(train[0].positions)
    if frames < 2:
        raise ConfigError(
            "one snapshot of the target: nothing is left to choose the weights and the scheme by; "
            "give more, or `validation:`"
        )
    held = max(1, frames // _HELD)
    return Target(train[0][: frames - held], train[0][frames - held :], train[1])


def _grouped(source: Snapshots, s: int, first: int) -> Snapshots:
    """The same snapshots with other centres; molecules have other names, since their mapping is another."""
    molecules = source.topology.molecules
    if first:
        molecules = tuple((replace(t, name=f"{t.name}_{first}"), n) for t, n in molecules)
    mapping = bottleneck(Topology(molecules), s, first)
    return Snapshots.of(source.positions, mapping, source.boxes, source.hashes)


def _reversed(source: Snapshots) -> NDArray[np.float32]:
    """Positions (F, N, 3) in which every chain is numbered from its other end."""
    order, at = [], 0
    for template, count in source.topology.molecules:
        for _ in range(count):
            order.append(np.arange(at, at + template.n_atoms)[::-1])
            at += template.n_atoms
    return np.asarray(source.positions[:, np.concatenate(order)])


def _read(files: list[Path], config: MorphConfig) -> tuple[Snapshots, str]:
    """Frames of one system, and how its chains were found."""
    frames = read_frames(files, stride=config.data.stride)
    first = open_trajectory(frames.structure)
    box = None if frames.boxes is None else frames.boxes[0]
    names = [str(name) for name in first.names]
    per_chain = config.data.per_chain
    found = find_chains(frames.positions[0], box, resids=first.resids, names=names, per_chain=per_chain)
    topology = chain_topology(found.lengths, names, bead_types(names))
    mapping = bottleneck(topology, config.s)
    return Snapshots.of(frames.positions, mapping, frames.boxes, frames.hashes), found.how


def bead_types(names: Sequence[str]) -> list[str]:
    """Types of beads by their names without numbers; all alike where there is one such name."""
    words = [name.rstrip("0123456789") or name for name in names]
    return [BEAD] * len(words) if len(set(words)) == 1 else words
