"""Which beads make a chain: from bonds, residues, names, or the distances between consecutive beads alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import chain, count

import numpy as np

from msb.core.arrays import FloatArray, IntArray
from msb.core.box import minimum_image
from msb.core.graph import components_of
from msb.core.topology import MoleculeTemplate, Topology
from msb.errors import TopologyError

__all__ = ["Chains", "chain_topology", "find_chains"]

_SPREAD = 2.0  # the longest bond over the median one: above it, not all of them are bonds
_ALONE = 1.5  # the same for one chain without any gap, where nothing else speaks for it
_GAP = 1.3  # the shortest distance between chains over the longest bond, to be a clear gap
_APART = 0.8  # share of the distances between chains that must be longer than every bond
_USUAL = 0.9  # share of the chains that have the usual length, for longer ones to be several run together
_GIVE = "give the beads of a chain (--per-chain) or a topology with the bonds"


@dataclass(frozen=True)
class Chains:
    """Linear chains of consecutive beads.

    Attributes
    ----------
    lengths : tuple of int
        Beads of each chain, in the order of the file.
    how : str
        A sentence for the user: how they were found.
    """

    lengths: tuple[int, ...]
    how: str

    def __str__(self) -> str:
        """Name the chains: "24 chains of 32 beads"."""
        sizes = Counter(self.lengths)
        if len(sizes) > 3:
            return f"{len(self.lengths)} chains of {min(sizes)} to {max(sizes)} beads"
        parts = [f"{n} chain{'s' * (n > 1)} of {size} bead{'s' * (size > 1)}" for size, n in sizes.items()]
        return ", ".join(parts)


def find_chains(
    positions: FloatArray,
    box: FloatArray | None,
    *,
    resids: Sequence[int] | IntArray | None = None,
    names: Sequence[str] | None = None,
    bonds: IntArray | None = None,
    per_chain: int | None = None,
) -> Chains:
    """Return the chains of a structure.

    What is said outright comes first: `per_chain`, then `bonds`. Residue numbers and names are believed
    where the distances agree: all consecutive beads of a residue at bonding distance, the next residue
    further away. Otherwise chains end where consecutive beads are clearly further apart than bonds are
    (without a box only if all chains are then alike, since they may be cut by it); where there is no clear
    gap, the one number of beads a chain that explains all distances will do.

    Parameters
    ----------
    positions : ndarray (N, 3)
        nm, or any other unit; chains may be cut by the box.
    box : ndarray (3, 3), or None
        Row vectors, in the same unit.
    resids : sequence of int (N,), optional
        Residue number of every bead.
    names : sequence of str (N,), optional
        Name of every bead.
    bonds : ndarray (B, 2), optional
        Bonded pairs; none at all counts as not given.
    per_chain : int, optional
        Beads of every chain.

    Returns
    -------
    Chains

    Raises
    ------
    TopologyError
        Chains are branched, rings, not of consecutive beads, or cannot be told apart.
    """
    positions = np.asarray(positions, dtype=np.float64)
    n = len(positions)
    if not n:
        raise TopologyError("a structure without beads has no chains")
    if per_chain is not None:
        return _given(positions, box, per_chain)
    if bonds is not None and len(bonds):
        lengths = _of_bonds(n, np.asarray(bonds, dtype=np.int64))
        return Chains(lengths, f"{Chains(lengths, '')}, by the bonds of the topology")
    distances = _consecutive(positions, box)
    for starts, word in ((_residue_starts(resids), "residues"), (_name_starts(names), "names")):
        if starts is not None and len(starts) > 1 and _agrees(distances, starts):
            lengths = _lengths(starts, n)
            return Chains(lengths, f"{Chains(lengths, '')}, by the {word} of the file")
    found = _by_gaps(distances, n)
    if found is None or (box is None and len(set(found.lengths)) > 1):  # or were they cut by the missing box?
        found = _by_count(distances, n)
    return found or _refuse(distances, box)


def _given(positions: FloatArray, box: FloatArray | None, per_chain: int) -> Chains:
    n = len(positions)
    if per_chain < 1 or n % per_chain:
        raise TopologyError(f"{n} beads are not a whole number of chains of {per_chain} beads")
    inside = _consecutive(positions, box)[_inside(n, np.arange(0, n, per_chain))]
    if len(inside) and inside.max() > 2 * _SPREAD * np.median(inside):
        raise TopologyError(
            f"chains of {per_chain} beads would have bonds of up to {inside.max():.3g} nm, half of them "
            f"below {np.median(inside):.3g} nm; give another number of beads a chain"
        )
    chains = Chains((per_chain,) * (n // per_chain), "")
    return Chains(chains.lengths, f"{chains}, as given")


def _of_bonds(n: int, bonds: IntArray) -> tuple[int, ...]:
    """Return the chains' lengths, or say why the molecules are not linear chains of consecutive beads."""
    if bonds.min() < 0 or bonds.max() >= n:
        raise TopologyError(f"a bond names a bead outside 0..{n - 1}")
    bonds = np.unique(np.sort(bonds, axis=1), axis=0)
    degree = np.bincount(bonds.ravel(), minlength=n)
    if degree.max() > 2:
        bead = int(degree.argmax())
        raise TopologyError(
            f"bead {bead + 1} has {degree[bead]} bonds: molecules that branch cannot be morphed, only linear "
            "chains can"
        )
    component = components_of(n, bonds)
    size = np.bincount(component)
    closed = np.flatnonzero(np.bincount(component[bonds[:, 0]], minlength=len(size)) == size)
    if len(closed):
        first = int(np.flatnonzero(component == closed[0])[0])
        raise TopologyError(
            f"the molecule of bead {first + 1} is a ring of {size[closed[0]]} beads; only linear chains can "
            "be morphed"
        )
    odd = np.flatnonzero(bonds[:, 1] - bonds[:, 0] != 1)
    if len(odd):
        i, j = (bonds[odd[0]] + 1).tolist()
        raise TopologyError(
            f"beads {i} and {j} are bonded, but do not follow one another in the file; write the beads in "
            "the order of the chain"
        )
    return tuple(size.tolist())


