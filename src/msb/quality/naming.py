"""Findings from arrays: residues and atoms by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.quality.findings import KINDS, Finding, Hits

__all__ = ["Names"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


class Names:
    """Names what detectors found.

    Parameters
    ----------
    topology : Topology
        The system.
    mapping : Mapping, optional
        For findings about beads.
    """

    def __init__(self, topology: Topology, mapping: Mapping | None = None) -> None:
        self._topology, self._mapping = topology, mapping

    def findings(self, hits: Sequence[Hits], first: int) -> list[Finding]:
        """Return the findings of some frames, frame by frame, the gravest kinds first.

        Parameters
        ----------
        hits : sequence of Hits
            Of all detectors.
        first : int
            Absolute number of their first frame.

        Returns
        -------
        list of Finding
        """
        rows = [finding for each in hits if len(each) for finding in self._named(each, first)]
        order = {kind: number for number, kind in enumerate(KINDS)}
        rows.sort(key=lambda finding: (finding.frame, order[finding.kind]))
        return rows

    def beads_of_usable(self, usable: BoolArray) -> BoolArray:
        """Tell which beads (F, M) have positions for all their atoms."""
        if usable.all() or self._mapping is None:
            shape = len(usable), 0 if self._mapping is None else self._mapping.n_beads
            return np.ones(shape, dtype=bool)
        weights = np.repeat((~usable).astype(np.float64)[..., None], 3, axis=-1)
        lost: FloatArray = np.asarray(self._mapping.beads(weights))[..., 0]
        return np.asarray(lost == 0)

    def _named(self, hits: Hits, first: int) -> list[Finding]:
        if hits.kind == "nan":
            return self._lost(hits, first)
        found = []
        frames, atoms = (hits.frames + first).tolist(), hits.atoms.tolist()
        for frame, row, value, severity in zip(
            frames, atoms, hits.values.tolist(), hits.severities.tolist(), strict=True
        ):
            if hits.kind == "bead":
                residue, names, indices = self._bead(row[0])
            else:
                residue, names = self._words(row)
                indices = tuple(row)
            found.append(Finding(hits.kind, frame, residue, names, value, indices, severity))
        return found

    def _words(self, atoms: Sequence[int]) -> tuple[str, tuple[str, ...]]:
        if not atoms:
            return "", ()
        home = self._residue_of[atoms[0]]
        words = []
        for atom in atoms:
            residue, name = self._residue_of[atom], str(self._topology.atom_names[atom])
            words.append(name if residue == home else f"{self._residue(residue)}:{name}")
        return self._residue(home), tuple(words)

    def _residue(self, number: int) -> str:
        topology = self._topology
        return f"{topology.residue_names[number]} {topology.residue_numbers[number]}"

    @property
    def _residue_of(self) -> IntArray:
        return self._topology.residue_index

    def _bead(self, bead: int) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
        assert self._mapping is not None
        start, end = self._starts[bead : bead + 2]
        atoms = tuple(self._by_bead[start:end].tolist())
        residue = self._residue(self._residue_of[atoms[0]]) if atoms else ""
        return residue, (self._bead_names[bead],), atoms

    @cached_property
    def _by_bead(self) -> IntArray:
        assert self._mapping is not None
        return np.argsort(self._mapping.owner, kind="stable")

    @cached_property
    def _starts(self) -> IntArray:
        assert self._mapping is not None
        counts = np.bincount(self._mapping.owner, minlength=self._mapping.n_beads)
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def _bead_names(self) -> list[str]:
        assert self._mapping is not None
        return [name for b in self._mapping.blocks for name in (*b.template.bead_names,) * b.count]

    def _lost(self, hits: Hits, first: int) -> list[Finding]:
        """Make one finding of all atoms of a residue that have no position."""
        atoms = hits.atoms[:, 0]
        keys = np.stack([hits.frames, self._residue_of[atoms]], axis=1)
        _, starts = np.unique(keys, axis=0, return_index=True)
        found = []
        for rows in np.split(np.arange(len(atoms)), np.sort(starts)[1:]):
            members = atoms[rows].tolist()
            residue, names = self._words(members)
            frame = int(hits.frames[rows[0]]) + first
            found.append(
                Finding(
                    "nan", frame, residue, names, float(len(members)), tuple(members), float(len(members))
                )
            )
        return found
