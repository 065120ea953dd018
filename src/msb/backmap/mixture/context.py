"""What the network is told of beads that are to be placed: points, what is there, what is around."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from msb.backmap.mixture.layout import Layout
from msb.core.scene import Phase, Scene

__all__ = ["Context", "gather"]


@dataclass(frozen=True, eq=False)
class Context:
    """A batch of beads.

    Attributes
    ----------
    kind : Tensor (B,)
        Row of the layout.
    points : Tensor (B, W, 3)
        Atoms, then beads, as the layout names them, relative to the own bead, in units of the network.
    there : bool Tensor (B, U)
        Which of the atoms are known; own ones only in the phase that places hydrogens.
    around : Tensor (B, E, 3)
        Nearest atoms and beads of any kind, relative to the own bead, in units of the network.
    around_type : Tensor (B, E)
        Their types: 0 is nothing, then atoms, then beads.
    signs : Tensor (B, U)
        Handedness of the atoms, 0 where there is none or it is not known.
    level : Tensor (B,)
        How far off the known atoms may be, from 0 to 1.
    phase : int
        0 forward, 1 with everything else in place, 2 hydrogens.
    """

    kind: Tensor
    points: Tensor
    there: Tensor
    around: Tensor
    around_type: Tensor
    signs: Tensor
    level: Tensor
    phase: int

    def __getitem__(self, rows: slice | Tensor) -> Context:
        """Some of the beads."""
        names = ("kind", "points", "there", "around", "around_type", "signs", "level")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def gather(
    layout: Layout,
    scene: Scene,
    phase: Phase,
    frame: Tensor,
    bead: Tensor,
    signs: Tensor,
    level: Tensor,
    nearest: tuple[int, int],
    unit: float = 1.0,
) -> Context:
    """Collect what is known around beads.

    Parameters
    ----------
    layout : Layout
    scene : Scene
    phase : Phase
    frame, bead : Tensor (B,)
    signs : Tensor (F, N)
        Wanted handedness.
    level : Tensor (B,)
    nearest : (int, int)
        How many atoms and how many beads of the surroundings.
    unit : float
        Of the network, nm.

    Returns
    -------
    Context
    """
    atoms, beads = layout.system_atoms(bead), layout.system_beads(bead)
    at, rows = atoms.clamp(min=0), frame[:, None]
    origin = scene.beads[frame, bead][:, None]
    points = torch.cat([scene.positions[rows, at], scene.beads[rows, beads.clamp(min=0)]], 1) - origin
    there = (atoms >= 0) & scene.placed[rows, at] & ~_hidden(layout, scene, phase, bead, at)
    points = torch.where(torch.cat([there, beads >= 0], 1)[..., None], points / unit, 0.0)
    near, types = _around(layout, scene, phase, frame, bead, nearest)
    turn = 2 if phase.atoms == "hydrogens" else int(phase.gibbs)
    hands = signs[rows, at] * (atoms >= 0)
    return Context(layout.kind[bead], points, there, near / unit, types, hands, level, turn)


def _hidden(layout: Layout, scene: Scene, phase: Phase, bead: Tensor, at: Tensor) -> Tensor:
    """Atoms (B, U) that are about to be placed, or hydrogens of bonded beads that will be."""
    tables = scene.tables
    owner, light = tables.owner[at], tables.hydrogen[at]
    own = owner == bead[:, None]
    if phase.atoms == "hydrogens":
        return own & light
    if not phase.gibbs:
        return own
    return own | (light & (owner[:, :, None] == tables.adjacent[bead][:, None, :]).any(-1))


def _around(
    layout: Layout, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, nearest: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Nearest visible atoms that are not bonded, and beads (B, E, 3), and their types (B, E)."""
    origin = scene.beads[frame, bead][:, None]
    seen = scene.around(frame, bead, phase)
    named = (seen.atom[:, :, None] == layout.system_atoms(bead)[:, None, :]).any(-1)
    places, kinds = _nearest(seen.positions - origin, torch.where(named, -1, seen.atom), nearest[0])
    types = torch.where(kinds >= 0, 1 + layout.atom_type[kinds.clamp(min=0)], 0)
    near, shift = scene.beside(frame, bead)
    moved = scene.beads[frame[:, None], near.clamp(min=0)] + shift - origin
    spots, beads = _nearest(moved, near, nearest[1])
    n = len(layout.vocabulary.atoms)
    bead_types = torch.where(beads >= 0, 1 + n + layout.bead_type[beads.clamp(min=0)], 0)
    return torch.cat([places, spots], 1), torch.cat([types, bead_types], 1)


def _nearest(places: Tensor, numbers: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` places (B, P, 3) nearest to the origin, and their numbers; -1 is nothing."""
    far = torch.where(numbers >= 0, places.square().sum(-1), torch.inf)
    count = min(count, far.shape[1])
    rows = far.topk(count, dim=1, largest=False).indices
    return places.gather(1, rows[..., None].expand(-1, -1, 3)), numbers.gather(1, rows)
