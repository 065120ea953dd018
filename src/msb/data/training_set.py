"""What a `data` section of snapshots names: systems to train and select, force fields, rigid bonds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from msb.core.elements import NO_ELEMENT
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.data.catalogue import data_path, entry_names, fetch
from msb.data.force_fields import molecule_fields, xml_fields
from msb.data.paired import locate
from msb.data.retype import retyped_snapshots
from msb.data.rigid import RigidBonds
from msb.data.settings import SnapshotSettings
from msb.data.snapshots import Snapshots
from msb.data.systems import read_systems
from msb.energy.systems import system_to_xml
from msb.errors import ConfigError, EnergyError, MsbWarning, TrajectoryError
from msb.io.gromacs import GromacsTopology, read_gromacs

__all__ = ["TrainingSet", "load_training", "locate_all"]

_GROMACS = (".top", ".itp")
_LONGEST = 0.35  # nm; no bond is longer


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Snapshots that train and that select.

    Attributes
    ----------
    train, select : tuple of Snapshots
        One a system; `select` has the same systems or fewer.
    force_field : dict of str to str
        OpenMM System XML of one molecule of each kind, all bonds flexible, by template name; empty where none
        is known.
    temperature : float
        K.
    """

    train: tuple[Snapshots, ...]
    select: tuple[Snapshots, ...]
    force_field: dict[str, str]
    temperature: float

    @cached_property
    def molecules(self) -> tuple[tuple[MoleculeTemplate, MappingTemplate], ...]:
        """Every kind of molecule once."""
        pairs = [
            pair
            for part in self.train
            for pair in zip(
                (template for template, _ in part.topology.molecules), part.mapping.templates, strict=True
            )
        ]
        return tuple(dict.fromkeys(pairs))

    @cached_property
    def rigid(self) -> RigidBonds:
        """Bonds whose length never changes."""
        return RigidBonds.of(self.train)

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of the files, and the contents of the mappings."""
        return {name: value for part in (*self.train, *self.select) for name, value in part.hashes.items()}

    @property
    def n_frames(self) -> int:
        """Frames that train, over all systems."""
        return sum(len(part.positions) for part in self.train)


def load_training(settings: SnapshotSettings, base: Path) -> TrainingSet:
    """Read the files that a configuration names.

    Parameters
    ----------
    settings : SnapshotSettings
    base : Path
        Folder that relative paths start from: the configuration's.

    Returns
    -------
    TrainingSet

    Raises
    ------
    ConfigError
        A file is neither there, nor in the catalogue, nor bundled.
    MappingError, TopologyError, TrajectoryError, FileFormatError
        Files cannot be read, or do not fit each other; see `msb.data.systems.read_systems`.
    EnergyError
        The force-field files do not know a molecule.

    Warns
    -----
    MsbWarning
        Nothing is left to select with, or the topology files are no whole force field.
    """
    tops = [read_gromacs(path) for path in _topologies(settings.topology, base)]
    mapping = [locate(name, base) for name in settings.mapping]

    def read(names: Sequence[str]) -> list[Snapshots]:
        files = locate_all(names, base)
        parts = read_systems(files, tops, mapping, skip=settings.skip, stride=settings.stride)
        for part in parts:
            _refuse_broken(part)
        return parts

    train = read(settings.snapshots)
    if settings.validation:
        select = read(settings.validation)
    else:
        train, select = _split(train)
    molecules = list(dict.fromkeys(template for part in train for template in part.topology.templates))
    fields = _fields(settings, base, tops, molecules)
    kept = [retyped_snapshots(list(p), settings.rename_atoms, settings.rename_beads) for p in (train, select)]
    data = TrainingSet(tuple(kept[0]), tuple(kept[1]), fields, settings.temperature)
    for molecule, beads in data.molecules:
        _remark(molecule, beads)
    return data


def locate_all(names: Sequence[str], base: Path) -> list[Path]:
    """Files at paths or patterns relative to `base`, of the catalogue, or bundled.

    Parameters
    ----------
    names : sequence of str
        A pattern's files come in the order of their names.
    base : Path

    Raises
    ------
    ConfigError
        A name stands for nothing.
    """
    found: list[Path] = []
    for name in names:
        if not any(mark in name for mark in "*?["):
            found.append(locate(name, base))
            continue
        path = Path(name)
        start = Path(path.anchor) if path.is_absolute() else base
        here = sorted(start.glob(str(path.relative_to(path.anchor))))
        if not here and any(Path(entry).match(name) for entry in entry_names()):
            here = fetch(name)
        if not here:
            raise ConfigError(f"`{name}` matches neither a file in {base} nor one that `msb data list` knows")
        found.extend(here)
    return found


def _topologies(names: Sequence[str], base: Path) -> list[Path]:
    """Topology files, and beside those of the catalogue the files that they may include."""
    found = []
    for name in names:
        path = locate(name, base)
        if path.suffix.lower() not in _GROMACS:
            raise ConfigError(
                f"`topology: {name}`: give GROMACS .top or .itp files; without any, atoms and bonds are "
                "taken from the snapshots"
            )
        if name in entry_names() and not (base / name).exists():
            folder = name.rpartition("/")[0] + "/"
            for entry in entry_names():
                if entry.startswith(folder) and entry.endswith(_GROMACS):
                    data_path(entry)
        found.append(path)
    return found


def _split(systems: Sequence[Snapshots]) -> tuple[list[Snapshots], list[Snapshots]]:
    """The last frame of each system selects, where there are others to train."""
    if all(len(part.positions) < 2 for part in systems):
        warnings.warn(
            "there is one snapshot only: it trains and selects, so the figures say nothing about new ones; "
            "give `validation:` one of its own",
            MsbWarning,
            stacklevel=4,
        )
        return list(systems), list(systems)
    train = [part[:-1] if len(part.positions) > 1 else part for part in systems]
    return train, [part[-1:] for part in systems if len(part.positions) > 1]


def _refuse_broken(part: Snapshots) -> None:
    """Refuse snapshots in which a bond is so long that its molecule must be in pieces."""
    for template, positions in part.topology.split(part.positions):
        bonds = np.asarray(template.bonds).reshape(-1, 2)
        if not len(bonds):
            continue
        lengths = np.linalg.norm(positions[..., bonds[:, 0], :] - positions[..., bonds[:, 1], :], axis=-1)
        if not lengths.max(initial=0.0) > _LONGEST:
            continue
        frame, copy, bond = (int(i) for i in np.unravel_index(lengths.argmax(), lengths.shape))
        i, j = (template.atom_names[atom] for atom in bonds[bond])
        raise TrajectoryError(
            f"frame {frame + 1} of the snapshots: atoms {i} and {j} of {template.name} {copy + 1} are bonded "
            f"and {lengths.max():.2f} nm apart: the molecule is broken over a box that the file lacks "
            "(give whole molecules, or files with the box), or the topology is that of another molecule"
        )


def _remark(molecule: MoleculeTemplate, mapping: MappingTemplate) -> None:
    """Say which beads have no heavy atom to place."""
    heavy = np.array([element not in ("H", NO_ELEMENT) for element in molecule.elements])
    owned = np.bincount(np.asarray(mapping.owner)[heavy], minlength=mapping.n_beads)
    without = [name for name, count in zip(mapping.bead_names, owned, strict=True) if not count]
    if without:
        warnings.warn(
            f"mapping of {mapping.molecule}: no heavy atoms are placed by {', '.join(without[:8])}; "
            "hydrogens follow the heavy atoms that they are bonded to, so such a bead says little (`owns:` "
            "in the mapping changes who places an atom)",
            MsbWarning,
            stacklevel=4,
        )


def _fields(
    settings: SnapshotSettings,
    base: Path,
    tops: Sequence[GromacsTopology],
    molecules: Sequence[MoleculeTemplate],
) -> dict[str, str]:
    """Force field of every molecule, as XML by name."""
    if settings.force_field == "none" or (settings.force_field == "topology" and not tops):
        return {}
    if settings.force_field != "topology":
        files = [str(base / name) if (base / name).exists() else name for name in settings.force_field]
        systems = xml_fields(files, molecules, cutoff=settings.cutoff, dielectric=settings.dielectric)
        return {name: system_to_xml(system) for name, system in systems.items()}
    fields: dict[str, str] = {}
    for top in tops:
        own = [t for t in molecules if top.molecule_types.get(t.name) == t and t.name not in fields]
        if not own:
            continue
        try:
            made = molecule_fields(
                top,
                own,
                cutoff=settings.cutoff,
                dielectric=settings.dielectric,
                box=np.eye(3) * 3 * settings.cutoff,
                advice="add them, or write `force_field: none`",
            )
        except EnergyError as error:
            warnings.warn(f"energies are not known: {error}", MsbWarning, stacklevel=4)
            return {}
        fields |= {name: system_to_xml(system) for name, system in made.items()}
    return fields
