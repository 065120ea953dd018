"""What the frame-by-frame methods share: shapes, checks, and the bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.paired import PairedData
from msb.errors import TrajectoryError
from msb.io.bundle import Bundle, write_bundle

__all__ = ["FrameMethod"]

Array = NDArray[np.float32]


@dataclass
class FrameMethod:
    """A method that places each frame by itself, without memory and without noise.

    Attributes
    ----------
    name : str
    topology, mapping
    temperature : float
        Of the data, K.
    settings : dict
        The configuration, as plain values.
    """

    method: ClassVar[str] = "frame"
    name: str
    topology: Topology
    mapping: Mapping
    temperature: float
    settings: dict[str, Any]
    hashes: dict[str, str] = field(default_factory=dict)
    force_field: dict[str, str] = field(default_factory=dict)
    lag: float | None = None

    def place(self, beads: Tensor) -> Tensor:
        """Atoms (F, N, 3) of frames of beads (F, M, 3), nm."""
        raise TypeError(f"{type(self).__name__} does not say how it places atoms")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the bundle keeps."""
        return {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`arrays`."""

    @classmethod
    def from_data(cls, config: Any, data: PairedData) -> Self:
        """A model without its arrays."""
        return cls(
            config.name,
            data.topology,
            data.mapping,
            config.data.temperature,
            config.model_dump(mode="json"),
            data.hashes,
            data.force_field,
        )

    def backmap(
        self,
        beads: Array,
        *,
        start: Array | None = None,
        only: NDArray[np.bool_] | None = None,
        temperature: float | None = None,
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
        boxes: Array | None = None,
        following: Array | None = None,
    ) -> Array:
        """Place each frame by itself; see :class:`msb.backmapper.Backmapper`.

        Only `beads`, `start` and `only` matter: nothing is random and nothing is remembered.

        Raises
        ------
        TrajectoryError
            If the number of beads differs from the model's, or `only` comes without `start`.
        """
        if beads.shape[-2] != self.mapping.n_beads:
            raise TrajectoryError(
                f"the frames have {beads.shape[-2]} beads, the model places {self.mapping.n_beads}; "
                "map with the model's own mapping (`msb info MODEL`)"
            )
        flat = torch.as_tensor(np.asarray(beads, dtype=np.float32)).reshape(-1, *beads.shape[-2:])
        with torch.no_grad():
            atoms: Array = self.place(flat).numpy().reshape(*beads.shape[:-2], -1, 3)
        if only is None:
            return atoms
        if start is None:
            raise TrajectoryError("`only` needs `start`: the positions of the atoms that are kept")
        kept = np.asarray(start, dtype=np.float32)[..., None, :, :]
        return np.where(np.asarray(only)[:, None], atoms, kept).astype(np.float32)

    def save(self, folder: str | Path) -> None:
        """Write the model bundle."""
        write_bundle(
            folder,
            method=self.method,
            config=self.settings,
            tensors={},
            topology=self.topology.to_dict(),
            mapping=self.mapping.to_dict(),
            arrays=self.arrays(),
            force_field_xml=self.force_field,
            data_hashes=self.hashes,
            metrics={},
            card=f"# {self.name}\n\n{type(self).__doc__}\n",
        )

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """The model in a bundle; it runs on the CPU whatever the device."""
        topology = Topology.from_dict(bundle.topology)
        model = cls(
            bundle.config["name"],
            topology,
            Mapping.from_dict(bundle.mapping, topology),
            bundle.config["data"]["temperature"],
            bundle.config,
            bundle.data_hashes,
            bundle.force_field_xml,
        )
        model.restore(bundle.arrays)
        return model
