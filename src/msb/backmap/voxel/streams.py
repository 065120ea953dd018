"""The four kinds of sequences that the voxel network learns from, and how often each bead is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from msb.core.arrays import FloatArray
from msb.core.graph import neighbours_of
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.scene import Phase, Tables
from msb.errors import ConfigError

__all__ = ["STREAMS", "Stream", "Streams", "multiplicities"]

_NEIGHBOURHOOD = 2  # bonds between beads over which two beads must look alike to be of one kind


@dataclass(frozen=True)
class Stream:
    """One kind of sequences: which atoms of a bead, and what is there around them."""

    atoms: Literal["heavy", "hydrogens"]
    gibbs: bool

    @property
    def name(self) -> str:
        """As in the log."""
        return f"{self.atoms}_{'gibbs' if self.gibbs else 'forward'}"

    @property
    def phase(self) -> Phase:
        """The pass over all beads that this is a part of."""
        return Phase(self.gibbs, self.atoms, STREAMS.index(self))


#: Interleaved in this order, an update each.
STREAMS = (
    Stream("heavy", False),
    Stream("hydrogens", False),
    Stream("heavy", True),
    Stream("hydrogens", True),
)


@dataclass(frozen=True, eq=False)
class Streams:
    """Draws beads for each stream.

    Attributes
    ----------
    n_frames : int
    weights : Tensor (4, M)
        How often each bead is drawn, by stream; 0 where it has no such atoms.
    order : tuple of Stream
        Those that are not empty.
    """

    n_frames: int
    weights: Tensor
    order: tuple[Stream, ...]

    @classmethod
    def of(cls, tables: Tables, n_frames: int, weights: Tensor | FloatArray | None = None) -> Streams:
        """Make the streams of a system.

        Parameters
        ----------
        tables : Tables
        n_frames : int
        weights : (M,), optional
            Of the beads, see :func:`multiplicities`.

        Raises
        ------
        ConfigError
            If there is nothing to place.
        """
        chosen = torch.ones(tables.n_beads) if weights is None else torch.as_tensor(weights).float()
        heavy = chosen * (tables.n_heavy > 0)
        light = chosen * (tables.n_own > tables.n_heavy)
        table = torch.stack([heavy if stream.atoms == "heavy" else light for stream in STREAMS])
        order = tuple(stream for stream, row in zip(STREAMS, table, strict=True) if row.sum() > 0)
        if not order or not n_frames:
            raise ConfigError("there are no atoms to learn from: no bead of the snapshots owns any")
        return cls(n_frames, table, order)

    def at(self, update: int) -> Stream:
        """The stream of an update, in turn."""
        return self.order[update % len(self.order)]

    def draw(self, stream: Stream, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Frames (count,) and beads (count,) of a batch, with replacement."""
        bead = torch.multinomial(self.weights[STREAMS.index(stream)], count, True, generator=random)
        return torch.randint(self.n_frames, (count,), generator=random), bead


def multiplicities(
    mapping: Mapping, how: Literal["none", "rare"] | MappingOf[str, float], largest: float = 4.0
) -> FloatArray:
    """How often each bead of a system is drawn, relative to the others.

    Parameters
    ----------
    mapping : Mapping
    how : 'none', 'rare' or dict of str to float
        All alike; beads whose neighbourhood (types of beads within two bonds) is rare more often, at most
        `largest` times; or by bead name, 1 for those that are not named.
    largest : float

    Returns
    -------
    ndarray (M,)

    Raises
    ------
    ConfigError
        If a named bead does not exist or a number is negative.
    """
    if not isinstance(how, str):
        return _named(mapping, how)
    if how == "none":
        return np.ones(mapping.n_beads)
    kinds = [(kind, block.count) for block in mapping.blocks for kind in _kinds(block.template)]
    counts: Counter[tuple[object, ...]] = Counter()
    for kind, count in kinds:
        counts[kind] += count
    most = max(counts.values())
    rows = [
        np.tile([min(largest, most / counts[kind]) for kind in _kinds(block.template)], block.count)
        for block in mapping.blocks
    ]
    return np.concatenate(rows)


def _named(mapping: Mapping, numbers: MappingOf[str, float]) -> FloatArray:
    names = [
        name for block in mapping.blocks for _ in range(block.count) for name in block.template.bead_names
    ]
    unknown = sorted(set(numbers) - set(names))
    if unknown:
        raise ConfigError(
            f"`multiplicity` names beads that do not exist: {', '.join(unknown)}; "
            f"the mapping has {', '.join(sorted(set(names)))}"
        )
    if any(number < 0 for number in numbers.values()):
        raise ConfigError("`multiplicity` must not be negative; 0 leaves a bead out")
    return np.array([float(numbers.get(name, 1.0)) for name in names])


def _kinds(template: MappingTemplate) -> list[tuple[object, ...]]:
    """What each bead looks like within a few bonds."""
    bonded = neighbours_of(template.n_beads, template.bead_bonds)
    kinds: list[tuple[object, ...]] = [(name,) for name in template.bead_types]
    for _ in range(_NEIGHBOURHOOD):
        kinds = [
            (kinds[b], tuple(sorted((kinds[o] for o in bonded[b]), key=repr))) for b in range(len(kinds))
        ]
    return kinds
