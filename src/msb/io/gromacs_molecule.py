"""One ``[ moleculetype ]`` of a GROMACS topology, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from msb.core.elements import NO_ELEMENT, STANDARD_MASSES, guess_element
from msb.core.template import Interaction, MoleculeTemplate
from msb.io.gromacs_lines import Line
from msb.io.gromacs_types import AtomType, TypeTables, parameter

__all__ = ["ENTRY_SECTIONS", "MoleculeType"]

_NUMBER_OF_ATOMS = {
    "bonds": 2,
    "pairs": 2,
    "pairs_nb": 2,
    "angles": 3,
    "dihedrals": 4,
    "constraints": 2,
    "cmap": 5,
    "settles": 1,
    "virtual_sites1": 2,
    "virtual_sites2": 3,
    "virtual_sites3": 4,
    "virtual_sites4": 5,
    "position_restraints": 1,
    "distance_restraints": 2,
    "dihedral_restraints": 4,
    "angle_restraints": 4,
    "angle_restraints_z": 2,
    "orientation_restraints": 2,
    "polarization": 2,
}
_OLD_NAMES = {f"dummies{n}": f"virtual_sites{n}" for n in "1234n"}
ENTRY_SECTIONS = frozenset({*_NUMBER_OF_ATOMS, *_OLD_NAMES, "exclusions", "virtual_sitesn"})
"""The sections of a molecule that become interactions."""

_NOT_CHEMICAL = frozenset({6, 9, 10})  # functions of [ bonds ] that GROMACS does not take for chemical bonds
_SYMBOLS = {**dict(enumerate(list(STANDARD_MASSES)[:42], start=1)), 53: "I"}
_WEIGHTED = 3  # function of [ virtual_sitesn ] with a weight after every atom


@dataclass(frozen=True)
class _Atom:
    line: Line
    type: str
    residue: tuple[str, str]
    name: str
    charge: float | None
    mass: float | None


@dataclass
class MoleculeType:
    """What has been read of a molecule.

    Attributes
    ----------
    name : str
        Its name.
    nrexcl : int
        Pairs up to this many bonds apart are excluded.
    """

    name: str
    nrexcl: int
    atoms: list[_Atom] = field(default_factory=list)
    entries: list[tuple[Line, Interaction]] = field(default_factory=list)

    @classmethod
    def parse(cls, line: Line) -> MoleculeType:
        """Read the line of ``[ moleculetype ]``.

        Parameters
        ----------
        line : Line
            Name and nrexcl.

        Returns
        -------
        MoleculeType

        Raises
        ------
        FileFormatError
            It is something else.
        """
        words = line.text.split()
        if len(words) < 2 or not words[1].isdigit():
            raise line.error("[ moleculetype ] needs a name and the number of excluded bonds")
        return cls(words[0], int(words[1]))

    def add_atom(self, line: Line) -> None:
        """Read a line of ``[ atoms ]``.

        Parameters
        ----------
        line : Line
            nr type resnr residue atom cgnr [charge [mass]].

        Raises
        ------
        FileFormatError
            Columns are missing, or atoms are not numbered from 1.
        """
        words = line.text.split()
        if len(words) < 5 or words[0] != str(len(self.atoms) + 1):
            raise line.error(
                f"[ atoms ] of {self.name} needs: {len(self.atoms) + 1} type resnr residue atom cgnr ..."
            )
        try:
            charge, mass = (float(words[n]) if len(words) > n else None for n in (6, 7))
        except ValueError:
            raise line.error("charge and mass of an atom must be numbers") from None
        self.atoms.append(_Atom(line, words[1], (words[2], words[3]), words[4], charge, mass))

    def add_entry(self, section: str, line: Line) -> None:
        """Read a line of any section of interactions.

        Parameters
        ----------
        section : str
            One of `ENTRY_SECTIONS`.
        line : Line
            Atoms, function, parameters.

        Raises
        ------
        FileFormatError
            There are too few atoms, or one the molecule does not have.
        """
        kind, words = _OLD_NAMES.get(section, section), line.text.split()
        if kind == "exclusions":
            first, *others = self._numbers(line, words)
            self.entries.extend((line, Interaction(kind, (first, other))) for other in others)
            return
        if kind == "virtual_sitesn":
            self.entries.append((line, self._site(line, words)))
            return
        n = _NUMBER_OF_ATOMS[kind]
        if len(words) < n:
            raise line.error(f"[ {section} ] needs {n} atoms")
        atoms = self._numbers(line, words[:n])
        if len(words) > n and not words[n].isdigit():
            raise line.error(f"[ {section} ] needs a function number after {n} atoms, not {words[n]!r}")
        if kind == "settles":
            atoms = self._numbers(line, [str(atoms[0] + k) for k in (1, 2, 3)])
        function = int(words[n]) if len(words) > n else 1
        values = tuple(parameter(word) for word in words[n + 1 :])
        self.entries.append((line, Interaction(kind, atoms, function, values)))

    def _site(self, line: Line, words: list[str]) -> Interaction:
        if len(words) < 3 or not words[1].isdigit():
            raise line.error("[ virtual_sitesn ] needs a site, a function number and atoms")
        function = int(words[1])
        step = 2 if function == _WEIGHTED else 1
        weights = tuple(parameter(word) for word in words[3::2]) if step == 2 else ()
        return Interaction(
            "virtual_sitesn", self._numbers(line, [words[0], *words[2::step]]), function, weights
        )

    def _numbers(self, line: Line, words: list[str]) -> tuple[int, ...]:
        """Return 0-based atoms."""
        atoms = [int(word) - 1 if word.isdigit() else -1 for word in words]
        for atom, word in zip(atoms, words, strict=True):
            if not 0 <= atom < len(self.atoms):
                raise line.error(f"atom {word} is none of the {len(self.atoms)} atoms of {self.name}")
        return tuple(atoms)

    def _elements(self, kinds: Sequence[AtomType | None]) -> list[str]:
        """Return the elements; where some particle without a mass can be no atom, none of them is one."""
        elements = [_element(atom, kind) for atom, kind in zip(self.atoms, kinds, strict=True)]
        sites = {e.atoms[0] for _, e in self.entries if e.kind.startswith("virtual_sites")}
        unknown = {n for n, kind in enumerate(kinds) if kind is None and self.atoms[n].mass is None}
        if any(elements[n] == NO_ELEMENT for n in unknown - sites):
            elements = [NO_ELEMENT if n in unknown else symbol for n, symbol in enumerate(elements)]
        return elements

    def template(self, types: Mapping[str, AtomType], tables: TypeTables) -> MoleculeTemplate:
        """Return the molecule, with what its atom types and bonded types say where it says nothing.

        Parameters
        ----------
        types : mapping of str to AtomType
            May lack some or all: elements are guessed then, and masses follow them.
        tables : TypeTables
            Parameters by type.

        Returns
        -------
        MoleculeTemplate
        """
        kinds = [types.get(atom.type) for atom in self.atoms]
        elements = self._elements(kinds)
        masses, charges = [], []
        for atom, kind, element in zip(self.atoms, kinds, elements, strict=True):
            by_type = kind.mass if kind else STANDARD_MASSES.get(element, 0.0)
            masses.append(atom.mass if atom.mass is not None else by_type)
            charges.append(atom.charge if atom.charge is not None else kind.charge if kind else 0.0)
        changes = [a.residue != b.residue for a, b in zip(self.atoms, self.atoms[1:], strict=False)]
        index = np.cumsum([0, *changes])[: len(self.atoms)]
        first = np.unique(index, return_index=True)[1].tolist()
        bonded = [kind.bond_type if kind else atom.type for atom, kind in zip(self.atoms, kinds, strict=True)]
        interactions = [
            full
            for _, entry in self.entries
            for full in tables.resolved(entry, [bonded[atom] for atom in entry.atoms])
        ]
        return MoleculeTemplate.from_atoms(
            self.name,
            [atom.name for atom in self.atoms],
            bonds=[pair for _, entry in self.entries for pair in _bonds_of(entry)],
            atom_types=[atom.type for atom in self.atoms],
            elements=elements,
            masses=masses,
            charges=charges,
            residue_index=index,
            residue_names=[self.atoms[n].residue[1] for n in first],
            residue_numbers=[_residue_number(self.atoms[n]) for n in first],
            interactions=interactions,
            nrexcl=self.nrexcl,
        )


def _element(atom: _Atom, kind: AtomType | None) -> str:
    mass = atom.mass if atom.mass is not None else kind.mass if kind else 0.0
    if (kind or atom.mass is not None) and (mass == 0.0 or (kind and kind.particle != "A")):
        return NO_ELEMENT  # a virtual site or a shell
    if kind and kind.atomic_number in _SYMBOLS and mass > 0.0:
        return _SYMBOLS[kind.atomic_number]
    return guess_element(atom.name, atom.type, mass)


def _bonds_of(entry: Interaction) -> list[tuple[int, int]]:
    """Return the chemical bonds that an entry stands for."""
    if entry.kind == "settles":
        return [(entry.atoms[0], entry.atoms[1]), (entry.atoms[0], entry.atoms[2])]
    chemical = entry.kind == "bonds" and entry.function not in _NOT_CHEMICAL
    if chemical or (entry.kind == "constraints" and entry.function == 1):
        return [(entry.atoms[0], entry.atoms[1])]
    return []


def _residue_number(atom: _Atom) -> int:
    digits = "".join(letter for letter in atom.residue[0] if letter.isdigit() or letter == "-")
    try:
        return int(digits)
    except ValueError:
        raise atom.line.error(f"residue number {atom.residue[0]!r} is not a number") from None
