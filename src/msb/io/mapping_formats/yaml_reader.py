"""The project's own mapping file, YAML, read; `msb.io.mapping_files` documents it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from msb.core.bead_groups import AtomKey, BeadGroup, nearest_names
from msb.core.template import MoleculeTemplate
from msb.errors import FileFormatError
from msb.io.mapping_formats.recipe import Recipe

__all__ = ["parse_yaml"]

_FORMAT = 1
_MOLECULE_KEYS = ("weights", "unlisted", "beads", "bonds", "aliases", "atoms", "placement")
_BEAD_KEYS = ("name", "type", "residue", "atoms", "owns")
_ATOM_KEYS = ("atom", "residue", "fraction", "weight")

Refuse = Callable[[str], FileFormatError]


class _Loader(yaml.SafeLoader):
    """Plain words stay words: an atom may be called NO or ON."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?\d+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?$|[-+]?\d+[eE][-+]\d+$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|)$"), ["~", "n", ""])


def parse_yaml(path: str | Path, text: str | None = None) -> list[Recipe]:
    """Read the project's own mapping file.

    Parameters
    ----------
    path : str or Path
    text : str, optional
        Its content, where it is known already.

    Raises
    ------
    FileFormatError
        Not YAML, unknown keys (with the nearest known), values of the wrong kind, a newer format.
    """
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8") if text is None else text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise FileFormatError(path, f"this is not YAML: {getattr(error, 'problem', error)}.", line) from None
    if not isinstance(data, dict) or "msb_mapping" not in data:
        raise FileFormatError(path, "a mapping starts with `msb_mapping: 1` and has `molecules:`.")
    version = data.pop("msb_mapping")
    if not isinstance(version, int) or version > _FORMAT:
        raise FileFormatError(path, f"format {version} is newer than {_FORMAT}: update msb to read it.")
    _known(path, data, ("molecules",), "the file")
    molecules = data.get("molecules")
    if not isinstance(molecules, dict) or not molecules:
        raise FileFormatError(path, "`molecules:` must hold at least one molecule by its name.")
    return [_recipe(path, str(name), content) for name, content in molecules.items()]


