"""The molecules that a backmapping knows: of a topology file, of all-atom snapshots, or of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.census import Kind
from msb.data.snapshots import Snapshots
from msb.data.systems import bead_kind, mapping_files, read_snapshots, require_bonds
from msb.io.gromacs import GromacsTopology
from msb.io.mapping_files import read_mapping
from msb.jobs.backmap.stereochemistry import hands_of_copies, known_hands

__all__ = ["Library", "bead_kind", "mapping_files", "read_snapshots"]


@dataclass(frozen=True)
class Library:
    """Molecules with their mappings.

    Attributes
    ----------
    molecules : tuple of (MoleculeTemplate, MappingTemplate)
        Every one once.
    source : str
        Where they come from, for messages.
    expected : tuple of int
        Their order in the system, where a topology file says it.
    hands : dict of MoleculeTemplate to int8 array or None
        Hands that all known copies have; see `msb.jobs.backmap.stereochemistry.hands_of_copies`.
    """

    molecules: tuple[tuple[MoleculeTemplate, MappingTemplate], ...]
    source: str
    expected: tuple[int, ...] = ()
    hands: dict[MoleculeTemplate, NDArray[np.int8] | None] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> list[Kind]:
        """The molecules as beads."""
        return [bead_kind(mapping) for _, mapping in self.molecules]

    @classmethod
    def of_model(cls, model: Backmapper) -> Library:
        """Return the molecules that a model places.

        Parameters
        ----------
        model : Backmapper
        """
        pairs = zip((t for t, _ in model.topology.molecules), model.mapping.templates, strict=True)
        return cls(tuple(dict.fromkeys(pairs)), "the model", hands=known_hands(model))

    @classmethod
    def of_snapshots(cls, snapshots: Snapshots) -> Library:
        """Return the molecules of snapshots, with the hands of their centres.

        Parameters
        ----------
        snapshots : Snapshots
        """
        mapping = snapshots.mapping
        pairs = zip((t for t, _ in snapshots.topology.molecules), mapping.templates, strict=True)
        hands = hands_of_copies(snapshots.topology, snapshots.positions, snapshots.boxes)
        return cls(tuple(dict.fromkeys(pairs)), "the snapshots", hands=hands)

    @classmethod
    def of_top(cls, top: GromacsTopology, mapping: Sequence[str | Path]) -> Library:
        """Return the molecules of a topology file that have a mapping.

        Parameters
        ----------
        top : GromacsTopology
        mapping : sequence of path
            Mapping files, or names of bundled ones.

        Raises
        ------
        MappingError
            None of the molecules has a mapping, or one does not fit.
        TopologyError
            A molecule that has one is in pieces: its bonds are missing.
        """
        types = tuple(top.molecule_types.values())
        read = read_mapping(mapping_files(mapping), Topology(tuple((t, 1) for t in types)))
        pairs = tuple((t, read[t.name]) for t in types if t.name in read)
        for template, _ in pairs:
            require_bonds(template, top.path)
        number = {template.name: k for k, (template, _) in enumerate(pairs)}
        expected = [
            number[t.name] for t, count in top.topology.molecules for _ in range(count) if t.name in number
        ]
        return cls(pairs, str(top.path), tuple(expected))

    def with_hands_of(self, other: Library) -> Library:
        """Return these molecules with the hands that another library knows for them.

        Parameters
        ----------
        other : Library
        """
        return Library(self.molecules, self.source, self.expected, {**other.hands, **self.hands})
