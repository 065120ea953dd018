"""The conditional variational autoencoder on voxel densities, one channel a particle (thesis chapter 8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from msb.core.features import LinearMean
from msb.core.geometry import local_frames, random_rotations
from msb.core.noise import normal_block, uniform_block
from msb.core.voxel import VoxelGrid
from msb.errors import ConfigError
from msb.nn.precision import Precision, choose_precision
from msb.nn.voxel_networks import VoxelDecoder, VoxelEncoder
from msb.temporal.config import VoxelSettings
from msb.temporal.losses import energy_weight, kl_weight, reconstruction_losses
from msb.temporal.step import Step

__all__ = ["VoxelNetwork", "fit_mixture"]

Local = tuple[Tensor, Tensor]  # axes (B, 3, 3) and origin (B, 1, 3) of a canonical frame


class VoxelNetwork(nn.Module):
    """Encoder e(previous, target, beads), decoder g(previous, beads, z), and a mixture over its latents.

    Parameters
    ----------
    n_atoms, n_beads : int
    frame : (origin, axis, plane)
        Beads of the canonical frame.
    settings : VoxelSettings
    """

    mean_weights: Tensor
    mixture_weights: Tensor
    mixture_means: Tensor
    mixture_factors: Tensor

    def __init__(self, n_atoms: int, n_beads: int, frame: tuple[int, ...], settings: VoxelSettings) -> None:
        super().__init__()
        self.n_atoms, self.n_beads, self.settings = n_atoms, n_beads, settings
        self.frame = (frame[0], frame[1], frame[2])
        self.grid = VoxelGrid(settings.grid, settings.edge, settings.sigma)
        shrink = settings.reach / settings.edge if settings.mean == "linear" else 1.0
        self.output_grid = VoxelGrid(settings.grid, settings.edge * shrink, settings.sigma * shrink)
        condition = n_atoms + n_beads * (2 if settings.next_beads else 1)
        self.encoder = VoxelEncoder(condition + n_atoms, settings.width, settings.latent, settings.grid)
        self.decoder = VoxelDecoder(condition, settings.latent, settings.width, n_atoms, settings.grid)
        k, d = max(1, settings.mixture), settings.latent
        self.register_buffer("mean_weights", torch.zeros(3 * n_beads + 1, 3 * n_atoms))
        self.register_buffer("mixture_weights", torch.full((k,), 1.0 / k))
        self.register_buffer("mixture_means", torch.zeros(k, d))
        self.register_buffer("mixture_factors", torch.eye(d).repeat(k, 1, 1))
        self.precision = choose_precision("cpu", "float32")
        self.energy: Callable[[Tensor], Tensor] | None = None
        self.energy_scale = 1.0
        self.to_beads: Callable[[Tensor], Tensor] | None = None

    def use(
        self,
        precision: Precision,
        to_beads: Callable[[Tensor], Tensor],
        energy: Callable[[Tensor], Tensor] | None = None,
        energy_scale: float = 1.0,
    ) -> None:
        """Set what training needs beside weights: number format, mapping, energies (kJ/mol), their sd."""
        self.precision = precision
        self.to_beads, self.energy, self.energy_scale = to_beads, energy, energy_scale

    def description(self) -> dict[str, Any]:
        """What it takes, beside the configuration, to build the network again."""
        return {"n_atoms": self.n_atoms, "n_beads": self.n_beads, "frame": list(self.frame)}

    def losses(self, step: Step, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """The configured terms of thesis eqs. 8.1-8.6, averaged over the unrolled frames."""
        previous, previous_beads = step.previous, step.previous_beads
        total: dict[str, Tensor] = {}
        n_frames = step.beads.shape[1]
        for t in range(n_frames):
            beads, following, target = step.beads[:, t], step.following[:, t], step.targets[:, t]
            terms, drawn = self._frame_losses(
                previous, previous_beads, beads, following, target, progress, generator
            )
            for name, value in terms.items():
                total[name] = total.get(name, torch.zeros_like(value)) + value / n_frames
            previous, previous_beads = drawn, beads
        return total

    def score(self, step: Step, generator: torch.Generator) -> dict[str, Tensor]:
        """Final losses, and the coordinates' root-mean-square error (nm) of the reconstruction."""
        terms = self.losses(step, 1.0, generator)
        return {**terms, "score": torch.stack(list(terms.values())).sum()}

    @torch.no_grad()
    def encode(self, step: Step) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (B, latent) of the first frame's posterior."""
        local = self._local(step.beads[:, 0], None)
        condition = self._condition(
            step.previous, step.previous_beads, step.beads[:, 0], step.following[:, 0], local, None
        )
        target = self.grid.densities(_into(step.targets[:, 0], local))
        with self.precision.autocast():
            mu, log_sigma = self.encoder(self.precision.arrange(torch.cat([condition, target], 1)))
        return mu, log_sigma

    @torch.no_grad()
    def generate(
        self,
        beads: Tensor,
        previous: Tensor,
        previous_beads: Tensor,
        following: Tensor,
        seed: int,
        frames: NDArray[np.int64],
        temperature: float = 1.0,
        finish: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Walk through frames of several segments; see :class:`msb.temporal.flow_network.FlowNetwork`.

        Raises
        ------
        ConfigError
            If another temperature than the training's is asked for: a latent knows none.
        """
        if temperature != 1.0:
            raise ConfigError(
                "a voxel network draws at its training temperature only; leave out --temperature, or use a "
                "model of the kind `flow`"
            )
        normal = torch.from_numpy(normal_block(seed, frames, self.settings.latent)).to(beads)
        pick = torch.from_numpy(uniform_block(seed, frames, 1)).to(beads)
        latents = self._latents(pick[..., 0], normal)
        atoms = []
        for t in range(beads.shape[1]):
            local = self._local(beads[:, t], None)
            condition = self._condition(previous, previous_beads, beads[:, t], following[:, t], local, None)
            drawn, _ = self._decode(condition, latents[:, t], beads[:, t], local)
            if finish is not None and self.settings.project:
                drawn = finish(drawn, beads[:, t])
            atoms.append(drawn)
            previous, previous_beads = drawn, beads[:, t]
        return torch.stack(atoms, 1)

    def set_mean(self, mean: LinearMean) -> None:
        """Use a fitted conditional mean."""
        self.mean_weights.copy_(mean.weights)

    def _frame_losses(
        self,
        previous: Tensor,
        previous_beads: Tensor,
        beads: Tensor,
        following: Tensor,
        target: Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[dict[str, Tensor], Tensor]:
        weights = self.settings.weights
        turn = None
        if self.settings.frame == "random" and self.training:
            turn = random_rotations(len(beads), generator=generator, dtype=beads.dtype).to(beads.device)
        local = self._local(beads, turn)
        condition = self._condition(previous, previous_beads, beads, following, local, turn)
        seen = self.grid.densities(_into(target, local))
        with self.precision.autocast():
            mu, log_sigma = self.encoder(self.precision.arrange(torch.cat([condition, seen], 1)))
        log_sigma = log_sigma.clamp(-7.0, 2.0)
        noise = torch.randn(mu.shape, generator=generator).to(mu)
        drawn, densities = self._decode(condition, mu + log_sigma.exp() * noise, beads, local)
        inner = _into(target, local)
        if self.settings.mean == "linear":
            inner = inner - _into(self._mean(beads), local)
        terms = reconstruction_losses(
            weights, densities, self.output_grid.densities(inner), drawn, target, previous
        )
        if self.to_beads is not None and weights.beads:
            terms["beads"] = weights.beads * (self.to_beads(drawn) - beads).square().mean() * 1e4
        scale = energy_weight(weights, progress)
        if self.energy is not None and scale > 0:
            gap = (self.energy(drawn) - self.energy(target)) / self.energy_scale
            terms["energy"] = scale * (torch.sqrt(1 + gap.square()) - 1).mean()  # eq. 8.5, linear far out
        divergence = 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1).mean()
        terms["kl"] = kl_weight(weights, progress) * divergence
        return terms, drawn

    def _decode(
        self, condition: Tensor, latent: Tensor, beads: Tensor, local: Local
    ) -> tuple[Tensor, Tensor]:
        with self.precision.autocast():
            densities = self.decoder(self.precision.arrange(condition), latent)
        inside = self.output_grid.positions(densities)
        if self.settings.mean == "linear":
            inside = inside + _into(self._mean(beads), local)
        axes, origin = local
        return inside @ axes + origin, densities

    def _mean(self, beads: Tensor) -> Tensor:
        return LinearMean(self.frame, self.mean_weights).predict(beads)

    def _condition(
        self,
        previous: Tensor,
        previous_beads: Tensor,
        beads: Tensor,
        following: Tensor,
        local: Local,
        turn: Tensor | None,
    ) -> Tensor:
        """Densities (B, channels, n, n, n): previous atoms in their own frame, beads, the next beads."""
        parts = [_into(previous, self._local(previous_beads, turn)), _into(beads, local)]
        if self.settings.next_beads:
            parts.append(_into(following, self._local(following, turn)))
        return self.grid.densities(torch.cat(parts, dim=-2))

    def _local(self, beads: Tensor, turn: Tensor | None) -> Local:
        """The beads' canonical frame, or the laboratory's axes, possibly turned, about their centroid."""
        origin = beads.mean(-2, keepdim=True)
        if self.settings.frame == "beads":
            o, a, p = self.frame
            return local_frames(beads[:, o], beads[:, a], beads[:, p]), origin
        axes = torch.eye(3, dtype=beads.dtype, device=beads.device).expand(len(beads), 3, 3)
        return (axes if turn is None else turn), origin

    def _latents(self, pick: Tensor, normal: Tensor) -> Tensor:
        """Latents (S, F, latent) from the mixture, or from the prior where none was fitted."""
        if self.settings.mixture == 0:
            return normal
        chosen = (self.mixture_weights.cumsum(0) < pick.unsqueeze(-1)).sum(-1)
        chosen = chosen.clamp(max=len(self.mixture_weights) - 1)
        factors = self.mixture_factors[chosen]
        return self.mixture_means[chosen] + (factors @ normal.unsqueeze(-1)).squeeze(-1)


def _into(points: Tensor, local: Local) -> Tensor:
    axes, origin = local
    return (points - origin) @ axes.mT


def fit_mixture(network: VoxelNetwork, latents: NDArray[np.float64], seed: int) -> None:
    """Fit the mixture from which latents are drawn (thesis section 8.1.1) to encoded latents (F, d)."""
    from sklearn.mixture import GaussianMixture

    if network.settings.mixture == 0:
        return
    mixture = GaussianMixture(network.settings.mixture, random_state=seed % 2**32, reg_covar=1e-5)
    mixture.fit(latents)
    factors = np.linalg.cholesky(mixture.covariances_)
    network.mixture_weights.copy_(torch.from_numpy(mixture.weights_))
    network.mixture_means.copy_(torch.from_numpy(mixture.means_))
    network.mixture_factors.copy_(torch.from_numpy(factors))
    if not all(math.isfinite(float(b.sum())) for b in network.buffers()):
        raise ValueError("the mixture over the latents is not finite")
