"""How a mapping file says that atoms are to be placed: `[ cis ]`, `[ trans ]`, `[ out ]`, `[ chiral ]`.

In Backward's files each line names the atom first and then those that it is placed by::

    [ trans ]
    C22 C21 O21 C2      ; the torsion C22-C21-O21-C2 is 180 degrees
    [ out ]
    O22 C21 O21 C22     ; on C21, away from O21 and C22
    [ chiral ]
    CB CA N C           ; on CA, away from N and C and on the side of (N - CA) x (C - CA)
    HS C2 O21 C1 C3     ; on C2, where O21, C1, C3 are counter-clockwise seen from HS

The last form fixes the hand of C2.  In the project's YAML a molecule has them under `placement`::

    placement:
      - chiral HS C2 O21 C1 C3
      - {residue: DPPC, rule: trans C22 C21 O21 C2}

(T. A. Wassenaar et al., J. Chem. Theory Comput. 10, 676 (2014); the sense of `chiral` follows from the
L-amino acids and sn-glycerol of vermouth's files.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from msb.errors import FileFormatError

__all__ = ["KINDS", "PlacementRule", "read_placement"]

KINDS = {"cis": (4,), "trans": (4,), "out": (3, 4), "chiral": (4, 5)}
"""Rules and how many atoms each may name."""


@dataclass(frozen=True)
class PlacementRule:
    """One rule.

    Attributes
    ----------
    kind : {'cis', 'trans', 'out', 'chiral'}
    atoms : tuple of str
        The atom that is placed, the one it stands on, and those that say where.
    residue : str
        Whose atoms; empty for any residue that has them all.
    """

    kind: str
    atoms: tuple[str, ...]
    residue: str = ""


def read_placement(path: str | Path | Sequence[str | Path]) -> tuple[PlacementRule, ...]:
    """Read the rules in mapping files; files of formats without rules have none.

    Parameters
    ----------
    path : str or Path, or sequence of them

    Returns
    -------
    tuple of PlacementRule
        In file order.

    Raises
    ------
    FileFormatError
        A file cannot be read, or a rule names too few or too many atoms; with the line.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(entry) for entry in path]
    rules: list[PlacementRule] = []
    for source in paths:
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(source, f"it cannot be read: {error}.") from None
        if text.lstrip().startswith("<"):
            continue
        if "msb_mapping" in text:
            rules += _from_yaml(source, text)
        else:
            rules += _from_sections(source, text)
    return tuple(rules)


def _from_sections(path: Path, text: str) -> list[PlacementRule]:
    rules: list[PlacementRule] = []
    section = residue = ""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split(";")[0].split()
        if not words:
            continue
        if words[0].startswith("["):
            section = " ".join(words).strip("[] ")
        elif section == "molecule":
            residue = words[0]
        elif section in KINDS:
            rules.append(_rule(path, section, words, residue, number))
    return rules


def _from_yaml(path: Path, text: str) -> list[PlacementRule]:
    try:
        content = yaml.load(text, Loader=yaml.BaseLoader)  # words stay words: an atom may be called NO
    except yaml.YAMLError as error:
        raise FileFormatError(path, f"this is not YAML: {error}.") from None
    molecules = content.get("molecules") if isinstance(content, dict) else None
    rules: list[PlacementRule] = []
    for name, molecule in molecules.items() if isinstance(molecules, dict) else ():
        entries = molecule.get("placement", []) if isinstance(molecule, dict) else []
        if not isinstance(entries, list):
            raise FileFormatError(path, f"`placement` of molecule {name} must be a list of rules.")
        rules += [_from_entry(path, str(name), entry) for entry in entries]
    return rules


def _from_entry(path: Path, name: str, entry: Any) -> PlacementRule:
    residue = ""
    if isinstance(entry, dict) and set(entry) <= {"residue", "rule"}:
        residue, entry = entry.get("residue", ""), entry.get("rule")
    words = entry.split() if isinstance(entry, str) else []
    if not words or words[0] not in KINDS:
        raise FileFormatError(
            path,
            f"a rule in `placement` of molecule {name} is `KIND ATOM ATOM ...` with the kinds "
            f"{', '.join(KINDS)}, or has the keys residue and rule; found {entry!r}.",
        )
    return _rule(path, words[0], words[1:], residue, None)


def _rule(path: Path, kind: str, words: list[str], residue: str, number: int | None) -> PlacementRule:
    if len(words) not in KINDS[kind] or len(set(words)) != len(words):
        counts = " or ".join(str(count) for count in KINDS[kind])
        raise FileFormatError(
            path, f"a rule `{kind}` names {counts} different atoms, not {' '.join(words)}.", number
        )
    return PlacementRule(kind, tuple(words), residue)
