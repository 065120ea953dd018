"""What a frame of a finer resolution shows: distributions, contacts, energies, defects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sets import BeadSet

from msb.analysis.structure import (
    LennardJones,
    NearPairs,
    NonbondedPairs,
    PairGroups,
    Term,
    bonded_terms,
    fold_improper,
    term_values,
)
from msb.core.topology import Topology
from msb.quality import Checker, Examination

__all__ = ["Energies", "Frame", "Resolution", "Seen", "defects", "values_of"]

BINS = 60
MARGIN = 0.5  # of the range of bonds, on both sides; what lies outside counts in the last bins
BONDS_APART = 3  # non-bonded pairs are farther apart than this
CUTOFF = 0.8  # nm, of Lennard-Jones and of the radial distribution of atoms
ENDS = {"angle": (0.0, np.pi), "dihedral": (-np.pi, np.pi), "improper": (-np.pi / 2, np.pi / 2)}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Energies:
    """Lennard-Jones energies, and the repeats of a molecule that they are told for.

    Attributes
    ----------
    lennard_jones : LennardJones
    repeats : int
        Of each molecule.
    name : str
        Of a repeat: "monomer", "molecule".
    """

    lennard_jones: LennardJones
    repeats: int
    name: str


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of whole molecules (N, 3) in a box (3, 3), nm, and the beads (M, 3) that were asked for."""

    positions: Floats
    box: Floats
    beads: Floats | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """What a frame shows.

    Attributes
    ----------
    counts : dict of str to ndarray (k, B)
        Histograms by row, of k parts of the system.
    values : dict of str to float
        By row.
    """

    counts: dict[str, NDArray[np.int64]]
    values: dict[str, float]


@dataclass(frozen=True, eq=False)
class Resolution:
    """How frames of one resolution are looked at.

    Distributions inside molecules are counted for the molecules of even and of odd numbers apart, so that
    one frame of a melt has a floor.

    Attributes
    ----------
    topology : Topology
    terms : tuple of Term
    edges : dict of str to ndarray
        Bins by row.
    pairs : NonbondedPairs
    groups : PairGroups
        Whose radial distributions are counted.
    reach : float
        nm.
    known : dict of str to (float, float)
        The smallest and largest value of a row in known frames; what is outside is counted.
    energies : Energies, optional
    checker : Checker, optional
    """

    topology: Topology
    terms: tuple[Term, ...]
    edges: dict[str, Floats]
    pairs: NonbondedPairs
    groups: PairGroups
    reach: float
    known: Mapping[str, tuple[float, float]]
    energies: Energies | None = None
    checker: Checker | None = None

    @classmethod
    def of(
        cls,
        own: BeadSet,
        groups: PairGroups,
        reach: float,
        *,
        labels: Sequence[str] | None = None,
        ranges: bool = False,
        energies: Energies | None = None,
        checker: Checker | None = None,
    ) -> Resolution:
        """Take bins, and ranges where they are wanted, from frames.

        Parameters
        ----------
        own : BeadSet
            Known frames.
        groups, reach, energies, checker
            As the attributes.
        labels : sequence of str, optional
            Instead of the types of the atoms.
        ranges : bool
            Whether to count what is outside the range of these frames.
        """
        x = own.positions.astype(np.float64)
        terms = bonded_terms(own.topology, labels=labels)
        pairs = NonbondedPairs(own.topology, BONDS_APART)
        ends = {term.name: _ends(values_of(x, term)) for term in terms}
        edges = {term.name: _edges(term.kind, *ends[term.name]) for term in terms}
        known: dict[str, tuple[float, float]] = {}
        if ranges:
            known = {term.name: ends[term.name] for term in terms if term.kind in ("bond", "angle")}
            near = [
                _nearest(pairs, groups, frame, box, reach)
                for frame, box in zip(x, own.boxes.astype(np.float64), strict=True)
            ]
            known |= {name: (min(row[name] for row in near), np.inf) for name in groups.names}
        return cls(own.topology, terms, edges, pairs, groups, reach, known, energies, checker)

    def look(self, frame: Frame) -> Seen:
        """Look at one frame."""
        counts: dict[str, NDArray[np.int64]] = {}
        values: dict[str, float] = {}
        odd = self.topology.molecule_index % 2 == 1
        for term in self.terms:
            own, edges = values_of(frame.positions, term), self.edges[term.name]
            which = odd[term.atoms[:, 0]]
            counts[term.name] = np.stack([_counted(own[~which], edges), _counted(own[which], edges)])
            if term.name in self.known:
                low, high = self.known[term.name]
                share = ((own < low) | (own > high)).mean()
                values[f"{term.name} outside the target's range, of 1,000"] = 1000.0 * float(share)
        reach = max(self.reach, CUTOFF) if self.energies else self.reach
        near = self.pairs.find(frame.positions, frame.box, reach)
        bins = np.linspace(0.0, self.reach, BINS + 1)
        for name, row in zip(self.groups.names, self.groups.count(near, bins), strict=True):
            counts[f"g(r) {name}"] = row[None].astype(np.int64)
            if name in self.known:
                number = self._nearer(near, name, self.known[name][0])
                text = f"pairs {name} nearer than any in the target, of 1,000 beads"
                values[text] = 1000.0 * number / len(frame.positions)
        if self.energies is not None:
            values |= self._energies(near, self.energies)
        if self.checker is not None:
            boxes = frame.box[None]
            beads = None if frame.beads is None else frame.beads[None]
            values |= defects(self.checker.examine(frame.positions[None], boxes, beads))
            if not any(template.rings for template in self.topology.templates):
                del values["pierced rings"]
        return Seen(counts, values)

    def _nearer(self, near: NearPairs, name: str, least: float) -> int:
        close = near[near.distances < least]
        own = self.groups.members[self.groups.names.index(name)]
        return int(own[self.groups.class_of[close.first], self.groups.class_of[close.second]].sum())

    def _energies(self, near: NearPairs, own: Energies) -> dict[str, float]:
        topology = self.topology
        pairs = near[near.distances < CUTOFF]
        each = own.lennard_jones.per_molecule(pairs, topology.molecule_index, topology.n_molecules)
        each = each / own.repeats
        return {
            f"Lennard-Jones a {own.name}, mean, kJ/mol": float(each.mean()),
            f"Lennard-Jones a {own.name}, median of the molecules, kJ/mol": float(np.median(each)),
        }