def _consecutive(positions: FloatArray, box: FloatArray | None) -> FloatArray:
    """Return the distances of beads 0-1, 1-2, ..., (N - 1,)."""
    cell = None if box is None else np.asarray(box, dtype=np.float64)
    steps = np.asarray(minimum_image(np.diff(positions, axis=0), cell))
    lengths: FloatArray = np.linalg.norm(steps, axis=-1)
    return lengths


def _residue_starts(resids: Sequence[int] | IntArray | None) -> IntArray | None:
    if resids is None:
        return None
    return np.flatnonzero(np.diff(np.asarray(resids), prepend=np.asarray(resids)[0] - 1))


def _name_starts(names: Sequence[str] | None) -> IntArray | None:
    """Return the beads that are called as the first one, where all names repeat in one order."""
    if names is None:
        return None
    words = np.asarray(names, dtype=np.str_)
    period = len(np.unique(words))
    if period < 2 or len(words) % period or (words.reshape(-1, period) != words[:period]).any():
        return None
    return np.arange(0, len(words), period)


def _lengths(starts: IntArray, n: int) -> tuple[int, ...]:
    return tuple(np.diff(starts, append=n).tolist())


def _inside(n: int, starts: IntArray) -> IntArray:
    """Return which consecutive distances lie inside chains that begin at these beads."""
    inside = np.ones(n - 1, dtype=bool)
    inside[starts[1:] - 1] = False
    return np.flatnonzero(inside)


def _agrees(distances: FloatArray, starts: IntArray) -> bool:
    """Whether all distances inside the chains can be bonds and most of those between them cannot."""
    inside = distances[_inside(len(distances) + 1, starts)]
    between = distances[starts[1:] - 1]
    if not len(inside) or inside.max() > _SPREAD * np.median(inside):
        return False
    return not len(between) or bool(np.mean(between > inside.max()) >= _APART)


