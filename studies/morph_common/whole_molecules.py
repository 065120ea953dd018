"""Beads of small molecules taken to all atoms by whole molecules of all-atom snapshots."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import after_backmapping as after
import numpy as np
from fine import Energies, Resolution
from morph_study import SEED
from sets import BeadSet

from msb.analysis.structure import LennardJones, PairGroups
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MsbWarning
from msb.io.atomic import file_sha256
from msb.io.frames import Frames
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.backmap.setup import Prepared, Request, prepare

__all__ = ["KNOWN", "Atoms", "all_atom", "atom_level"]

SHOWN = 2  # snapshots of the fragments that are shown beside the others
KNOWN = "the fragments' snapshots"
NEAR = 0.8  # nm, of what is looked at
THESIS = (
    "The thesis (Fig. 7.10) sees a minor improvement by morphing tetracosane: peaks of bonds and angles a "
    "little higher, too near carbons fewer."
)


@dataclass(frozen=True)
class Atoms:
    """What puts atoms into beads.

    Attributes
    ----------
    top, mapping : Path
        Topology with its force field, and which atoms a bead is the centre of.
    snapshots : sequence of Path
        All-atom structures that molecules are taken from, each with its trajectory after it where it has one.
    temperature : float
        K.
    said : str
        Of them, and of the force field that Lennard-Jones energies are of.
    """

    top: Path
    mapping: Path
    snapshots: Sequence[Path]
    temperature: float
    said: str


def all_atom(own: BeadSet, atoms: Atoms, folder: Path) -> Prepared:
    """Everything that puts atoms into the beads of a set; `folder` gets a structure of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # molecules cross the box
        topology = read_topology(atoms.top)
        mapping = Mapping(read_mapping(atoms.mapping, topology), topology)
        folder.mkdir(parents=True, exist_ok=True)
        structure = folder / "beads.gro"
        with open_writer(structure, mapping.bead_topology()) as writer:
            writer.write(Frames(own.positions[:1], own.boxes[:1], None, 0))
        request = Request(
            structure,
            method="fragment",
            snapshots=tuple(atoms.snapshots),
            top=atoms.top,
            mapping=(atoms.mapping,),
            relax="none",
            polish="none",
            temperature=atoms.temperature,
        )
        return prepare(request)


def atom_level(sets: dict[str, BeadSet], atoms: Atoms, folder: Path) -> after.Level:
    """Take beads to all atoms, and judge them."""
    prepared = all_atom(sets[after.OWN], atoms, folder)
    topology = prepared.system.topology
    how = f"{[file_sha256(file)[:12] for file in atoms.snapshots]} {SEED}"
    made = after.backmapped(sets, topology, after.placed_by(prepared), folder / "atoms", how)
    carbons = PairGroups.between(topology.n_atoms, {"carbons": topology.elements == "C"})
    energies = Energies(LennardJones.from_gromacs(read_gromacs(atoms.top), topology), 1, "molecule")
    checker = prepared.maker.checker
    resolution = Resolution.of(made[after.OWN], carbons, NEAR, energies=energies, checker=checker)
    seen = {name: after.look_at(resolution, own) for name, own in made.items()}
    seen[KNOWN] = after.look_at(resolution, _known(atoms.snapshots, topology))
    text = (
        "Whole molecules of all-atom snapshots, each moved onto the beads that it fits best, as placed: "
        "nothing is relaxed. There are no rings, hence no piercings, and no stereocentres. "
        "Reference of distributions: what the same makes of the beads of the target's snapshots that test; "
        f"the floor is one half of their molecules against another. `{KNOWN}` are shown as they are. "
        f"{atoms.said} Lennard-Jones to {NEAR} nm between atoms more than three bonds apart. {THESIS}"
    )
    frames = {name: len(own) for name, own in seen.items()}
    return after.Level("To all atoms", text, frames, after.compare(seen, after.OWN))


def _known(snapshots: Sequence[Path], topology: Topology) -> BeadSet:
    """Some of the snapshots that molecules are taken from, as they are."""
    if len(snapshots) == 2 and snapshots[1].suffix == ".xtc":
        read = [open_trajectory(*snapshots).read()]
    else:
        read = [open_trajectory(file).read() for file in snapshots[-SHOWN:]]
    boxes = np.concatenate([frame.boxes for frame in read])[-SHOWN:]
    x = np.concatenate([frame.positions for frame in read])[-SHOWN:].astype(np.float64)
    whole = make_whole(x, boxes.astype(np.float64), topology)
    return BeadSet(KNOWN, np.asarray(whole, dtype=np.float32), boxes, topology)
