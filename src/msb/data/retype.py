"""Other names for the types of atoms and beads, so that molecules of two force fields have them in common."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import replace

from msb.core.bead_groups import nearest_names
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots
from msb.errors import ConfigError

__all__ = ["retyped", "retyped_snapshots"]

Names = MappingOf[str, str]


def retyped(
    topology: Topology, mapping: Mapping, atoms: Names | None = None, beads: Names | None = None
) -> tuple[Topology, Mapping]:
    """The same system with other names of types.

    Parameters
    ----------
    topology, mapping
        The system.
    atoms, beads : mapping of str to str, optional
        New name of each type that gets one; of atoms also `HC@CA`, type HC where it is bonded to a CA.

    Returns
    -------
    Topology, Mapping
    """
    made: dict[MoleculeTemplate, MoleculeTemplate] = {}
    for template in topology.templates:
        types = [
            next((atoms[word] for word in words if atoms and word in atoms), words[-1])
            for words in _words(template)
        ]
        made[template] = MoleculeTemplate.from_dict({**template.to_dict(), "atom_types": types})
    new = Topology(tuple((made[template], count) for template, count in topology.molecules))
    templates = [
        MappingTemplate.from_dict(
            {**t.to_dict(), "bead_types": [(beads or {}).get(kind, kind) for kind in t.bead_types]}
        )
        for t in mapping.templates
    ]
    return new, Mapping(templates, new)


def retyped_snapshots(parts: list[Snapshots], atoms: Names, beads: Names) -> list[Snapshots]:
    """The same snapshots with other names of types.

    Parameters
    ----------
    parts : list of Snapshots
    atoms, beads : mapping of str to str

    Raises
    ------
    ConfigError
        A type is to be renamed that no molecule has; all are listed, with the nearest known ones.
    """
    if not atoms and not beads:
        return parts
    has_atoms = {
        word for part in parts for t in part.topology.templates for words in _words(t) for word in words
    }
    has_beads = {kind for part in parts for t in part.mapping.templates for kind in t.bead_types}
    odd = [
        f"{what} type {name}{nearest_names(name, known)}"
        for what, wanted, known in (("atom", atoms, has_atoms), ("bead", beads, has_beads))
        for name in wanted
        if name not in known
    ]
    if odd:
        raise ConfigError(f"`rename_atoms` and `rename_beads`: there is no {'; no '.join(odd)}")
    out = []
    for part in parts:
        topology, mapping = retyped(part.topology, part.mapping, atoms, beads)
        out.append(replace(part, topology=topology, mapping=mapping))
    return out


def _words(template: MoleculeTemplate) -> list[list[str]]:
    """What each atom's type may be called, the type itself last."""
    types = template.atom_types
    return [
        [*sorted({f"{kind}@{types[b]}" for b in template.neighbours[a]}), kind]
        for a, kind in enumerate(types)
    ]
