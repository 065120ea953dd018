"""Build TMBT from its SMILES: topology, mapping and one conformation. Their files come with the study.

python build_molecule.py                # writes tmbt.top, tmbt_mapping.yaml and tmbt.gro beside this file
python build_molecule.py --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from chemistry import ATOM_TYPES, atom_types_text, molecule
from numpy.typing import NDArray

from msb.core.bead_groups import BeadGroup
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.atomic import atomic_write_text
from msb.io.frames import Frames
from msb.io.gromacs_writer import molecule_type_text, system_text
from msb.io.mapping_files import write_mapping
from msb.io.writers import open_writer

__all__ = ["NAME", "SMILES", "build", "main", "mapping"]

HERE = Path(__file__).resolve().parent
NAME = "TMBT"
#: 2,4,6-tris(biphenyl-3-yl)-1,3,5-triazine
SMILES = "n1c(-c2cccc(c2)-c2ccccc2)nc(-c2cccc(c2)-c2ccccc2)nc1-c1cccc(c1)-c1ccccc1"
SEED = 11  # of the conformation
MARGIN = 1.0  # nm, of its box


def build() -> tuple[MoleculeTemplate, NDArray[np.float64]]:
    """Return the typed molecule, ring after ring, and a conformation (69, 3) in nm.

    Raises
    ------
    MsbError
        RDKit is not installed, or finds no conformation.
    """
    try:
        from rdkit import Chem
        from rdkit.Chem import AllChem
    except ImportError:
        raise MsbError("the molecule is built by RDKit, which is not installed: pip install rdkit") from None
    found = Chem.AddHs(Chem.MolFromSmiles(SMILES))
    if AllChem.EmbedMolecule(found, randomSeed=SEED) != 0:
        raise MsbError(f"RDKit found no conformation of {SMILES}")
    order = _ring_by_ring(found)
    place = {atom: k for k, atom in enumerate(order)}
    elements = [found.GetAtomWithIdx(atom).GetSymbol() for atom in order]
    bonds = [(place[b.GetBeginAtomIdx()], place[b.GetEndAtomIdx()]) for b in found.GetBonds()]
    x = np.asarray(found.GetConformer().GetPositions(), dtype=np.float64)[order] / 10
    return molecule(NAME, elements, bonds), x


def _ring_by_ring(found: Any) -> list[int]:
    """Atoms of the triazine, then of every arm's inner and outer ring, each followed by its hydrogen."""
    rings = [set(ring) for ring in found.GetRingInfo().AtomRings()]
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in found.GetBonds()]
    beside: dict[int, list[int]] = {a.GetIdx(): [] for a in found.GetAtoms()}
    for i, j in bonds:
        beside[i].append(j)
        beside[j].append(i)
    [first] = [ring for ring in rings if any(found.GetAtomWithIdx(a).GetSymbol() == "N" for a in ring)]
    start = min(a for a in first if found.GetAtomWithIdx(a).GetSymbol() == "N")
    order: list[int] = []

    def walk(atom: int, ring: set[int]) -> None:
        loop, before = [atom], -1
        while len(loop) < len(ring):
            following = min(a for a in beside[loop[-1]] if a in ring and a != before and a not in loop)
            before = loop[-1]
            loop.append(following)
        for a in loop:
            order.extend([a, *(h for h in beside[a] if found.GetAtomWithIdx(h).GetSymbol() == "H")])
        for a in loop:
            for out in (b for b in beside[a] if b not in ring and b not in order):
                walk(out, next(other for other in rings if out in other))

    walk(start, first)
    return order


def mapping(template: MoleculeTemplate) -> MappingTemplate:
    """Return the paper's mapping: the triazine is A, every phenyl a B; centres of mass.

    Parameters
    ----------
    template : MoleculeTemplate
        As `build` gives it.
    """
    groups, letters = [], {"triazine": 0, "inner": 0, "outer": 0}
    for ring in sorted(map(sorted, template.rings)):
        atoms = set(ring)
        types = [template.atom_types[a] for a in atoms]
        hydrogens = {b for a in atoms for b in template.neighbours[a] if template.elements[b] == "H"}
        names = tuple(template.atom_names[a] for a in sorted(atoms | hydrogens))
        kind = _place(types)
        letters[kind] += 1
        label = {"triazine": "A", "inner": f"B{letters[kind]}", "outer": f"E{letters[kind]}"}[kind]
        groups.append(BeadGroup(label, names, "A" if kind == "triazine" else "B"))
    return MappingTemplate.from_mass(template, groups)


def _place(types: list[str]) -> str:
    if ATOM_TYPES["NC"][0] in types:
        return "triazine"
    return "inner" if types.count(ATOM_TYPES["C!"][0]) == 2 else "outer"


def main(arguments: list[str] | None = None) -> int:
    """Write the molecule's files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args(arguments)
    template, x = build()
    args.out.mkdir(parents=True, exist_ok=True)
    topology = Topology(((template, 1),))
    head = (
        "; 2,4,6-tris(biphenyl-3-yl)-1,3,5-triazine in OPLS-AA: written by studies/tmbt/build_molecule.py\n\n"
    )
    text = head + atom_types_text() + "\n" + molecule_type_text(template) + "\n" + system_text(topology, NAME)
    atomic_write_text(args.out / "tmbt.top", text)
    write_mapping(args.out / "tmbt_mapping.yaml", mapping(template))
    x = x - x.min(axis=0) + MARGIN
    box = np.diag(x.max(axis=0) + MARGIN)
    with open_writer(args.out / "tmbt.gro", topology) as writer:
        writer.write(Frames(x[None].astype(np.float32), box[None].astype(np.float32), None, 0))
    print(f"{NAME}: {template.n_atoms} atoms, charge {template.charges.sum():+.6f} e, in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
