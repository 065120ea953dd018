"""Map the published polystyrene melt, three monomers to a bead, and part its snapshots.

python target.py                     # $MSB_DATA/fritz/cg -> runs/kg_morph/target/{train,validation,test}
python target.py --write-mapping     # fritz3.yaml anew

The snapshots are of one trajectory, 1 ns apart: those that test are its last two, the one before them
validates. What is written holds other people's coordinates and stays out of the repository.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msb.core.bead_groups import BeadGroup
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.topology import MoleculeTemplate, Topology
from msb.errors import MsbError, MsbWarning
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping, write_mapping
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = ["MAPPING", "MONOMERS", "SPLIT", "TEMPERATURE", "bead_mapping", "main", "monomers", "write_target"]

MAPPING = Path(__file__).resolve().parent / "fritz3.yaml"
CHAINS, MONOMERS, SHARE = 24, 96, 3  # chains, their monomers, and monomers a bead
MASSES = {"A": 27.046, "B": 77.106}  # amu: CH2 with two half CH, and C6H5
TEMPERATURE = 496.0  # K
SPLIT = {"train": (10, 9, 8, 7, 6, 5, 4), "validation": (3,), "test": (2, 1)}
"""Numbers of the files, in the order of their times (file 10 is at 11 ns, file 1 at 20 ns)."""
DECIMALS = 4


def monomers(count: int = MONOMERS) -> MoleculeTemplate:
    """Return one chain of the published model: backbone A and phenyl B of every monomer in turn."""
    names = [f"{kind}{k + 1}" for k in range(count) for kind in "AB"]
    n = 2 * count
    return MoleculeTemplate.from_atoms(
        "PSR",
        names,
        bonds=np.stack([np.arange(n - 1), np.arange(1, n)], axis=1),
        atom_types=[name[0] for name in names],
        elements=["C"] * n,
        masses=[MASSES[name[0]] for name in names],
    )


def bead_mapping(share: int = SHARE, count: int = MONOMERS) -> MappingTemplate:
    """Return centres of mass of every `share` monomers."""
    atoms = range(2 * count)
    size = 2 * share
    groups = [BeadGroup(f"F{k // size + 1}", tuple(atoms[k : k + size]), "F") for k in atoms[::size]]
    return MappingTemplate.from_mass(monomers(count), groups)


def write_target(data: Path, folder: Path, split: dict[str, Sequence[int]] | None = None) -> dict[str, int]:
    """Write the mapped snapshots, chains whole, and return how many there are of each part.

    Parameters
    ----------
    data : Path
        The reference data.
    folder : Path
        Gets a folder a part.
    split : dict, optional
        `SPLIT`, or less of it.

    Raises
    ------
    MsbError
        The published files are not there.
    """
    source = data / "fritz" / "cg"
    if not source.is_dir():
        raise MsbError(f"{source} is not there: set MSB_DATA to the folder of the published data")
    topology = Topology(((monomers(), CHAINS),))
    mapping = Mapping(read_mapping(MAPPING, topology), topology)
    parts = split or SPLIT
    for part, numbers in parts.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MsbWarning)  # the residue field has one column too few
                frame = open_trajectory(source / f"{number}.gro").read()
            whole = make_whole(frame.positions.astype(np.float64), frame.boxes, topology)
            beads = np.asarray(mapping.beads(whole), dtype=np.float32)
            with open_writer(folder / part / f"{number}.gro", mapping.bead_topology(), DECIMALS) as writer:
                writer.write(Frames(beads, frame.boxes, None, 0))
    return {part: len(numbers) for part, numbers in parts.items()}


def main(arguments: list[str] | None = None) -> int:
    """Write the target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/kg_morph"))
    parser.add_argument("--write-mapping", action="store_true", help="only write fritz3.yaml")
    args = parser.parse_args(arguments)
    if args.write_mapping:
        write_mapping(MAPPING, bead_mapping())
        return 0
    counts = write_target(Path(os.environ.get("MSB_DATA", "")), args.runs / "target")
    print(", ".join(f"{count} snapshots to {part}" for part, count in counts.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
