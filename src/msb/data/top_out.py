"""A GROMACS topology of what was written: the given one's molecules, in the output's order and numbers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.energy.preprocess import flatten_topology, gromacs_folder
from msb.errors import MsbWarning
from msb.io.atomic import atomic_write_text
from msb.io.gromacs_writer import molecule_type_text, system_text

__all__ = ["write_top"]

_SECTION = re.compile(r"^\[\s*(/?\s*\w+)\s*\]")
_LAST = ("system", "molecules")


def write_top(
    path: str | Path,
    source: str | Path,
    topology: Topology,
    more: Sequence[MoleculeTemplate] = (),
    title: str = "",
) -> None:
    """Write a ``.top`` that needs no other file.

    Parameters
    ----------
    path : path
        To be written.
    source : path
        The ``.top`` that gives the force field and the molecule types; what it includes is put in its place,
        with conditions decided (nothing defined).
    topology : Topology
        What was written, in its order.
    more : sequence of MoleculeTemplate
        Molecules that `source` does not have; they are named ``NAME_2`` and so on where their name is taken.
    title : str

    Raises
    ------
    FileFormatError
        `source` or an include is missing or cannot be read.
    MsbError
        `path` cannot be written.
    """
    installed = gromacs_folder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # of includes left out: whoever read the source said so
        text = flatten_topology(source, [installed] if installed else [])
    kept, section = [], ""
    for line in text.splitlines():
        found = _SECTION.match(line)
        section = found[1].strip().lower() if found else section
        if section not in _LAST:
            kept.append(line)
    names = _names(kept)
    called: dict[MoleculeTemplate, str] = {}
    parts = ["\n".join(kept), ""]
    for template in more:
        called[template] = _free(template.name, names)
        parts.append(molecule_type_text(_renamed(template, called[template])))
    runs = tuple((_renamed(t, called.get(t, t.name)), count) for t, count in topology.molecules)
    atomic_write_text(path, "\n".join([*parts, system_text(Topology(runs), title)]))


def _names(lines: Sequence[str]) -> set[str]:
    """Names of the molecule types."""
    names, section, fresh = set(), "", False
    for line in lines:
        found = _SECTION.match(line)
        if found:
            section, fresh = found[1].strip().lower(), True
        elif section == "moleculetype" and fresh and line.strip() and not line.startswith("#"):
            names.add(line.split()[0])
            fresh = False
    return names


def _free(name: str, taken: set[str]) -> str:
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    taken.add(chosen)
    return chosen


def _renamed(template: MoleculeTemplate, name: str) -> MoleculeTemplate:
    if template.name == name:
        return template
    return MoleculeTemplate.from_dict({**template.to_dict(), "name": name})
