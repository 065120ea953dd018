"""The project's own mapping file, YAML, written so that reading it gives the same mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml

from msb.core.mapping_template import MappingTemplate

__all__ = ["to_yaml"]


def to_yaml(templates: Iterable[MappingTemplate]) -> str:
    """Write mappings as YAML text; see `msb.io.mapping_files` for the format.

    Parameters
    ----------
    templates : iterable of MappingTemplate
        Of different molecules; those without masses get 0 for every atom.
    """
    lines = ["# A mapping of atoms to beads (msb).", "msb_mapping: 1", "molecules:"]
    for template in templates:
        lines.append(f"  {_flow(template.molecule)}:")
        lines.append(f"    weights: {template.weighting}")
        lines += ["    beads:", *(f"      - {_flow(bead)}" for bead in _beads(template))]
        lines.append(f"    bonds: {_flow((template.bead_bonds + 1).tolist())}")
        if template.aliases:
            lines.append(f"    aliases: {_flow({k: list(v) for k, v in sorted(template.aliases.items())})}")
        lines += [
            "    atoms:  # name, residue, its number, mass",
            *(f"      - {_flow(a)}" for a in _atoms(template)),
        ]
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _beads(template: MappingTemplate) -> list[dict[str, Any]]:
    keys = _keys(template)
    first_owner = np.full(template.n_atoms, -1)
    entries: list[dict[str, Any]] = []
    for bead in range(template.n_beads):
        shares = template.fractions[bead]
        weights = template.weights[bead]
        members = np.union1d(weights.indices, shares.indices)
        first_owner[members] = np.where(first_owner[members] < 0, bead, first_owner[members])
        listed = [_entry(template, keys, bead, int(atom)) for atom in members]
        entries.append(
            {"name": template.bead_names[bead], "type": template.bead_types[bead], "atoms": listed}
        )
    for bead, entry in enumerate(entries):
        owned = np.flatnonzero((template.owner == bead) & (first_owner != bead))
        if len(owned):
            entry["owns"] = [keys[a] for a in owned]
    return entries


def _entry(template: MappingTemplate, keys: list[Any], bead: int, atom: int) -> Any:
    extra: dict[str, float] = {}
    share = float(template.fractions[bead, atom])
    if share != 1.0:
        extra["fraction"] = share
    if template.weighting == "given":
        extra["weight"] = float(template.weights[bead, atom])
    return {"atom": keys[atom], **extra} if extra else keys[atom]


def _keys(template: MappingTemplate) -> list[Any]:
    """Shortest unique way to say each atom: name, [residue, name], [residue number, name], number from 1."""
    residue = template.residue_index
    names = list(template.atom_names)
    named = [[template.residue_names[r], name] for r, name in zip(residue, names, strict=True)]
    numbered = [[int(template.residue_numbers[r]), name] for r, name in zip(residue, names, strict=True)]
    ways: list[list[Any]] = [names, named, numbered]
    counts = [Counter(map(str, way)) for way in ways]
    numbers_unique = len(set(template.residue_numbers)) == len(template.residue_numbers)
    keys: list[Any] = []
    for atom in range(template.n_atoms):
        unique = [way[atom] for way, count in zip(ways, counts, strict=True) if count[str(way[atom])] == 1]
        usable = [key for key in unique if key is not numbered[atom] or numbers_unique]
        keys.append(usable[0] if usable else atom + 1)
    return keys


def _atoms(template: MappingTemplate) -> list[list[Any]]:
    masses = np.zeros(template.n_atoms) if template.masses is None else template.masses
    return [
        [name, template.residue_names[r], int(template.residue_numbers[r]), float(mass)]
        for name, r, mass in zip(template.atom_names, template.residue_index, masses, strict=True)
    ]
