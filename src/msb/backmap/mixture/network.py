"""The network: what is known around an atom, in its own axes, to the mixture that it is drawn from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msb.backmap.mixture.context import Context
from msb.backmap.mixture.density import N_PARAMETERS, draw, is_width, log_density
from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.vocabulary import Vocabulary

__all__ = ["MixtureNetwork"]

_SCALE = 5.0  # 1/nm
_SHARE = 1e-3
_RIGID = 1e-3  # units of the network; bonds that spread less are taken as constraints


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
        self.sizes = (n_slots, n_beads, n_static)
        types, width = len(vocabulary.atoms), settings.width
        self.n_beads = n_beads
        told = 4 * n_slots + 4 * n_beads + 3 * 5 + 3 + 1 + 3
        self.told = nn.Linear(told, width)
        first_role = nn.Linear(n_static, width)
        self.role = nn.Sequential(first_role, nn.SiLU(), nn.Linear(width, width))
        narrow = settings.around_width
        self.n_types = 1 + types + len(vocabulary.beads)
        self.near_place = nn.Linear(4 + self.n_types, narrow)
        self.near_deep = nn.Linear(narrow, narrow)
        self.near_out = nn.Linear(narrow, width)
        self.body = nn.ModuleList(_Block(width) for _ in range(settings.blocks))
        self.out = nn.Linear(width, settings.components * N_PARAMETERS)
        self.widening = 0.0  # added to the logarithm of every width: half that of T over the training's
        for first in (self.told, first_role):  # what training never shows must not be heard later
            nn.init.zeros_(first.weight)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.normal_(self.out.bias, std=0.5)
        self.register_buffer("lengths", torch.full((types, types), 0.15))
        self.register_buffer("rigid", torch.zeros(types, types, dtype=torch.bool))

    @classmethod
    def for_layout(cls, settings: MixtureSettings, layout: Layout) -> MixtureNetwork:
        """An untrained network for the tables of a system."""
        return cls(
            settings, layout.vocabulary, layout.slots.shape[2], layout.n_told_beads, layout.static.shape[2]
        )

    def calibrate(self, layout: Layout, bonds: Tensor, positions: Tensor) -> None:
        """Take mean bond lengths, and which never change, from frames (F, N, 3) and bonds (P, 2)."""
        lengths = (positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]]).norm(dim=-1) / self.settings.unit
        first, second = layout.atom_type[bonds[:, 0]], layout.atom_type[bonds[:, 1]]
        n = len(self.vocabulary.atoms)
        for i in range(n):
            for j in range(n):
                rows = ((first == i) & (second == j)) | ((first == j) & (second == i))
                if rows.any():
                    own = lengths[:, rows]
                    self.lengths[i, j] = own.mean()
                    self.rigid[i, j] = bool(own.std() < _RIGID)

    def log_density(self, layout: Layout, context: Context, places: Tensor, rows: Tensor) -> Tensor:
        """Log density (R,) of own atoms at places (B, A, 3) relative to the bead, where `rows` (B, A) says.

        Places are in units of the network, as are the context's points.  Atoms that are not drawn but
        follow from the others are no rows (see `closed`).
        The atoms before each one are taken from the context's points, where they are own ones, too.
        """
        at, turn = torch.nonzero(rows, as_tuple=True)
        seen = context[at]
        row = _Rows(layout, seen, turn, seen.points[:, None])
        local = _turned(row.axes, places[at, turn][:, None, None] - row.origin)[:, :, 0]
        return log_density(self._mixture(row), local, *self._bond(row))[:, 0]

    def place(
        self,
        layout: Layout,
        context: Context,
        points: Tensor,
        turn: Tensor,
        pick: Tensor,
        noise: Tensor,
        roles: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Draw the next own atom for candidates.

        Parameters
        ----------
        layout, context
        points : Tensor (B, K, W, 3) or (B, 1, W, 3)
            The context's points with the own atoms before it in place; one row where candidates do not
            differ yet.
        turn : Tensor (B,)
            Which of its atoms each bead gets.
        pick : Tensor (B, K), noise : Tensor (B, K, 3)
        roles : Tensor, optional
            `role(layout.static)`, where it is known already.

        Returns
        -------
        places : Tensor (B, K, 3)
            Relative to the bead, in units of the network.
        log_density : Tensor (B, K)
        """
        closed = self.closed(layout, context.kind) == turn[:, None] if self.settings.closes else None
        if closed is not None and bool(closed.all()):
            ends = _closing(layout, context, points, turn)
            return ends.expand(*pick.shape, 3), torch.zeros_like(pick)
        row = _Rows(layout, context, turn, points, roles)
        parameters, bond = self._mixture(row), self._bond(row)
        local = draw(parameters, pick, noise, *bond)
        places = row.origin[:, :, 0] + torch.einsum("rkij,rki->rkj", row.axes, local)
        found = log_density(parameters, local, *bond)
        if closed is None:
            return places, found
        ends = _closing(layout, context, points, turn)
        return torch.where(closed[..., None], ends, places), torch.where(closed, 0.0, found)

    def closed(self, layout: Layout, kind: Tensor) -> Tensor:
        """Turns (B, 1) of the atoms of beads that are not drawn, but follow from the others; -1 for none."""
        if not self.settings.closes:
            return torch.full((len(kind), 1), -1)
        return layout.closing[kind][:, None]

    def _bond(self, row: _Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Whether atoms (R, 1) hang on another, the bond's mean length, and whether that never changes."""
        n = len(self.vocabulary.atoms)
        static = row.layout.static[row.kind, row.turn]
        own, other = static[:, :n].argmax(-1), static[:, n + 2 : 2 * n + 2].argmax(-1)
        to_atom = static[:, n + 2 : 2 * n + 2].any(-1)
        rigid = self.rigid[own, other] & to_atom
        bonded = row.layout.bonded[row.kind, row.turn]
        return bonded[:, None], self.lengths[own, other][:, None], rigid[:, None]

    def _mixture(self, row: _Rows) -> Tensor:
        """Parameters (R, K, C, 9)."""
        roles = self.role(row.layout.static) if row.roles is None else row.roles
        role = roles[row.kind, row.turn][:, None]
        hidden = self.told(row.told(self.n_beads)) + role + self.near_out(self._around(row))
        for block in self.body:
            hidden = block(hidden)
        found: Tensor = self.out(hidden).unflatten(-1, (self.settings.components, N_PARAMETERS))
        if self.widening:
            found = found + self.widening * is_width(found)
        return found

    def _around(self, row: _Rows) -> Tensor:
        """What is around, seen from each atom's axes (R, K, width), as a sum over particles."""
        context = row.context
        vectors = context.around[:, None] - row.origin
        distance = vectors.norm(dim=-1, keepdim=True)
        places = _SCALE * torch.cat([_turned(row.axes, vectors), distance], -1)
        of_place, of_type = self.near_place.weight[:, :4], self.near_place.weight[:, 4:]
        types = F.embedding(context.around_type, of_type.T) + self.near_place.bias  # the same for candidates
        deep = (F.linear(places, of_place) + types[:, None]).relu_()
        deep = self.near_deep(deep).relu_()
        weight = (1 - (distance / self.settings.cutoff).square()).clamp(min=0).square()
        weight = weight * (context.around_type > 0)[:, None, :, None]
        summed: Tensor = weight.transpose(-1, -2) @ deep
        return summed[:, :, 0] / 4


class _Rows:
    """Atoms that are placed, one a row, each with the points that its candidates are told about.

    Parameters
    ----------
    layout : Layout
    context : Context
        One bead a row.
    turn : Tensor (R,)
        Which of its atoms.
    points : Tensor (R, K, W, 3)
        In units of the network.
    roles : Tensor, optional
        What the network makes of the layout's types.

    Attributes
    ----------
    axes : Tensor (R, K, 3, 3)
    origin : Tensor (R, K, 1, 3)
    mirror : Tensor (R,)
        -1 where the bead is looked at in a mirror.
    known : bool Tensor (R, U)
        Which atoms are there.
    """

    def __init__(
        self, layout: Layout, context: Context, turn: Tensor, points: Tensor, roles: Tensor | None = None
    ) -> None:
        self.layout, self.context, self.turn, self.points, self.roles = layout, context, turn, points, roles
        self.kind = context.kind
        axes, origin = _axes(points, layout.frame[self.kind, turn])
        handle = layout.handle[self.kind]
        hand = context.signs.gather(1, handle.clamp(min=0)[:, None])[:, 0]
        # a bead of the other hand is looked at in a mirror: one function serves both
        self.mirror = torch.where((handle >= 0) & (hand < 0), -1.0, 1.0).to(points)
        flip = points.new_ones(len(turn), 1, 3, 1)
        flip[:, 0, 1, 0] = self.mirror
        self.axes, self.origin = axes * flip, origin[:, :, None]
        column = torch.arange(context.there.shape[1])
        own = column < layout.n_own[self.kind][:, None]
        self.known = torch.where(own, column < turn[:, None], context.there)

    def told(self, n_beads: int) -> Tensor:
        """Everything that is told as numbers (R, K, D)."""
        layout, context, kind, turn = self.layout, self.context, self.kind, self.turn
        n_atoms = self.known.shape[1]
        slots = layout.slots[kind, turn]
        seen = (slots >= 0) & self.known.gather(1, slots.clamp(min=0))
        beads = self.points[:, :, n_atoms : n_atoms + n_beads]
        named = layout.beads[kind][:, :n_beads] >= 0
        missing, left = self._missing()
        signs = layout.signs[kind, turn]
        hands = torch.where(signs >= 0, context.signs.gather(1, signs.clamp(min=0)), 0.0)
        hands = hands * self.mirror[:, None]
        phase = F.one_hot(torch.tensor(context.phase), 3).to(left).expand(len(kind), 3)
        of_bead = torch.cat([left, hands, context.level[:, None], phase], -1)
        return torch.cat(
            [
                *self._seen(_pick(self.points, slots), seen),
                *self._seen(beads, named),
                *self._seen(missing, left > _SHARE),
                of_bead[:, None].expand(-1, self.points.shape[1], -1),
            ],
            -1,
        )

    def _seen(self, places: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Places (R, K, S, 3) in the atoms' axes, 0 where nothing is, and where something is."""
        flags = there.to(places)
        local = _turned(self.axes, places - self.origin) * (_SCALE * flags)[:, None, :, None]
        return local.flatten(2), flags[:, None].expand(-1, places.shape[1], -1)

    def _missing(self) -> tuple[Tensor, Tensor]:
        """Where what a bead still lacks must be on average (R, K, 3, 3), and its weight (R, 3)."""
        n_atoms = self.known.shape[1]
        shares = self.layout.shares[self.kind, self.turn]
        there = shares.clamp(min=0)
        bead = _pick(self.points[:, :, n_atoms:], there)
        weights = self.layout.weights[self.kind[:, None], there] * self.known[:, None]
        left = (1 - weights.sum(-1)) * (shares >= 0)
        lacking = bead - weights[:, None] @ self.points[:, :, :n_atoms]
        return lacking / left.clamp(min=_SHARE)[:, None, :, None], left


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


def _closing(layout: Layout, context: Context, points: Tensor, turn: Tensor) -> Tensor:
    """Where the last own atom (B, K, 3) of points (B, K, W, 3) must be for the bead to be where it is."""
    weights = layout.weights[context.kind, 0].to(points)
    last = turn[:, None]
    own = weights.gather(1, last).clamp(min=_SHARE)
    others = weights.scatter(1, last, 0.0)
    held = torch.einsum("bu,bkux->bkx", others, points[:, :, : weights.shape[1]])
    return -held / own[:, :, None]


def _pick(points: Tensor, columns: Tensor) -> Tensor:
    """Points (R, K, S, 3) in columns (R, S) of (R, K, W, 3); column -1 gives column 0."""
    found = columns.clamp(min=0)[:, None, :, None]
    return points.gather(2, found.expand(-1, points.shape[1], -1, 3))


def _turned(axes: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (R, K, S, 3) in axes (R, K, 3, 3) that are rows."""
    return vectors @ axes.transpose(-1, -2)


def _axes(points: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Axes as rows (R, K, 3, 3): z from the second point to the first, y across the third; and the first."""
    first, second, third = _pick(points, columns).unbind(2)
    lab = torch.eye(3, dtype=points.dtype)
    along = torch.where((columns[:, 1] >= 0)[:, None, None], first - second, lab[2])
    aside = torch.where((columns[:, 2] >= 0)[:, None, None], third - first, lab[0])
    z = F.normalize(along, dim=-1, eps=1e-6)
    spare = torch.where((z[..., :1].abs() < 0.8), lab[0], lab[1])
    across = torch.linalg.cross(aside, z, dim=-1)
    flat = across.norm(dim=-1, keepdim=True) < 1e-4
    y = F.normalize(torch.where(flat, torch.linalg.cross(spare, z, dim=-1), across), dim=-1, eps=1e-9)
    return torch.stack([torch.linalg.cross(y, z, dim=-1), y, z], -2), first