def _by_gaps(distances: FloatArray, n: int) -> Chains | None:
    """Return the chains that end at distances clearly longer than bonds; None where no gap is clear."""
    if not len(distances):
        return Chains((1,), "1 chain of 1 bead")
    order = np.sort(distances)
    middle = float(np.median(distances))
    if order[-1] <= _ALONE * middle and order[0] >= middle / _ALONE:
        how = f"1 chain of {n} beads: no distance of consecutive beads is longer than {order[-1]:.3g} nm"
        return Chains((n,), how)
    bonded = int(np.searchsorted(order, _SPREAD * middle, side="right"))
    upper = order[bonded // 2 : bonded + 1]
    if bonded == len(order) or not (order[0] > 0) or len(upper) < 2:
        return None
    ratios = upper[1:] / upper[:-1]
    last = int(ratios.argmax())
    longest, shortest = float(upper[last]), float(upper[last + 1])
    bonds = distances[distances <= longest]
    if ratios[last] < _GAP or longest > _SPREAD * np.median(bonds):
        return None
    starts = np.concatenate([[0], np.flatnonzero(distances > longest) + 1])
    lengths, joined = _usual(_lengths(starts, n))
    how = (
        f"{Chains(lengths, '')}, by gaps: consecutive beads are up to {longest:.3g} nm apart inside chains, "
    )
    how += f"{shortest:.3g} nm and more between them"
    if joined:
        how += f"; {joined} chain ends that touch the next chain were told by the usual length"
    return Chains(lengths, how)


def _usual(lengths: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Cut chains that are several of the usual length, one ending where the next starts; count the cuts."""
    size, often = Counter(lengths).most_common(1)[0]
    if len(set(lengths)) == 1 or often < _USUAL * len(lengths) or any(length % size for length in lengths):
        return lengths, 0
    cut = (size,) * (sum(lengths) // size)
    return cut, len(cut) - len(lengths)


def _by_count(distances: FloatArray, n: int) -> Chains | None:
    """Return equal chains of the one length that explains the distances; None where none or several do."""
    counts = [count for count in range(2, n // 2 + 1) if n % count == 0]
    fits = [count for count in counts if _agrees(distances, np.arange(0, n, count))]
    if len(fits) != 1:
        return None
    chains = Chains((fits[0],) * (n // fits[0]), "")
    return Chains(chains.lengths, f"{chains}, the only number of beads a chain that explains the distances")


def _refuse(distances: FloatArray, box: FloatArray | None) -> Chains:
    periodic = "" if box is not None else " (there is no box, so chains cut by it cannot be made whole)"
    raise TopologyError(
        "the chains cannot be told: the file names no bonds, and the distances of consecutive beads "
        f"({distances.min():.3g} to {distances.max():.3g} nm, half of them below {np.median(distances):.3g}) "
        f"have no clear gap between bonds and chain ends{periodic}; {_GIVE}"
    )


def chain_topology(
    lengths: Sequence[int],
    names: Sequence[str],
    types: Sequence[str],
    *,
    resnames: Sequence[str] | None = None,
    mass: float = 1.0,
    element: str = "C",
) -> Topology:
    """Return linear molecules of consecutive beads, bonded one to the next.

    Equal chains share one template, runs of them are one block; templates of different chains have different
    names. Every chain is one residue, called as the first of its beads is.

    Parameters
    ----------
    lengths : sequence of int
        Beads of each chain.
    names, types : sequence of str (N,)
        Of all beads.
    resnames : sequence of str (N,), optional
        Residue names of all beads; otherwise CHN.
    mass : float
        Of every bead, amu.
    element : str
        What every bead counts as; a heavy one, so that nothing takes the beads for hydrogens or sites.

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError
        Names or types are not one a bead, or a chain has no beads.
    """
    n = sum(lengths)
    for word, values in (("names", names), ("types", types), ("residue names", resnames)):
        if values is not None and len(values) != n:
            raise TopologyError(f"chains of {n} beads in all, but {len(values)} {word}")
    if min(lengths, default=1) < 1:
        raise TopologyError("a chain has no beads; every chain needs at least one")
    made: dict[tuple[str, tuple[str, ...], tuple[str, ...]], MoleculeTemplate] = {}
    molecules, first = [], 0
    for length in lengths:
        beads = slice(first, first + length)
        called = "CHN" if resnames is None else str(resnames[first])
        key = (called, tuple(map(str, names[beads])), tuple(map(str, types[beads])))
        if key not in made:
            taken = {template.name for template in made.values()}
            made[key] = _chain(_free_name(called, taken), *key, mass, element)
        molecules.append((made[key], 1))
        first += length
    return Topology(tuple(molecules))


def _free_name(called: str, taken: Set[str]) -> str:
    """Return a template's name that no other kind of chain has."""
    names = chain([called], (f"{called}.{k}" for k in count(2)))
    return next(name for name in names if name not in taken)


def _chain(
    name: str, residue: str, names: tuple[str, ...], types: tuple[str, ...], mass: float, element: str
) -> MoleculeTemplate:
    n = len(names)
    return MoleculeTemplate.from_atoms(
        name,
        names,
        bonds=np.stack([np.arange(n - 1), np.arange(1, n)], axis=1),
        atom_types=types,
        elements=(element,) * n,
        masses=np.full(n, mass),
        residue_index=np.zeros(n, dtype=np.int64),
        residue_names=(residue,),
        residue_numbers=(1,),
    )
