"""What the training loop sees of a mixture network: beads of snapshots in, log likelihood out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from msb.backmap.mixture.context import Context, gather
from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.core.mapping import Mapping
from msb.core.scene import Phase, Scene, Tables
from msb.data.snapshots import Snapshots

__all__ = ["MixtureTask", "Streams"]

_BEADS = 16  # of a frame that share one disturbed copy of it
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


class MixtureTask:
    """Likelihood of the atoms of beads in snapshots; see `msb.train.loop.Task`.

    Parameters
    ----------
    network : MixtureNetwork
    layout : Layout
    mapping : Mapping
    train, select : Snapshots
        Of the mapping's system.
    streams : Streams
    """

    def __init__(
        self,
        network: MixtureNetwork,
        layout: Layout,
        mapping: Mapping,
        train: Snapshots,
        select: Snapshots,
        streams: Streams = Streams(),
    ) -> None:
        self.module, self.layout, self.streams = network, layout, streams
        self.tables = Tables.of(mapping, network.settings.order)
        self.train, self.train_signs = self._scene(train)
        self.select, self.select_signs = self._scene(select)
        self.groups = max(1, self.tables.n_beads // _BEADS)
        self.n_samples = len(self.train.beads) * self.groups
        self.turned = bool((layout.frame[layout.bonded.logical_not()] < 0).any())

    def _scene(self, source: Snapshots) -> tuple[Scene, Tensor]:
        scene = Scene.of(
            self.tables,
            source.beads,
            source.boxes,
            self.module.settings.reach,
            positions=source.positions,
        )
        return scene, self.layout.signs_of(scene.positions)

    def losses(self, indices: Tensor, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean negative log likelihood of an atom, in nats."""
        draw = float(torch.rand((), generator=generator))
        if draw < self.streams.forward:
            name, phase = "forward", _FORWARD
        elif draw < self.streams.forward + self.streams.again:
            name, phase = "again", _AGAIN
        else:
            name, phase = "hydrogens", _HYDROGENS
        frames = indices // self.groups
        level = torch.rand(len(frames), generator=generator)
        return {name: self._loss(self.train, self.train_signs, phase, frames, level, generator)}

    def validate(self) -> dict[str, float]:
        """The same on the selection snapshots, at half the disturbance."""
        generator = torch.Generator().manual_seed(0)
        names = {"forward": _FORWARD, "again": _AGAIN, "hydrogens": _HYDROGENS}
        frames = torch.arange(16) % len(self.select.beads)
        figures: dict[str, float] = {}
        for name, phase in names.items():
            for told, level in (("", torch.full((16,), 0.5)), ("_clean", torch.zeros(16))):
                loss = self._loss(self.select, self.select_signs, phase, frames, level, generator)
                figures[name + told] = float(loss)
        return {**figures, "score": figures["forward"] + figures["again"] + figures["hydrogens"]}

    def _loss(
        self,
        scene: Scene,
        signs: Tensor,
        phase: Phase,
        frames: Tensor,
        level: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        copies, clean, hands = self._copies(scene, signs, frames, level, generator)
        sample, bead = self._beads(copies, phase, generator)
        settings = self.module.settings
        context = gather(
            self.layout,
            copies,
            phase,
            sample,
            bead,
            hands,
            level[sample],
            (settings.atoms_around, settings.beads_around),
        )
        own = self.tables.own[bead]
        origin = copies.beads[sample, bead][:, None]
        places = clean[sample[:, None], own.clamp(min=0)] - origin
        seen = self._known_own(copies, context, sample, own, origin)
        slot = torch.arange(own.shape[1])
        heavy = slot < self.tables.n_heavy[bead][:, None]
        rows = (own >= 0) & {"heavy": heavy, "all": torch.ones_like(heavy), "hydrogens": ~heavy}[phase.atoms]
        return -self.module.log_density(self.layout, seen, places, rows).mean()

    def _known_own(
        self, copies: Scene, context: Context, sample: Tensor, own: Tensor, origin: Tensor
    ) -> Context:
        """The context with the bead's own atoms in place; each atom is told those before it."""
        points = context.points.clone()
        width = own.shape[1]
        places = copies.positions[sample[:, None], own.clamp(min=0)] - origin
        points[:, :width] = torch.where((own >= 0)[..., None], places, points[:, :width])
        return Context(
            context.kind,
            points,
            context.there,
            context.around,
            context.around_type,
            context.signs,
            context.level,
            context.phase,
        )

    def _copies(
        self, scene: Scene, signs: Tensor, frames: Tensor, level: Tensor, generator: torch.Generator
    ) -> tuple[_Copies, Tensor, Tensor]:
        """Disturbed copies of frames, the same undisturbed (C, N, 3), and their handedness (C, N)."""
        settings, tables = self.module.settings, self.tables
        clean, beads, hands = scene.positions[frames], scene.beads[frames], signs[frames]
        mirror = torch.ones(3)
        if torch.rand((), generator=generator) < 0.5:
            mirror[2] = -1.0
            clean, beads, hands = clean * mirror, beads * mirror, -hands
        count = (len(frames), tables.n_beads, 3)
        shift = settings.shift * torch.randn(count, generator=generator)
        turn = settings.turn * torch.randn(count, generator=generator)
        jitter = settings.jitter * torch.randn(clean.shape, generator=generator)
        arm = clean - beads[:, tables.owner]
        moved = shift[:, tables.owner] + torch.linalg.cross(turn[:, tables.owner], arm, dim=-1) + jitter
        copies = _Copies(
            tables,
            clean + level[:, None, None] * moved,
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
        return copies, clean, hands

    def _beads(self, copies: _Copies, phase: Phase, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Beads to be placed in each copy, as rows (copy, bead); sets what is there in the copies."""
        tables = self.tables
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
