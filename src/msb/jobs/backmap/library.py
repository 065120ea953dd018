"""The molecules that a backmapping knows: of a topology file, of all-atom snapshots, or of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.elements import NO_ELEMENT
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.samples import list_samples, sample
from msb.data.snapshots import TRAJECTORIES, Snapshots, load_snapshots
from msb.errors import MappingError, TopologyError
from msb.io.gromacs import GromacsTopology
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.jobs.backmap.census import Kind, take_census
from msb.jobs.backmap.stereochemistry import hands_of_copies

__all__ = ["Library", "atom_kind", "bead_kind", "mapping_files", "read_snapshots"]

_NAMED = 8


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
        return cls(tuple(dict.fromkeys(pairs)), "the model")

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
            _require_bonds(template, top.path)
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


def bead_kind(mapping: MappingTemplate) -> Kind:
    """Return a molecule as its beads are named.

    Parameters
    ----------
    mapping : MappingTemplate
    """
    types = tuple((t, *mapping.aliases.get(t, ())) for t in mapping.bead_types)
    return Kind(
        mapping.molecule,
        mapping.bead_names,
        tuple(int(r) for r in mapping.bead_residue),
        mapping.residue_names,
        types,
    )


def atom_kind(template: MoleculeTemplate) -> Kind:
    """Return a molecule as its atoms are named.

    Parameters
    ----------
    template : MoleculeTemplate
    """
    residue = tuple(int(r) for r in template.residue_index)
    return Kind(template.name, template.atom_names, residue, template.residue_names)


def mapping_files(names: Sequence[str | Path]) -> list[Path]:
    """Return the files of mappings that may be bundled ones.

    Parameters
    ----------
    names : sequence of path
        Files, or names as `list_samples` gives them.
    """
    known = list_samples()
    return [sample(str(n)) if str(n) in known and not Path(n).exists() else Path(n) for n in names]


def read_snapshots(
    files: Sequence[str | Path], top: GromacsTopology | None, mapping: Sequence[str | Path]
) -> Snapshots:
    """Read all-atom snapshots, whose molecules a topology file may describe in other numbers.

    Parameters
    ----------
    files : sequence of path
        As `load_snapshots` takes them, of one system or of several (pure liquids of a mixture's molecules):
        the frames of several become one frame that holds all their molecules.
    top : GromacsTopology, optional
        Its molecule types are looked for in the first structure, by residue and atom names, unless it has as
        many atoms as the structure; without it, bonds are taken from the structure.
    mapping : sequence of path
        Mapping files, or names of bundled ones.

    Raises
    ------
    MappingError
        A residue is of no molecule type; all are named.
    TopologyError
        Molecules of the topology are in pieces.
    TrajectoryError, FileFormatError
        A file cannot be read.
    """
    chosen: list[Path] = mapping_files(mapping)
    read = []
    for group in _by_system([Path(file) for file in files]):
        topology = None if top is None else _topology_of(group[0], top)
        snapshots = load_snapshots(group, topology, chosen)
        for template in snapshots.topology.templates:
            _require_bonds(template, group[0] if top is None else top.path)
        read.append(snapshots)
    return read[0] if len(read) == 1 else _joined(read)


def _by_system(files: Sequence[Path]) -> list[list[Path]]:
    """Files of structures with the same atoms together; what is no structure stays with the one before it."""
    groups: dict[tuple[str, ...], list[Path]] = {}
    key: tuple[str, ...] = ()
    for path in files:
        if path.suffix.lower() not in TRAJECTORIES:
            atoms = open_trajectory(path).atoms
            key = (*atoms.resnames.tolist(), *atoms.names.tolist())
        groups.setdefault(key, []).append(path)
    return list(groups.values())


def _joined(parts: Sequence[Snapshots]) -> Snapshots:
    """One frame with the molecules of all frames of all parts, each whole by itself."""
    molecules: list[tuple[MoleculeTemplate, int]] = []
    mappings: list[MappingTemplate] = []
    frames = []
    for part in parts:
        for positions in part.positions:
            molecules += part.topology.molecules
            mappings += part.mapping.templates
            frames.append(positions)
    topology = Topology(tuple(molecules))
    names = {mapping.molecule: mapping for mapping in mappings}
    by_name = {t.name: names.get(t.name, m) for (t, _), m in zip(molecules, mappings, strict=True)}
    hashes = {name: value for part in parts for name, value in part.hashes.items()}
    return Snapshots.of(np.concatenate(frames)[None], Mapping(by_name, topology), None, hashes)


def _topology_of(structure: str | Path, top: GromacsTopology) -> Topology:
    atoms = open_trajectory(structure).atoms
    if len(atoms) == top.topology.n_atoms:
        return top.topology
    types = list(top.molecule_types.values())
    census = take_census(atoms, [atom_kind(template) for template in types])
    if census.odd:
        said = "; ".join(odd.said(census.kinds) for odd in census.odd[:_NAMED])
        raise MappingError(
            f"{structure} holds what no molecule type of {top.path} describes: {said}; "
            "name the molecules as they are named there, or add their [ moleculetype ]"
        )
    if not np.array_equal(census.order, np.arange(len(atoms))):
        raise MappingError(
            f"the atoms of {structure} stand in another order than in {top.path}: bring them to that order"
        )
    return Topology(tuple((types[kind], count) for kind, count in census.runs()))


def _require_bonds(template: MoleculeTemplate, path: Path) -> None:
    real = np.array([element != NO_ELEMENT for element in template.elements], dtype=bool)
    pieces = len(np.unique(template.components[real]))
    if pieces > 1:
        raise TopologyError(
            f"{path}: molecule {template.name} has {template.n_atoms} atoms in {pieces} pieces that no bond "
            "joins; a molecule needs its [ bonds ] (or an atom's element was misread: check names and types)"
        )
