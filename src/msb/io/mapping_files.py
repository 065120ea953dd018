"""Mapping files: the project's own YAML, VOTCA's XML, and the .map of deepBackmap and of Backward.

Which one a file is, its content tells, not its name.  The project's own::

    msb_mapping: 1                    # the format's version
    molecules:
      ADP:                            # a molecule, by its name in the topology
        weights: mass                 # beads are centres: of mass (default), geometry, or given weights
        unlisted: nearest             # atoms that no bead names: error (default), or weightless and
                                      #   placed by the bead that is nearest along the bonds
        beads:
          - {residue: ACE, atoms: C}  # one atom: the bead keeps the atom's name
          - {residue: ALA, atoms: N}
          - name: SC
            type: C3                  # the name, when left out
            residue: ALA              # where the atoms below are looked up
            atoms: CB 1HB 2HB 3HB     # names with blanks between them, or a list
          - name: END
            atoms:
              - [NME, C]              # (residue name or number, name)
              - 16                    # number of an atom, from 1
              - {atom: C, residue: ALA, fraction: 0.5}  # half of its mass goes to this bead
              - {atom: O, residue: ALA, fraction: 0}    # placed by this bead, no part of its centre
            owns: [[ALA, CA]]         # atoms this bead places, whoever else names them; weightless
                                      #   when nobody does
        bonds: [[1, 2], [2, SC]]      # beads by number from 1 or by name; by default, beads whose
                                      #   atoms are bonded
        aliases: {C3: [SC, B]}        # other names of a bead type
        atoms:                        # optional, every atom in order: name, residue, its number, mass;
          - [1HH3, ACE, 1, 1.008]     #   the file then needs no topology (`write_mapping` writes it)

With `weights: given`, an atom's entry has a `weight` (1 when left out); weights are relative within a bead.
An atom that several beads name without a `fraction` is divided equally between them.  The first bead that
names an atom owns it, that is, backmapping places it with that bead.  Words are never truth values (an atom
may be called NO); whole numbers count atoms: quote an atom name made of digits alone.

The other formats: `msb.io.mapping_formats.votca`, `.deepbackmap` (with the mass fraction in a fifth column)
and `.backward`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msb.core.bead_groups import Weighting
from msb.core.mapping_template import MappingTemplate
from msb.core.topology import Topology
from msb.errors import FileFormatError, MappingError
from msb.io.atomic import atomic_write_text
from msb.io.mapping_formats.backward import ResidueBeads, backward_recipes, parse_backward
from msb.io.mapping_formats.deepbackmap import parse_deepbackmap
from msb.io.mapping_formats.recipe import Recipe, build_all
from msb.io.mapping_formats.votca import parse_votca
from msb.io.mapping_formats.yaml_reader import parse_yaml
from msb.io.mapping_formats.yaml_writer import to_yaml

__all__ = ["mapping_format", "read_mapping", "write_mapping"]

_HEADER = re.compile(r"^\s*\[\s*(\w+)\s*\]", re.MULTILINE)


def mapping_format(path: str | Path, text: str | None = None) -> str:
    """Tell the format of a mapping file by its content: 'yaml', 'votca', 'deepbackmap' or 'backward'.

    Parameters
    ----------
    path : str or Path
    text : str, optional
        Its content, where it is known already.

    Raises
    ------
    FileFormatError
        When it is none of them, is empty or cannot be read.
    """
    text = _text(Path(path)) if text is None else text
    headers = set(_HEADER.findall(text))
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        return "votca"
    if "map" in headers:
        return "deepbackmap"
    if "molecule" in headers and "atoms" in headers:
        return "backward"
    if re.search(r"^msb_mapping\s*:", text, re.MULTILINE):
        return "yaml"
    raise FileFormatError(
        path,
        "this is no mapping: neither msb's YAML (`msb_mapping: 1`), nor VOTCA's XML (<cg_molecule>), nor a"
        " .map of deepBackmap ([map]) or of Backward ([ molecule ], [ atoms ]).",
    )


def read_mapping(
    path: str | Path | Sequence[str | Path],
    topology: Topology | None = None,
    *,
    weights: Weighting | None = None,
) -> dict[str, MappingTemplate]:
    """Read mappings of molecules from a file of any of the formats.

    Parameters
    ----------
    path : str or Path, or sequence of them
        One file, or several that complete each other (Backward has one a residue).
    topology : Topology, optional
        The molecules.  Needed unless the file lists the atoms itself (YAML with `atoms`).
    weights : {'mass', 'geometry', 'given'}, optional
        Weigh atoms in another way than the file says (Backward's beads are plain means, deepBackmap's centres
        of mass).

    Returns
    -------
    dict of str to MappingTemplate
        By the names of the topology's molecules (by the file's without one), as `msb.core.mapping.Mapping`
        takes it.  Molecules of the topology that the file does not know are left out.

    Raises
    ------
    FileFormatError
        For a file that is missing, of no known format, or broken; naming the line where there is one.
    MappingError
        When atoms and beads do not fit: unknown atoms (all at once, with the nearest known), atoms without an
        owner, beads without atoms, atoms in another order, or a topology is needed.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(entry) for entry in path]
    recipes: list[Recipe] = []
    residues: dict[str, ResidueBeads] = {}
    for source in paths:
        text = _text(source)
        kind = mapping_format(source, text)
        if kind == "yaml":
            recipes += parse_yaml(source, text)
        elif kind == "votca":
            recipes.append(parse_votca(source, text))
        elif kind == "deepbackmap":
            recipes.append(parse_deepbackmap(source, text).recipe)
        else:
            residues |= _new_residues(residues, parse_backward(source, text))
    names = ", ".join(str(source) for source in paths)
    if residues:
        if topology is None:
            raise MappingError(f"{names} maps residues: read it together with the molecule's topology.")
        recipes += backward_recipes(residues, topology)
    return build_all(recipes, topology, names, weights)


def write_mapping(
    path: str | Path, templates: MappingTemplate | Mapping[str, MappingTemplate] | Iterable[MappingTemplate]
) -> None:
    """Write mappings in the project's own YAML, whole and readable without a topology.

    Parameters
    ----------
    path : str or Path
        Ends in .yaml or .yml.
    templates : MappingTemplate, or several, of different molecules

    Raises
    ------
    MappingError
        For another ending, or two mappings of one molecule.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml"):
        raise MappingError(f"{path}: mappings are written as YAML; give the file the ending .yaml.")
    if isinstance(templates, MappingTemplate):
        templates = [templates]
    chosen = list(templates.values() if isinstance(templates, Mapping) else templates)
    names = [template.molecule for template in chosen]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MappingError(f"{path}: there are several mappings of {', '.join(twice)}; write one of each.")
    atomic_write_text(path, to_yaml(chosen))


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileFormatError(path, "there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(path, f"it cannot be read as text ({error}).") from None
    if not text.strip():
        raise FileFormatError(path, "the file is empty.")
    return text


def _new_residues(known: dict[str, ResidueBeads], more: dict[str, ResidueBeads]) -> dict[str, ResidueBeads]:
    for name in known.keys() & more.keys():
        message = f"residue {name} is mapped in {known[name].path} already."
        raise FileFormatError(more[name].path, message, more[name].line)
    return more
