"""Backward's .map, as vermouth ships it: residues by atom names, with beads repeated to weigh an atom.

::

    [ molecule ]
    ALA
    [ martini ]
    BB SC1
    [ atoms ]
      1   N   BB
      2  CA   BB BB SC1
      3   C   !BB

An atom belongs to each bead named on its line, in proportion to how often it is named; `!BB` names a bead
without weight.  The first bead named owns the atom.  A molecule is put together from its residues.  Its atoms
that the file does not list (most hydrogens) are weightless and placed by the bead nearest along the bonds;
hydrogens of the file that the molecule lacks (chain ends, protonation) are left out with a warning.  Beads
are plain means, or centres of mass on demand.  `[ chiral ]`, `[ trans ]`, `[ out ]`, `[ cis ]`, which say how
atoms are placed, are read by `msb.io.mapping_formats.placement`; `[ extra ]` names beads without atoms, left
out with a warning.
(Wassenaar et al., J. Chem. Theory Comput. 10, 676 (2014); vermouth, `read_backmapping_file`.)
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msb.core.bead_groups import AtomKey, BeadGroup, nearest_names
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import FileFormatError, MappingError, MsbWarning
from msb.io.mapping_formats.recipe import Recipe

__all__ = ["ResidueBeads", "backward_recipes", "parse_backward"]

_HYDROGEN = re.compile(r"\d*H")


@dataclass
class ResidueBeads:
    """Beads of one residue.

    Attributes
    ----------
    name : str
    path : Path
    line : int
    beads : list of str
        In order.
    atoms : dict of str to dict of str to float
        Atom to its share in each bead; 0 for a bead without weight.
    extra : list of str
        Beads that have no atoms.
    """

    name: str
    path: Path
    line: int
    beads: list[str] = field(default_factory=list)
    atoms: dict[str, dict[str, float]] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)


def parse_backward(path: str | Path, text: str | None = None) -> dict[str, ResidueBeads]:
    """Read a Backward file: its residues by name.

    Parameters
    ----------
    path : str or Path
    text : str, optional
        Its content, where it is known already.

    Raises
    ------
    FileFormatError
        Naming the line: an atom twice, a bead that `[ martini ]` does not list, a molecule twice.
    """
    path = Path(path)
    residues: dict[str, ResidueBeads] = {}
    current: ResidueBeads | None = None
    section = ""
    text = path.read_text(encoding="utf-8") if text is None else text
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split(";")[0].strip()
        if not words:
            continue
        if words.startswith("["):
            if not words.endswith("]"):
                raise FileFormatError(path, f"'{words}' is not a whole section header.", number)
            section = words[1:-1].strip()
            if section == "molecule":
                current = None
        elif section == "molecule":
            if current is not None or words in residues:
                raise FileFormatError(path, f"molecule '{words}': one name a section, each once.", number)
            current = residues[words] = ResidueBeads(words, path, number)
        elif current is None:
            raise FileFormatError(path, f"'{words}' comes before the name of a molecule.", number)
        elif section == "martini":
            current.beads += words.split()
        elif section == "extra":
            current.extra += words.split()
        elif section == "atoms":
            _add_atom(current, words.split(), number)
    for residue in residues.values():
        _complete(residue)
    return residues


def _add_atom(residue: ResidueBeads, words: list[str], number: int) -> None:
    if len(words) < 2:
        raise FileFormatError(residue.path, "a line of [ atoms ] has a number, a name and beads.", number)
    name, beads = words[1], words[2:]
    if name in residue.atoms:
        raise FileFormatError(residue.path, f"atom {name} of {residue.name} comes twice.", number)
    weighing = Counter(bead for bead in beads if not bead.startswith("!"))
    weightless = {bead[1:] for bead in beads if bead.startswith("!")}
    both = weightless & weighing.keys()
    if both:
        message = f"atom {name} has bead {', '.join(sorted(both))} both with and without weight."
        raise FileFormatError(residue.path, message, number)
    total = sum(weighing.values())
    order = dict.fromkeys(bead.lstrip("!") for bead in beads)
    residue.atoms[name] = {bead: weighing[bead] / total if bead in weighing else 0.0 for bead in order}


def _complete(residue: ResidueBeads) -> None:
    """Check the beads that atoms name against those listed, or list them."""
    named = list(dict.fromkeys(bead for shares in residue.atoms.values() for bead in shares))
    listed = residue.beads or named
    unknown = [bead for bead in named if bead not in listed]
    if unknown:
        hints = ", ".join(bead + nearest_names(bead, listed) for bead in unknown)
        message = f"[ atoms ] of {residue.name} name beads that [ martini ] does not list: {hints}."
        raise FileFormatError(residue.path, message, residue.line)
    residue.beads = [bead for bead in listed if bead not in residue.extra or bead in named]


def backward_recipes(residues: Mapping[str, ResidueBeads], topology: Topology) -> list[Recipe]:
    """Put the molecules of a topology together from their residues' beads.

    Parameters
    ----------
    residues : mapping of str to ResidueBeads
    topology : Topology
        Molecules with a residue that is not known are left out.

    Raises
    ------
    MappingError
        When no molecule has all its residues known (the unknown ones are named), or a residue lacks atoms
        other than hydrogens that the file names.

    Warns
    -----
    MsbWarning
        For beads without atoms and for hydrogens that the molecule lacks, counted.
    """
    unknown = {
        molecule.name: sorted(set(molecule.residue_names) - residues.keys())
        for molecule in topology.templates
    }
    chosen = [molecule for molecule in topology.templates if not unknown[molecule.name]]
    if not chosen:
        missing = sorted({name for names in unknown.values() for name in names})
        hints = ", ".join(name + nearest_names(name, residues) for name in missing)
        raise MappingError(f"residues {hints} have no mapping among {', '.join(sorted(residues))}.")
    lacking: list[str] = []
    recipes = [_assemble(molecule, residues, lacking) for molecule in chosen]
    extra = sorted(
        {bead for molecule in chosen for r in molecule.residue_names for bead in residues[r].extra}
    )
    notes = [f"beads without atoms: {', '.join(extra)}"] if extra else []
    if lacking:
        notes.append(f"{len(lacking)} hydrogens that the molecule lacks: {', '.join(lacking[:8])}")
    if notes:
        warnings.warn(f"mapping without {'; and without '.join(notes)}.", MsbWarning, stacklevel=4)
    return recipes


def _assemble(molecule: MoleculeTemplate, residues: Mapping[str, ResidueBeads], lacking: list[str]) -> Recipe:
    groups: list[BeadGroup] = []
    absent: list[str] = []
    for place, name in enumerate(molecule.residue_names):
        residue = residues[name]
        here = {
            molecule.atom_names[i]: i for i in range(molecule.n_atoms) if molecule.residue_index[i] == place
        }
        label = f"{name}{molecule.residue_numbers[place]}"
        for atom in residue.atoms:
            if atom not in here:
                hydrogen = _HYDROGEN.match(atom) is not None
                (lacking if hydrogen else absent).append(f"{label}:{atom}" + nearest_names(atom, here))
        groups += [_group(residue, bead, here) for bead in residue.beads]
    if absent:
        raise MappingError(
            f"molecule {molecule.name} lacks atoms that its mapping names: {', '.join(absent)}."
        )
    return Recipe(molecule.name, tuple(groups), "geometry", "nearest")


def _group(residue: ResidueBeads, bead: str, here: dict[str, int]) -> BeadGroup:
    members = [
        (here[atom], shares) for atom, shares in residue.atoms.items() if bead in shares and atom in here
    ]
    owns: tuple[AtomKey, ...] = tuple(atom for atom, shares in members if next(iter(shares)) == bead)
    return BeadGroup(
        bead, tuple(a for a, _ in members), bead, tuple(shares[bead] for _, shares in members), owns=owns
    )
