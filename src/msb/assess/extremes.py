"""Where the largest forces are: which bead of which frame, and which molecule stands too near."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.assess.record import SetResult
from msb.core.box import make_whole, minimum_image
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["Extreme", "MoleculePair", "largest_forces", "two_molecules", "worst_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Extreme:
    """A bead on which the force is among the largest of its set.

    Attributes
    ----------
    set, column : str
        Of which set it is.
    frame, sample : int
        Number of the frame in its trajectory, and which sample of it.
    bead, molecule : int
        Counted through the system, from 0.
    bead_type : str
    force : float
        Magnitude, kJ/mol/nm; infinite where it is not a number.
    partner, partner_molecule : int
        The nearest bead of another molecule, and that molecule; -1 where there is none.
    partner_type : str
        Empty where there is none.
    distance : float
        To it, nm; NaN where there is none.
    """

    set: str
    column: str
    frame: int
    sample: int
    bead: int
    molecule: int
    bead_type: str
    force: float
    partner: int = -1
    partner_molecule: int = -1
    partner_type: str = ""
    distance: float = float("nan")

    def sentence(self) -> str:
        """Say which bead it is, and what is near."""
        size = f"{self.force:.4g} kJ/mol/nm" if np.isfinite(self.force) else "not a finite number"
        start = (
            f"{self.set} ({self.column}), frame {self.frame}: the force on bead {self.bead + 1} "
            f"({self.bead_type}, molecule {self.molecule + 1}) is {size}"
        )
        if self.partner < 0:
            return f"{start}."
        return (
            f"{start}; bead {self.partner + 1} ({self.partner_type}, molecule {self.partner_molecule + 1}) "
            f"is {self.distance:.3f} nm away."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, JSON-able; None for what is not finite."""
        plain = asdict(self)
        return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in plain.items()}


def largest_forces(result: SetResult, number: int = 10) -> tuple[Extreme, ...]:
    """List the beads with the largest forces of a set, each pair of molecules of a frame once.

    A clash pushes many beads of the same two molecules; the hardest pushed one stands for all of them.

    Parameters
    ----------
    result : SetResult
    number : int
        At most so many.

    Returns
    -------
    tuple of Extreme
        The largest first; fewer where there are no more pairs of molecules.
    """
    size = np.linalg.norm(result.bead_forces.astype(np.float64), axis=-1)
    size[~np.isfinite(size)] = np.inf
    order = np.argsort(-size, axis=None, kind="stable")
    found: dict[tuple[int, frozenset[int]], Extreme] = {}
    for row, bead in zip(*np.unravel_index(order, size.shape), strict=True):
        if len(found) >= number:
            break
        extreme = _extreme(result, int(row), int(bead), float(size[row, bead]))
        molecules = frozenset((extreme.molecule, extreme.partner_molecule))
        found.setdefault((int(row), molecules), extreme)
    return tuple(found.values())


def worst_of(extremes: Iterable[Iterable[Extreme]], number: int = 10) -> tuple[Extreme, ...]:
    """Merge the lists of several sets.

    Parameters
    ----------
    extremes : iterable of iterable of Extreme
    number : int
        At most so many.

    Returns
    -------
    tuple of Extreme
        The largest force first.
    """
    return tuple(sorted((e for some in extremes for e in some), key=lambda e: -e.force)[:number])


def _extreme(result: SetResult, row: int, bead: int, force: float) -> Extreme:
    sample = 0 if result.samples is None else int(result.samples[row])
    molecule = int(result.molecule[bead])
    own = (result.name, result.column, int(result.frames[row]), sample, bead, molecule)
    others = np.flatnonzero(result.molecule != molecule)
    box = None if result.boxes is None else result.boxes[row]
    vectors = _nearest_images(result.beads[row, others] - result.beads[row, bead], box)
    distances = np.linalg.norm(vectors, axis=-1)
    distances[~np.isfinite(distances)] = np.inf
    if not len(distances) or np.isinf(distances.min()):
        return Extreme(*own, result.bead_types[bead], force)
    nearest = int(distances.argmin())
    partner = int(others[nearest])
    return Extreme(
        *own,
        result.bead_types[bead],
        force,
        partner,
        int(result.molecule[partner]),
        result.bead_types[partner],
        float(distances[nearest]),
    )


def _nearest_images(vectors: ArrayLike, box: ArrayLike | None) -> FloatArray:
    plain = np.asarray(vectors, dtype=np.float64)
    cell = None if box is None else np.asarray(box, dtype=np.float64)
    return plain if cell is None or not len(plain) else np.asarray(minimum_image(plain, cell))


@dataclass(frozen=True, eq=False)
class MoleculePair:
    """The molecule of a bead and the one that is nearest to it, beside each other.

    Attributes
    ----------
    topology : Topology
        One or two molecules, that of the bead first.
    atoms : int array (n,)
        Their atoms in the system.
    positions : float32 array (n, 3)
        nm, the bead at the origin.
    bead_topology : Topology
    beads : int array (m,)
        Their beads in the system.
    bead_positions : float32 array (m, 3)
        nm, where the model put them.
    """

    topology: Topology
    atoms: IntArray
    positions: NDArray[np.float32]
    bead_topology: Topology
    beads: IntArray
    bead_positions: NDArray[np.float32]


def two_molecules(
    extreme: Extreme, positions: ArrayLike, beads: ArrayLike, box: ArrayLike | None, mapping: Mapping
) -> MoleculePair:
    """Take the two molecules of a large force out of their frame: whole, in nearest images, to look at.

    Parameters
    ----------
    extreme : Extreme
        Of this frame.
    positions : array_like (N, 3)
        Atoms, nm; molecules may be cut by the box.
    beads : array_like (M, 3)
        nm.
    box : array_like (3, 3) or None
        Row vectors, nm.
    mapping : Mapping
        Of the set.

    Returns
    -------
    MoleculePair
    """
    bead_topology = mapping.bead_topology()
    every = [np.asarray(values, dtype=np.float64) for values in (positions, beads)]
    cell = None if box is None else np.asarray(box, dtype=np.float64)
    origin = every[1][extreme.bead]
    templates, chains, rows, places = [], [], [], []
    for anchor in (extreme.bead, extreme.partner):
        if anchor < 0:
            continue
        number = int(bead_topology.molecule_index[anchor])
        (own, atoms, x), (beads_of, chain, y) = (
            _whole(topology, number, values, cell)
            for topology, values in zip((mapping.topology, bead_topology), every, strict=True)
        )
        apart = every[1][anchor] - origin
        y += origin + _nearest_images(apart[None], cell)[0] - y[np.searchsorted(chain, anchor)]
        away = (x.mean(0) - y.mean(0))[None]
        x += _nearest_images(away, cell)[0] - away[0]
        templates.append((own, 1))
        chains.append((beads_of, 1))
        rows.append((atoms, chain))
        places.append((x - origin, y - origin))
    atoms, chain = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    near, above = (np.concatenate(parts).astype(np.float32) for parts in zip(*places, strict=True))
    return MoleculePair(Topology(tuple(templates)), atoms, near, Topology(tuple(chains)), chain, above)


def _whole(
    topology: Topology, number: int, values: FloatArray, box: FloatArray | None
) -> tuple[MoleculeTemplate, IntArray, FloatArray]:
    """Template, rows (n,) and positions (n, 3) of one molecule, made whole."""
    rows = np.flatnonzero(topology.molecule_index == number)
    for template, first, count in topology.blocks():
        if rows[0] < first + template.n_atoms * count:
            break
    own = Topology.from_template(template)
    return template, rows, np.array(make_whole(values[rows], box, own))
