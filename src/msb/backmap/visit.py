"""A visit of beads: candidates are proposed, weighed, and one is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from msb.backmap.onto_bead import OntoBead
from msb.backmap.placer import Candidates, Draw, Placer
from msb.backmap.record import SamplerOptions, Tally, stream
from msb.backmap.selection import choose
from msb.core.scene import Phase, Scene
from msb.errors import ConfigError

__all__ = ["CandidateEnergies", "Visitor"]

CandidateEnergies = Callable[[Scene, Phase, Tensor, Tensor, Candidates], Tensor]
"""Energies (B, K) of candidates where they stand, kJ/mol: (scene, phase, frame, bead, candidates)."""

_SELECTION = 2**31  # slot of the noise that chooses among candidates; placers stay below


@dataclass(frozen=True, eq=False)
class Visitor:
    """Proposes candidates for beads and chooses among them.

    Attributes
    ----------
    placer : Placer
    energy : callable or None
    options : SamplerOptions
    limits : mapping of str to Tensor (M,)
        Energy of each bead's atoms that is hardly ever exceeded, kJ/mol, by kind of pass.
    chosen : bool Tensor (N,) or None
        Atoms that may move; all where None.
    kT : float or None
        kJ/mol.
    tally : Tally
    onto : OntoBead or None
        Knows how far candidates are off their beads; moves them there where that is asked for.
    """

    placer: Placer
    energy: CandidateEnergies | None
    options: SamplerOptions
    limits: Mapping[str, Tensor]
    chosen: Tensor | None
    kT: float | None
    tally: Tally
    onto: OntoBead | None = None

    def visit(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, draw: Draw
    ) -> tuple[Tensor, Tensor]:
        """Choose positions for the atoms of beads that cannot see each other.

        Parameters
        ----------
        scene : Scene
            Only read.
        phase : Phase
        frame, bead : Tensor (B,)
        draw : Draw

        Returns
        -------
        (Tensor (B, A), Tensor (B, A, 3))
            Atoms, -1 filling up, and their positions, nm.

        Raises
        ------
        ConfigError
            If the choice needs a density that the placer does not know.
        """
        self.tally.visits += len(bead)
        proposed = self._proposed(scene, phase, frame, bead, draw)
        first = scene.tables.own[bead, 0]
        uniform = draw.uniform(frame, first, 1, _SELECTION)[:, 0]
        if self.options.select == "random":
            return proposed.atoms, self._random(scene, phase, frame, bead, draw, proposed, uniform)
        present = phase.gibbs and self.options.select == "boltzmann"
        if present:
            proposed = self._with_present(scene, phase, frame, bead, proposed)
        levels = self._levels(scene, phase, frame, bead, proposed)
        index = choose(self.options.select, levels, proposed.log_density, self.kT, uniform)
        self.tally.kept += int((index == levels.shape[1] - 1).sum()) if present else 0
        return proposed.atoms, _picked(proposed.positions, index)

    def _random(
        self,
        scene: Scene,
        phase: Phase,
        frame: Tensor,
        bead: Tensor,
        draw: Draw,
        proposed: Candidates,
        uniform: Tensor,
    ) -> Tensor:
        """Any candidate, drawn anew while all are above the limit."""
        k, limits = proposed.positions.shape[1], self.limits.get(stream(phase))
        if limits is None or self.energy is None:
            return _picked(proposed.positions, choose("random", None, None, None, uniform, candidates=k))
        limit = limits[bead]
        best, level = self._below(scene, phase, frame, bead, proposed, uniform, limit)
        for attempt in range(1, self.options.redraws + 1):
            rows = torch.nonzero(level > limit)[:, 0]
            if not len(rows):
                return best
            self.tally.redrawn += len(rows)
            places = frame[rows], bead[rows]
            new = self._proposed(scene, phase, *places, draw.later(attempt * k))
            other, lower = self._below(scene, phase, *places, new, uniform[rows], limit[rows])
            better = lower < level[rows]
            best[rows[better], : other.shape[1]] = other[better]
            level[rows[better]] = lower[better]
        self.tally.above += int((level > limit).sum())
        return best

    def _below(
        self,
        scene: Scene,
        phase: Phase,
        frame: Tensor,
        bead: Tensor,
        proposed: Candidates,
        uniform: Tensor,
        limit: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Positions (B, A, 3) of a candidate that is not above the limit, else the lowest; its energy."""
        levels = self._levels(scene, phase, frame, bead, proposed).nan_to_num(nan=torch.inf)
        index = choose("random", levels, None, None, uniform, limit)
        return _picked(proposed.positions, index), levels.gather(1, index[:, None])[:, 0]

    def _proposed(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, draw: Draw) -> Candidates:
        """Candidates in which atoms that must not move are where they were.

        The density of a bead of which only some atoms move is unknown; it counts as constant, so that lower
        energies are preferred: this is what a repair wants.
        """
        k = self.options.candidates_in(phase)
        proposed: Candidates = self.tally.timed(
            "network", self.placer.place, scene, phase, frame, bead, draw, k
        )
        if self.chosen is not None:
            held = self._held(proposed.atoms)
            here = _present(scene, frame, proposed.atoms)[:, None]
            positions = torch.where(held[:, None, :, None], here, proposed.positions)
            density = proposed.log_density
            if density is not None:
                density = torch.where(held.any(1, keepdim=True), 0.0, density)
            proposed = replace(proposed, positions=positions, log_density=density)
        if self.onto is not None and self.options.project_candidates:
            moving = (proposed.atoms >= 0) & ~self._held(proposed.atoms)
            proposed = replace(proposed, positions=self.onto(scene, frame, bead, proposed, moving))
        return proposed

    def _with_present(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, proposed: Candidates
    ) -> Candidates:
        """The present atoms as one more candidate, the last."""
        known = self.tally.timed("network", self.placer.log_density, scene, phase, frame, bead)
        if known is None or proposed.log_density is None:
            raise ConfigError(
                "the choice `boltzmann` needs the density of the network, which this one does not know; "
                "choose `random`"
            )
        if self.chosen is not None:
            known = torch.where(self._held(proposed.atoms).any(1), 0.0, known)
        here = _present(scene, frame, proposed.atoms)[:, None].to(proposed.positions.dtype)
        return Candidates(
            proposed.atoms,
            torch.cat([proposed.positions, here], 1),
            torch.cat([proposed.log_density, known[:, None].to(proposed.log_density.dtype)], 1),
        )

    def _held(self, atoms: Tensor) -> Tensor:
        """Which of the atoms (B, A) must not move."""
        if self.chosen is None:
            return torch.zeros_like(atoms, dtype=torch.bool)
        return (atoms >= 0) & ~self.chosen[atoms.clamp(min=0)]

    def _levels(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, proposed: Candidates
    ) -> Tensor:
        """Energies (B, K), kJ/mol.

        What `boltzmann` weighs is the whole of them: hydrogens of bonded beads are hidden from the network,
        which proposes, not from the energy, and beads are held where they are given.
        """
        if self.energy is None:
            raise ConfigError(f"the choice `{self.options.select}` needs energies; give the force field")
        weighs = self.options.select == "boltzmann"
        seen = replace(phase, hides=False) if weighs else phase
        levels: Tensor = self.tally.timed("energy", self.energy, scene, seen, frame, bead, proposed)
        if weighs and self.onto is not None and self.options.bead_sd > 0 and self.kT is not None:
            away = self.onto.away(scene, frame, bead, proposed).square().sum(-1)
            levels = levels + self.kT * away / (2 * self.options.bead_sd**2)
        return levels


def _present(scene: Scene, frame: Tensor, atoms: Tensor) -> Tensor:
    """Positions (B, A, 3) of atoms as they are."""
    return scene.positions[frame[:, None], atoms.clamp(min=0)]


def _picked(positions: Tensor, index: Tensor) -> Tensor:
    """Positions (B, A, 3) of one candidate each of (B, K, A, 3)."""
    return positions[torch.arange(len(index)), index]
