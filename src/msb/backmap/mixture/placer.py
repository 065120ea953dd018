"""Beads placed atom after atom from the mixture network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from msb.backmap.mixture.context import Context, gather
from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.placer import Candidates, Draw
from msb.core.scene import Phase, Scene, Tables

__all__ = ["MixturePlacer"]


class MixturePlacer:
    """Draws whole beads from a mixture network, and knows their density.

    Passes: heavy atoms forward, then their hydrogens; in each sweep whole beads among everything else, then
    hydrogens once more, since those of bonded beads were hidden while a bead was placed.

    Parameters
    ----------
    network : MixtureNetwork
    layout : Layout
        Of the system.
    tables : Tables
        Of the same system, in the same order.
    hands : Tensor (N,)
        Wanted handedness of each atom, as `Layout.signs_of` measures it; 0 where it is open.
    """

    threads = 1  # of one process: its operations are many and small; frames are shared out among processes

    def __init__(self, network: MixtureNetwork, layout: Layout, tables: Tables, hands: Tensor) -> None:
        self.network, self.tables = network.eval(), tables
        self.layout = layout.to(network.out.weight.dtype)
        self.hands = hands
        with torch.no_grad():
            self._roles = network.role(self.layout.static)
        self._levels: dict[int, float] = {}

    @property
    def reach(self) -> float:
        """Distance of beads, nm, from which on they cannot see each other."""
        return self.network.settings.reach

    def phases(self, sweeps: int) -> list[Phase]:
        """Passes over all beads; see :class:`msb.backmap.placer.Placer`."""
        found = [Phase(False, "heavy", 0), Phase(False, "hydrogens", 1)]
        for sweep in range(sweeps):
            found += [Phase(True, "all", 2 + 2 * sweep), Phase(True, "hydrogens", 3 + 2 * sweep)]
        return found

    def temper(self, ratio: float) -> None:
        """Draw at another temperature, so many times the training's: all widths go with its square root.

        The choice `boltzmann` corrects what that leaves.
        """
        self.network.widening = 0.5 * math.log(ratio)

    def level(self, phase: Phase) -> float:
        """How far off what is known may be in a pass."""
        levels = self.network.settings.levels
        return levels[min(phase.number // 2, len(levels) - 1)]

    @torch.no_grad()
    def place(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, draw: Draw, candidates: int
    ) -> Candidates:
        """Propose positions; see :class:`msb.backmap.placer.Placer`."""
        atoms = self.tables.placed_in(phase, bead)
        shape = (len(bead), candidates, atoms.shape[1])
        positions = torch.zeros(*shape, 3, dtype=scene.positions.dtype)
        total = torch.zeros(shape[:2], dtype=scene.positions.dtype)
        for rows, first, last in self._sizes(phase, bead):
            context = self._context(scene, phase, frame[rows], bead[rows])
            points = context.points[:, None].repeat(1, candidates, 1, 1)
            for turn in range(first, last):
                atom = self.tables.own[bead[rows], turn]
                pick = draw.uniform(frame[rows], atom, candidates)
                noise = draw.normals(frame[rows], atom, candidates, 3)
                found = self.network.place(self.layout, context, points, turn, pick, noise, self._roles)
                place, density = found
                points[:, :, turn] = place
                positions[rows, :, turn - first] = place + scene.beads[frame[rows], bead[rows]][:, None]
                total[rows] += density
        return Candidates(atoms, positions, total)

    @torch.no_grad()
    def log_density(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor) -> Tensor:
        """Density of the atoms as they are; see :class:`msb.backmap.placer.Placer`."""
        own = self.tables.own[bead]
        context = self._context(scene, phase, frame, bead)
        origin = scene.beads[frame, bead][:, None]
        places = scene.positions[frame[:, None], own.clamp(min=0)] - origin
        points = context.points.clone()
        width = own.shape[1]
        points[:, :width] = torch.where((own >= 0)[..., None], places, points[:, :width])
        heavy = torch.arange(width) < self.tables.n_heavy[bead][:, None]
        rows = (own >= 0) & {"heavy": heavy, "all": torch.ones_like(heavy), "hydrogens": ~heavy}[phase.atoms]
        found = self.network.log_density(self.layout, replace(context, points=points), places, rows)
        total = torch.zeros(len(bead), dtype=found.dtype)
        return total.index_add(0, torch.nonzero(rows)[:, 0], found)

    def _context(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor) -> Context:
        settings = self.network.settings
        level = torch.full((len(bead),), self.level(phase), dtype=scene.positions.dtype)
        hands = self.hands.to(scene.positions.dtype).expand(len(scene.positions), -1)
        nearest = (settings.atoms_around, settings.beads_around)
        return gather(self.layout, scene, phase, frame, bead, hands, level, nearest)

    def _sizes(self, phase: Phase, bead: Tensor) -> Iterator[tuple[Tensor, int, int]]:
        """Rows of beads that have as many atoms to be placed, and their first and last turn."""
        heavy, own = self.tables.n_heavy[bead], self.tables.n_own[bead]
        first = heavy if phase.atoms == "hydrogens" else torch.zeros_like(heavy)
        last = heavy if phase.atoms == "heavy" else own
        for a, b in torch.unique(torch.stack([first, last], 1), dim=0).tolist():
            if b > a:
                yield torch.nonzero((first == a) & (last == b))[:, 0], a, b