def _known(path: Path, data: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise FileFormatError(path, f"{where} must have keys ({', '.join(keys)}), not be {data!r}.")
    unknown = [str(key) for key in data if key not in keys]
    if unknown:
        hints = ", ".join(key + nearest_names(key, keys) for key in unknown)
        raise FileFormatError(path, f"{where} has unknown keys: {hints}; known are {', '.join(keys)}.")
    return data


def _recipe(path: Path, name: str, content: Any) -> Recipe:
    content = _known(path, content, _MOLECULE_KEYS, f"molecule {name}")
    weighting = _choice(path, content, "weights", ("mass", "geometry", "given"), name)
    unlisted = _choice(path, content, "unlisted", ("error", "nearest"), name)
    beads = content.get("beads")
    if not isinstance(beads, list) or not beads:
        raise FileFormatError(path, f"molecule {name} needs a list of `beads`.")
    groups = tuple(_group(path, f"bead {i} of {name}", bead) for i, bead in enumerate(beads, start=1))
    atoms = content.get("atoms")
    return Recipe(
        name,
        groups,
        weighting,
        unlisted,
        _bonds(path, name, content["bonds"], [g.name for g in groups]) if "bonds" in content else None,
        _aliases(path, name, content.get("aliases", {})),
        atoms=None if atoms is None else _atom_table(path, name, atoms),
    )


def _choice(path: Path, content: dict[str, Any], key: str, choices: tuple[str, ...], name: str) -> Any:
    value = content.get(key, choices[0])
    if value not in choices:
        raise FileFormatError(path, f"`{key}` of molecule {name} is {value!r}, not {' or '.join(choices)}.")
    return value


def _group(path: Path, where: str, bead: Any) -> BeadGroup:
    bead = _known(path, bead, _BEAD_KEYS, where)
    entries = [_entry(path, where, entry) for entry in _listed(path, where, bead, "atoms")]
    if not entries:
        raise FileFormatError(path, f"{where} has no `atoms`.")
    keys = tuple(key for key, _, _ in entries)
    first = keys[0][1] if isinstance(keys[0], tuple) else keys[0]
    name = bead.get("name", first if len(keys) == 1 and isinstance(first, str) else None)
    if name is None:
        raise FileFormatError(path, f"{where} needs a `name` (a bead of one named atom may go without).")
    weights = [weight for _, _, weight in entries]
    return BeadGroup(
        str(name),
        keys,
        str(bead.get("type", name)),
        tuple(fraction for _, fraction, _ in entries),
        tuple(1.0 if weight is None else weight for weight in weights),
        tuple(_key(path, where, key) for key in _listed(path, where, bead, "owns")),
        bead.get("residue"),
    )


def _listed(path: Path, where: str, bead: dict[str, Any], key: str) -> list[Any]:
    value = bead.get(key, [])
    if isinstance(value, str):
        return list(value.split())
    if not isinstance(value, list):
        raise FileFormatError(path, f"`{key}` of {where} must be a list, or names with blanks between them.")
    return value


def _entry(path: Path, where: str, entry: Any) -> tuple[AtomKey, float | None, float | None]:
    if not isinstance(entry, dict):
        return _key(path, where, entry), None, None
    entry = _known(path, entry, _ATOM_KEYS, f"an atom of {where}")
    if "atom" not in entry:
        raise FileFormatError(path, f"an atom of {where} has keys but no `atom`.")
    key = entry["atom"] if "residue" not in entry else [entry["residue"], entry["atom"]]
    numbers = []
    for name in ("fraction", "weight"):
        value = entry.get(name)
        if value is not None and not isinstance(value, int | float):
            raise FileFormatError(path, f"the {name} of atom {key} of {where} is {value!r}, not a number.")
        numbers.append(None if value is None else float(value))
    return _key(path, where, key), numbers[0], numbers[1]


def _key(path: Path, where: str, key: Any) -> AtomKey:
    if isinstance(key, str):
        return key
    if isinstance(key, int):
        return key - 1
    if isinstance(key, list) and len(key) == 2 and isinstance(key[0], int | str):
        return key[0], str(key[1])
    raise FileFormatError(
        path, f"{key!r} of {where} must be an atom's name, [residue, name], or its number from 1."
    )


def _bonds(path: Path, name: str, bonds: Any, beads: list[str]) -> tuple[tuple[int, int], ...]:
    if not isinstance(bonds, list) or not all(isinstance(bond, list) and len(bond) == 2 for bond in bonds):
        raise FileFormatError(path, f"`bonds` of molecule {name} must be a list of pairs of beads.")
    return tuple((_bead(path, name, i, beads), _bead(path, name, j, beads)) for i, j in bonds)


def _bead(path: Path, name: str, bead: Any, beads: list[str]) -> int:
    if isinstance(bead, int) and 1 <= bead <= len(beads):
        return bead - 1
    if beads.count(str(bead)) == 1 and isinstance(bead, str):
        return beads.index(bead)
    many = isinstance(bead, str) and bead in beads
    why = (
        "is the name of several: give its number" if many else f"is unknown{nearest_names(str(bead), beads)}"
    )
    raise FileFormatError(path, f"bead {bead!r} in `bonds` of molecule {name} {why}.")


def _aliases(path: Path, name: str, aliases: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(aliases, dict):
        raise FileFormatError(path, f"`aliases` of molecule {name} must give each bead type its other names.")
    return {
        str(kind): (others,) if isinstance(others, str) else tuple(str(o) for o in others)
        for kind, others in aliases.items()
    }


def _atom_table(path: Path, name: str, atoms: Any) -> MoleculeTemplate:
    rows = atoms if isinstance(atoms, list) else []
    if not rows or not all(isinstance(row, list) and len(row) == 4 for row in rows):
        message = f"`atoms` of molecule {name} must be a list of [name, residue, residue number, mass]."
        raise FileFormatError(path, message)
    names, residues, numbers, masses = zip(*rows, strict=True)
    if not all(isinstance(mass, int | float) for mass in masses):
        raise FileFormatError(path, f"the masses in `atoms` of molecule {name} are not all numbers.")
    starts = [
        i == 0 or (residues[i], numbers[i]) != (residues[i - 1], numbers[i - 1]) for i in range(len(rows))
    ]
    return MoleculeTemplate.from_atoms(
        name,
        [str(atom) for atom in names],
        masses=np.array(masses, dtype=np.float64),
        residue_index=np.cumsum(starts) - 1,
        residue_names=[str(residue) for residue, new in zip(residues, starts, strict=True) if new],
        residue_numbers=[int(number) for number, new in zip(numbers, starts, strict=True) if new],
    )
