"""Pairs of placed atoms with everything visible around their bead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from msb.backmap.energy_kinds import BeadKinds, Excluded
from msb.backmap.energy_pairs import PairForce
from msb.backmap.placer import Candidates
from msb.core.scene import Phase, Scene

__all__ = ["Surroundings"]

_PAIRS = 2**18  # pairs evaluated at once; what is in the processor's cache is quick
_SAME = 1e-3  # nm; an atom this near to where it is kept is no periodic image


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Beads with candidates for their atoms, and the atoms around them.

    Attributes
    ----------
    own : Tensor (B, A)
        Placed atoms, -1 filling up.
    candidates : Tensor (B, K, A, 3)
        nm, from the bead.
    atom : Tensor (B, P)
        Visible atoms that are no atoms of the bead, -1 filling up.
    positions : Tensor (B, P, 3)
        nm, from the bead.
    direct : bool Tensor (B, P)
        Not a periodic image.
    mine : bool Tensor (B, A')
        Which of all atoms of the bead, in the order of the tables, are visible and not placed.
    """

    own: Tensor
    candidates: Tensor
    atom: Tensor
    positions: Tensor
    direct: Tensor
    mine: Tensor
    kinds: BeadKinds
    kind: Tensor
    first: Tensor

    @classmethod
    def of(
        cls,
        scene: Scene,
        phase: Phase,
        frame: Tensor,
        bead: Tensor,
        candidates: Candidates,
        centre: Tensor,
        kinds: BeadKinds,
    ) -> Surroundings:
        """Look around beads.

        Parameters
        ----------
        scene : Scene
        phase : Phase
        frame, bead : Tensor (B,)
        candidates : Candidates
            Positions from the bead, nm.
        centre : Tensor (B, 3)
            Of the beads, nm.
        kinds : BeadKinds
        """
        around, width = scene.around(frame, bead, phase), scene.tables.own.shape[1]
        atom, spots = around.atom[:, width:], around.positions[:, width:]
        kept = scene.positions[frame[:, None], atom.clamp(min=0)]
        direct = (spots - kept).abs().amax(-1) < _SAME
        spots = spots.to(candidates.positions.dtype) - centre[:, None]
        return cls(
            candidates.atoms,
            candidates.positions,
            atom,
            spots,
            direct,
            around.atom[:, :width] >= 0,
            kinds,
            kinds.kind[bead],
            kinds.first[bead],
        )

    def energies(self, force: PairForce, number: int) -> dict[str, Tensor]:
        """Energies of all pairs.

        Parameters
        ----------
        force : PairForce
        number : int
            Of the force among those of the kinds' `excluded`.

        Returns
        -------
        dict of str to Tensor (B, K)
            kJ/mol.
        """
        order = (self.own >= 0).sum(1).argsort(stable=True)
        near = self._rows(order)._within(force.cutoff)
        k = near.candidates.shape[1]
        size = max(1, k * near.own.shape[1] * near.atom.shape[1])
        step, share = max(1, _PAIRS // size), max(1, k * _PAIRS // size)
        parts = []
        for start in range(0, max(1, len(order)), step):
            some = near._rows(slice(start, start + step))._trimmed()
            parts.append(some._sums(force, number, share))
        back = order.argsort()
        return {name: torch.cat([part[name] for part in parts])[back] for name in parts[0]}

    def context(self) -> tuple[Tensor, Tensor]:
        """Atoms (B, C) of other beads that bonded terms know, and which of them are visible."""
        wanted = self.kinds.context[self.kind] + self.first[:, None]
        known = torch.zeros_like(wanted, dtype=torch.bool)
        if not wanted.shape[1] or not self.atom.numel():
            return torch.zeros_like(wanted), known
        place = torch.searchsorted(wanted, self.atom.contiguous()).clamp(max=wanted.shape[1] - 1)
        hit = (wanted.gather(1, place) == self.atom) & self.direct
        known = known.to(torch.int8).scatter_reduce(1, place, hit.to(torch.int8), "amax") > 0
        return torch.where(known, wanted, 0), known

    def _rows(self, rows: Tensor | slice) -> Surroundings:
        """Take some of the beads."""
        names = ("own", "candidates", "atom", "positions", "direct", "mine", "kind", "first")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def _within(self, cutoff: float | None) -> Surroundings:
        """Leave out what no placed atom reaches, and close the gaps."""
        keep = self.atom >= 0
        if cutoff is not None:
            with torch.no_grad():
                lengths = torch.nan_to_num(self.candidates.square().sum(-1), nan=0.0)
                lengths = torch.where((self.own >= 0)[:, None], lengths, 0.0)
                radius = (
                    lengths.flatten(1).amax(1).sqrt() if lengths.numel() else lengths.new_zeros(len(keep))
                )
            keep &= self.positions.square().sum(-1) < (radius + cutoff).square()[:, None]
        counts = keep.sum(1)
        rows, columns = keep.nonzero(as_tuple=True)
        place = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows]
        width = int(counts.max()) if len(counts) else 0
        index = torch.full((len(keep), width), -1)
        index[rows, place] = columns
        source = index.clamp(min=0)
        return replace(
            self,
            atom=torch.where(index >= 0, self.atom.gather(1, source), -1),
            positions=self.positions.gather(1, source[..., None].expand(-1, -1, 3)),
            direct=self.direct.gather(1, source),
        )

    def _trimmed(self) -> Surroundings:
        """Leave out columns that no bead fills; what is filled comes first in every row."""
        own = int((self.own >= 0).sum(1).max()) if len(self.own) else 0
        around = int((self.atom >= 0).sum(1).max()) if len(self.own) else 0
        return replace(
            self,
            own=self.own[:, :own],
            candidates=self.candidates[:, :, :own],
            atom=self.atom[:, :around],
            positions=self.positions[:, :around],
            direct=self.direct[:, :around],
        )

    def _sums(self, force: PairForce, number: int, share: int) -> dict[str, Tensor]:
        """Energies (b, K) of a few beads, so many candidates at once."""
        x = self.candidates
        parameters = force.between(
            self.own.clamp(min=0), self.atom.clamp(min=0), self._allowed(self.kinds.excluded[number]), x
        )
        parts: list[dict[str, Tensor]] = []
        for start in range(0, max(1, x.shape[1]), share):
            square = _squares(x[:, start : start + share], self.positions)
            values = force.values(square, parameters)
            parts.append({name: value.flatten(2).sum(-1) for name, value in values.items()})
        return {name: torch.cat([part[name] for part in parts], 1) for name in parts[0]}

    def _allowed(self, excluded: Excluded) -> Tensor:
        """Pairs (b, A, P) that count."""
        allowed = (self.own >= 0)[:, :, None] & (self.atom >= 0)[:, None, :]
        if not excluded.others.shape[1] or not allowed.numel():
            return allowed
        others = excluded.others[self.kind] + self.first[:, None]
        place = torch.searchsorted(others, self.atom.contiguous()).clamp(max=others.shape[1] - 1)
        hit = (others.gather(1, place) == self.atom) & self.direct
        slot = self.kinds.slot[self.own.clamp(min=0)][..., None].expand(-1, -1, others.shape[1])
        pairs = excluded.pairs[self.kind].gather(1, slot)
        left_out = pairs.gather(2, place[:, None].expand(-1, self.own.shape[1], -1)) & hit[:, None]
        return allowed & ~left_out


def _squares(own: Tensor, other: Tensor) -> Tensor:
    """Squared distances (b, K, A, P) of points (b, K, A, 3) and (b, P, 3)."""
    x, y, z = (own[..., axis, None] - other[:, None, None, :, axis] for axis in range(3))
    return torch.addcmul(torch.addcmul(x * x, y, y), z, z)
