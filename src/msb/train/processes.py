"""Several processes under torchrun: each takes its share of a batch, gradients are averaged."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Processes"]


@dataclass(frozen=True)
class Processes:
    """One process among those that torchrun started; alone without torchrun."""

    rank: int = 0
    size: int = 1

    @classmethod
    def start(cls) -> Processes:
        """Join the group that torchrun's environment names."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1 or not dist.is_available():
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def agree(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return flag
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        votes = torch.tensor(int(flag), device=device)
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes)

    def share(self, indices: Tensor) -> Tensor:
        """Its samples of a batch; equal shares, so that the average of gradients is right."""
        if self.size == 1:
            return indices
        whole = max(1, len(indices) // self.size)
        return indices[self.rank * whole : (self.rank + 1) * whole]

    def average_gradients(self, module: nn.Module) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.size == 1:
            return
        for parameter in module.parameters():
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.size
