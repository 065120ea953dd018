"""Left or right, cis or trans: what molecules show, and what they should."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.stereo import chain_centres
from msb.analysis.structure.terms import term_values
from msb.core.stereo import hands, signed_volumes
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import TopologyError
from msb.quality.findings import Hits
from msb.quality.limits import Limits
from msb.quality.planes import StiffBonds, stiff_bonds
from msb.quality.reference import Reference, majority

__all__ = ["HandCheck", "TurnCheck"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SignArray = NDArray[np.int8]
BoolArray = NDArray[np.bool_]


class HandCheck:
    """Compares the hands of stereocentres with wanted ones.

    Parameters
    ----------
    topology : Topology
        The system.
    limits : Limits
        Thresholds.
    wanted : ndarray (C,), optional
        +1 or -1 for every centre, 0 where any will do.
    reference : Reference, optional
        Has the wanted hands, where `wanted` is not given.

    Raises
    ------
    TopologyError
        There are not as many wanted hands as centres.
    """

    def __init__(
        self,
        topology: Topology,
        limits: Limits,
        wanted: SignArray | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.limits = limits
        self.centres = topology.expand(
            lambda t: np.array([(a, *t.neighbours[a]) for a in t.stereocentres], dtype=np.int64).reshape(
                -1, 5
            )
        ).reshape(-1, 5)
        self._blocks = [(len(t.stereocentres), count) for t, _, count in topology.blocks()]
        none = np.empty((0, 5), dtype=np.int64)
        self._dyads = {t: chain_centres(t) if _has_tacticity(t) else none for t in topology.templates}
        if wanted is None and reference is not None:
            wanted = _of_reference(topology, limits, reference)
        self.wanted = None if wanted is None else np.asarray(wanted, dtype=np.int8)
        if self.wanted is not None and self.wanted.shape != (len(self.centres),):
            raise TopologyError(
                f"{self.wanted.size} wanted hands do not fit the system's {len(self.centres)} stereocentres: "
                "give one a centre, in the order of `handedness`"
            )

    def find(self, x: FloatArray, usable: BoolArray) -> tuple[Hits, dict[str, FloatArray]]:
        """Return the centres of the wrong hand in whole molecules (F, N, 3), and counts."""
        signs = np.asarray(hands(signed_volumes(x, self.centres[:, 1:].tolist())))
        wanted = self._expected(signs) if self.wanted is None else self.wanted[None]
        known = np.broadcast_to(wanted != 0, signs.shape) & usable[:, self.centres].all(-1)
        frames, rows = np.nonzero(known & (signs != wanted))
        values = signs[frames, rows].astype(np.float64)
        hits = Hits("hand", frames, self.centres[rows], values, np.ones(len(rows)))
        return hits, {
            "stereocentres_judged": known.sum(axis=1).astype(np.float64),
            "inverted_stereocentres": np.bincount(frames, minlength=len(x)).astype(np.float64),
        }

    def meso_share(self, x: FloatArray, topology: Topology) -> FloatArray | None:
        """Return the share of meso pairs along chains in every frame; None where there are no chains."""
        meso, total = np.zeros(len(x)), 0
        for template, block in topology.split(x):
            rows = self._dyads[template]
            if len(rows) > 1:
                signs = np.asarray(hands(signed_volumes(block, rows[:, 1:].tolist())))
                meso += (signs[..., 1:] == signs[..., :-1]).sum(axis=(1, 2))
                total += block.shape[1] * (len(rows) - 1)
        return meso / total if total else None

    def _expected(self, signs: SignArray) -> SignArray:
        """Return the majority of every frame's copies, (F, C); 0 where there is none."""
        parts, first = [signs[:, :0]], 0
        for centres, count in self._blocks:
            block = signs[:, first : first + centres * count].reshape(len(signs), count, centres)
            first += centres * count
            common = majority(block, self.limits.hand_majority, self.limits.hand_copies)
            parts.append(np.repeat(common[:, None], count, axis=1).reshape(len(signs), -1))
        return np.concatenate(parts, axis=1)


def _has_tacticity(template: MoleculeTemplate) -> bool:
    """Tell a polymer from a protein, a sterol or a sugar, along which meso and racemo mean nothing."""
    in_ring = {atom for ring in template.rings for atom in ring}
    centres = template.stereocentres
    if len(centres) < 2 or in_ring & set(centres):
        return False
    return not (stiff_bonds(template).wanted != 0).any()


