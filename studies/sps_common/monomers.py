"""Monomers as SOAP vectors: the surroundings of every backbone carbon that bears a ring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis import maps
from msb.core.box import make_whole
from msb.core.topology import Topology

if TYPE_CHECKING:
    from melt import Melt

__all__ = ["bearing_carbons", "describe", "described", "frame_of", "made"]

Floats = NDArray[np.float64]


def bearing_carbons(topology: Topology) -> NDArray[np.int64]:
    """Backbone carbons that bear a ring, (chains, K), indices of the system."""
    chain = topology.only_template()
    ring = {atom for members in chain.rings for atom in members}
    own = [
        atom
        for atom in range(chain.n_atoms)
        if chain.elements[atom] == "C" and atom not in ring and ring & set(chain.neighbours[atom])
    ]
    firsts = np.arange(0, topology.n_atoms, chain.n_atoms)
    return np.asarray(firsts[:, None] + np.array(own), dtype=np.int64)


def describe(positions: NDArray[np.floating], boxes: NDArray[np.floating], topology: Topology) -> Floats:
    """SOAP vectors (F, chains, K, D) of the backbone carbons that bear a ring."""
    centres = bearing_carbons(topology)
    found = maps.soap_vectors(positions, topology.elements, centres.ravel(), boxes)
    return np.asarray(found.values.reshape(len(positions), *centres.shape, -1))


def frame_of(melt: Melt, subset: str, name: str, column: str, frame: int, runs: Path) -> tuple[Any, Any]:
    """Positions (N, 3) and box of one frame of a published or of a made trajectory, molecules whole, nm."""
    from melt import PUBLISHED

    x, box = melt.read(PUBLISHED.get(name, "aa"), subset, frame)
    if name not in PUBLISHED:
        with np.load(runs / subset / name / f"{frame:03d}.npz") as file:
            x = file[f"{column}/positions"]
    return np.asarray(make_whole(x[None].astype(np.float64), box[None], melt.topology))[0], box


def described(melt: Melt, subset: str, name: str, column: str, frames: Sequence[int], runs: Path) -> Floats:
    """SOAP vectors (N, D) of all monomers of some frames."""
    found = []
    for frame in frames:
        x, box = frame_of(melt, subset, name, column, frame, runs)
        vectors = describe(x[None], box[None], melt.topology)
        found.append(vectors.reshape(-1, vectors.shape[-1]))
    return np.concatenate(found)


def made(subset: str, name: str, column: str, frames: Sequence[int], runs: Path) -> bool:
    """Whether a column of all these frames is there."""
    from melt import PUBLISHED

    if name in PUBLISHED:
        return True
    for frame in frames:
        path = runs / subset / name / f"{frame:03d}.npz"
        if not path.is_file():
            return False
        with np.load(path) as file:
            if f"{column}/positions" not in file.files:
                return False
    return True
