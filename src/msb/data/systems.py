"""Snapshots of systems that a topology file describes in other numbers, or of several systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msb.core.elements import NO_ELEMENT
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.census import Kind, take_census
from msb.data.samples import file_or_sample
from msb.data.snapshots import TRAJECTORIES, Snapshots, load_snapshots
from msb.errors import MappingError, TopologyError
from msb.io.gromacs import GromacsTopology
from msb.io.trajectory import open_trajectory

__all__ = [
    "atom_kind",
    "bead_kind",
    "mapping_files",
    "read_snapshots",
    "read_systems",
    "require_bonds",
    "topology_of",
]

_NAMED = 8


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
    return [file_or_sample(name) for name in names]


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
    read = read_systems(files, () if top is None else (top,), mapping)
    return read[0] if len(read) == 1 else _joined(read)


def read_systems(
    files: Sequence[str | Path],
    tops: Sequence[GromacsTopology],
    mapping: Sequence[str | Path],
    *,
    skip: int = 0,
    stride: int = 1,
) -> list[Snapshots]:
    """Read all-atom snapshots of one system or of several, each with its own boxes.

    Parameters
    ----------
    files, mapping
        See `read_snapshots`.
    tops : sequence of GromacsTopology
        One that has as many atoms as a structure is the structure's; else the molecule types of all are
        looked for in it.  Without any, bonds are taken from the structures.
    skip, stride : int
        See `load_snapshots`.

    Returns
    -------
    list of Snapshots
        One a system, in the order of its first file.

    Raises
    ------
    MappingError, TopologyError, TrajectoryError, FileFormatError
        See `read_snapshots`.
    """
    chosen: list[Path] = mapping_files(mapping)
    read = []
    for group in _by_system([Path(file) for file in files]):
        topology = topology_of(group[0], tops) if tops else None
        snapshots = load_snapshots(group, topology, chosen, skip=skip, stride=stride)
        for template in snapshots.topology.templates:
            require_bonds(template, tops[0].path if tops else group[0])
        read.append(snapshots)
    return read


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


def topology_of(structure: str | Path, tops: Sequence[GromacsTopology]) -> Topology:
    """Topology of a structure, whose molecules topology files may describe in other numbers.

    Parameters
    ----------
    structure : path
    tops : sequence of GromacsTopology
        See `read_systems`.

    Raises
    ------
    MappingError
        A residue is of no molecule type (all are named), or atoms stand in another order.
    """
    atoms = open_trajectory(structure).atoms
    for top in tops:
        if len(atoms) == top.topology.n_atoms:
            return top.topology
    types = list({name: t for top in reversed(tops) for name, t in top.molecule_types.items()}.values())
    where = " and ".join(str(top.path) for top in tops)
    census = take_census(atoms, [atom_kind(template) for template in types])
    if census.odd:
        said = "; ".join(odd.said(census.kinds) for odd in census.odd[:_NAMED])
        raise MappingError(
            f"{structure} holds what no molecule type of {where} describes: {said}; "
            "name the molecules as they are named there, or add their [ moleculetype ]"
        )
    if not np.array_equal(census.order, np.arange(len(atoms))):
        raise MappingError(
            f"the atoms of {structure} stand in another order than in {where}: bring them to that order"
        )
    return Topology(tuple((types[kind], count) for kind, count in census.runs()))


def require_bonds(template: MoleculeTemplate, path: Path) -> None:
    """Refuse a molecule whose bonds leave it in pieces (TopologyError).

    Parameters
    ----------
    template : MoleculeTemplate
    path : Path
        Where it was read.
    """
    real = np.array([element != NO_ELEMENT for element in template.elements], dtype=bool)
    pieces = len(np.unique(template.components[real]))
    if pieces > 1:
        raise TopologyError(
            f"{path}: molecule {template.name} has {template.n_atoms} atoms in {pieces} pieces that no bond "
            "joins; a molecule needs its [ bonds ] (or an atom's element was misread: check names and types)"
        )
