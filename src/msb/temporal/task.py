"""What the training loop sees of a temporal network: consecutive frames in, losses out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from msb.temporal.step import Step

__all__ = ["StepTask", "TemporalNetwork"]

_VALIDATION_BATCH = 4096


class TemporalNetwork(Protocol):
    """What training needs of a network beside being a module."""

    def losses(self, step: Step, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Weighted terms whose sum is minimised; `progress` runs from 0 to 1."""
        ...

    def score(self, step: Step, generator: torch.Generator) -> dict[str, Tensor]:
        """Per-batch figures for selection, with `score` among them."""
        ...


class StepTask:
    """One-frame steps of a trajectory.

    Parameters
    ----------
    network : module with the methods of :class:`TemporalNetwork`
    train, select : (positions (F, N, 3), beads (F, M, 3)) tensors
        nm, consecutive frames.
    steps : int
        Length of the training, for schedules.
    device : str
    unroll : int
        Frames after the first that a sample spans.
    """

    def __init__(
        self,
        network: nn.Module,
        train: tuple[Tensor, Tensor],
        select: tuple[Tensor, Tensor],
        steps: int,
        device: str = "cpu",
        unroll: int = 1,
    ) -> None:
        self.module = network.to(device)
        self.network: TemporalNetwork = network  # type: ignore[assignment]
        self.train = (train[0].to(device), train[1].to(device))
        self.select = (select[0].to(device), select[1].to(device))
        self.steps, self.unroll = steps, unroll
        self.n_samples = len(train[0]) - unroll - 1

    def losses(self, indices: Tensor, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Loss terms of the steps that start at the given frames."""
        batch = gather(self.train, indices, self.unroll)
        return self.network.losses(batch, step / self.steps, generator)

    def validate(self) -> dict[str, float]:
        """Mean figures over the selection split."""
        generator = torch.Generator().manual_seed(0)
        total: dict[str, float] = {}
        count = len(self.select[0]) - 2
        for first in range(0, count, _VALIDATION_BATCH):
            indices = torch.arange(first, min(count, first + _VALIDATION_BATCH))
            figures = self.network.score(gather(self.select, indices, 1), generator)
            for name, value in figures.items():
                total[name] = total.get(name, 0.0) + float(value) * len(indices) / count
        return total


def gather(source: tuple[Tensor, Tensor], indices: Tensor, unroll: int) -> Step:
    """Frames i, i+1 ... i+unroll (targets) and one more of beads, for each i of `indices`."""
    positions, beads = source
    indices = indices.to(positions.device)
    window = indices[:, None] + torch.arange(1, unroll + 1, device=positions.device)
    return Step(
        previous=positions[indices],
        previous_beads=beads[indices],
        targets=positions[window],
        beads=beads[window],
        following=beads[window + 1],
    )
