"""What the training loop sees of a mixture network: beads of snapshots in, log likelihood out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from msb.backmap.mixture.context import gather
from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.core.scene import Phase, Scene, Tables
from msb.data.snapshots import Snapshots

__all__ = ["MixtureTask", "Part", "Streams"]

_BEADS = 16  # of a frame that share one disturbed copy of it
_OPEN = 0.05  # of the copies are told no handedness
_HYDROGEN_SHARE = 0.3  # of hydrogens that are looked at where heavy atoms are placed, too
_VALIDATION = 16  # copies of each selection system
_FORWARD = Phase(gibbs=False, atoms="heavy", number=0)
_AGAIN = Phase(gibbs=True, atoms="all", number=1)
_HYDROGENS = Phase(gibbs=True, atoms="hydrogens", number=2)


@dataclass(frozen=True)
class Streams:
    """Shares of the three kinds of samples, as they come up while sampling.

    Attributes
    ----------
    forward : float
        Heavy atoms, only what is before them in place.
    again : float
        Whole beads with everything else in place.
    """

    forward: float = 0.4
    again: float = 0.4


@dataclass(eq=False, kw_only=True)
class _Copies(Scene):
    """Disturbed copies of frames of another scene, whose neighbours they share."""

    source: Scene
    frames: Tensor
    mirror: Tensor

    def beside(self, frame: Tensor, bead: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours as the source has them, their shifts mirrored as the copies are."""
        near, shift = self.source.beside(self.frames[frame], bead)
        return near, shift * self.mirror


