"""Looks every frame through for what cannot be: the check that all written structures pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.core.box import bonds_across, make_whole, minimum_image
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MappingError, TopologyError
from msb.quality.bonded import BondedCheck
from msb.quality.contacts import ContactSearch
from msb.quality.energies import EnergyFunction, energy_function
from msb.quality.findings import Examination, Finding, Hits
from msb.quality.limits import Limits
from msb.quality.naming import Names
from msb.quality.piercings import PiercingSearch
from msb.quality.reference import Reference
from msb.quality.signs import HandCheck, TurnCheck

__all__ = ["Checker"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_BATCH = 60_000  # atoms looked at together; larger systems go frame by frame
_HASH = np.array([1, 10_000_019, 100_000_000_000_031], dtype=np.int64)  # of a cell's three numbers
_FARTHEST = 1e6  # nm; what lies beyond is no position
_HEAP, _HEAP_EDGE = 64, 0.2  # atoms in a cube of this edge in nm: all clash, no need to count the pairs


class Checker:
    """Finds defects in the structures of one system.

    Everything that depends on the topology alone is worked out once. Molecules may be cut by the box; they
    are made whole, and those that cannot be are a finding.

    Parameters
    ----------
    topology : Topology
        The system.
    limits : Limits, optional
        Thresholds.
    hands : array_like (C,), optional
        Wanted sign of every stereocentre, in the order of `handedness(...).centres`; 0 for any. Without it
        the reference's hands are wanted, and without that those of the majority of at least ten copies.
    reference : Reference or array_like (F, N, 3) or (N, 3), optional
        A structure that is right, whole molecules, nm: hands, cis and trans, and the geometry of terms whose
        parameters the topology does not hold.
    mapping : Mapping, optional
        To compare atoms with given beads.
    energy : openmm.System, Energy or callable, optional
        The force field; see `energy_function`.

    Raises
    ------
    TopologyError, MappingError
        The arguments do not fit the system.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        limits: Limits | None = None,
        hands: ArrayLike | None = None,
        reference: Reference | ArrayLike | None = None,
        mapping: Mapping | None = None,
        energy: Any = None,
    ) -> None:
        self.topology, self.mapping = topology, mapping
        self.limits = Limits() if limits is None else limits
        if reference is not None and not isinstance(reference, Reference):
            reference = Reference.of(topology, reference)
        self.reference = reference
        if mapping is not None and mapping.n_atoms != topology.n_atoms:
            raise MappingError(
                f"the mapping is of {mapping.n_atoms} atoms, the system has {topology.n_atoms}: "
                "give the mapping of this system"
            )
        wanted = None if hands is None else np.asarray(hands, dtype=np.int8)
        self._names = Names(topology, mapping)
        self._bonded = BondedCheck(topology, self.limits, reference)
        self._hands = HandCheck(topology, self.limits, wanted, reference)
        self._turns = TurnCheck(topology, self.limits, reference)
        self._piercings = PiercingSearch(topology, self.limits.largest_ring)
        self._contacts = ContactSearch(topology, self.limits)
        self._energy = None if energy is None else energy_function(energy)

    def check(
        self,
        positions: ArrayLike,
        boxes: ArrayLike | None = None,
        beads: ArrayLike | None = None,
        first: int = 0,
    ) -> list[Finding]:
        """Return what is wrong in some frames; `examine` without the statistics.

        Parameters
        ----------
        positions, boxes, beads, first
            As `examine`.

        Returns
        -------
        list of Finding
            Frame by frame.
        """
        return self.examine(positions, boxes, beads, first).findings

    def examine(
        self,
        positions: ArrayLike,
        boxes: ArrayLike | None = None,
        beads: ArrayLike | None = None,
        first: int = 0,
    ) -> Examination:
        """Look some frames through.

        Each frame is judged by itself: how many are given at once changes nothing.

        Parameters
        ----------
        positions : array_like (F, N, 3) or (N, 3)
            nm.
        boxes : array_like (F, 3, 3) or (3, 3), optional
            Row vectors, nm; zeros for none.
        beads : array_like (F, M, 3) or (M, 3), optional
            nm, in any image; compared when the checker has a mapping.
        first : int
            Absolute number of the first frame.

        Returns
        -------
        Examination
            Statistics of every frame, (F,): "stereocentres_judged", "inverted_stereocentres",
            "turned_bonds", "ring_piercings", "pairs_below_0.17_nm" and "carbon_pairs_below_0.28_nm" (more
            than three bonds apart), "nearest_contact_nm" (NaN where nothing is near), "bonds_across_box"
            (before molecules were made whole), and where they are known "meso_share",
            "bead_deviation_mean_nm", "bead_deviation_max_nm" and "energy_per_atom".

        Raises
        ------
        TopologyError, MappingError
            Positions, boxes or beads do not fit the system.
        """
        x, cells, given = self._checked(positions, boxes, beads)
        findings: list[Finding] = []
        parts: list[dict[str, FloatArray]] = []
        step = max(1, _BATCH // max(1, self.topology.n_atoms))
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            hits, counts = self._batch(
                np.asarray(x[rows], dtype=np.float64),
                None if cells is None else cells[rows],
                None if given is None else np.asarray(given[rows], dtype=np.float64),
            )
            findings += self._names.findings(hits, first + start)
            parts.append(counts)
        statistics = {key: np.concatenate([p[key] for p in parts]) for key in (parts[0] if parts else {})}
        return Examination(findings, statistics, first, len(x))

    def _checked(
        self, positions: ArrayLike, boxes: ArrayLike | None, beads: ArrayLike | None
    ) -> tuple[NDArray[Any], FloatArray | None, NDArray[Any] | None]:
        """Give everything its frames."""
        x = np.asarray(positions)
        x = x[None] if x.ndim == 2 else x
        n = self.topology.n_atoms
        if x.ndim != 3 or x.shape[1:] != (n, 3):
            raise TopologyError(
                f"positions of shape {x.shape} do not fit {n} atoms: (frames, {n}, 3) is needed; give the "
                "topology that belongs to the structure"
            )
        cells = None
        if boxes is not None and np.any(boxes):
            cells = np.asarray(boxes, dtype=np.float64)
            if cells.shape[-2:] != (3, 3) or (cells.ndim == 3 and len(cells) not in (1, len(x))):
                raise TopologyError(
                    f"boxes of shape {cells.shape} do not fit {len(x)} frames: one box a frame"
                )
            cells = np.broadcast_to(cells, (len(x), 3, 3))
        if beads is None or self.mapping is None:
            return x, cells, None
        given = np.asarray(beads)
        given = given[None] if given.ndim == 2 else given
        if given.shape != (len(x), self.mapping.n_beads, 3):
            raise MappingError(
                f"beads of shape {given.shape} do not fit {len(x)} frames of {self.mapping.n_beads} beads"
            )
        return x, cells, given

    def _batch(
        self, x: FloatArray, boxes: FloatArray | None, beads: FloatArray | None
    ) -> tuple[list[Hits], dict[str, FloatArray]]:
        """Run all detectors on some frames."""
        usable = np.asarray((np.abs(x) < _FARTHEST).all(-1))
        if not usable.all():
            x = _parked(x, boxes, usable)
        hits = [_not_finite(usable)]
        counts = {"bonds_across_box": _across(x, boxes, self.topology)}
        whole = x if boxes is None else np.asarray(make_whole(x, boxes, self.topology))
        bonded, broken = self._bonded.find(whole, boxes, usable)
        sound = usable
        if broken.any():  # what hangs on a broken bond says nothing about hands and planes
            sound = usable.copy()
            frames, rows = np.nonzero(broken)
            sound[frames[:, None], self._bonded.bonds[rows]] = False
        turned, turn_counts = self._turns.find(whole, sound)
        hands, hand_counts = self._hands.find(whole, sound)
        hits += [*bonded, turned, hands]
        counts |= hand_counts | turn_counts
        share = self._hands.meso_share(whole, self.topology)
        if share is not None:
            counts["meso_share"] = share
        later = [*self._searched(x, whole, boxes, usable)]
        if beads is not None and self.mapping is not None:
            later.append(self._beads(self.mapping, whole, boxes, beads, usable))
        if self._energy is not None:
            later.append(self._energies(self._energy, whole, boxes, usable))
        for found, numbers in later:
            hits += found
            counts |= numbers
        return hits, counts

    def _searched(
        self, x: FloatArray, whole: FloatArray, boxes: FloatArray | None, usable: BoolArray
    ) -> Iterator[tuple[list[Hits], dict[str, FloatArray]]]:
        """Run the detectors that look for neighbours, not among atoms heaped on one point."""
        sparse = usable & ~_heaped(x)
        if not np.array_equal(sparse, usable):
            x, whole, usable = _parked(x, boxes, sparse), _parked(whole, boxes, sparse), sparse
        yield self._pierced(whole, boxes, usable)
        yield self._near(x, boxes, usable)

    def _pierced(
        self, x: FloatArray, boxes: FloatArray | None, usable: BoolArray
    ) -> tuple[list[Hits], dict[str, FloatArray]]:
        found = self._piercings.find(x, boxes, usable)
        total = np.zeros(len(x))
        hits = []
        for frames, atoms, distances in found:
            total += np.bincount(frames, minlength=len(x))
            hits.append(Hits("piercing", frames, atoms, distances, np.ones(len(frames))))
        return hits, {"ring_piercings": total}

    def _near(
        self, x: FloatArray, boxes: FloatArray | None, usable: BoolArray
    ) -> tuple[list[Hits], dict[str, FloatArray]]:
        found = self._contacts.find(x, boxes, usable)
        severity = found.least / np.maximum(found.distances, 1e-3)
        atoms = np.stack([found.first, found.second], axis=1)
        return [Hits("clash", found.frames, atoms, found.distances, severity)], found.counts

    def _beads(
        self, mapping: Mapping, x: FloatArray, boxes: FloatArray | None, beads: FloatArray, usable: BoolArray
    ) -> tuple[list[Hits], dict[str, FloatArray]]:
        off = np.asarray(mapping.beads(x)) - beads
        if boxes is not None:
            off = np.asarray(minimum_image(np.where(np.isfinite(off), off, 0.0), boxes))
        size = np.sqrt((off**2).sum(-1))
        valid = np.isfinite(beads).all(-1) & self._names.beads_of_usable(usable)
        size = np.where(valid, size, 0.0)
        frames, rows = np.nonzero(size > self.limits.bead)
        values = size[frames, rows]
        return [Hits("bead", frames, rows[:, None], values, values / self.limits.bead)], {
            "bead_deviation_mean_nm": size.sum(axis=1) / np.maximum(valid.sum(axis=1), 1),
            "bead_deviation_max_nm": size.max(axis=1, initial=0.0),
        }

    def _energies(
        self, energies: EnergyFunction, x: FloatArray, boxes: FloatArray | None, usable: BoolArray
    ) -> tuple[list[Hits], dict[str, FloatArray]]:
        values = np.full(len(x), np.nan)
        rows = np.flatnonzero(usable.all(axis=1))
        if len(rows):
            n = max(1, self.topology.n_atoms)
            values[rows] = energies(x[rows], None if boxes is None else boxes[rows]) / n
        bad = np.flatnonzero(usable.all(axis=1) & ~(values <= self.limits.energy))
        none = np.empty((len(bad), 0), dtype=np.int64)
        severity = np.abs(values[bad] / self.limits.energy)
        return [Hits("energy", bad, none, values[bad], severity)], {"energy_per_atom": values}


def _across(x: FloatArray, boxes: FloatArray | None, topology: Topology) -> FloatArray:
    """Count the bonds that cross the box as the positions stand."""
    if boxes is None:
        return np.zeros(len(x))
    return np.asarray(bonds_across(x, boxes, topology), dtype=np.float64)


def _not_finite(usable: BoolArray) -> Hits:
    """Return atoms without a position; naming makes one finding a residue of them."""
    frames, atoms = np.nonzero(~usable)
    ones = np.ones(len(frames))
    return Hits("nan", frames, atoms[:, None], ones, ones)


def _heaped(x: FloatArray) -> BoolArray:
    """Tell the atoms (F, N) that lie in a tiny cube with many others, all but the first of them.

    Pairs of them would fill the memory: a file of zeros has N^2 of them.
    """
    heaped = np.zeros(x.shape[:2], dtype=bool)
    for f, frame in enumerate(x):
        if len(frame) <= _HEAP:
            break
        cell = np.floor(frame / _HEAP_EDGE).astype(np.int64)
        _, group = np.unique(cell @ _HASH, return_inverse=True)
        counts = np.bincount(group)
        if counts.max() > _HEAP:
            order = np.argsort(group, kind="stable")
            place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
            heaped[f, order[place >= _HEAP]] = True
    return heaped


def _parked(x: FloatArray, boxes: FloatArray | None, usable: BoolArray) -> FloatArray:
    """Spread the atoms that have no position over the box, so that no search stumbles over them."""
    x = x.copy()
    for f in np.flatnonzero(~usable.all(axis=1)):
        lost = np.flatnonzero(~usable[f])
        places = np.random.default_rng(0).random((len(lost), 3))
        if boxes is not None and boxes[f].any():
            x[f, lost] = places @ boxes[f]
        else:
            x[f, lost] = 2e6 + places * max(1.0, len(lost)) ** (1 / 3)
    return x
