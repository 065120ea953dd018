"""What the trainings need: octane and cumene in polystyrene's force field, and one configuration each.

    MSB_DATA=... python studies/sps_chemistry/prepare.py --to runs/sps_chemistry/training

The published topologies of octane and cumene are of another force field and lack parameters; here both get
the types, angles, torsions and Lennard-Jones of polystyrene, so that one network reads all three molecules
and the priors have energies.  Bonds are rigid.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology
from msb.io.atomic import atomic_write_text
from msb.io.gromacs_writer import molecule_type_text, system_text
from msb.io.topology_files import read_topology

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
import polystyrene

__all__ = ["MOLECULES", "TRAININGS", "configuration", "in_polystyrenes_field", "prepare"]

MOLECULES = {"octane": ("L49C", 215), "cumene": ("G065", 265)}
PRIORS = {"C1": "minimise", "C2": "match", "none": "none"}
TRAININGS = [f"{chemistry}_{prior}" for chemistry in ("transferred", "specific") for prior in PRIORS]
CONFIG = Path(__file__).resolve().parents[2] / "configs" / "backmap" / "sps_voxel.yaml"


def in_polystyrenes_field(published: MoleculeTemplate) -> MoleculeTemplate:
    """A molecule with polystyrene's parameters, from its names and bonds."""
    shape, types = published, _types(published)
    bearing = {
        a
        for ring in shape.rings
        for a in ring
        if not any(types[n] == "H_AR" for n in shape.neighbours[a])  # it carries no charge
    }
    charges = [0.0 if k in bearing else polystyrene.ATOM_TYPES[kind][1] for k, kind in enumerate(types)]
    return MoleculeTemplate.from_atoms(
        shape.name,
        shape.atom_names,
        bonds=shape.bonds,
        atom_types=types,
        elements=shape.elements,
        masses=np.array([polystyrene.ATOM_TYPES[kind][0] for kind in types]),
        charges=charges,
        residue_names=shape.residue_names,
        residue_index=shape.residue_index,
        interactions=list(_interactions(shape, types)),
        nrexcl=2,
    )


def _types(molecule: MoleculeTemplate) -> list[str]:
    """Polystyrene's names of the atoms: in a ring, on a ring, or neither."""
    ring = {a for members in molecule.rings for a in members}
    types = []
    for k, element in enumerate(molecule.elements):
        aromatic = k in ring or (element == "H" and bool(ring & set(molecule.neighbours[k])))
        types.append(f"{element}_AR" if aromatic else element)
    return types


def _interactions(shape: MoleculeTemplate, types: list[str]) -> Iterator[Interaction]:
    for i, j in shape.bonds.tolist():
        length = polystyrene.LENGTHS[tuple(sorted((types[i], types[j])))]
        yield Interaction("bonds", (i, j), 1, (length, polystyrene.BOND_CONSTANT))
    for angle in shape.angles.tolist():
        kinds = tuple(types[a] for a in angle)
        parameters = polystyrene.ANGLES.get(kinds) or polystyrene.ANGLES[kinds[::-1]]
        yield Interaction("angles", tuple(angle), 1, parameters)
    for i, j in shape.bonds.tolist():
        if types[i] == types[j] == "C":  # one torsion a bond, along carbons where there are any
            ends = [
                min((n for n in shape.neighbours[a] if n != b and types[n] != "C_AR"), key=lambda n: types[n])
                for a, b in ((i, j), (j, i))
            ]
            yield Interaction("dihedrals", (ends[0], i, j, ends[1]), 1, polystyrene.BACKBONE_TORSION)
    for ring in shape.rings:
        yield from _ring(shape, _round(shape, ring))


def _round(shape: MoleculeTemplate, ring: tuple[int, ...]) -> list[int]:
    """The atoms of a ring as they follow each other."""
    order = [ring[0]]
    while len(order) < len(ring):
        order.append(next(a for a in shape.neighbours[order[-1]] if a in ring and a not in order))
    return order


def _ring(shape: MoleculeTemplate, ring: list[int]) -> Iterator[Interaction]:
    improper = polystyrene.RING_IMPROPER
    inside = set(ring)
    for k, atom in enumerate(ring):
        yield Interaction("dihedrals", tuple(ring[(k + n) % 6] for n in range(4)), 2, improper)
        [outside] = [n for n in shape.neighbours[atom] if n not in inside]
        yield Interaction("dihedrals", (atom, ring[(k + 1) % 6], ring[k - 1], outside), 2, improper)
    own = sorted({*ring, *(n for a in ring for n in shape.neighbours[a] if shape.elements[n] == "H")})
    near = {tuple(sorted(pair)) for pair in shape.exclusions(2).tolist()}
    for number, i in enumerate(own):
        for j in own[number + 1 :]:
            if (i, j) not in near:
                yield Interaction("exclusions", (i, j))


def configuration(name: str, folder: Path) -> dict[str, Any]:
    """The configuration of one training, from that of the voxel network on polystyrene."""
    chemistry, _, prior = name.partition("_")
    config = dict(yaml.safe_load(CONFIG.read_text(encoding="utf-8")))
    config["name"] = f"sps_{name}"
    data = dict(config["data"])
    if chemistry == "transferred":
        data |= {
            "topology": [str(folder / f"{molecule}.top") for molecule in MOLECULES],
            "mapping": ["octane/L49C.map", "cumene/G065.map"],
            "snapshots": ["octane/train/aa/*.gro", "cumene/train/aa/*.gro"],
            "validation": ["octane/val/aa/300.gro", "cumene/val/aa/300.gro"],
            "temperature": 350.0,
            "rename_beads": {"A": "S"},
        }
    config["data"] = data
    training = dict(config["training"])
    training["regulariser"] = {**training.get("regulariser", {}), "kind": PRIORS[prior]}
    config["training"] = training
    return config


def prepare(data: Path, folder: Path) -> list[Path]:
    """Write topologies and configurations; return the latter.

    Parameters
    ----------
    data : Path
        The folder with octane/ and cumene/.
    folder : Path
        Where all is written.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name, (code, count) in MOLECULES.items():
        template = in_polystyrenes_field(read_topology(data / name / f"{code}_aa.itp").molecules[0][0])
        text = f"{polystyrene.atom_types_text()}\n{molecule_type_text(template)}\n"
        atomic_write_text(folder / f"{name}.top", text + system_text(Topology(((template, count),)), name))
    paths = []
    for name in TRAININGS:
        path = folder / f"{name}.yaml"
        atomic_write_text(path, yaml.safe_dump(configuration(name, folder), sort_keys=False))
        paths.append(path)
    return paths


def main(words: list[str] | None = None) -> int:
    """Write all files and say how to train."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")))
    parser.add_argument("--to", type=Path, default=Path("runs") / "sps_chemistry" / "training")
    args = parser.parse_args(words)
    for path in prepare(args.data, args.to):
        print(f"msb train {path} -o {args.to.parent / 'models' / path.stem}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
