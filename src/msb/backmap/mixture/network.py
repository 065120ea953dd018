"""The network: what is known around an atom, in its own axes, to the mixture that it is drawn from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msb.backmap.mixture.context import Context, present
from msb.backmap.mixture.density import N_PARAMETERS, draw, log_density
from msb.backmap.mixture.layout import Layout, Vocabulary
from msb.backmap.mixture.settings import MixtureSettings

__all__ = ["MixtureNetwork"]

_SCALE = 5.0  # 1/nm
_SHARE = 1e-3
_RIGID = 1e-3  # nm; bonds that spread less are taken as constraints


class MixtureNetwork(nn.Module):
    """Mixture of normals for each atom of a bead, given its surroundings and the atoms before it.

    Parameters
    ----------
    settings : MixtureSettings
    vocabulary : Vocabulary
        Types that the network knows.
    n_slots, n_beads, n_static : int
        Sizes of the layout's tables.
    """

    lengths: Tensor
    rigid: Tensor

    def __init__(
        self, settings: MixtureSettings, vocabulary: Vocabulary, n_slots: int, n_beads: int, n_static: int
    ) -> None:
        super().__init__()
        self.settings, self.vocabulary = settings, vocabulary
        types, width = len(vocabulary.atoms), settings.width
        self.n_beads = n_beads
        told = 4 * n_slots + 4 * n_beads + 3 * 5 + 3 + 1 + 3
        self.told = nn.Linear(told, width)
        self.role = nn.Sequential(nn.Linear(n_static, width), nn.SiLU(), nn.Linear(width, width))
        narrow = settings.around_width
        self.near_place = nn.Linear(4, narrow)
        self.near_type = nn.Embedding(1 + types + len(vocabulary.beads), narrow)
        self.near_deep = nn.Linear(narrow, narrow)
        self.near_out = nn.Linear(narrow, width)
        self.body = nn.ModuleList(_Block(width) for _ in range(settings.blocks))
        self.out = nn.Linear(width, settings.components * N_PARAMETERS)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.normal_(self.out.bias, std=0.5)
        self.register_buffer("lengths", torch.full((types, types), 0.15))
        self.register_buffer("rigid", torch.zeros(types, types, dtype=torch.bool))

    def calibrate(self, layout: Layout, bonds: Tensor, positions: Tensor) -> None:
        """Take mean bond lengths, and which never change, from frames (F, N, 3) and bonds (P, 2)."""
        lengths = (positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]]).norm(dim=-1)
        first, second = layout.atom_type[bonds[:, 0]], layout.atom_type[bonds[:, 1]]
        n = len(self.vocabulary.atoms)
        for i in range(n):
            for j in range(n):
                rows = ((first == i) & (second == j)) | ((first == j) & (second == i))
                if rows.any():
                    own = lengths[:, rows]
                    self.lengths[i, j] = own.mean()
                    self.rigid[i, j] = bool(own.std() < _RIGID)

    def log_density(self, layout: Layout, context: Context, places: Tensor) -> Tensor:
        """Log density (B, A) of own atoms at places (B, A, 3) relative to the bead; 0 where there is none.

        The atoms before each one are taken from the context's points where they are own ones.
        """
        turn = torch.arange(layout.frame.shape[1])
        points = context.points[:, None].expand(-1, len(turn), -1, -1)
        axes, origin, told = self._told(layout, context, points, turn)
        parameters = self._mixture(layout, context, axes, origin, told, turn)
        local = torch.einsum("brij,brj->bri", axes, places - origin)
        found = log_density(parameters, local, *self._bond(layout, context, turn))
        there = turn < layout.n_own[context.kind][:, None]
        return torch.where(there, found, 0.0)

    def place(
        self,
        layout: Layout,
        context: Context,
        points: Tensor,
        turn: int,
        pick: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Draw own atom number `turn` for candidates.

        Parameters
        ----------
        layout, context
        points : Tensor (B, K, W, 3)
            The context's points with the own atoms before it in place.
        turn : int
        pick : Tensor (B, K), noise : Tensor (B, K, 3)

        Returns
        -------
        places : Tensor (B, K, 3)
            Relative to the bead, nm.
        log_density : Tensor (B, K)
        """
        turns = torch.full((points.shape[1],), turn)
        axes, origin, told = self._told(layout, context, points, turns)
        parameters = self._mixture(layout, context, axes, origin, told, turns)
        bond = self._bond(layout, context, turns)
        local = draw(parameters, pick, noise, *bond)
        places = origin + torch.einsum("brij,bri->brj", axes, local)
        return places, log_density(parameters, local, *bond)

    def _bond(self, layout: Layout, context: Context, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kind = context.kind[:, None]
        n = len(self.vocabulary.atoms)
        own = layout.static[kind, turn, :n].argmax(-1)
        other = layout.static[kind, turn, n + 2 : 2 * n + 2].argmax(-1)
        return layout.bonded[kind, turn], self.lengths[own, other], self.rigid[own, other]

    def _told(
        self, layout: Layout, context: Context, points: Tensor, turn: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Axes (B, R, 3, 3), their origin (B, R, 3), and everything told as numbers (B, R, D)."""
        kind = context.kind[:, None]
        known = present(layout, context, turn)
        n_atoms = known.shape[-1]
        axes, origin = _axes(points, layout.frame[kind, turn])

        def turned(places: Tensor, there: Tensor) -> Tensor:
            local = torch.einsum("brij,brsj->brsi", axes, places - origin[:, :, None]) * _SCALE
            return torch.cat([(local * there[..., None]).flatten(2), there.to(local.dtype)], -1)

        slots = layout.slots[kind, turn]
        seen = (slots >= 0) & known.gather(2, slots.clamp(min=0))
        beads = points[:, :, n_atoms:][:, :, : self.n_beads]
        named = (layout.beads[context.kind] >= 0)[:, None, : self.n_beads].expand(-1, len(turn), -1)
        level = context.level[:, None, None].expand(-1, len(turn), 1)
        phase = F.one_hot(torch.tensor(context.phase), 3).to(points).expand(len(points), len(turn), 3)
        missing, left = self._missing(layout, context, points, known, turn)
        told = [
            turned(_pick(points, slots), seen),
            turned(beads, named),
            turned(missing, left > _SHARE),
            left,
            self._signs(layout, context, turn),
            level,
            phase,
        ]
        return axes, origin, torch.cat(told, -1)

    def _missing(
        self, layout: Layout, context: Context, points: Tensor, known: Tensor, turn: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where what a bead still lacks must be on average (B, R, 3, 3), and its weight (B, R, 3)."""
        kind = context.kind[:, None]
        n_atoms = known.shape[-1]
        shares = layout.shares[kind, turn]
        bead = points[:, :, n_atoms:].gather(2, shares.clamp(min=0)[..., None].expand(-1, -1, -1, 3))
        weights = layout.weights[context.kind][:, None].expand(-1, len(turn), -1, -1)
        weights = weights.gather(2, shares.clamp(min=0)[..., None].expand(-1, -1, -1, n_atoms))
        done = weights * known[:, :, None].to(weights.dtype)
        left = (1 - done.sum(-1)) * (shares >= 0)
        lacking = bead - torch.einsum("brku,brux->brkx", done, points[:, :, :n_atoms])
        return lacking / left.clamp(min=_SHARE)[..., None], left

    def _signs(self, layout: Layout, context: Context, turn: Tensor) -> Tensor:
        columns = layout.signs[context.kind[:, None], turn]
        found = context.signs[:, None].expand(-1, len(turn), -1).gather(2, columns.clamp(min=0))
        return torch.where(columns >= 0, found, 0.0)

    def _mixture(
        self, layout: Layout, context: Context, axes: Tensor, origin: Tensor, told: Tensor, turn: Tensor
    ) -> Tensor:
        role = self.role(layout.static)[context.kind[:, None], turn]
        hidden = self.told(told) + role + self.near_out(self._around(context, axes, origin))
        for block in self.body:
            hidden = block(hidden)
        found: Tensor = self.out(hidden).unflatten(-1, (self.settings.components, N_PARAMETERS))
        return found

    def _around(self, context: Context, axes: Tensor, origin: Tensor) -> Tensor:
        """What is around, seen from each atom's axes (B, R, width), as a sum over particles."""
        vectors = context.around[:, None] - origin[:, :, None]
        distance = vectors.norm(dim=-1)
        local = torch.einsum("brij,brej->brei", axes, vectors) * _SCALE
        seen = torch.cat([local, (distance * _SCALE)[..., None]], -1)
        deep = F.silu(self.near_place(seen) + self.near_type(context.around_type)[:, None])
        deep = F.silu(self.near_deep(deep))
        weight = (1 - (distance / self.settings.cutoff).square()).clamp(min=0).square()
        weight = weight * (context.around_type > 0)[:, None]
        return (deep * weight[..., None]).sum(2) / 4


class _Block(nn.Module):
    """h + f(h)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) to (..., width)."""
        change: Tensor = self.second(F.silu(self.first(self.norm(hidden))))
        return hidden + change


def _pick(points: Tensor, columns: Tensor) -> Tensor:
    """Points (B, R, S, 3) in columns (B, R, S) of (B, R, W, 3); column -1 gives column 0."""
    return points.gather(2, columns.clamp(min=0)[..., None].expand(-1, -1, -1, 3))


def _axes(points: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Axes as rows (B, R, 3, 3): z from the second point to the first, y across the third; and the first."""
    first, second, third = _pick(points, columns).unbind(2)
    lab = torch.eye(3, dtype=points.dtype)
    along = torch.where((columns[..., 1] >= 0)[..., None], first - second, lab[2])
    aside = torch.where((columns[..., 2] >= 0)[..., None], third - first, lab[0])
    z = F.normalize(along, dim=-1, eps=1e-6)
    spare = torch.where((z[..., :1].abs() < 0.8), lab[0], lab[1])
    across = torch.linalg.cross(aside, z, dim=-1)
    flat = across.norm(dim=-1, keepdim=True) < 1e-4
    y = F.normalize(torch.where(flat, torch.linalg.cross(spare, z, dim=-1), across), dim=-1, eps=1e-9)
    return torch.stack([torch.linalg.cross(y, z, dim=-1), y, z], -2), first
