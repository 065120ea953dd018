"""GROMACS topologies (.top, .itp): molecules with their parameters, and the tables energies need."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import FileFormatError, MsbWarning
from msb.io.gromacs_lines import Line, preprocess
from msb.io.gromacs_molecule import ENTRY_SECTIONS, MoleculeType
from msb.io.gromacs_types import (
    AtomType,
    BondedType,
    Defaults,
    TypeTables,
    parse_atom_type,
    parse_bonded_type,
    parse_defaults,
)

__all__ = ["GromacsTopology", "read_gromacs"]

_TABLES = frozenset(
    {
        "bondtypes",
        "constrainttypes",
        "pairtypes",
        "angletypes",
        "dihedraltypes",
        "cmaptypes",
        "nonbond_params",
    }
)
_NEEDS_PARAMETERS = frozenset({"bonds", "angles", "dihedrals", "constraints", "pairs", "cmap"})


@dataclass(frozen=True)
class GromacsTopology:
    """What a GROMACS topology says.

    Attributes
    ----------
    path : Path
        The first file.
    topology : Topology
        The system; of a file without ``[ molecules ]`` one of every molecule type.
    molecule_types : dict of str to MoleculeTemplate
        All that were read, by name.
    defaults : Defaults or None
        None where no file has ``[ defaults ]``.
    atom_types : dict of str to AtomType
        By name.
    tables : dict of str to tuple of BondedType
        ``bondtypes``, ``angletypes``, ``dihedraltypes``, ``constrainttypes``, ``pairtypes``, ``cmaptypes``,
        ``nonbond_params``: the lines as they stand. The molecules' interactions carry them already.
    title : str
        Of ``[ system ]``.
    left_out : tuple of str
        Missing includes that were left out.
    """

    path: Path
    topology: Topology
    molecule_types: Mapping[str, MoleculeTemplate]
    defaults: Defaults | None
    atom_types: Mapping[str, AtomType]
    tables: Mapping[str, tuple[BondedType, ...]]
    title: str
    left_out: tuple[str, ...]

    def without_parameters(self) -> list[tuple[str, Interaction]]:
        """Return the entries whose parameters no file gives, or gives as macros that nobody defined.

        Returns
        -------
        list of (molecule name, Interaction)
            Pairs that ``gen-pairs`` makes are not among them.
        """
        made = {"pairs"} if self.defaults and self.defaults.gen_pairs else set()
        return [
            (name, entry)
            for name, template in self.molecule_types.items()
            for entry in template.interactions
            if entry.kind in _NEEDS_PARAMETERS - made
            and (not entry.parameters or any(isinstance(value, str) for value in entry.parameters))
        ]


@dataclass
class _Parser:
    path: Path
    defaults: Defaults | None = None
    atom_types: dict[str, AtomType] = field(default_factory=dict)
    tables: dict[str, list[BondedType]] = field(default_factory=dict)
    molecules: dict[str, MoleculeType] = field(default_factory=dict)
    counts: list[tuple[Line, str, int]] = field(default_factory=list)
    title: list[str] = field(default_factory=list)
    unknown: dict[str, Line] = field(default_factory=dict)
    current: MoleculeType | None = None

    def run(self, lines: Sequence[Line]) -> None:
        """Take all lines."""
        section = ""
        for line in lines:
            if line.text.startswith("["):
                name = re.fullmatch(r"\[\s*(/?)\s*([^\]]*?)\s*\]", line.text)
                if not name:
                    raise line.error(f"{line.text!r} is no section; write [ name ]")
                section = "" if name[1] else name[2].lower().replace("-", "_")
            elif section:
                self.take(section, line)

    def take(self, section: str, line: Line) -> None:
        """Take one line of a section."""
        if section == "defaults":
            self.defaults = parse_defaults(line)
        elif section == "atomtypes":
            kind = parse_atom_type(line)
            self.atom_types[kind.name] = kind
        elif section in _TABLES:
            self.tables.setdefault(section, []).append(parse_bonded_type(section, line))
        elif section == "moleculetype":
            self.current = MoleculeType.parse(line)
            if self.current.name in self.molecules:
                raise line.error(f"there is a molecule type {self.current.name!r} already")
            self.molecules[self.current.name] = self.current
        elif section == "system":
            self.title.append(line.text)
        elif section == "molecules":
            words = line.text.split()
            if len(words) < 2 or not words[1].isdigit():
                raise line.error("[ molecules ] needs a name and a count")
            self.counts.append((line, words[0], int(words[1])))
        elif section == "atoms" or section in ENTRY_SECTIONS:
            if self.current is None:
                raise line.error(f"[ {section} ] stands before any [ moleculetype ]: whose is it?")
            if section == "atoms":
                self.current.add_atom(line)
            else:
                self.current.add_entry(section, line)
        else:
            self.unknown.setdefault(section, line)

    def finished(self, left_out: tuple[str, ...]) -> GromacsTopology:
        """Make templates of the molecule types and count them."""
        for section, line in self.unknown.items():
            message = f"{line.path}, line {line.number}: section [ {section} ] is not read and left out"
            warnings.warn(message, MsbWarning, stacklevel=4)
        if not self.molecules:
            raise FileFormatError(self.path, "there is no [ moleculetype ] in it or in what it includes")
        tables = TypeTables(self.tables)
        templates = {name: m.template(self.atom_types, tables) for name, m in self.molecules.items()}
        runs = [(template, 1) for template in templates.values()] if not self.counts else []
        for line, name, count in self.counts:
            if name not in templates:
                known = ", ".join(templates)
                raise line.error(f"molecule {name!r} has no [ moleculetype ]; there are {known}")
            runs.append((templates[name], count))
        return GromacsTopology(
            self.path,
            Topology(tuple(runs)),
            templates,
            self.defaults,
            self.atom_types,
            {section: tuple(entries) for section, entries in self.tables.items()},
            " ".join(self.title),
            left_out,
        )


def read_gromacs(
    path: str | Path,
    include_dirs: Sequence[str | Path] = (),
    defines: Sequence[str] | Mapping[str, str] = (),
    *,
    leave_out: Sequence[str] = (),
) -> GromacsTopology:
    """Read a GROMACS topology with all it includes.

    Interactions without parameters get those of the type tables (wildcards, several terms of a dihedral);
    where there are none they stay without. Units stay GROMACS' (nm, kJ/mol, degrees). A section that is not
    known is left out with a warning; ``[/name]`` closes a section, as deepBackmap's files have it.

    Parameters
    ----------
    path : str or Path
        A ``.top`` or ``.itp`` file.
    include_dirs, defines, leave_out
        See `preprocess`: folders with includes, macros that are set, missing includes to do without.

    Returns
    -------
    GromacsTopology

    Raises
    ------
    FileFormatError
        Something is missing or cannot be read; file and line are named.
    """
    lines, left_out = preprocess(path, include_dirs, defines, leave_out)
    parser = _Parser(Path(path))
    parser.run(lines)
    return parser.finished(left_out)
