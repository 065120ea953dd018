"""Channels of a voxelised environment: which particles go into which, as the user declares it.

Atoms around an atom that is placed are told apart by their type and by their relation to it: one bond away
(`bond`), two (`angle`), three (`torsion`), anything else (`lennard-jones`), or not at all (`any`).  Beads are
told apart by type, and the bead whose atoms are placed has a channel of its own.  A particle counts in every
channel that it fits.

In YAML::

    atoms:
      - {name: any C, types: [C]}
      - {name: bond C, relation: bond, types: [C]}
      - {name: torsion H to C, relation: torsion, types: [H], placed: [C]}
    beads:
      - {name: bead B, types: [B]}
    current: true
    classes:
      - {name: CH2, types: [C], neighbours: [C, C, H, H]}

References
----------
The feature embedding of thesis eqs. 4.8-4.10 (M. Stieffenhofer, T. Bereau, M. Wand, APL Mater. 9, 031107
(2021)).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from msb.errors import ConfigError

if TYPE_CHECKING:
    from msb.core.mapping import Mapping as SystemMapping

__all__ = [
    "AtomChannel",
    "AtomClass",
    "BeadChannel",
    "ChannelMap",
    "Relation",
    "default_channels",
]

Relation = Literal["any", "bond", "angle", "torsion", "lennard-jones"]
_MANY = 8  # types from which on they are put together by element
_Entry = TypeVar("_Entry", "AtomChannel", "BeadChannel", "AtomClass")


@dataclass(frozen=True)
class AtomChannel:
    """Atoms of some types in some relation to the atom that is placed.

    Attributes
    ----------
    name : str
    relation : {'any', 'bond', 'angle', 'torsion', 'lennard-jones'}
        The shortest path to the atom that is placed: one bond, two, three, more (or none); `any` is all.
    types : tuple of str
        Force-field types of the environment's atoms; empty for all.
    placed : tuple of str
        Force-field types of the atom that is placed; empty for all.
    """

    name: str
    relation: Relation = "any"
    types: tuple[str, ...] = ()
    placed: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        """Whether the channel is the same whichever atom is placed."""
        return self.relation == "any" and not self.placed


@dataclass(frozen=True)
class BeadChannel:
    """Beads of some types; empty for all."""

    name: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class AtomClass:
    """Atoms that are placed in the same way: what the networks are told of the atom itself.

    Attributes
    ----------
    name : str
    types : tuple of str
        Force-field types; empty for all.
    neighbours : tuple of str, optional
        Elements of the bonded atoms, sorted; None for any.
    """

    name: str
    types: tuple[str, ...] = ()
    neighbours: tuple[str, ...] | None = None

    def fits(self, kind: str, neighbours: Sequence[str]) -> bool:
        """Whether an atom of a type with neighbours of such elements (sorted) belongs here."""
        alike = self.neighbours is None or tuple(sorted(self.neighbours)) == tuple(neighbours)
        return alike and (not self.types or kind in self.types)


@dataclass(frozen=True)
class ChannelMap:
    """All channels, in order: atoms, beads, the current bead.

    Attributes
    ----------
    atoms : tuple of AtomChannel
    beads : tuple of BeadChannel
    current : bool
        Whether the bead whose atoms are placed has a channel of its own, besides that of its type.
    classes : tuple of AtomClass
        Classes of the atoms that are placed; an atom belongs to the first that it fits.

    Raises
    ------
    ConfigError
        There is no channel, no class, or two have one name.
    """

    atoms: tuple[AtomChannel, ...]
    beads: tuple[BeadChannel, ...]
    current: bool = True
    classes: tuple[AtomClass, ...] = (AtomClass("any"),)

    def __post_init__(self) -> None:
        """Check names and relations."""
        if not self.names:
            raise ConfigError("channel map: there is no channel; declare some under `atoms` and `beads`")
        if not self.classes:
            raise ConfigError("channel map: `classes` is empty; declare at least one class of placed atoms")
        for what, names in (("channels", self.names), ("classes", [c.name for c in self.classes])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ConfigError(f"channel map: several {what} are called {', '.join(twice)}; rename them")

    @property
    def names(self) -> list[str]:
        """Names of all channels, in order."""
        atoms = [channel.name for channel in self.atoms]
        beads = [channel.name for channel in self.beads]
        return [*atoms, *beads, *["current"] * self.current]

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.atoms) + len(self.beads) + self.current

    @property
    def static(self) -> list[int]:
        """Channels that are the same whichever atom of a bead is placed."""
        atoms = [i for i, channel in enumerate(self.atoms) if channel.static]
        return [*atoms, *range(len(self.atoms), self.n_channels)]

    @property
    def dynamic(self) -> list[int]:
        """Channels that depend on the atom that is placed."""
        return [i for i, channel in enumerate(self.atoms) if not channel.static]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists, fit for YAML and JSON; what is empty is left out."""
        return {
            "atoms": [_plain(channel) for channel in self.atoms],
            "beads": [_plain(channel) for channel in self.beads],
            "current": self.current,
            "classes": [_plain(entry) for entry in self.classes],
        }

    @classmethod
    def from_dict(cls, data: Any, source: str = "channel map") -> ChannelMap:
        """Read a declaration.

        Parameters
        ----------
        data : mapping
            As in the module's example; `current` is true and `classes` one class of all atoms by default.
        source : str
            Where it stands, for messages.

        Raises
        ------
        ConfigError
            A key is unknown or missing, a relation is none of the five, or a name stands twice.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"{source}: a channel map is a mapping with `atoms` and `beads`, not {data!r}")
        _known(data, [field.name for field in fields(cls)], source)
        current = data.get("current", True)
        if not isinstance(current, bool):
            raise ConfigError(f"{source}: `current` is true or false, not {current!r}")
        classes = tuple(_entries(data, "classes", AtomClass, source)) if "classes" in data else None
        return cls(
            tuple(_entries(data, "atoms", AtomChannel, source)),
            tuple(_entries(data, "beads", BeadChannel, source)),
            current,
            (AtomClass("any"),) if classes is None else classes,
        )


def default_channels(
    mapping: SystemMapping,
    *,
    relations: Sequence[Relation] = ("bond", "angle", "torsion"),
    by_type: bool = True,
    split: Literal["auto", "types", "elements"] = "auto",
) -> ChannelMap:
    """Make the channel map of a system from its topology and mapping.

    Atoms by type; atoms by type again for each relation (without the `lennard-jones` one, which is all atoms
    less the related ones); beads by type; the current bead.  Classes are types with the elements of their
    neighbours, so that CH2 and CH3 differ wherever they stand.

    Parameters
    ----------
    mapping : Mapping
        Its topology is the system.
    relations : sequence of str
        ``("bond", "angle", "torsion", "lennard-jones")`` with ``by_type=False`` are the papers' channels:
        every atom in exactly one.
    by_type : bool
        Whether there are channels of atoms by type alone.
    split : {'auto', 'types', 'elements'}
        Whether types have channels of their own; 'auto' puts more than eight together by element.

    Returns
    -------
    ChannelMap
    """
    topology = mapping.topology
    element: dict[str, str] = {}
    classes: dict[tuple[str, tuple[str, ...]], None] = {}
    for template in topology.templates:
        for atom, kind in enumerate(template.atom_types):
            element.setdefault(kind, template.elements[atom])
            near = tuple(sorted(template.elements[other] for other in template.neighbours[atom]))
            classes.setdefault((kind, near))
    together = split == "elements" or (split == "auto" and len(element) > _MANY)
    groups: dict[str, list[str]] = {}
    for kind in sorted(element):
        groups.setdefault(element[kind] if together else kind, []).append(kind)
    every: tuple[Relation, ...] = ("any",) if by_type else ()
    atoms = [
        AtomChannel(f"{relation} {label}", relation, tuple(kinds))
        for relation in (*every, *relations)
        for label, kinds in groups.items()
        # an atom's own hydrogens are never there when it is placed
        if not (relation == "bond" and all(element[kind] == "H" for kind in kinds))
    ]
    types = dict.fromkeys(kind for template in mapping.templates for kind in template.bead_types)
    return ChannelMap(
        tuple(atoms),
        tuple(BeadChannel(f"bead {kind}", (kind,)) for kind in sorted(types)),
        True,
        tuple(AtomClass(f"{kind} ({''.join(near)})", (kind,), near) for kind, near in sorted(classes)),
    )


def _plain(entry: AtomChannel | BeadChannel | AtomClass) -> dict[str, Any]:
    """One entry without what is empty or as usual."""
    plain: dict[str, Any] = {}
    for field in fields(entry):
        value = getattr(entry, field.name)
        if value == field.default:
            continue
        plain[field.name] = list(value) if isinstance(value, tuple) else value
    return plain


def _entries(data: Mapping[str, Any], key: str, kind: type[_Entry], source: str) -> Iterator[_Entry]:
    """Entries of one list of the declaration."""
    rows = data.get(key, [])
    if not isinstance(rows, list):
        raise ConfigError(f"{source}: `{key}` is a list of entries, not {rows!r}")
    for number, row in enumerate(rows, start=1):
        yield _entry(row, kind, f"{source}, entry {number} of `{key}`")


def _entry(row: Any, kind: type[_Entry], where: str) -> _Entry:
    if not isinstance(row, Mapping):
        raise ConfigError(f"{where}: an entry is a mapping such as {{name: any C, types: [C]}}, not {row!r}")
    _known(row, [field.name for field in fields(kind)], where)
    name = row.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where}: `name` is missing; give a text, not {name!r}")
    values: dict[str, Any] = {"name": name}
    for key in set(row) - {"name"}:
        values[key] = _relation(row[key], where) if key == "relation" else _words(row[key], key, where)
    return kind(**values)


def _relation(value: Any, where: str) -> str:
    if value not in get_args(Relation):
        raise ConfigError(f"{where}: relation {value!r} is none of {', '.join(get_args(Relation))}")
    return str(value)


def _words(value: Any, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise ConfigError(f"{where}: `{key}` is a list of names such as [C, H], not {value!r}")
    return tuple(value)


def _known(data: Mapping[str, Any], keys: list[str], where: str) -> None:
    for key in data:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(keys)}"
            raise ConfigError(f"{where}: unknown key `{key}`; {hint}")
