"""The library of whole molecules: each becomes the library's one with the nearest beads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from msb.classical.config import LibraryConfig, LibraryOptions
from msb.core.geometry import kabsch
from msb.core.internal import InternalCoordinates
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.paired import load_paired
from msb.data.snapshots import Snapshots
from msb.frame_method import FrameMethod, Request, known_blocks

__all__ = ["LibraryBackmapper", "Shelf", "build", "train"]

_CANDIDATES = 32  # nearest by bead distances, among which the bead RMSD decides
_FEWEST_BEADS = 3  # with which internal coordinates have a frame
_AT_ONCE = 2**12  # molecules

Array = NDArray[np.float32]


@dataclass(eq=False)
class Shelf:
    """Copies of one molecule.

    Attributes
    ----------
    molecule, mapping
        Its templates.
    positions : Tensor (K, n, 3)
        nm.
    """

    molecule: MoleculeTemplate
    mapping: MappingTemplate
    positions: Tensor

    @cached_property
    def _chart(self) -> InternalCoordinates | None:
        """Internal coordinates, for a molecule whose beads are single atoms: others have no anchors."""
        if self.mapping.n_beads < _FEWEST_BEADS or (np.diff(self.mapping.weights.indptr) != 1).any():
            return None
        return InternalCoordinates.of(self.molecule, self.mapping)

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor | None, cKDTree]:
        """The copies' beads (K, M, 3), internal coordinates, and the tree over bead distances."""
        weights = torch.as_tensor(self.mapping.weights.toarray(), dtype=self.positions.dtype)
        beads = weights @ self.positions
        internal = None if self._chart is None else self._chart.encode(self.positions, beads)
        return beads, internal, cKDTree(_distances(beads))

    def place(self, beads: Tensor) -> Tensor:
        """Copies (F, n, 3) laid onto the beads (F, M, 3) of F molecules, nm.

        Where beads are atoms the chosen copy gives its internal coordinates, so bonds and angles stay whole
        where superposition would leave the difference between its beads and the wanted ones in the bonds.
        """
        parts = [self._place(beads[i : i + _AT_ONCE]) for i in range(0, len(beads), _AT_ONCE)]
        return torch.cat(parts)

    def _place(self, beads: Tensor) -> Tensor:
        known, internal, tree = self._known
        count = min(_CANDIDATES, len(known))
        _, near = tree.query(_distances(beads), k=count, workers=1)
        nearest = torch.as_tensor(np.reshape(near, (len(beads), count)))
        candidates = known[nearest]  # [f, k, m, 3]
        target = beads[:, None].expand_as(candidates)
        rotation, shift = kabsch(candidates, target)
        error = (candidates @ rotation + shift.unsqueeze(-2) - target).square().sum((-1, -2))
        frames, best = torch.arange(len(beads)), error.argmin(-1)
        chosen = nearest[frames, best]
        if self._chart is not None and internal is not None:
            return self._chart.decode(internal[chosen], beads)
        return self.positions[chosen] @ rotation[frames, best] + shift[frames, best].unsqueeze(-2)


@dataclass
class LibraryBackmapper(FrameMethod):
    """The atoms of the library's molecule with the smallest bead RMSD, laid onto the beads."""

    method: ClassVar[str] = "library"
    shelves: list[Shelf] = field(default_factory=list)

    def place(self, request: Request) -> Array:
        """Library molecules laid onto frames of beads; see :class:`msb.frame_method.FrameMethod`."""
        beads = torch.from_numpy(request.beads)
        placed = []
        for block, shelf in zip(self.mapping.blocks, self.shelves, strict=True):
            m = block.template.n_beads
            part = beads[:, block.first_bead : block.first_bead + m * block.count]
            atoms = shelf.place(part.reshape(-1, m, 3))
            placed.append(atoms.reshape(len(beads), -1, 3))
        return self.onto_beads(torch.cat(placed, 1).numpy(), request.beads)

    def learn(self, source: Snapshots) -> None:
        """Keep the molecules of the snapshots."""
        pairs = int(self.settings.get("pairs", LibraryOptions().pairs))
        self.shelves = []
        parts = zip(source.topology.split(source.positions), source.mapping.templates, strict=True)
        for (molecule, positions), mapping in parts:
            copies = positions.reshape(-1, molecule.n_atoms, 3)
            chosen = np.linspace(0, len(copies) - 1, min(pairs, len(copies))).astype(int)
            kept = torch.from_numpy(np.ascontiguousarray(copies[chosen]))
            self.shelves.append(Shelf(molecule, mapping, kept))

    def retarget(self, known: FrameMethod, hands: NDArray[np.int8] | None) -> None:
        """Use another model's molecules for this system; whatever hands they have, they keep."""
        theirs = cast(LibraryBackmapper, known).shelves
        table = {(s.molecule, s.mapping): s for s in theirs}
        self.shelves = known_blocks(self.mapping, self.topology, table, self.method)

    def plain(self) -> dict[str, Any]:
        """Templates of the molecules."""
        return {"molecules": [[s.molecule.to_dict(), s.mapping.to_dict()] for s in self.shelves]}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Their positions."""
        return {f"molecules_{i}": shelf.positions.numpy() for i, shelf in enumerate(self.shelves)}

    def restore(self, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`plain` and :meth:`arrays`."""
        self.shelves = [
            Shelf(
                MoleculeTemplate.from_dict(molecule),
                MappingTemplate.from_dict(mapping),
                torch.from_numpy(arrays[f"molecules_{i}"]),
            )
            for i, (molecule, mapping) in enumerate(plain["molecules"])
        ]


def build(
    source: Snapshots | None,
    topology: Topology,
    mapping: Mapping,
    *,
    name: str,
    temperature: float | None,
    options: dict[str, Any],
) -> LibraryBackmapper:
    """A library for a system, from snapshots of any system with the same molecules."""
    LibraryOptions.parse(options, "library")
    return LibraryBackmapper.from_snapshots(source, topology, mapping, name, temperature, options)


def train(
    config: LibraryConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> LibraryBackmapper:
    """Take the library from the training split, evenly in time."""
    return LibraryBackmapper.from_data(config, load_paired(config.data, base), config.pairs)


def _distances(beads: Tensor) -> NDArray[np.float64]:
    """Distances between all pairs of beads (F, P), and one signed volume that tells mirror images apart."""
    i, j = np.triu_indices(beads.shape[1], 1)
    lengths = (beads[:, i] - beads[:, j]).norm(dim=-1)
    n = beads.shape[1]
    if n < 2:
        return np.zeros((len(beads), 1))
    if n < 4:
        return np.asarray(lengths, dtype=np.float64)
    u, v, w = (beads[:, k] - beads[:, 0] for k in (n // 3, 2 * n // 3, n - 1))
    volume = (torch.linalg.cross(u, v) * w).sum(-1, keepdim=True)
    return np.asarray(torch.cat([lengths, volume / lengths.mean().square()], dim=-1), dtype=np.float64)
