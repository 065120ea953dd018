"""A backmapper without a network: every atom hangs near its bead and remembers where it was a frame ago.

It obeys the protocol to the letter and nothing more: what holds for it holds for what calls it. Its output
depends on the beads, the beads after them, the atoms before them, the temperature, and noise keyed by (seed,
frame), so a caller that gets any of these wrong gives other bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from msb.backmapper import Method, register
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.noise import normal_block
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io.bundle import Bundle, write_bundle

NAMES = (
    *("H1", "CH3", "H2", "H3", "C", "O"),
    *("N", "H", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O"),
    *("N", "H", "C", "H1", "H2", "H3"),
)
RESIDUES = (0,) * 6 + (1,) * 10 + (2,) * 6
BEADS = (4, 6, 8, 10, 14, 16)
BONDS = (
    *((0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9), (8, 10), (10, 11), (10, 12)),
    *((10, 13), (8, 14), (14, 15), (14, 16), (16, 17), (16, 18), (18, 19), (18, 20), (18, 21)),
)


def dipeptide() -> tuple[Topology, Mapping]:
    """Alanine dipeptide by hand, named as the bundled one: 22 atoms, six of them the beads."""
    template = MoleculeTemplate.from_atoms(
        "ADP",
        NAMES,
        bonds=BONDS,
        elements=[name[0] for name in NAMES],
        residue_index=RESIDUES,
        residue_names=("ACE", "ALA", "NME"),
        residue_numbers=(1, 2, 3),
    )
    topology = Topology.from_template(template)
    return topology, Mapping([MappingTemplate.from_atoms(template, BEADS)], topology)


def bead_frames(n_frames: int, seed: int = 0) -> np.ndarray:
    """Bead frames (F, 6, 3) that wander, in nm."""
    rng = np.random.default_rng(seed)
    start = np.array(
        [[0, 0, 0], [0.13, 0, 0], [0.2, 0.13, 0], [0.3, 0.1, 0.1], [0.2, 0.25, 0], [0.3, 0.33, 0]]
    )
    return (start + np.cumsum(rng.normal(0, 0.005, (n_frames, 6, 3)), 0)).astype(np.float32)


@dataclass
class StubBackmapper:
    """See the module."""

    method: ClassVar[str] = "stub"
    topology: Topology
    mapping: Mapping
    lag: float | None = 1.0
    temperature: float = 300.0

    @classmethod
    def make(cls, lag: float | None = 1.0) -> StubBackmapper:
        return cls(*dipeptide(), lag)

    def backmap(
        self,
        beads,
        *,
        start=None,
        only=None,
        temperature=None,
        seed=0,
        frames=None,
        boxes=None,
        following=None,
    ) -> np.ndarray:
        single = beads.ndim == 3
        batch = beads[None] if single else beads
        numbers = np.arange(batch.shape[1]) if frames is None else frames
        numbers = np.broadcast_to(numbers, batch.shape[:2])
        after = batch[:, -1:] if following is None else np.reshape(following, (len(batch), 1, -1, 3))
        ahead = np.concatenate([batch[:, 1:], after], 1)
        placed = batch[:, :, self.mapping.owner]  # [s, f, n, 3]
        coming = ahead[:, :, self.mapping.owner]
        scale = np.float32(0.02 * np.sqrt((temperature or self.temperature) / self.temperature))
        previous = placed[:, 0] if start is None else np.broadcast_to(start, placed[:, 0].shape)
        out = np.empty_like(placed)
        for f in range(batch.shape[1]):
            noise = normal_block(seed, numbers[:, f], 3 * placed.shape[2]).reshape(placed[:, f].shape)
            mean = np.float32(0.7) * placed[:, f] + np.float32(0.1) * coming[:, f]
            previous = mean + np.float32(0.2) * previous + scale * noise
            out[:, f] = previous
        out[:, :, list(BEADS)] = batch
        return out[0] if single else out

    def save(self, folder: str | Path) -> None:
        import torch

        write_bundle(
            folder,
            method=self.method,
            config={"lag": self.lag},
            tensors={"nothing": torch.zeros(1)},
            mapping=self.mapping.to_dict(),
            topology=self.topology.to_dict(),
            card="# stub\n",
        )

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> StubBackmapper:
        topology = Topology.from_dict(bundle.topology)
        return cls(topology, Mapping.from_dict(bundle.mapping, topology), bundle.config["lag"])


def register_stub() -> None:
    """Make bundles of the stub loadable."""
    register("stub", Method("stub_backmapper:StubBackmapper", "", ""))
