"""Map the project's own polystyrene melt, two monomers to a bead, and part it: the target of `kg-demo`.

python demo_target.py           # ../melt_data/out/sps568.* -> out/sps568_{beads.gro,train.xtc,validation.xtc}
python simulate.py --chains 64 --beads 10 --kappa 0 --snapshots 10 --out DIR
python demo_target.py --sample DIR/kg_64x10   # -> kremer_grest.{gro,xtc}, which come with the package

Two monomers, since then flexible Kremer-Grest chains at the melt's density are about as large as its chains
(README.md).

The snapshots are of one trajectory, 4 ps apart: the first trains, the last validates, what lies between them
is left out, so that the two know as little of each other as such a trajectory allows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.bead_groups import BeadGroup
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.topology import MoleculeTemplate, Topology
from msb.data import sample
from msb.io.frames import Frames
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = [
    "NAME",
    "SOURCE",
    "dimer_mapping",
    "main",
    "mapped",
    "squared_distances",
    "write_sample",
    "write_target",
]

STUDY = Path(__file__).resolve().parent
SOURCE = STUDY.parent / "melt_data" / "out"
NAME = "sps568"
SIZE = 32  # atoms of two monomers; the two hydrogens that close a chain are its last atoms
TRAIN, BETWEEN = 200, 29  # snapshots: 0.8 ns train; 0.12 ns nobody sees; the rest, 0.24 ns, validate
DECIMALS = 4
FRAMES = 4  # that `msb morph --demo` morphs, evenly spread over a melt's snapshots


def dimer_mapping(chain: MoleculeTemplate) -> MappingTemplate:
    """Return centres of mass of every two monomers of a chain; closing hydrogens count where they are bonded.

    Parameters
    ----------
    chain : MoleculeTemplate
        See `studies/melt_data/polystyrene.py`.
    """
    count = (chain.n_atoms - 2) // SIZE
    atoms = [list(range(SIZE * k, SIZE * (k + 1))) for k in range(count)]
    atoms[0].append(chain.n_atoms - 2)
    atoms[-1].append(chain.n_atoms - 1)
    groups = [BeadGroup(f"D{k + 1}", tuple(own), "D") for k, own in enumerate(atoms)]
    return MappingTemplate.from_mass(chain, groups)


def mapped(source: Path = SOURCE, name: str = NAME) -> tuple[Frames, Mapping]:
    """Return all snapshots as beads, chains whole, and the mapping.

    Parameters
    ----------
    source : Path
        Folder of the melt: topology, structure, and the trajectory in pieces.
    name : str
        Of its files.
    """
    topology = read_topology(source / f"{name}.top")
    known = {template.name: dimer_mapping(template) for template in topology.templates}
    mapping = Mapping(known, topology)
    beads, boxes, times = list[NDArray[np.float32]](), [], []
    for piece in sorted(source.glob(f"{name}*.xtc")):
        frames = open_trajectory(source / f"{name}.pdb", piece).read()
        whole = make_whole(frames.positions.astype(np.float64), frames.boxes, topology)
        beads.append(np.asarray(mapping.beads(whole), dtype=np.float32))
        boxes.append(frames.boxes)
        times.append(frames.times)
    return Frames(np.concatenate(beads), np.concatenate(boxes), np.concatenate(times)), mapping


def write_target(frames: Frames, beads: Topology, folder: Path, train: int, between: int) -> dict[str, int]:
    """Write the first snapshot with the names, and both parts; return how many snapshots they have.

    Parameters
    ----------
    frames : Frames
        Of beads, in the order of time.
    beads : Topology
    folder : Path
    train, between : int
        Snapshots that train, and that are left out after them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.argsort(frames.times)
    parts = {"train": numbers[:train], "validation": numbers[train + between :]}
    _write(folder / f"{NAME}_beads.gro", beads, frames, numbers[:1])
    for part, chosen in parts.items():
        path = folder / f"{NAME}_{part}.xtc"
        _write(path, beads, frames, chosen)
        path.with_suffix(".pdb").unlink()  # the .gro has the names
    return {part: len(chosen) for part, chosen in parts.items()}


def write_sample(melt: Path, folder: Path) -> None:
    """Write the top-down melt of the demonstration: its first snapshot with the names, and all.

    Parameters
    ----------
    melt : Path
        Its snapshots, without .gro and .xtc; see `simulate.py`.
    folder : Path
    """
    source = open_trajectory(Path(f"{melt}.gro"), Path(f"{melt}.xtc"))
    frames = source.read()
    chosen = np.linspace(0, source.n_frames - 1, FRAMES).round().astype(np.int64)
    for suffix, numbers in ((".xtc", chosen), (".gro", chosen[:1])):
        path = folder / f"kremer_grest{suffix}"
        with open_writer(path, source.universe.atoms, DECIMALS) as writer:
            writer.write(Frames(frames.positions[numbers], frames.boxes[numbers]))
    (folder / "kremer_grest.pdb").unlink()  # the .gro has the names


def squared_distances(positions: NDArray[np.floating], beads: int) -> NDArray[np.float64]:
    """Return mean squared distances of beads 1, 2, 3 and 4 bonds apart, nm^2.

    Parameters
    ----------
    positions : array (F, N, 3)
        nm, chains whole.
    beads : int
        Of a chain.
    """
    chains = np.asarray(positions, dtype=np.float64).reshape(-1, beads, 3)
    return np.array([((chains[:, k:] - chains[:, :-k]) ** 2).sum(-1).mean() for k in (1, 2, 3, 4)])


def compare(melt: Path) -> None:
    """Print how large pieces of the target's chains and of a melt's are, at the target's density.

    Parameters
    ----------
    melt : Path
        As for `write_sample`.
    """
    ours = open_trajectory(STUDY / "out" / f"{NAME}_beads.gro", STUDY / "out" / f"{NAME}_train.xtc")
    theirs = open_trajectory(Path(f"{melt}.gro"), Path(f"{melt}.xtc"))
    target, frames = ours.read(), theirs.read()
    densities = [
        f.positions.shape[1] / np.linalg.det(f.boxes.astype(np.float64)).mean() for f in (target, frames)
    ]
    scale = (densities[1] / densities[0]) ** (1 / 3)
    rows = {
        "target": squared_distances(target.positions, len(ours.resids) // len(set(ours.resids))),
        str(melt): scale**2
        * squared_distances(frames.positions, len(theirs.resids) // len(set(theirs.resids))),
    }
    print("mean squared distances of beads 1, 2, 3, 4 bonds apart at the target's density, nm^2")
    for name, row in rows.items():
        print(f"{name}: {', '.join(f'{value:.2f}' for value in row)}")


def _write(path: Path, beads: Topology, frames: Frames, chosen: NDArray[np.int64]) -> None:
    with open_writer(path, beads, DECIMALS) as writer:
        writer.write(Frames(frames.positions[chosen], frames.boxes[chosen], frames.times[chosen]))


def main(arguments: list[str] | None = None) -> int:
    """Write the target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, default=SOURCE, help="of the all-atom melt")
    parser.add_argument("--out", type=Path, help="folder of what is written")
    parser.add_argument("--sample", type=Path, metavar="MELT", help="write the top-down melt instead")
    args = parser.parse_args(arguments)
    if args.sample:
        write_sample(args.sample, args.out or sample("adp_beads.pdb").parent)
        compare(args.sample)
        return 0
    frames, mapping = mapped(args.source)
    counts = write_target(frames, mapping.bead_topology(), args.out or STUDY / "out", TRAIN, BETWEEN)
    print(", ".join(f"{count} snapshots to {part}" for part, count in counts.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
