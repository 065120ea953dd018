"""The conditional density of a frame's internal coordinates given its beads and the frame before.

A conditional variational autoencoder whose decoder can be inverted: the encoder is the inverse, its posterior
a point, and the evidence bound the likelihood itself.  Rotors come from a mixture on the circle given the
beads and the previous atoms, the stiff coordinates from a coupling flow given beads and rotors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from msb.core.features import bead_features
from msb.core.internal import InternalCoordinates
from msb.core.noise import normal_block, uniform_block
from msb.nn.flow import CircularMixture, CouplingFlow, wrap_angle
from msb.temporal.config import FlowSettings
from msb.temporal.layout import Layout
from msb.temporal.step import Step

__all__ = ["FlowNetwork"]

_FARTHEST = 4.0  # sd: what is remembered stays in the range of the data, or errors could feed themselves


class FlowNetwork(nn.Module):
    """p(atoms | beads, previous atoms) in internal coordinates.

    Parameters
    ----------
    chart : InternalCoordinates
    layout : Layout
    settings : FlowSettings
    n_beads : int
    """

    centre: Tensor
    stiff_mean: Tensor
    stiff_scale: Tensor
    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, chart: InternalCoordinates, layout: Layout, settings: FlowSettings) -> None:
        super().__init__()
        self.chart, self.layout, self.settings = chart, layout, settings
        n_stiff, n_rotors = len(layout.stiff), len(layout.rotors)
        n_features = 3 * chart.n_beads * (2 if settings.next_beads else 1)
        for name, shape in {
            "centre": (chart.n_placed, 3),
            "stiff_mean": (n_stiff,),
            "stiff_scale": (n_stiff,),
            "feature_mean": (n_features,),
            "feature_scale": (n_features,),
        }.items():
            self.register_buffer(name, torch.zeros(shape))
        memory = len(layout.slow)
        self.rotors = CircularMixture(
            n_rotors, n_features + 2 * n_rotors + memory, settings.components, settings.width
        )
        self.context = nn.Sequential(
            nn.Linear(n_features + 2 * n_rotors + memory, settings.width),
            nn.SiLU(),
            nn.Linear(settings.width, settings.width),
            nn.SiLU(),
        )
        self.flow = CouplingFlow(n_stiff, settings.width, settings.width, settings.layers)

    @torch.no_grad()
    def calibrate(self, centre: Tensor, spread: Tensor, beads: Tensor, following: Tensor) -> None:
        """Set means and scales from training data: (n_placed, 3) twice, and beads (F, M, 3) twice, nm."""
        self.centre.copy_(centre)
        self.stiff_mean.copy_(torch.stack([centre[k, j] for k, j in self.layout.stiff]))
        self.stiff_scale.copy_(torch.stack([spread[k, j] for k, j in self.layout.stiff]))
        features = self._raw_features(beads.double(), following.double())
        self.feature_mean.copy_(features.mean(0))
        scale = features.std(0)
        self.feature_scale.copy_(torch.where(scale > 1e-6, 1 / scale.clamp_min(1e-6), 0.0))

    def losses(self, step: Step, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Negative log likelihoods a frame: of the rotors (rad), and of the stiff coordinates (scaled)."""
        beads, following = step.beads[:, 0], step.following[:, 0]
        rotors, stiff = self._split(self.chart.encode(step.targets[:, 0], beads))
        old_rotors, old_stiff = self._split(self.chart.encode(step.previous, step.previous_beads))
        features, slow = self.features(beads, following), old_stiff[:, list(self.layout.slow)]
        memory = torch.cat([features, self._memory(old_rotors, slow)], -1)
        context = self.context(torch.cat([features, self._memory(rotors, slow)], -1))
        return {
            "rotors": -self.rotors.log_prob(rotors, memory).mean(),
            "stiff": -self.flow.log_prob(stiff, context).mean(),
        }

    def score(self, step: Step, generator: torch.Generator) -> dict[str, Tensor]:
        """The negative log likelihood and its parts."""
        parts = self.losses(step, 1.0, generator)
        return {**parts, "score": parts["rotors"] + parts["stiff"]}

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
        """Walk through frames of several segments at once.

        Parameters
        ----------
        beads : Tensor (S, F, M, 3)
            nm.
        previous, previous_beads : Tensor (S, N, 3), (S, M, 3)
            The atoms before the first frame, and their beads.
        following : Tensor (S, F, M, 3)
            The beads one frame later.
        seed : int
        frames : int array (S, F)
            Absolute frame numbers, the key of the noise.
        temperature : float
            In units of the training temperature.
        finish : callable, optional
            Moves atoms (B, N, 3) exactly onto beads (B, M, 3); needed where beads are not single atoms.

        Returns
        -------
        Tensor (S, F, N, 3)
            nm.
        """
        n_rotors, n_stiff = len(self.layout.rotors), len(self.layout.stiff)
        device = beads.device
        normal = torch.from_numpy(normal_block(seed, frames, n_rotors + n_stiff)).to(device)
        pick = torch.from_numpy(uniform_block(seed, frames, n_rotors)).to(device)
        features = self.features(beads, following)
        normal, stiff_noise = normal[..., :n_rotors], normal[..., n_rotors:] * math.sqrt(temperature)
        old_rotors, old_stiff = self._split(self.chart.encode(previous, previous_beads))
        slow = old_stiff[:, list(self.layout.slow)]
        rotors, stiff = [], []
        for t in range(beads.shape[1]):  # only what remembers is walked frame by frame
            memory = torch.cat([features[:, t], self._memory(old_rotors, slow)], -1)
            old_rotors = self.rotors(pick[:, t], normal[:, t], memory, temperature)
            rotors.append(old_rotors)
            if self.layout.slow:
                stiff.append(self._stiff(stiff_noise[:, t], features[:, t], old_rotors, slow))
                slow = stiff[-1][:, list(self.layout.slow)]
        rotor = torch.stack(rotors, 1)
        if stiff:
            drawn = torch.stack(stiff, 1)
        else:
            nothing = slow.new_empty(*rotor.shape[:2], 0)
            drawn = self._stiff(stiff_noise, features, rotor, nothing)
        atoms = self.chart.decode(self._join(rotor, drawn), beads)
        if finish is None or len(self.chart.anchors) == self.chart.n_beads:
            return atoms
        finished = finish(atoms.flatten(0, 1), beads.flatten(0, 1))
        return finished.reshape(atoms.shape)

    def description(self) -> dict[str, Any]:
        """What it takes, beside the configuration, to build the network again."""
        return {"chart": self.chart.to_dict(), "layout": self.layout.to_dict()}

    def features(self, beads: Tensor, following: Tensor) -> Tensor:
        """Standardised canonical coordinates of the beads (…, M, 3), and of the next ones if configured."""
        return (self._raw_features(beads, following) - self.feature_mean) * self.feature_scale

    def _raw_features(self, beads: Tensor, following: Tensor) -> Tensor:
        now = bead_features(beads, self.layout.frame)
        if not self.settings.next_beads:
            return now
        return torch.cat([now, bead_features(following, self.layout.frame)], -1)

    def _stiff(self, noise: Tensor, features: Tensor, rotors: Tensor, slow: Tensor) -> Tensor:
        drawn: Tensor = self.flow(noise, self.context(torch.cat([features, self._memory(rotors, slow)], -1)))
        return drawn

    def _memory(self, rotors: Tensor, slow: Tensor) -> Tensor:
        return torch.cat([rotors.sin(), rotors.cos(), slow.clamp(-_FARTHEST, _FARTHEST)], -1)

    def _split(self, internal: Tensor) -> tuple[Tensor, Tensor]:
        """Rotors (…, n_rotors) rad, and stiff coordinates (…, n_stiff) in units of their spread."""
        rotors = internal[..., list(self.layout.rotors), 2]
        index = torch.tensor(self.layout.stiff, dtype=torch.long).reshape(-1, 2)
        offset = internal[..., index[:, 0], index[:, 1]] - self.stiff_mean
        turns = (index[:, 1] == 2) & ~torch.tensor([self.chart.placements[k].root for k in index[:, 0]])
        offset = torch.where(turns.to(offset.device), wrap_angle(offset), offset)
        return rotors, offset / self.stiff_scale

    def _join(self, rotors: Tensor, stiff: Tensor) -> Tensor:
        """The inverse of :meth:`_split`; constant coordinates come from the centre."""
        internal = self.centre.expand(*rotors.shape[:-1], *self.centre.shape).clone()
        internal[..., list(self.layout.rotors), 2] = rotors
        index = torch.tensor(self.layout.stiff, dtype=torch.long).reshape(-1, 2)
        internal[..., index[:, 0], index[:, 1]] = stiff * self.stiff_scale + self.stiff_mean
        return internal