def _of_reference(topology: Topology, limits: Limits, reference: Reference) -> SignArray:
    """Return the hands of a reference: of each centre where it is the same system, else of all its copies."""
    if reference.aligned(topology):
        parts = [
            np.sign(np.asarray(t.chirality(block)).sum(axis=0, dtype=np.int64)).reshape(-1)
            for t, block in reference.topology.split(reference.positions)
        ]
        return np.concatenate([np.empty(0), *parts]).astype(np.int8)
    common = {}
    for template in topology.templates:
        copies = reference.copies(template)
        n = len(template.stereocentres)
        common[template] = (
            np.zeros(n, dtype=np.int8)
            if copies is None or not n
            else majority(np.asarray(template.chirality(copies)), limits.hand_majority, 1)
        )
    return np.concatenate([np.empty(0, np.int8), *(np.tile(common[t], k) for t, k in topology.molecules)])


class TurnCheck:
    """Finds peptide and double bonds that lie on the wrong side, or are twisted.

    Parameters
    ----------
    topology : Topology
        The system.
    limits : Limits
        Thresholds.
    reference : Reference, optional
        Has the wanted sides. Without it peptide bonds are trans (those before a proline may be either), and
        double bonds as in the majority of the copies.
    """

    def __init__(self, topology: Topology, limits: Limits, reference: Reference | None = None) -> None:
        self.limits = limits
        self._found = {t: stiff_bonds(t) for t in topology.templates}
        self.atoms = topology.expand(lambda t: self._found[t].atoms).reshape(-1, 4)
        self._blocks = [(self._found[t], count) for t, _, count in topology.blocks()]
        none = [np.empty(0, dtype=np.int8)]
        self.wanted = np.concatenate([*none, *(np.tile(s.wanted, k) for s, k in self._blocks)])
        self.sided = np.concatenate([*none, *(np.tile(s.sided, k) for s, k in self._blocks)]).astype(bool)
        if reference is not None and len(self.atoms):
            given = self._of_reference(topology, reference)
            self.wanted = np.where((given != 0) & self.sided, given, self.wanted).astype(np.int8)

    def find(self, x: FloatArray, usable: BoolArray) -> tuple[Hits, dict[str, FloatArray]]:
        """Return what is turned in whole molecules (F, N, 3), and counts."""
        turns = (
            np.degrees(term_values(x, "dihedral", self.atoms)) if len(self.atoms) else np.zeros((len(x), 0))
        )
        size = np.abs(turns)
        wanted = np.broadcast_to(self.wanted, turns.shape)
        open_ = self.sided & (self.wanted == 0)
        if open_.any():
            wanted = np.where(open_, self._common(size), wanted)
        off = np.where(wanted > 0, size, np.where(wanted < 0, 180.0 - size, np.minimum(size, 180.0 - size)))
        bad = (off > self.limits.cis) & usable[:, self.atoms].all(-1)
        frames, rows = np.nonzero(bad)
        severity = off[frames, rows] / self.limits.cis
        hits = Hits("cis", frames, self.atoms[rows], turns[frames, rows], severity)
        return hits, {"turned_bonds": np.bincount(frames, minlength=len(x)).astype(np.float64)}

    def _common(self, size: FloatArray) -> SignArray:
        """Return the side of the majority of every frame's copies, (F, T)."""
        signs = _sides(size)
        parts, first = [signs[:, :0]], 0
        for stiff, count in self._blocks:
            n = len(stiff.atoms)
            block = signs[:, first : first + n * count].reshape(len(signs), count, n)
            first += n * count
            common = majority(block, self.limits.hand_majority, self.limits.hand_copies)
            parts.append(np.repeat(common[:, None], count, axis=1).reshape(len(signs), -1))
        return np.concatenate(parts, axis=1)

    def _of_reference(self, topology: Topology, reference: Reference) -> SignArray:
        if reference.aligned(topology):
            signs = _sides(np.degrees(np.abs(term_values(reference.positions, "dihedral", self.atoms))))
            return np.asarray(np.sign(signs.sum(axis=0, dtype=np.int64)), dtype=np.int8)
        parts = [np.empty(0, dtype=np.int8)]
        for template, count in topology.molecules:
            stiff = self._found[template]
            parts.append(np.tile(_side_of_copies(template, stiff, reference, self.limits), count))
        return np.concatenate(parts)


def _side_of_copies(
    template: MoleculeTemplate, stiff: StiffBonds, reference: Reference, limits: Limits
) -> SignArray:
    copies = reference.copies(template)
    if copies is None or not len(stiff.atoms):
        return np.zeros(len(stiff.atoms), dtype=np.int8)
    return majority(
        _sides(np.degrees(np.abs(term_values(copies, "dihedral", stiff.atoms)))), limits.hand_majority, 1
    )


def _sides(size: FloatArray) -> SignArray:
    """Return +1 for cis and -1 for trans from absolute dihedrals in degrees."""
    return np.where(size < 90.0, 1, -1).astype(np.int8)
