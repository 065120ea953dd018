"""Beads placed atom after atom from the mixture network."""

from __future__ import annotations

import math
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
        return self.network.settings.reach * self.network.settings.unit

    def phases(self, sweeps: int) -> list[Phase]:
        """Passes over all beads; see :class:`msb.backmap.placer.Placer`."""
        found = [Phase(False, "heavy", 0), Phase(False, "hydrogens", 1)]
        for sweep in range(sweeps):
            found += [Phase(True, "all", 2 + 2 * sweep), Phase(True, "hydrogens", 3 + 2 * sweep)]
        light = bool(self.tables.hydrogen.any())
        return [phase for phase in found if light or phase.atoms != "hydrogens"]

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
        counts = (atoms >= 0).sum(1)
        order = counts.argsort(descending=True, stable=True)  # beads with many atoms first: rows are slices
        frame, bead, counts = frame[order], bead[order], counts[order]
        pick = draw.uniform(frame, atoms[order], candidates)
        noise = draw.normals(frame, atoms[order], candidates, 3)
        context = self._context(scene, phase, frame, bead)
        points = context.points[:, None].repeat(1, candidates, 1, 1)
        first = self.tables.n_heavy[bead] if phase.atoms == "hydrogens" else torch.zeros_like(bead)
        places = torch.zeros(len(bead), candidates, atoms.shape[1], 3, dtype=scene.positions.dtype)
        total = torch.zeros(len(bead), candidates, dtype=scene.positions.dtype)
        every = torch.arange(candidates)
        for step in range(int(counts.amax()) if len(counts) else 0):
            n = int((counts > step).sum())
            turn = first[:n] + step
            place, density = self.network.place(
                self.layout,
                context[:n],
                points[:n] if step else points[:n, :1],  # candidates differ by their own atoms alone
                turn,
                pick[:n, :, step],
                noise[:n, :, step],
                self._roles,
            )
            points[torch.arange(n)[:, None], every, turn[:, None]] = place
            places[:n, :, step] = place
            total[:n] += density
        places = self.network.settings.unit * places + scene.beads[frame, bead][:, None, None]
        back = order.argsort()
        return Candidates(atoms, places[back], total[back])

    @torch.no_grad()
    def log_density(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor) -> Tensor:
        """Density of the atoms as they are; see :class:`msb.backmap.placer.Placer`."""
        own = self.tables.own[bead]
        context = self._context(scene, phase, frame, bead)
        origin = scene.beads[frame, bead][:, None]
        places = (scene.positions[frame[:, None], own.clamp(min=0)] - origin) / self.network.settings.unit
        points = context.points.clone()
        width = own.shape[1]
        points[:, :width] = torch.where((own >= 0)[..., None], places, points[:, :width])
        rows = self.tables.placed_slots(phase, bead)
        rows &= torch.arange(width) != self.network.closed(self.layout, context.kind)
        found = self.network.log_density(self.layout, replace(context, points=points), places, rows)
        total = torch.zeros(len(bead), dtype=found.dtype)
        return total.index_add(0, torch.nonzero(rows)[:, 0], found)

    def _context(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor) -> Context:
        settings = self.network.settings
        level = torch.full((len(bead),), self.level(phase), dtype=scene.positions.dtype)
        hands = self.hands.to(scene.positions.dtype).expand(len(scene.positions), -1)
        nearest = (settings.atoms_around, settings.beads_around)
        return gather(self.layout, scene, phase, frame, bead, hands, level, nearest, settings.unit)
