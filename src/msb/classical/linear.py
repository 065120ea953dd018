"""The linear conditional mean: right on average, without any spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.classical.base import FrameMethod
from msb.classical.config import LinearConfig
from msb.core.features import LinearMean, choose_frame
from msb.data.paired import load_paired

__all__ = ["LinearBackmapper", "train"]


@dataclass
class LinearBackmapper(FrameMethod):
    """Atoms as a linear function of the beads, both in the beads' own frame."""

    method: ClassVar[str] = "linear"
    mean: LinearMean | None = None

    def place(self, beads: Tensor) -> Tensor:
        """Conditional means (F, N, 3) of frames of beads (F, M, 3), nm."""
        if self.mean is None:
            raise ValueError("the model was not fitted")
        atoms = self.mean.predict(beads)
        projected: Tensor = self.mapping.project(atoms, beads).positions
        return projected

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Frame and regression matrix."""
        if self.mean is None:
            raise ValueError("the model was not fitted")
        return {"frame": np.array(self.mean.frame), "weights": self.mean.weights.numpy()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`arrays`."""
        o, a, p = (int(i) for i in arrays["frame"])
        self.mean = LinearMean((o, a, p), torch.from_numpy(arrays["weights"]))


def train(
    config: LinearConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> LinearBackmapper:
    """Fit on the training split; seconds, so there is nothing to resume or to report."""
    data = load_paired(config.data, base)
    model = LinearBackmapper.from_data(config, data)
    positions, beads = (torch.from_numpy(a) for a in data.part("train"))
    frame = choose_frame(beads, np.asarray(data.mapping.bead_topology().bonds))
    model.mean = LinearMean.fit(positions, beads, frame)
    return model
