"""Every torsion of the melt by type, and how widely each spreads among structures of the same beads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure import term_values
from msb.core.topology import Topology

if TYPE_CHECKING:
    from measure import System

__all__ = [
    "BLOCKS",
    "Kind",
    "Spread",
    "in_one_order",
    "kinds_of",
    "read_spread",
    "spread_of",
    "twins_of",
    "write_spread",
]

BLOCKS = 4  # of the reference, in the order of time
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """Torsions of one type: atoms (K, 4), and the angle after which they are the same, radians."""

    name: str
    atoms: NDArray[np.int64]
    period: float


@dataclass(frozen=True)
class Spread:
    """Mean resultants of torsions among structures of the same beads.

    Attributes
    ----------
    resultants : dict of str to complex array (B, K)
        By type: mean of exp(i m angle) over the structures of each block, for each of K torsions.
    structures : int
        In all blocks together.
    frame : int
        Of the published trajectory, whose beads they have.
    """

    resultants: dict[str, NDArray[np.complex128]]
    structures: int
    frame: int

    def variances(self, kind: str, blocks: slice = slice(None)) -> Floats:
        """Circular variances (K,) of the torsions of a type."""
        return np.asarray(1.0 - np.abs(self.resultants[kind][blocks].mean(0)))


def kinds_of(system: System) -> list[Kind]:
    """Dihedral types of the melt; phenyl rings repeat after 180 degrees, methyl groups after 120."""
    methyls = _methyls(system.topology)
    found = []
    for name, term in system.terms.items():
        if term.kind != "dihedral":
            continue
        plain = name.removeprefix("dihedral ")
        middle = set(term.types[1:3])
        turning = np.isin(term.atoms[:, 1:3], methyls).any(1)
        period = np.pi if middle == {"C", "C_AR"} else 2 * np.pi
        if (~turning).any():
            found.append(Kind(plain, term.atoms[~turning], period))
        if turning.any():
            found.append(Kind(f"{plain}, methyl", term.atoms[turning], 2 * np.pi / 3))
    return found


def _methyls(topology: Topology) -> NDArray[np.int64]:
    chain = topology.only_template()
    own = [
        atom
        for atom in range(chain.n_atoms)
        if sum(chain.elements[other] == "H" for other in chain.neighbours[atom]) == 3
    ]
    firsts = np.arange(0, topology.n_atoms, chain.n_atoms)
    return np.asarray((firsts[:, None] + np.array(own)).ravel(), dtype=np.int64)


def twins_of(topology: Topology) -> NDArray[np.int64]:
    """Return (T, 4): two heavy neighbours of every CH2, in the order of the file, and its two hydrogens.

    Which hydrogen is called by which name never changes in a simulation and means nothing: the same melt with
    all pairs exchanged is the same melt.
    """
    chain = topology.only_template()
    rows = []
    for atom in range(chain.n_atoms):
        near = sorted(chain.neighbours[atom])
        light = [other for other in near if chain.elements[other] == "H"]
        if len(near) == 4 and len(light) == 2:
            rows.append([*(other for other in near if other not in light), *light])
    firsts = np.arange(0, topology.n_atoms, chain.n_atoms)
    return np.asarray(firsts[:, None, None] + np.array(rows, dtype=np.int64).reshape(-1, 4)).reshape(-1, 4)


def in_one_order(x: Floats, twins: NDArray[np.int64]) -> Floats:
    """Structures (N, 3) with the hydrogens of every CH2 named so that it has one hand."""
    first, second, a, b = (x[column] for column in twins.T)
    volume = np.einsum("ti,ti->t", np.cross(first - a, second - a), b - a)
    turned = x.copy()
    swap = twins[volume < 0]
    turned[swap[:, 2]], turned[swap[:, 3]] = x[swap[:, 3]], x[swap[:, 2]]
    return turned


def spread_of(
    frames: list[NDArray[np.floating]],
    kinds: list[Kind],
    twins: NDArray[np.int64],
    frame: int,
    blocks: int = 1,
) -> Spread:
    """Resultants of structures (N, 3), molecules whole, in the order of time; see `twins_of`."""
    sums = {kind.name: np.zeros((blocks, len(kind.atoms)), dtype=np.complex128) for kind in kinds}
    counts = np.zeros(blocks)
    for number, x in enumerate(frames):
        block = number * blocks // len(frames)
        counts[block] += 1
        own = in_one_order(np.asarray(x, dtype=np.float64), twins)
        for kind in kinds:
            values = term_values(own[None], "dihedral", kind.atoms)[0]
            sums[kind.name][block] += np.exp(1j * values * (2 * np.pi / kind.period))
    means = {name: values / counts[:, None] for name, values in sums.items()}
    return Spread(means, len(frames), frame)


def write_spread(path: Path, spread: Spread) -> None:
    """Keep a table of resultants."""
    from msb.io.atomic import atomic_path

    arrays = {name: values.astype(np.complex64) for name, values in spread.resultants.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, structures=spread.structures, frame=spread.frame, **arrays)


def read_spread(path: Path) -> Spread:
    """The table of :func:`write_spread`."""
    with np.load(path) as file:
        names = [name for name in file.files if name not in ("structures", "frame")]
        arrays = {name: file[name].astype(np.complex128) for name in names}
        return Spread(arrays, int(file["structures"]), int(file["frame"]))
