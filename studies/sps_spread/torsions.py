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
    "Names",
    "Spread",
    "kinds_of",
    "read_spread",
    "spread_of",
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
    """Dihedral types of the melt; methyl groups repeat after 120 degrees."""
    methyls = _methyls(system.topology)
    found = []
    for name, term in system.terms.items():
        if term.kind != "dihedral":
            continue
        plain = name.removeprefix("dihedral ")
        turning = np.isin(term.atoms[:, 1:3], methyls).any(1)
        if (~turning).any():
            found.append(Kind(plain, term.atoms[~turning], 2 * np.pi))
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


@dataclass(frozen=True)
class Names:
    """What is called by several names, though it is the same: structures are given those that come nearest.

    The two hydrogens of a CH2 never change places in a simulation, and which is which means nothing; a phenyl
    ring may turn over between two structures of the same beads.

    Attributes
    ----------
    twins : int array (T, 4)
        Two heavy neighbours of every CH2, in the order of the file, and its two hydrogens.
    rings : int array (R, 4, 2)
        Pairs of every ring that change places when it turns over: ortho and meta carbons, their hydrogens.
    links : int array (R, 4)
        Torsions to the first ortho carbons.
    angles : float array (R,)
        Theirs in the structure whose names are taken, radians.
    """

    twins: NDArray[np.int64]
    rings: NDArray[np.int64]
    links: NDArray[np.int64]
    angles: Floats

    @classmethod
    def of(cls, topology: Topology, x: Floats) -> Names:
        """As in a structure (N, 3), molecules whole."""
        chain = topology.only_template()
        twins, rings, links = [], [], []
        for atom in range(chain.n_atoms):
            near = sorted(chain.neighbours[atom])
            light = [other for other in near if chain.elements[other] == "H"]
            if len(near) == 4 and len(light) == 2:
                twins.append([*(other for other in near if other not in light), *light])
        for ring in chain.rings:
            own = set(ring)
            first = next(k for k in ring if all(chain.elements[n] == "C" for n in chain.neighbours[k]))
            outside = next(n for n in chain.neighbours[first] if n not in own)
            beyond = min(n for n in chain.neighbours[outside] if chain.elements[n] == "C" and n != first)
            ortho = sorted(own & set(chain.neighbours[first]))
            meta = [next(n for n in chain.neighbours[k] if n in own and n != first) for k in ortho]
            hydrogens = [
                [next(n for n in chain.neighbours[k] if chain.elements[n] == "H") for k in pair]
                for pair in (ortho, meta)
            ]
            rings.append([ortho, meta, *hydrogens])
            links.append([beyond, outside, first, ortho[0]])
        firsts = np.arange(0, topology.n_atoms, chain.n_atoms)
        every = [
            np.concatenate([first + np.array(rows, dtype=np.int64) for first in firsts])
            for rows in (twins, rings, links)
        ]
        return cls(*every, term_values(np.asarray(x, dtype=np.float64)[None], "dihedral", every[2])[0])

    def given_to(self, x: Floats) -> Floats:
        """Structures (N, 3) under these names."""
        named = x.copy()
        first, second, a, b = (x[column] for column in self.twins.T)
        volume = np.einsum("ti,ti->t", np.cross(first - a, second - a), b - a)
        away = term_values(x[None], "dihedral", self.links)[0] - self.angles
        swaps = [self.twins[volume < 0, 2:], self.rings[np.cos(away) < 0].reshape(-1, 2)]
        for one, other in np.concatenate(swaps):
            named[one], named[other] = x[other], x[one]
        return named


def spread_of(
    frames: list[NDArray[np.floating]],
    kinds: list[Kind],
    names: Names,
    frame: int,
    blocks: int = 1,
) -> Spread:
    """Resultants of structures (N, 3), molecules whole, in the order of time."""
    sums = {kind.name: np.zeros((blocks, len(kind.atoms)), dtype=np.complex128) for kind in kinds}
    counts = np.zeros(blocks)
    for number, x in enumerate(frames):
        block = number * blocks // len(frames)
        counts[block] += 1
        own = names.given_to(np.asarray(x, dtype=np.float64))
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
