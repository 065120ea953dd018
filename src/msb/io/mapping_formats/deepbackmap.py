"""deepBackmap's .map: numbered atoms and their beads, with alignment beads and multiplicities.

::

    [map]
    ; atom  type  bead  bead type  [mass fraction]
    1  H    1  BB  0
    2  C    1  BB
    5  C    1  BB  0
    5  C    3  BB  0.5
    [/map]
    [align]
    1  3
    [/align]
    [mult]
    1  4
    [/mult]

Atoms and beads count from 1; the lines may hold just atom and bead.  The fifth column, which is this
project's, is the share of the atom's mass that the bead gets: 0 makes the atom weightless there.  An atom may
stand on several lines; the bead of the first owns it, that is, places it.  Lines without a share divide what
the others leave.  Beads are centres of mass; they are called by their type and number (BB1, SC2, ...).
`[align]` gives the bead that fixes a bead's orientation, `[mult]` how often it is repeated in training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from msb.core.bead_groups import BeadGroup
from msb.errors import FileFormatError
from msb.io.mapping_formats.recipe import Recipe

__all__ = ["DeepBackmapFile", "parse_deepbackmap"]

_SECTION = re.compile(r"\[\s*(/?)\s*(\w+)\s*\]$")
_ONE_LETTER_ELEMENT = re.compile(r"[HCNOFPS](?=$|[_\d])")


@dataclass(frozen=True)
class _Line:
    number: int
    atom: int
    kind: str
    bead: int
    bead_type: str
    share: float | None


@dataclass(frozen=True)
class DeepBackmapFile:
    """What a deepBackmap file says.

    Attributes
    ----------
    recipe : Recipe
    align : dict of int to int
        Bead to the bead that fixes its orientation, from 0.
    multiples : dict of int to int
        Bead, from 0, to its multiplicity.
    """

    recipe: Recipe
    align: dict[int, int]
    multiples: dict[int, int]


def parse_deepbackmap(path: str | Path, text: str | None = None) -> DeepBackmapFile:
    """Read a deepBackmap file.

    Parameters
    ----------
    path : str or Path
    text : str, optional
        Its content, where it is known already.

    Raises
    ------
    FileFormatError
        Naming the line: not numbers, the same atom twice in a bead, a share outside 0..1, a missing bead.
    """
    path = Path(path)
    sections = _sections(path, path.read_text(encoding="utf-8") if text is None else text)
    lines = [_map_line(path, number, words) for number, words in sections.get("map", [])]
    if not lines:
        raise FileFormatError(path, "the [map] section has no lines.")
    pairs = {name: _pairs(path, sections.get(name, [])) for name in ("align", "mult")}
    align = {bead - 1: other - 1 for bead, other in pairs["align"].items()}
    return DeepBackmapFile(_recipe(path, lines), align, {b - 1: k for b, k in pairs["mult"].items()})


def _sections(path: Path, text: str) -> dict[str, list[tuple[int, list[str]]]]:
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    current: list[tuple[int, list[str]]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split(";")[0].strip()
        if not words:
            continue
        header = _SECTION.match(words)
        if header:
            closing, name = header.groups()
            current = None if closing else sections.setdefault(name, [])
        elif current is None:
            raise FileFormatError(path, f"'{words}' stands outside of any section.", number)
        else:
            current.append((number, words.split()))
    return sections


def _map_line(path: Path, number: int, words: list[str]) -> _Line:
    if len(words) not in (2, 4, 5):
        wanted = "atom, type, bead, bead type and, if need be, the mass fraction (or just atom and bead)"
        raise FileFormatError(path, f"{len(words)} columns; a line has {wanted}.", number)
    try:
        atom, bead = int(words[0]), int(words[1 if len(words) == 2 else 2])
        share = float(words[4]) if len(words) == 5 else None
    except ValueError:
        message = f"'{' '.join(words)}': atom and bead are whole numbers, the mass fraction a number."
        raise FileFormatError(path, message, number) from None
    if atom < 1 or bead < 1:
        raise FileFormatError(path, "atoms and beads count from 1.", number)
    if share is not None and not 0 <= share <= 1:
        raise FileFormatError(path, f"the mass fraction {words[4]} must lie in 0..1.", number)
    kinds = ("", "B") if len(words) == 2 else (words[1], words[3])
    return _Line(number, atom - 1, kinds[0], bead - 1, kinds[1], share)


def _pairs(path: Path, lines: list[tuple[int, list[str]]]) -> dict[int, int]:
    pairs = {}
    for number, words in lines:
        if len(words) != 2 or not all(word.isdigit() for word in words):
            raise FileFormatError(path, f"'{' '.join(words)}': two whole numbers are needed.", number)
        pairs[int(words[0])] = int(words[1])
    return pairs


def _recipe(path: Path, lines: list[_Line]) -> Recipe:
    n_beads = 1 + max(line.bead for line in lines)
    of_bead: list[dict[int, _Line]] = [{} for _ in range(n_beads)]
    owner: dict[int, int] = {}
    for line in lines:
        members = of_bead[line.bead]
        if line.atom in members:
            message = f"atom {line.atom + 1} stands in bead {line.bead + 1} for the second time."
            raise FileFormatError(path, message, line.number)
        members[line.atom] = line
        owner.setdefault(line.atom, line.bead)
    groups = []
    for bead, members in enumerate(of_bead):
        if not members:
            raise FileFormatError(path, f"bead {bead + 1} of {n_beads} has no atoms.")
        types = list(dict.fromkeys(line.bead_type for line in members.values()))
        if len(types) > 1:
            line = next(line for line in members.values() if line.bead_type != types[0])
            message = f"bead {bead + 1} is of type {types[0]} above and of type {line.bead_type} here."
            raise FileFormatError(path, message, line.number)
        groups.append(
            BeadGroup(
                f"{types[0]}{bead + 1}",
                tuple(members),
                types[0],
                tuple(line.share for line in members.values()),
                owns=tuple(atom for atom in members if owner[atom] == bead),
            )
        )
    elements = {line.atom: line.kind[0] for line in lines if _ONE_LETTER_ELEMENT.match(line.kind)}
    return Recipe(path.stem, tuple(groups), elements=elements, n_atoms=1 + max(line.atom for line in lines))
