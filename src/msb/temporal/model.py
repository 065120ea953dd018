"""Temporally coherent backmapping: each frame drawn given its beads and the atoms of the frame before."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.core.geometry import kabsch
from msb.core.internal import InternalCoordinates
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import BundleError, TrajectoryError
from msb.io.bundle import Bundle, write_bundle
from msb.temporal.config import TemporalConfig
from msb.temporal.flow_network import FlowNetwork
from msb.temporal.layout import Layout
from msb.temporal.many import ManyMolecules, onto
from msb.temporal.voxel_network import VoxelNetwork

__all__ = ["TemporalBackmapper"]

Array = NDArray[np.float32]


@dataclass
class TemporalBackmapper:
    """A trained network with what it needs to start and to end exactly on the beads.

    Attributes
    ----------
    config : TemporalConfig
    topology, mapping
    network : FlowNetwork or VoxelNetwork
    library : Tensor (K, N, 3)
        All-atom frames to start from, nm.
    rigid : (int array (C, 2), float array (C,))
        Pairs of atoms at constant distance, nm.
    force_field : dict of str to str
        OpenMM System XML.
    hashes : dict of str to str
        sha256 of the training files.
    metrics : dict of str to float
    """

    method: ClassVar[str] = "temporal"
    config: TemporalConfig
    topology: Topology
    mapping: Mapping
    network: FlowNetwork | VoxelNetwork
    library: Tensor
    rigid: tuple[NDArray[np.int64], NDArray[np.float64]]
    force_field: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def lag(self) -> float:
        """Frame spacing that the model was trained at, ps."""
        return self.config.data.lag

    @property
    def temperature(self) -> float:
        """Training temperature, K."""
        return self.config.data.temperature

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
        """Walk through the frames; see :class:`msb.backmapper.Backmapper`.

        Parameters
        ----------
        beads, start, temperature, seed, frames, boxes, following
            As in the protocol.  `temperature` scales the noise as in a harmonic well; boxes are not needed,
            molecules must be whole.
        only : None
            A molecule is drawn whole.

        Raises
        ------
        TrajectoryError
            If the number of beads differs from the model's, or `only` is given.
        """
        if only is not None:
            raise TrajectoryError("a temporal model draws a molecule whole; leave out the selection of atoms")
        single = beads.ndim == 3
        batch = torch.as_tensor(np.asarray(beads, dtype=np.float32), device=self.device)
        batch = batch[None] if single else batch
        if batch.shape[-2] != self.mapping.n_beads:
            raise TrajectoryError(
                f"the frames have {batch.shape[-2]} beads, the model places {self.mapping.n_beads}; "
                "map with the model's own mapping (`msb info MODEL`)"
            )
        numbers = np.arange(batch.shape[1]) if frames is None else np.asarray(frames)
        numbers = np.broadcast_to(numbers, tuple(batch.shape[:2])).astype(np.int64)
        after = None if following is None else self._tensor(following).reshape(-1, 1, *batch.shape[2:])
        previous = None if start is None else self._tensor(start)
        ratio = 1.0 if temperature is None else temperature / self.temperature
        drawn = self.draw(batch, previous, after, seed=seed, frames=numbers, temperature=ratio)
        atoms: Array = drawn.cpu().numpy()
        return atoms[0] if single else atoms

    @torch.no_grad()
    def draw(
        self,
        beads: Tensor,
        start: Tensor | None = None,
        following: Tensor | None = None,
        *,
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
        temperature: float = 1.0,
        finish: bool = True,
    ) -> Tensor:
        """What :meth:`backmap` does, in tensors.

        Parameters
        ----------
        beads : Tensor (S, F, M, 3)
            nm.
        start : Tensor (S, N, 3) or (N, 3), optional
            The atoms before the first frame.
        following : Tensor (S, 1, M, 3), optional
            The beads after the last frame; the last ones again by default.
        seed, frames : int, int array (S, F)
            Key of the noise.
        temperature : float
            In units of the training temperature.
        finish : bool
            End with the projection on beads and rigid bonds, where the network needs one.

        Returns
        -------
        Tensor (S, F, N, 3)
            nm.
        """
        if frames is None:
            frames = np.broadcast_to(np.arange(beads.shape[1]), tuple(beads.shape[:2]))
        previous = self._start(beads[:, 0], start)
        after = beads[:, -1:] if following is None else following
        return self.network.generate(
            beads,
            previous,
            self.mapping.beads(previous),
            torch.cat([beads[:, 1:], after], 1),
            seed=seed,
            frames=frames,
            temperature=temperature,
            finish=self._finish if finish else None,
        )

    def onto(
        self, topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None = None
    ) -> TemporalBackmapper | ManyMolecules:
        """The same model for copies of its molecule, which keep their hands; see the protocol.

        Raises
        ------
        MappingError
            If the system holds any other molecule.
        """
        return onto(self, topology, mapping)

    def save(self, folder: str | Path) -> None:
        """Write the bundle: weights, library, topology, mapping, force field and card."""
        from msb.temporal.card import card

        write_bundle(
            folder,
            method=self.method,
            config={**self.config.model_dump(mode="json"), "layout": self.network.description()},
            tensors=dict(self.network.state_dict()),
            topology=self.topology.to_dict(),
            mapping=self.mapping.to_dict(),
            arrays={
                "library": self.library.cpu().numpy(),
                "rigid_pairs": self.rigid[0],
                "rigid_lengths": self.rigid[1],
            },
            force_field_xml=self.force_field,
            data_hashes=self.hashes,
            metrics=self.metrics,
            card=card(self),
        )

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> TemporalBackmapper:
        """The model in a bundle.

        Raises
        ------
        BundleError
            If the bundle's pieces do not fit together.
        """
        settings = dict(bundle.config)
        layout = settings.pop("layout", {})
        config = TemporalConfig.parse(settings, "the bundle's configuration")
        topology = Topology.from_dict(bundle.topology)
        mapping = Mapping.from_dict(bundle.mapping, topology)
        network = build_network(config, layout)
        try:
            network.load_state_dict(bundle.tensors)
        except RuntimeError as error:
            raise BundleError(f"the bundle's weights do not fit its configuration: {error}") from None
        return cls(
            config,
            topology,
            mapping,
            network.to(device).eval(),
            torch.from_numpy(bundle.arrays["library"]).to(device),
            (bundle.arrays["rigid_pairs"], bundle.arrays["rigid_lengths"]),
            bundle.force_field_xml,
            bundle.data_hashes,
            bundle.metrics,
            device,
        )

    def _tensor(self, values: Array) -> Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.float32), device=self.device)

    def _start(self, first: Tensor, start: Tensor | None) -> Tensor:
        """The atoms before the first frame (S, N, 3): given, or the library's nearest by bead RMSD."""
        if start is not None:
            return (
                start.expand(len(first), -1, -1)
                if start.ndim == 3
                else start[None].expand(len(first), -1, -1)
            )
        known = self.mapping.beads(self.library)
        chosen = []
        for beads in first:
            rotation, shift = kabsch(known, beads.expand_as(known))
            moved = known @ rotation + shift.unsqueeze(-2)
            best = int((moved - beads).square().sum((-1, -2)).argmin())
            chosen.append(self.library[best] @ rotation[best] + shift[best])
        return torch.stack(chosen)

    def _finish(self, positions: Tensor, beads: Tensor) -> Tensor:
        """Positions (B, N, 3) moved onto the beads (B, M, 3) and rigid bonds by the least displacement."""
        projected: Tensor = self.mapping.project(positions, beads, constraints=self.rigid).positions
        return projected.to(positions.dtype)


def build_network(config: TemporalConfig, description: dict[str, Any]) -> FlowNetwork | VoxelNetwork:
    """An untrained network of the shape that `description()` of a trained one tells."""
    if config.network.kind == "flow":
        chart = InternalCoordinates.from_dict(description["chart"])
        return FlowNetwork(chart, Layout.from_dict(description["layout"]), config.network)
    return VoxelNetwork(
        description["n_atoms"], description["n_beads"], tuple(description["frame"]), config.network
    )