@dataclass(frozen=True, eq=False)
class Part:
    """Snapshots of one system.

    Attributes
    ----------
    layout : Layout
    tables : Tables
    scene : Scene
        With all atoms in place.
    signs : Tensor (F, N)
        Handedness of atoms with four neighbours.
    """

    layout: Layout
    tables: Tables
    scene: Scene
    signs: Tensor

    @classmethod
    def of(cls, source: Snapshots, words: Vocabulary, settings: MixtureSettings) -> Part:
        """Prepare snapshots."""
        layout = Layout.of(source.mapping, words, settings.order, closes=settings.closes)
        tables = Tables.of(source.mapping, settings.order)
        reach = settings.reach * settings.unit
        scene = Scene.of(tables, source.beads, source.boxes, reach, positions=source.positions)
        return cls(layout, tables, scene, layout.signs_of(scene.positions))

    @property
    def groups(self) -> int:
        """Samples in a frame."""
        return max(1, self.tables.n_beads // _BEADS)


class MixtureTask:
    """Likelihood of the atoms of beads in snapshots; see `msb.train.loop.Task`.

    A sample is a disturbed copy of a frame, in which some beads are placed.

    Parameters
    ----------
    network : MixtureNetwork
    train, select : sequence of Part
    streams : Streams
    """

    def __init__(
        self,
        network: MixtureNetwork,
        train: Sequence[Part],
        select: Sequence[Part],
        streams: Streams | None = None,
    ) -> None:
        self.module: nn.Module = network
        self.train, self.select = list(train), list(select)
        light = any(bool(part.tables.hydrogen.any()) for part in self.train)
        self.network, self.streams = network, streams or (Streams() if light else Streams(0.5, 0.5))
        sizes = [len(part.scene.beads) * part.groups for part in self.train]
        self._ends = torch.tensor(sizes).cumsum(0)
        self.n_samples = int(self._ends[-1])

    def losses(self, indices: Tensor, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean negative log likelihood of an atom, in nats."""
        draw = float(torch.rand((), generator=generator))
        if draw < self.streams.forward:
            name, phase = "forward", _FORWARD
        elif draw < self.streams.forward + self.streams.again:
            name, phase = "again", _AGAIN
        else:
            name, phase = "hydrogens", _HYDROGENS
        level = torch.rand(len(indices), generator=generator)
        which = torch.bucketize(indices, self._ends, right=True)
        total, count = torch.zeros(()), 0
        for number in sorted(set(which.tolist())):
            part, rows = self.train[number], which == number
            first = int(self._ends[number]) - len(part.scene.beads) * part.groups
            frames = (indices[rows] - first) // part.groups
            found = self._found(part, phase, frames, level[rows], generator)
            total, count = total - found.sum(), count + len(found)
        return {name: total / max(count, 1)}

    def validate(self) -> dict[str, float]:
        """The same on the selection snapshots, disturbed much and little."""
        generator = torch.Generator().manual_seed(0)
        names = {"forward": _FORWARD, "again": _AGAIN}
        if self.streams.forward + self.streams.again < 1:
            names["hydrogens"] = _HYDROGENS
        figures: dict[str, float] = {}
        for name, phase in names.items():
            for told, level in (("", 0.7), ("_low", 0.2)):
                found = torch.cat(
                    [
                        self._found(
                            part,
                            phase,
                            torch.arange(_VALIDATION) % len(part.scene.beads),
                            torch.full((_VALIDATION,), level),
                            generator,
                        )
                        for part in self.select
                    ]
                )
                figures[name + told] = -float(found.mean())
        return {**figures, "score": sum(figures[name] for name in names)}

    def _found(
        self, part: Part, phase: Phase, frames: Tensor, level: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Log likelihood of every atom that a phase places, in nats."""
        tables, settings = part.tables, self.network.settings
        copies, clean, hands = self._copies(part, frames, level, generator)
        sample, bead = _chosen(copies, phase, generator)
        nearest = (settings.atoms_around, settings.beads_around)
        unit = settings.unit
        context = gather(part.layout, copies, phase, sample, bead, hands, level[sample], nearest, unit)
        own = tables.own[bead]
        origin = copies.beads[sample, bead][:, None]
        rows = sample[:, None], own.clamp(min=0)
        points = context.points.clone()
        width = own.shape[1]
        there = (own >= 0)[..., None]
        seen_own = clean[rows] + settings.own * (copies.positions[rows] - clean[rows])
        places = (seen_own - origin) / unit
        points[:, :width] = torch.where(there, places, points[:, :width])
        placed = tables.placed_slots(phase, bead)
        placed &= torch.arange(width) != self.network.closed(part.layout, context.kind)
        if self.network.training and phase.atoms == "all":  # hydrogens are many and easy
            heavy = torch.arange(width) < tables.n_heavy[bead][:, None]
            placed &= heavy | (torch.rand(own.shape, generator=generator) < _HYDROGEN_SHARE)
        seen = replace(context, points=points)
        return self.network.log_density(part.layout, seen, (clean[rows] - origin) / unit, placed)

    def _scale(self, level: Tensor) -> Tensor:
        """Size of a disturbance: 1 at level 1, falling exponentially, nothing at level 0."""
        return torch.where(level > 0, 10.0 ** (self.network.settings.decades * (level - 1)), 0.0)

    def _copies(
        self, part: Part, frames: Tensor, level: Tensor, generator: torch.Generator
    ) -> tuple[_Copies, Tensor, Tensor]:
        """Disturbed copies of frames, the same undisturbed (C, N, 3), and their handedness (C, N)."""
        settings, tables, scene = self.network.settings, part.tables, part.scene
        clean, beads, hands = scene.positions[frames], scene.beads[frames], part.signs[frames]
        known = torch.rand(len(frames), 1, generator=generator) >= _OPEN
        mirror = torch.ones(3)
        if torch.rand((), generator=generator) < 0.5:
            mirror[2] = -1.0
            clean, beads, hands = clean * mirror, beads * mirror, -hands
        count = (len(frames), tables.n_beads, 3)
        shift = settings.unit * settings.shift * torch.randn(count, generator=generator)
        turn = settings.turn * torch.randn(count, generator=generator)
        jitter = settings.unit * settings.jitter * torch.randn(clean.shape, generator=generator)
        arm = clean - beads[:, tables.owner]
        moved = shift[:, tables.owner] + torch.linalg.cross(turn[:, tables.owner], arm, dim=-1) + jitter
        copies = _Copies(
            tables,
            clean + self._scale(level)[:, None, None] * moved,
            torch.ones(clean.shape[:2], dtype=torch.bool),
            beads,
            None,
            scene.near,
            scene.shift,
            scene.reach,
            source=scene,
            frames=frames,
            mirror=mirror,
        )
        return copies, clean, hands * known


def _chosen(copies: _Copies, phase: Phase, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Beads to be placed in each copy, as rows (copy, bead); sets what is there in the copies."""
    tables = copies.tables
    n, m = len(copies.beads), tables.n_beads
    owner, light = tables.owner, tables.hydrogen
    chance = torch.rand(n, m, generator=generator)
    if phase.atoms == "heavy":
        rank = tables.ranks[torch.randint(m, (n,), generator=generator)][:, None]
        same = tables.ranks == rank
        some = torch.rand(n, 1, generator=generator)
        before = (tables.ranks < rank) | (same & (chance < some))
        copies.placed = before[:, owner] & ~light
        chance = torch.where(same & ~before, chance, 2.0)
    elif phase.atoms == "hydrogens":
        some = 2 * torch.rand(n, 1, generator=generator)
        copies.placed = ~light | (chance < some)[:, owner]
        chance = torch.rand(n, m, generator=generator)
    chance = torch.where(tables.n_own > 0, chance, 2.0)
    count = min(_BEADS, m)
    value, bead = chance.topk(count, dim=1, largest=False)
    rows = value < 2.0
    sample = torch.arange(n)[:, None].expand(-1, count)
    return sample[rows], bead[rows]
