"""The library lookup: each frame becomes the atoms of the library's frame with the nearest beads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from msb.classical.base import FrameMethod
from msb.classical.config import LookupConfig
from msb.core.geometry import kabsch
from msb.core.internal import InternalCoordinates
from msb.data.paired import load_paired

__all__ = ["LookupBackmapper", "train"]

_CANDIDATES = 32  # nearest by bead distances, among which the bead RMSD decides


@dataclass
class LookupBackmapper(FrameMethod):
    """The atoms of the library's frame with the smallest bead RMSD, laid onto the beads."""

    method: ClassVar[str] = "lookup"
    library: Tensor | None = None

    @cached_property
    def _chart(self) -> InternalCoordinates:
        return InternalCoordinates.of(self.topology.only_template(), self.mapping.templates[0])

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor, cKDTree]:
        """The library's beads (K, M, 3), internal coordinates, and the tree over bead distances."""
        if self.library is None:
            raise ValueError("the model has no library")
        known: Tensor = self.mapping.beads(self.library)
        return known, self._chart.encode(self.library, known), cKDTree(_distances(known))

    def place(self, beads: Tensor) -> Tensor:
        """Library frames (F, N, 3) laid onto frames of beads (F, M, 3), nm.

        The chosen frame gives its internal coordinates, so bonds and angles stay whole where superposition
        would leave the difference between its beads and the wanted ones in the bonds.
        """
        known, internal, tree = self._known
        count = min(_CANDIDATES, len(known))
        _, near = tree.query(_distances(beads), k=count, workers=1)
        candidates = known[torch.as_tensor(np.reshape(near, (len(beads), count)))]  # [f, k, m, 3]
        target = beads[:, None].expand_as(candidates)
        rotation, shift = kabsch(candidates, target)
        error = (candidates @ rotation + shift.unsqueeze(-2) - target).square().sum((-1, -2))
        frames, best = torch.arange(len(beads)), error.argmin(-1)
        chosen = torch.as_tensor(np.reshape(near, (len(beads), count)))[frames, best]
        atoms = self._chart.decode(internal[chosen], beads)
        projected: Tensor = self.mapping.project(atoms, beads).positions
        return projected

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The library."""
        if self.library is None:
            raise ValueError("the model has no library")
        return {"library": self.library.numpy()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`arrays`."""
        self.library = torch.from_numpy(arrays["library"])


def train(
    config: LookupConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> LookupBackmapper:
    """Take the library from the training split, evenly in time."""
    data = load_paired(config.data, base)
    model = LookupBackmapper.from_data(config, data)
    positions, _ = data.part("train")
    chosen = np.linspace(0, len(positions) - 1, min(config.pairs, len(positions))).astype(int)
    model.library = torch.from_numpy(np.ascontiguousarray(positions[chosen]))
    return model


def _distances(beads: Tensor) -> NDArray[np.float64]:
    """Distances between all pairs of beads (F, P), and one signed volume that tells mirror images apart."""
    i, j = np.triu_indices(beads.shape[1], 1)
    lengths = (beads[:, i] - beads[:, j]).norm(dim=-1)
    n = beads.shape[1]
    if n < 4:
        return np.asarray(lengths, dtype=np.float64)
    u, v, w = (beads[:, k] - beads[:, 0] for k in (n // 3, 2 * n // 3, n - 1))
    volume = (torch.linalg.cross(u, v) * w).sum(-1, keepdim=True)
    return np.asarray(torch.cat([lengths, volume / lengths.mean().square()], dim=-1), dtype=np.float64)
