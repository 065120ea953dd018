"""What the alternating loop sees of generator and critic: sequences of beads in, losses out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from msb.backmap.divergences import Divergences
from msb.backmap.placer import Candidates
from msb.backmap.reference import ReferenceScene
from msb.backmap.regularisers import Regulariser
from msb.backmap.voxel import losses
from msb.backmap.voxel.adversarial import AdversarialSettings
from msb.backmap.voxel.growth import Step, grow, retrace
from msb.backmap.voxel.placer import VoxelPlacer
from msb.backmap.voxel.streams import Stream, Streams
from msb.core.environment import Surroundings, VoxelEnvironment, surroundings
from msb.nn.critic import VoxelCritic
from msb.nn.precision import Precision
from msb.nn.voxel_generator import VoxelGenerator

__all__ = ["System", "VoxelTask"]


@dataclass(frozen=True, eq=False)
class System:
    """One system to learn from.

    Attributes
    ----------
    scene : ReferenceScene
    environment : VoxelEnvironment
        On the device of the networks.
    streams : Streams
    masses : Tensor (N,)
        amu.
    regulariser : Regulariser or None
    """

    scene: ReferenceScene
    environment: VoxelEnvironment
    streams: Streams
    masses: Tensor
    regulariser: Regulariser | None = None


@dataclass(frozen=True, eq=False)
class _Batch:
    """Sequences of beads of one system and stream; all but the first two lines on the device.

    `atoms` (B, A) are filled up with -1, `turns` (B, 1), `noise` (B, 1, A, latent), `reference` (B, 1, A, 3)
    in the turned axes, `masses` (B, A).
    """

    system: System
    stream: Stream
    frame: Tensor
    bead: Tensor
    around: Surroundings
    atoms: Tensor
    turns: Tensor
    noise: Tensor
    reference: Tensor
    masses: Tensor

    @property
    def mask(self) -> Tensor:
        return self.atoms >= 0


@dataclass(frozen=True, eq=False)
class _Judged:
    """What the critic is shown, all atoms of a batch in one: bead and slot (R,) say which each is."""

    condition: Tensor
    density: Tensor
    label: Tensor
    bead: Tensor
    slot: Tensor

    @classmethod
    def of(cls, steps: Sequence[Step]) -> _Judged:
        """Put the steps of a sequence together."""
        slots = [torch.full_like(step.rows, step.slot) for step in steps]
        return cls(
            torch.cat([step.condition for step in steps]),
            torch.cat([step.density for step in steps]),
            torch.cat([step.label for step in steps]),
            torch.cat([step.rows for step in steps]),
            torch.cat(slots),
        )

    def table(self, values: Tensor, like: Tensor) -> Tensor:
        """Values (R,) as a table (B, A)."""
        empty = torch.zeros(like.shape, dtype=values.dtype, device=values.device)
        return empty.index_put((self.bead, self.slot), values)


class VoxelTask:
    """Wasserstein losses of a voxel generator; see `msb.train.alternating.Adversaries`.

    Parameters
    ----------
    generator : VoxelGenerator
    critic : VoxelCritic
    systems : sequence of System
    cutoff : float
        nm, of the environments.
    settings : AdversarialSettings
    precision : Precision
    selection : sequence of (Divergences, VoxelPlacer)
        What `validate` measures with which placer of the generator; the mean over them decides.
    """

    def __init__(
        self,
        generator: VoxelGenerator,
        critic: VoxelCritic,
        systems: Sequence[System],
        cutoff: float,
        settings: AdversarialSettings,
        precision: Precision,
        selection: Sequence[tuple[Divergences, VoxelPlacer]] = (),
    ) -> None:
        self.generator, self.critic = generator, critic
        self.systems, self.cutoff, self.settings = tuple(systems), cutoff, settings
        self.precision, self.selection = precision, tuple(selection)
        beads = [s.streams.n_frames * float(s.streams.weights.max(0).values.sum()) for s in self.systems]
        self._shares = torch.tensor(beads)

    def pretrain_losses(self, count: int, step: int, random: torch.Generator) -> dict[str, Tensor]:
        """Squared errors of positions (in units of the Gaussians' width) and of densities (relative)."""
        batch = self._batch(step, count, random)
        if self.settings.pretrain_draws > 1:
            batch = self._nearest(batch, random)
        steps: list[Step] = []
        positions = self._grow(batch, steps)
        grid, mask = batch.system.environment.grid, batch.mask
        target = grid.densities(batch.reference[:, 0])
        made = _Judged.of(steps)
        wanted = target[made.bead, made.slot]
        error = (made.density - wanted).square().flatten(1).sum(1) / wanted.square().flatten(1).sum(1)
        away = losses.reconstruction(positions[:, 0], batch.reference[:, 0], mask)
        return {
            "position": away / grid.sigma**2,
            "density": losses.sequence_mean(made.table(error, batch.atoms), mask),
        }

    def critic_losses(self, count: int, step: int, turn: int, random: torch.Generator) -> dict[str, Tensor]:
        """Difference between reference and generated atoms, gradient penalty, drift."""
        settings = self.settings
        update = step * settings.critic_steps + turn
        batch = self._batch(update, count, random)
        steps: list[Step] = []
        with torch.no_grad():
            self._grow(batch, steps)
            made = _Judged.of(steps)
            real = _Judged.of(
                retrace(
                    batch.system.environment,
                    batch.around,
                    batch.atoms,
                    batch.turns,
                    batch.reference,
                    gibbs=batch.stream.gibbs,
                )
            )
        both = self._judge(*(torch.cat(pair) for pair in zip(_shown(real), _shown(made), strict=True)))
        reference, generated = (real.table(values, batch.atoms) for values in both.chunk(2))
        terms = {"difference": losses.critic_difference(reference, generated, batch.mask)}
        if settings.drift:
            terms["drift"] = settings.drift * losses.drift(reference, batch.mask)
        if settings.penalty and update % settings.penalty_every == 0:
            weight = settings.penalty * settings.penalty_every
            terms["penalty"] = weight * self._penalty(real, made, batch, random)
        return terms

    def generator_losses(self, count: int, step: int, random: torch.Generator) -> dict[str, Tensor]:
        """The critic on generated atoms, energies, centres of mass."""
        batch = self._batch(step, count, random)
        steps: list[Step] = []
        positions = self._grow(batch, steps)
        made = _Judged.of(steps)
        judged = made.table(self._judge(*_shown(made)), batch.atoms)
        terms = {"critic": losses.sequence_mean(judged, batch.mask)}
        regulariser = self.settings.regulariser
        ramp = losses.ramp(step, *regulariser.ramp)
        if not ramp:
            return terms
        if regulariser.centre_of_mass:
            away = losses.centre_of_mass(positions[:, 0], batch.reference[:, 0], batch.masses, batch.mask)
            terms["centre_of_mass"] = ramp * regulariser.centre_of_mass * away
        if batch.system.regulariser is not None:
            energies = self._energies(batch.system.regulariser, batch, positions)
            terms |= {name: ramp * value.to(positions.device) for name, value in energies.items()}
        return terms

    def validate(self) -> dict[str, float]:
        """Divergences of beads placed in reference environments, mean over the systems."""
        total: dict[str, float] = {}
        for divergences, placer in self.selection:
            for name, value in divergences.figures(placer).items():
                total[name] = total.get(name, 0.0) + value / len(self.selection)
        return total

    def _batch(self, update: int, count: int, random: torch.Generator) -> _Batch:
        """Draw beads with their environments, turns and noise."""
        chosen = 0
        if len(self.systems) > 1:
            chosen = int(torch.multinomial(self._shares, 1, generator=random))
        system = self.systems[chosen]
        stream, scene = system.streams.at(update), system.scene
        frame, bead = system.streams.draw(stream, count, random)
        atoms = scene.tables.placed_in(stream.phase, bead)
        atoms = atoms[:, : int((atoms >= 0).sum(1).max())]
        turns = 2 * math.pi * torch.rand(count, 1, generator=random) * self.settings.augment
        noise = torch.randn(count, 1, atoms.shape[1], self.generator.latent, generator=random)
        around = surroundings(scene, frame, bead, stream.phase, self.cutoff)
        there = scene.positions[frame[:, None], atoms.clamp(min=0)]
        reference = around.local(there, turns)
        device = self.precision.device
        return _Batch(
            system,
            stream,
            frame,
            bead,
            around.to(device),
            atoms.to(device),
            turns.to(device),
            noise.to(device),
            reference.to(device),
            system.masses[atoms.clamp(min=0)].to(device),
        )

    def _grow(self, batch: _Batch, steps: list[Step] | None = None) -> Tensor:
        """Positions (B, 1, A, 3) that the generator gives the atoms, in the turned axes."""
        return grow(
            self.generator,
            batch.system.environment,
            batch.around,
            batch.atoms,
            batch.turns,
            batch.noise,
            gibbs=batch.stream.gibbs,
            precision=self.precision,
            steps=steps,
        )

    @torch.no_grad()
    def _nearest(self, batch: _Batch, random: torch.Generator) -> _Batch:
        """The batch with that noise, of several draws, that brings each bead nearest to the reference."""
        draws = self.settings.pretrain_draws
        shape = (len(batch.atoms), draws, *batch.noise.shape[2:])
        noise = torch.randn(shape, generator=random).to(batch.noise)
        turns = batch.turns.expand(-1, draws)
        away = self._grow(replace(batch, turns=turns, noise=noise)) - batch.reference
        distance = (away.square().sum(-1) * batch.mask[:, None]).sum(-1)
        best = distance.argmin(1)
        return replace(batch, noise=noise[torch.arange(len(best), device=best.device), best][:, None])

    def _energies(self, regulariser: Regulariser, batch: _Batch, positions: Tensor) -> dict[str, Tensor]:
        """Weighted energy terms of generated atoms (B, 1, A, 3) among those of the reference."""
        atoms = batch.atoms.cpu()
        generated, reference = (
            Candidates(atoms, batch.around.absolute(local, batch.turns).cpu())
            for local in (positions, batch.reference)
        )
        scene, phase = batch.system.scene, batch.stream.phase
        return regulariser(scene, phase, batch.frame, batch.bead, generated, reference)

    def _judge(self, condition: Tensor, density: Tensor, label: Tensor) -> Tensor:
        """The critic on atoms (R,), in the precision."""
        weight = next(self.critic.parameters())
        with self.precision.autocast() if self.precision else nullcontext():
            value: Tensor = self.critic(
                self.precision.arrange(condition.to(weight)), density.to(weight), label.to(weight)
            )
        return value

    def _penalty(self, real: _Judged, made: _Judged, batch: _Batch, random: torch.Generator) -> Tensor:
        """Mean gradient penalty, every bead counting alike, at some or all atoms; in float32."""
        count = len(real.bead)
        share = torch.rand(count, generator=random).to(real.density)
        weights = 1.0 / batch.mask.sum(1)[real.bead]
        kept = torch.arange(count)
        if self.settings.penalty_share < 1:
            kept = torch.randperm(count, generator=random)[
                : max(1, round(count * self.settings.penalty_share))
            ]
        kept = kept.to(real.bead)
        critic: Callable[..., Tensor] = self.critic
        values = losses.gradient_penalty(
            critic,
            (real.condition[kept], real.density[kept]),
            (made.condition[kept], made.density[kept]),
            share[kept],
            real.label[kept],
        )
        return (weights[kept] * values).sum() / weights[kept].sum()


def _shown(judged: _Judged) -> tuple[Tensor, Tensor, Tensor]:
    return judged.condition, judged.density, judged.label