def values_of(x: Floats, term: Term) -> Floats:
    """Values of a term in frames (..., N, 3), flat; out-of-plane angles beyond 90 degrees are folded."""
    found = term_values(x, term.kind, term.atoms)
    if term.kind == "improper":
        found = fold_improper(found)
    return np.asarray(found, dtype=np.float64).ravel()


def defects(found: Examination) -> dict[str, float]:
    """What the check of one frame counts."""
    number = {kind: sum(f.kind == kind for f in found.findings) for kind in ("clash", "bond", "angle")}
    told = {name: float(values[0]) for name, values in found.statistics.items()}
    values = {
        "clashes": float(number["clash"]),
        "pairs nearer than 0.17 nm": told["pairs_below_0.17_nm"],
        "carbons nearer than 0.28 nm": told["carbon_pairs_below_0.28_nm"],
        "pierced rings": told["ring_piercings"],
        "bonds out of shape": float(number["bond"]),
        "angles out of shape": float(number["angle"]),
    }
    judged = told.get("stereocentres_judged", 0.0)
    if judged:
        values["inverted centres, %"] = 100.0 * told["inverted_stereocentres"] / judged
    return values


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _edges(kind: str, low: float, high: float) -> Floats:
    if kind == "bond":
        margin = MARGIN * (high - low)
        low, high = low - margin, high + margin
    else:
        low, high = ENDS[kind]
    return np.linspace(low, high, BINS + 1)


def _counted(values: Floats, edges: Floats) -> NDArray[np.int64]:
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    return np.histogram(inside, edges)[0].astype(np.int64)


def _nearest(
    pairs: NonbondedPairs, groups: PairGroups, x: Floats, box: Floats, reach: float
) -> dict[str, float]:
    """Shortest distance of each group's pairs in a frame, nm."""
    near = pairs.find(x, box, reach)
    found = {}
    for name, members in zip(groups.names, groups.members, strict=True):
        chosen = members[groups.class_of[near.first], groups.class_of[near.second]]
        found[name] = float(near.distances[chosen].min(initial=np.inf))
    return found
