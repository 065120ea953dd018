"""Chemical elements: standard masses, covalent radii, and the element behind an odd atom name or type."""

from __future__ import annotations

import re

__all__ = ["COVALENT_RADII", "NO_ELEMENT", "STANDARD_MASSES", "guess_element", "normalise_symbol"]

NO_ELEMENT = "X"
"""Stands where there is no element: a bead or a virtual site."""

# IUPAC 2021 abridged standard atomic weights, amu.
_MASSES = """H 1.008 He 4.0026 Li 6.94 Be 9.0122 B 10.81 C 12.011 N 14.007 O 15.999 F 18.998 Ne 20.180
Na 22.990 Mg 24.305 Al 26.982 Si 28.085 P 30.974 S 32.06 Cl 35.45 Ar 39.95 K 39.098 Ca 40.078 Sc 44.956
Ti 47.867 V 50.942 Cr 51.996 Mn 54.938 Fe 55.845 Co 58.933 Ni 58.693 Cu 63.546 Zn 65.38 Ga 69.723 Ge 72.630
As 74.922 Se 78.971 Br 79.904 Kr 83.798 Rb 85.468 Sr 87.62 Y 88.906 Zr 91.224 Nb 92.906 Mo 95.95 Ru 101.07
Rh 102.91 Pd 106.42 Ag 107.87 Cd 112.41 In 114.82 Sn 118.71 Sb 121.76 Te 127.60 I 126.90 Xe 131.29 Cs 132.91
Ba 137.33 La 138.91 Ce 140.12 Gd 157.25 W 183.84 Pt 195.08 Au 196.97 Hg 200.59 Pb 207.2 U 238.03"""

# Covalent radii in pm (Cordero et al., Dalton Trans. 2008, 2832), of the elements that bond covalently.
_RADII = """H 31 B 84 C 76 N 71 O 66 F 57 Al 121 Si 111 P 107 S 105 Cl 102 Ge 120 As 119 Se 120 Br 120
Sn 139 Sb 139 Te 138 I 139"""


def _table(text: str, scale: float = 1.0) -> dict[str, float]:
    words = text.split()
    return {symbol: float(value) * scale for symbol, value in zip(words[::2], words[1::2], strict=True)}


STANDARD_MASSES: dict[str, float] = _table(_MASSES)
"""Standard atomic weights (amu) by symbol; `NO_ELEMENT` is not in it."""

COVALENT_RADII: dict[str, float] = _table(_RADII, 1e-3)
"""Covalent radii (nm) by symbol; elements that are here make bonds when bonds are guessed."""

_ONE_LETTER = frozenset("HCNOFPSI")
_TWO_LETTERS = frozenset({"CL", "BR", "SI", "NA", "LI", "MG", "ZN", "FE", "SE", "RB", "CS"})
_NUMBERED_TYPE = re.compile(r"[A-Za-z]{3,}\d*_\d+")  # "opls_135" says a force field, not an element
_EXACT, _CLOSE = 0.015, 0.1  # amu
_HEAVIEST = {"H": 4.2, "C": 16.5}  # amu; a hydrogen made heavy, a united CH4


def normalise_symbol(symbol: str) -> str:
    """Return a symbol in its usual spelling ("CL" gives "Cl"), or `NO_ELEMENT` when it names no element.

    Parameters
    ----------
    symbol : str
        A symbol as some file spells it.

    Returns
    -------
    str
        A key of `STANDARD_MASSES`, or `NO_ELEMENT`.
    """
    spelled = symbol.strip().capitalize()
    return spelled if spelled in STANDARD_MASSES else NO_ELEMENT


def guess_element(name: str, atom_type: str = "", mass: float = 0.0) -> str:
    """Guess an atom's element from its name, its force-field type and its mass.

    The mass decides where it fits the name or the type ("CA" of 12.011 is carbon, of 40.08 calcium); then the
    name's letters do, unless the mass is too heavy for them, which is how a bead is told from an atom. Heavy
    hydrogens (up to 4.2 amu), the lightened atoms that carry them, and united CH, CH2, CH3 are allowed for.

    Parameters
    ----------
    name : str
        Atom name, digits in front allowed ("1HB").
    atom_type : str
        Force-field type, or "" where there is none.
    mass : float
        amu; 0 where it is not known.

    Returns
    -------
    str
        The symbol, or `NO_ELEMENT`.
    """
    words = [word for word in (_letters(name), _letters(atom_type)) if word]
    if _NUMBERED_TYPE.fullmatch(atom_type):
        words = words[: 1 if _letters(name) else 0]
    by_mass = _from_mass(mass, words)
    if by_mass:
        return by_mass
    for word in words:
        symbol = _from_letters(word)
        if symbol and _mass_allows(symbol, mass):
            return symbol
    return NO_ELEMENT


def _letters(text: str) -> str:
    """Return the first run of letters, in upper case."""
    match = re.search(r"[A-Za-z]+", text)
    return match.group(0).upper() if match else ""


def _from_mass(mass: float, words: list[str]) -> str:
    if mass <= 0.0:
        return ""
    symbol, difference = min(
        ((s, abs(m - mass)) for s, m in STANDARD_MASSES.items()), key=lambda pair: pair[1]
    )
    if difference < _CLOSE and any(word.startswith(symbol.upper()) for word in words):
        return symbol
    unnamed = not any(_from_letters(word) for word in words)
    return symbol if difference < _EXACT and unnamed and symbol in COVALENT_RADII else ""


def _from_letters(word: str) -> str:
    if word in _TWO_LETTERS:
        return word.capitalize()
    return word[0] if word[0] in _ONE_LETTER else ""


def _mass_allows(symbol: str, mass: float) -> bool:
    if mass <= 0.0:
        return True
    heaviest = _HEAVIEST.get(symbol, STANDARD_MASSES[symbol] + 0.5)
    return mass <= heaviest
