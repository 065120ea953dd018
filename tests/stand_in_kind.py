"""A kind of network that learns one thing, how far atoms are from their beads: for tests of the rest.

Training, bundles, other systems and commands work with it as with any other kind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from msb.backmap.kinds import KINDS, register_kind
from msb.backmap.limits import bead_keys
from msb.backmap.placer import Candidates, Draw
from msb.core.mapping import Mapping
from msb.core.scene import Phase, Scene, Tables
from msb.data.training_set import TrainingSet

NAME = "mixture"  # the settings' kind; what is behind it is exchanged


class MeanNetwork(nn.Module):
    """Mean distance of own atoms from their beads, by the kind of bead; nothing else."""

    def __init__(self, kinds: list[str]) -> None:
        super().__init__()
        self.kinds = kinds
        self.spread = nn.Parameter(torch.full((max(1, len(kinds)),), 0.05))

    def description(self) -> dict[str, Any]:
        return {"kinds": self.kinds}


class MeanPlacer:
    """Atoms on a shell about their bead, wherever else they are."""

    reach = 0.8

    def __init__(self, network: MeanNetwork, mapping: Mapping) -> None:
        place = {kind: k for k, kind in enumerate(network.kinds)}
        rows = [place.get(key, 0) for key in bead_keys(mapping)]
        self.spread = network.spread.detach()[torch.tensor(rows)]

    def phases(self, sweeps: int) -> list[Phase]:
        return [Phase(number > 0, "all", number) for number in range(sweeps + 1)]

    def place(
        self,
        scene: Scene,
        phase: Phase,
        frame: torch.Tensor,
        bead: torch.Tensor,
        draw: Draw,
        candidates: int,
    ) -> Candidates:
        atoms = scene.tables.placed_in(phase, bead)
        z = [draw.normals(frame, atoms[:, a].clamp(min=0), candidates, 3) for a in range(atoms.shape[1])]
        noise = torch.stack(z, 2).to(scene.positions.dtype)
        shell = self.spread[bead].to(noise.dtype)[:, None, None, None] * noise
        log_density = -0.5 * (torch.where(atoms[:, None, :, None] >= 0, noise, 0.0) ** 2).sum((-1, -2))
        return Candidates(atoms, scene.beads[frame, bead][:, None, None] + shell, log_density)

    def log_density(
        self, scene: Scene, phase: Phase, frame: torch.Tensor, bead: torch.Tensor
    ) -> torch.Tensor:
        atoms = scene.tables.placed_in(phase, bead)
        here = scene.positions[frame[:, None], atoms.clamp(min=0)] - scene.beads[frame, bead][:, None]
        z = here / self.spread[bead].to(here.dtype)[:, None, None]
        return -0.5 * (torch.where(atoms[..., None] >= 0, z, 0.0) ** 2).sum((-1, -2))


def restore(settings: Any, description: dict[str, Any]) -> MeanNetwork:
    return MeanNetwork(list(description["kinds"]))


def placer(
    network: MeanNetwork,
    settings: Any,
    mapping: Mapping,
    tables: Tables,
    hands: np.ndarray | None,
) -> MeanPlacer:
    return MeanPlacer(network, mapping)


def train(
    config: Any,
    data: TrainingSet,
    folder: Path,
    *,
    start: nn.Module | None = None,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> tuple[MeanNetwork, dict[str, float]]:
    keys = sorted({key for part in data.train for key in bead_keys(part.mapping)})
    network = MeanNetwork(keys)
    for part in data.train:
        away = part.positions - part.beads[:, np.asarray(part.mapping.owner)]
        own = np.array(bead_keys(part.mapping))[np.asarray(part.mapping.owner)]
        for k, key in enumerate(keys):
            if (own == key).any():
                network.spread.data[k] = float(away[:, own == key].std())
    return network, {"score": 1.0, "seconds": 36.0}


def stand_in() -> str:
    """Put it in the place of a kind; returns what was there."""
    before = KINDS[NAME]
    register_kind(NAME, "stand_in_kind")
    return before
