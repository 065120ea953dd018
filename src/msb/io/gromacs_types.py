"""GROMACS' type tables: defaults, atom types, and the parameters of bonded types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msb.core.template import Interaction
from msb.io.gromacs_lines import Line

__all__ = ["AtomType", "BondedType", "Defaults", "Parameter", "TypeTables", "parameter"]

Parameter = float | str

_TABLE_OF = {
    "bonds": "bondtypes",
    "angles": "angletypes",
    "dihedrals": "dihedraltypes",
    "constraints": "constrainttypes",
    "pairs": "pairtypes",
    "cmap": "cmaptypes",
}
_TYPES_IN = {
    "bondtypes": 2,
    "constrainttypes": 2,
    "pairtypes": 2,
    "angletypes": 3,
    "dihedraltypes": 4,
    "cmaptypes": 5,
    "nonbond_params": 2,
}
_PROPER, _IMPROPER_FUNCTIONS = 9, frozenset({2, 4})


@dataclass(frozen=True)
class Defaults:
    """The line of ``[ defaults ]``.

    Attributes
    ----------
    nbfunc : int
        1 Lennard-Jones, 2 Buckingham.
    comb_rule : int
        1 and 3 geometric (C6 and C12, or sigma and epsilon), 2 Lorentz-Berthelot.
    gen_pairs : bool
        Whether 1-4 parameters that no table gives are made from the atom types.
    fudge_lj, fudge_qq : float
        Factors of 1-4 interactions.
    """

    nbfunc: int = 1
    comb_rule: int = 1
    gen_pairs: bool = False
    fudge_lj: float = 1.0
    fudge_qq: float = 1.0


@dataclass(frozen=True)
class AtomType:
    """A line of ``[ atomtypes ]``.

    Attributes
    ----------
    name, bond_type : str
        Its name, and the name under which bonded tables know it.
    atomic_number : int or None
        Where the file gives it.
    mass, charge : float
        amu, e.
    particle : str
        A atom, S shell, V or D virtual site.
    parameters : tuple of float or str
        Two or three, by the combination rule.
    """

    name: str
    bond_type: str
    atomic_number: int | None
    mass: float
    charge: float
    particle: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class BondedType:
    """A line of a bonded table, of ``[ pairtypes ]`` or of ``[ nonbond_params ]``.

    Attributes
    ----------
    types : tuple of str
        Type names; "X" is any.
    function : int
        GROMACS' function number.
    parameters : tuple of float or str
        In file order.
    """

    types: tuple[str, ...]
    function: int
    parameters: tuple[Parameter, ...]


def parameter(word: str) -> Parameter:
    """Return a number, or the word where it is none (a macro that nobody defined).

    Parameters
    ----------
    word : str
        From a file.

    Returns
    -------
    float or str
    """
    try:
        return float(word)
    except ValueError:
        return word


def parse_defaults(line: Line) -> Defaults:
    """Read the line of ``[ defaults ]``.

    Parameters
    ----------
    line : Line
        At least two numbers.

    Returns
    -------
    Defaults

    Raises
    ------
    FileFormatError
        It has other content.
    """
    words = line.text.split()
    try:
        fudges = [float(word) for word in words[3:5]] + [1.0, 1.0][len(words[3:5]) :]
        pairs = words[2].lower() == "yes" if len(words) > 2 else False
        return Defaults(int(words[0]), int(words[1]), pairs, *fudges)
    except (ValueError, IndexError):
        raise line.error("[ defaults ] needs: nbfunc comb-rule [gen-pairs fudgeLJ fudgeQQ]") from None


def parse_atom_type(line: Line) -> AtomType:
    """Read a line of ``[ atomtypes ]``, with or without bonded type and atomic number.

    Parameters
    ----------
    line : Line
        name [bonded type] [atomic number] mass charge particle parameters.

    Returns
    -------
    AtomType

    Raises
    ------
    FileFormatError
        The columns cannot be told apart.
    """
    words = line.text.split()
    where = next((n for n in (5, 4, 3) if len(words) > n and words[n].upper() in ("A", "S", "V", "D")), None)
    if where is None:
        raise line.error("[ atomtypes ] needs: name [bonded type] [atomic number] mass charge particle V W")
    between, bond_type, number = words[1 : where - 2], words[0], None
    for word in between:
        if word.isdigit() or word == "-1":
            number = int(word)
        else:
            bond_type = word
    try:
        mass, charge = float(words[where - 2]), float(words[where - 1])
    except ValueError:
        raise line.error("mass and charge of an atom type must be numbers") from None
    values = tuple(parameter(word) for word in words[where + 1 :])
    return AtomType(words[0], bond_type, number, mass, charge, words[where].upper(), values)


def parse_bonded_type(section: str, line: Line) -> BondedType:
    """Read a line of a bonded table.

    Parameters
    ----------
    section : str
        Its section.
    line : Line
        Types, function, parameters; of a dihedral the two inner or (improper) outer types will do.

    Returns
    -------
    BondedType

    Raises
    ------
    FileFormatError
        There are too few columns or no function number.
    """
    words = line.text.split()
    n = _TYPES_IN[section]
    if section == "dihedraltypes" and len(words) > 2 and words[2].isdigit() and len(words[2]) == 1:
        n = 2
    if len(words) <= n or not words[n].isdigit():
        raise line.error(f"[ {section} ] needs {n} types and a function number")
    types, function = tuple(words[:n]), int(words[n])
    if section == "dihedraltypes" and n == 2:
        improper = function in _IMPROPER_FUNCTIONS
        types = (types[0], "X", "X", types[1]) if improper else ("X", *types, "X")
    return BondedType(types, function, tuple(parameter(word) for word in words[n + 1 :]))


class TypeTables:
    """Finds the parameters of interactions that give none themselves.

    Parameters
    ----------
    tables : mapping of str to sequence of BondedType
        By section; later lines win over earlier ones of the same types, but consecutive lines of a function 9
        dihedral add up.
    """

    def __init__(self, tables: Mapping[str, Sequence[BondedType]]) -> None:
        self._exact: dict[tuple[str, int, tuple[str, ...]], list[tuple[Parameter, ...]]] = {}
        self._wild: dict[tuple[str, int], list[tuple[str, ...]]] = {}
        self._found: dict[tuple[str, int, tuple[str, ...]], list[tuple[Parameter, ...]]] = {}
        for section, entries in tables.items():
            previous = None
            for entry in entries:
                key = (section, _number(section, entry.function), entry.types)
                if key == previous and entry.function == _PROPER and section == "dihedraltypes":
                    self._exact[key].append(entry.parameters)
                else:
                    self._exact[key] = [entry.parameters]
                previous = key
                if "X" in entry.types and entry.types not in self._wild.setdefault(key[:2], []):
                    self._wild[key[:2]].append(entry.types)

    def resolved(self, entry: Interaction, types: Sequence[str]) -> list[Interaction]:
        """Return the entry with parameters: several where a table gives several terms, itself where none.

        Parameters
        ----------
        entry : Interaction
            As the molecule lists it.
        types : sequence of str
            The bonded types of its atoms.

        Returns
        -------
        list of Interaction
        """
        section = _TABLE_OF.get(entry.kind)
        if section is None or entry.parameters:
            return [entry]
        found = self._lookup(section, entry.function, tuple(types))
        if entry.function == 1:  # only function 9 adds terms up
            found = found[:1]
        return [Interaction(entry.kind, entry.atoms, entry.function, p) for p in found] or [entry]

    def _lookup(self, section: str, function: int, types: tuple[str, ...]) -> list[tuple[Parameter, ...]]:
        key = (section, _number(section, function), types)
        if key not in self._found:
            self._found[key] = self._search(*key)
        return self._found[key]

    def _search(self, section: str, function: int, types: tuple[str, ...]) -> list[tuple[Parameter, ...]]:
        directions = [types] if section == "cmaptypes" else [types, types[::-1]]
        for direction in directions:
            if (section, function, direction) in self._exact:
                return self._exact[section, function, direction]
        best: tuple[str, ...] | None = None
        for pattern in self._wild.get((section, function), []):
            fits = any(all(p in ("X", t) for p, t in zip(pattern, d, strict=True)) for d in directions)
            if fits and (best is None or pattern.count("X") < best.count("X")):
                best = pattern
        return self._exact[section, function, best] if best else []


def _number(section: str, function: int) -> int:
    """Return the function under which a table keeps types: proper dihedrals 1 and 9 share theirs."""
    return _PROPER if section == "dihedraltypes" and function == 1 else function
