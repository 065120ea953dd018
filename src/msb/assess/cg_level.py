"""What the coarse-grained level itself can see: bonds, angles, dihedrals and pairs of beads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis.comparison import Compared, EnsembleComparison, Quantity
from msb.analysis.histograms import bin_edges, bin_numbers
from msb.analysis.structure import (
    NonbondedPairs,
    PairGroups,
    RadialCounter,
    Term,
    bonded_terms,
    relative_l1,
    term_values,
)
from msb.assess.divergences import compare
from msb.core.box import volume
from msb.core.topology import Topology

__all__ = ["BeadFrames", "compare_beads"]

_REACH, _PAIR_BINS = 1.5, 150  # nm
_BINS = {"bond": 60, "angle": 60, "dihedral": 72}
_RIGID = 1e-4  # nm, or degrees; spread below which a bond has no shape to compare
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BeadFrames:
    """Beads of a set.

    Attributes
    ----------
    name : str
    topology : Topology
        Of the beads.
    positions : float32 array (F, M, 3)
        nm, whole chains.
    boxes : float32 array (F, 3, 3) or None
        nm.
    """

    name: str
    topology: Topology
    positions: Floats
    boxes: Floats | None


def compare_beads(reference: BeadFrames, model: BeadFrames, seed: int = 0) -> EnsembleComparison:
    """Compare every bond, angle and dihedral of beads, and pairs of beads further apart, by bead types.

    Molecules may differ in number and length: distributions are.

    Parameters
    ----------
    reference, model : BeadFrames
    seed : int
        Of the bootstrap.

    Returns
    -------
    EnsembleComparison
        Terms and pairs that both have; what only one has is in the notes.
    """
    sets = (reference, model)
    terms = [
        {term.name: term for term in bonded_terms(own.topology, ("bond", "angle", "dihedral"))}
        for own in sets
    ]
    found = [
        _compared_term(term, terms[1][name], reference, model, seed)
        for name, term in terms[0].items()
        if name in terms[1]
    ]
    found += _compared_pairs(reference, model, seed)
    notes = [
        f"{', '.join(alone)}: only {own.name} has them"
        for k, own in enumerate(sets)
        if (alone := [name for name in terms[k] if name not in terms[1 - k]])
    ]
    return EnsembleComparison(model.name, len(model.positions), tuple(found), None, tuple(notes))


def _compared_term(term: Term, own: Term, reference: BeadFrames, model: BeadFrames, seed: int) -> Compared:
    values = [_values(reference, term), _values(model, own)]
    name, unit = "-".join(term.types), "nm" if term.kind == "bond" else "°"
    known = values[0]
    spread = float(known.std())
    if term.kind == "dihedral":
        edges = np.linspace(-180.0, 180.0, _BINS["dihedral"] + 1)
    elif spread < _RIGID:
        edges = np.linspace(known.mean() - 0.04, known.mean() + 0.04, 81)
    else:
        edges = bin_edges(known, _BINS[term.kind])
    quantity = Quantity(name, term.kind, unit, edges, len(term.atoms), spread < _RIGID)
    counts = [_counts(v, edges) for v in values]
    score = None if quantity.constrained else compare(counts[1], counts[0], seed=seed)
    sums = (counts[0].sum(0), counts[1].sum(0))
    means = (float(known.mean()), float(values[1].mean()))
    return Compared(quantity, *sums, means, (spread, float(values[1].std())), score)


def _values(frames: BeadFrames, term: Term) -> Doubles:
    values = term_values(frames.positions, term.kind, term.atoms)
    return values if term.kind == "bond" else np.degrees(values)


def _counts(values: Doubles, edges: Doubles) -> Ints:
    """Histogram of each frame (F, B)."""
    bins = len(edges) - 1
    cells = bin_numbers(values, edges).reshape(len(values), -1) + bins * np.arange(len(values))[:, None]
    return np.bincount(cells.ravel(), minlength=bins * len(values)).reshape(-1, bins)


def _compared_pairs(reference: BeadFrames, model: BeadFrames, seed: int) -> Iterator[Compared]:
    """Pairs of types that are near each other in both halves of both sets."""
    edges = np.linspace(0.0, _reach(reference, model), _PAIR_BINS + 1)
    counts, scales = zip(*(_pair_counts(own, edges) for own in (reference, model)), strict=True)
    for name in counts[0]:
        if name not in counts[1]:
            continue
        one, other = counts[0][name], counts[1][name]
        if not all(half.any() for own in (one, other) for half in (own[::2], own[1::2]) if len(half)):
            continue
        score = compare(other, one, seed=seed)
        l1 = floor = None
        if scales[0] is not None and scales[1] is not None:
            halves = [_halves(own, s[name]) for own, s in zip((other, one), scales[::-1], strict=True)]
            l1 = float(np.mean([relative_l1(halves[0][k], halves[1][1 - k]) for k in (0, 1)]))
            floor = float(np.mean([relative_l1(halves[1][k], halves[1][1 - k]) for k in (0, 1)]))
        nothing = (float("nan"), float("nan"))
        sums = (one.sum(0), other.sum(0))
        yield Compared(Quantity(name, "rdf", "nm", edges), *sums, nothing, nothing, score, l1, floor)


def _reach(*sets: BeadFrames) -> float:
    """As far as every box has room for, nm."""
    rooms = [float(np.cbrt(volume(np.asarray(own.boxes[0])))) / 2 for own in sets if own.boxes is not None]
    return min([_REACH, *rooms])


def _pair_counts(frames: BeadFrames, edges: Doubles) -> tuple[dict[str, Ints], dict[str, float] | None]:
    """Histograms (F, B) of the pairs of each two types, and how many pairs a nm^3 there are on average."""
    groups = PairGroups.by_type(frames.topology.atom_types)
    counter = RadialCounter(groups, edges, NonbondedPairs(frames.topology))
    boxes = [None] * len(frames.positions) if frames.boxes is None else list(frames.boxes)
    rows = np.stack(
        [
            groups.count(counter.pairs.find(x, box, counter.cutoff), counter.edges)
            for x, box in zip(frames.positions, boxes, strict=True)
        ]
    )
    counts = {name: rows[:, k] for k, name in enumerate(groups.names)}
    if frames.boxes is None:
        return counts, None
    inverse = float(np.mean([counter.inverse_volume(box) for box in boxes]))
    return counts, {name: float(n) * inverse for name, n in zip(groups.names, counter.n_pairs, strict=True)}


def _halves(counts: Ints, scale: float) -> tuple[Doubles, Doubles]:
    """Mean counts of even and of odd frames, of as many pairs in as much room as any other set's."""
    even, odd = counts[::2], counts[1::2] if len(counts) > 1 else counts
    return even.mean(0) / scale, odd.mean(0) / scale
