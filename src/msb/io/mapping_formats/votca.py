"""VOTCA's mapping file: the XML of a `cg_molecule`, read only.

Read are the molecule's `ident`, the beads with their atoms (`residue number:residue name:atom name`) and
weights, and the bonds between beads.  Angles and dihedrals of `cg_bonded` belong to a CG potential, not to a
mapping.  Weights are relative, as VOTCA takes them.  Atoms in no bead are weightless and placed by the bead
nearest along the bonds; VOTCA drops them.  See the VOTCA manual, "Mapping files".
"""

from __future__ import annotations

import warnings
from pathlib import Path
from xml.etree import ElementTree

from msb.core.bead_groups import BeadGroup
from msb.errors import FileFormatError, MsbWarning
from msb.io.mapping_formats.recipe import Recipe

__all__ = ["parse_votca"]


def parse_votca(path: str | Path, text: str | None = None) -> Recipe:
    """Read a VOTCA mapping file.

    Parameters
    ----------
    path : str or Path
    text : str, optional
        Its content, where it is known already.

    Raises
    ------
    FileFormatError
        Not XML, not a `cg_molecule`, or its parts do not fit together.

    Warns
    -----
    MsbWarning
        For what is in the file and not used: force coefficients `d`, ellipsoidal beads.
    """
    path = Path(path)
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8") if text is None else text)
    except ElementTree.ParseError as error:
        raise FileFormatError(path, f"this is not whole XML ({error}).") from None
    if root.tag != "cg_molecule":
        raise FileFormatError(path, f"the XML holds a <{root.tag}>; a mapping holds a <cg_molecule>.")
    maps = {_child(path, entry, "name"): entry for entry in root.findall("maps/map")}
    groups = tuple(_group(path, bead, maps) for bead in root.findall("topology/cg_beads/cg_bead"))
    if not groups:
        raise FileFormatError(path, "there is no <cg_bead> under <topology><cg_beads>.")
    _warn_unused(path, root)
    name = (root.findtext("ident") or root.findtext("name") or path.stem).strip()
    return Recipe(name, groups, "given", "nearest", _bonds(path, root, [group.name for group in groups]))


def _child(path: Path, parent: ElementTree.Element, tag: str) -> str:
    text = (parent.findtext(tag) or "").strip()
    if not text:
        inside = (parent.findtext("name") or "").strip()
        raise FileFormatError(path, f"<{parent.tag}> {inside} has no <{tag}>.")
    return text


def _group(path: Path, bead: ElementTree.Element, maps: dict[str, ElementTree.Element]) -> BeadGroup:
    name, kind, chosen = (_child(path, bead, tag) for tag in ("name", "type", "mapping"))
    if chosen not in maps:
        message = f"bead {name} uses the map {chosen}; there are {', '.join(maps) or 'none'}."
        raise FileFormatError(path, message)
    atoms: list[tuple[tuple[int | str, ...], str]] = []
    for word in _child(path, bead, "beads").split():
        parts = word.split(":")
        if len(parts) != 3 or not parts[0].isdigit():
            message = f"atom {word} of bead {name} must be residue number:residue name:atom name."
            raise FileFormatError(path, message)
        atoms.append(((int(parts[0]), parts[1]), parts[2]))
    weights = _child(path, maps[chosen], "weights").split()
    if len(weights) != len(atoms):
        message = f"bead {name} has {len(atoms)} atoms, its map {chosen} {len(weights)} weights."
        raise FileFormatError(path, message)
    try:
        return BeadGroup(name, tuple(atoms), kind, weights=tuple(float(weight) for weight in weights))
    except ValueError:
        raise FileFormatError(path, f"the weights of map {chosen} are not all numbers.") from None


def _bonds(path: Path, root: ElementTree.Element, names: list[str]) -> tuple[tuple[int, int], ...] | None:
    entries = root.findall("topology/cg_bonded/bond")
    if not entries:
        return None
    pairs = []
    for entry in entries:
        beads = _child(path, entry, "beads").split()
        unknown = [bead for bead in beads if bead not in names]
        if unknown or len(beads) % 2:
            what = f"unknown beads {', '.join(unknown)}" if unknown else f"{len(beads)} beads, not pairs"
            raise FileFormatError(path, f"a <bond> lists {what}.")
        pairs += [(names.index(i), names.index(j)) for i, j in zip(beads[::2], beads[1::2], strict=True)]
    return tuple(pairs)


def _warn_unused(path: Path, root: ElementTree.Element) -> None:
    unused = []
    if root.findall("maps/map/d"):
        unused.append("the force coefficients <d> (forces are mapped by msb's own consistent map)")
    symmetries = [(entry.text or "").strip() for entry in root.findall("topology/cg_beads/cg_bead/symmetry")]
    if any(symmetry not in ("", "1") for symmetry in symmetries):
        unused.append("orientations of beads whose <symmetry> is not 1 (beads are points)")
    if unused:
        warnings.warn(f"{path}: not used: {'; '.join(unused)}.", MsbWarning, stacklevel=4)
