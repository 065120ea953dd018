"""Backmap Martini's dodecane, morphed or not, to all atoms, and compare.

MSB_DATA=... python down.py --model MODEL
MSB_DATA=... python down.py --model ... --snapshots DIR/dodecane/settle.gro   # of assess_melts/alkane.py
MSB_DATA=... python down.py --model ... --smoke

Atoms are those of fragments of all-atom snapshots: the published ones at 298 K, or others. Frames are kept
under --runs: a run that was stopped goes on.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from run import BARS, FRAMES, PARTS, PUBLISHED, by_number

sys.path.append(str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
sys.path.append(str(Path(__file__).resolve().parents[1] / "assess_melts"))
import after_backmapping as after
from alkane import MAPPING, TEMPERATURE, dodecane, top_text
from fine import Energies, Resolution
from morph_study import ROUNDS, SEED, Case, Study, ready
from sets import BeadSet, read_set

from msb.analysis.structure import LennardJones, PairGroups
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MsbError, MsbWarning
from msb.io.atomic import atomic_write_text, file_sha256
from msb.io.frames import Frames
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.backmap.setup import Prepared, Request, prepare

__all__ = ["all_atom", "main"]

STUDY = Path(__file__).resolve().parent
ALL_FRAMES, SHOWN = 6, 2  # frames of each set; snapshots of the fragments that are shown beside them
KNOWN = "the fragments' snapshots"
THESIS = (
    "The thesis (Fig. 7.10) sees a minor improvement by morphing tetracosane: peaks of bonds and angles a "
    "little higher, too near carbons fewer."
)


def all_atom(own: BeadSet, data: Path, snapshots: Sequence[Path], folder: Path) -> tuple[Prepared, Path]:
    """Everything that puts atoms into three beads a molecule.

    Parameters
    ----------
    own : BeadSet
        Beads.
    data : Path
        Folder of the published dodecane.
    snapshots : sequence of Path
        All-atom structures that fragments are taken from.
    folder : Path
        Gets a topology and a structure of the beads.

    Returns
    -------
    prepared, top
        The topology has the force field of `assess_melts`.
    """
    if not snapshots:
        raise MsbError(f"{data / 'aa'} holds no .gro files: set MSB_DATA to the folder of the published data")
    template = dodecane(data)
    topology = Topology(((template, own.topology.n_molecules),))
    folder.mkdir(parents=True, exist_ok=True)
    top, structure = folder / "system.top", folder / "beads.gro"
    atomic_write_text(top, top_text(template, topology.n_molecules))
    mapping = Mapping(read_mapping(MAPPING, topology), topology)
    with open_writer(structure, mapping.bead_topology()) as writer:
        writer.write(Frames(own.positions[:1], own.boxes[:1], None, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # molecules cross the box
        how = {"relax": "none", "polish": "none", "temperature": TEMPERATURE}
        request = Request(
            structure, method="fragment", snapshots=tuple(snapshots), top=top, mapping=(MAPPING,), **how
        )
        return prepare(request), top


def known_set(snapshots: Sequence[Path], topology: Topology) -> BeadSet:
    """Some of the snapshots that fragments are taken from, as they are."""
    read = [open_trajectory(file).read() for file in snapshots[-SHOWN:]]
    boxes = np.concatenate([frame.boxes for frame in read])
    x = np.concatenate([frame.positions for frame in read]).astype(np.float64)
    whole = make_whole(x, boxes.astype(np.float64), topology)
    return BeadSet(KNOWN, np.asarray(whole, dtype=np.float32), boxes, topology)


def atom_level(sets: dict[str, BeadSet], data: Path, snapshots: Sequence[Path], folder: Path) -> after.Level:
    """Take beads to all atoms, and judge them."""
    prepared, top = all_atom(sets[after.OWN], data, snapshots, folder)
    maker, topology = prepared.maker, prepared.system.topology
    how = f"{[file_sha256(file)[:12] for file in snapshots]} {SEED}"
    made = after.backmapped(sets, topology, after.placed_by(prepared), folder / "atoms", how)
    carbons = PairGroups.between(topology.n_atoms, {"carbons": topology.elements == "C"})
    energies = Energies(LennardJones.from_gromacs(read_gromacs(top), topology), 1, "molecule")
    resolution = Resolution.of(made[after.OWN], carbons, 0.8, energies=energies, checker=maker.checker)
    seen = {name: after.look_at(resolution, own) for name, own in made.items()}
    seen[KNOWN] = after.look_at(resolution, known_set(snapshots, topology))
    text = (
        f"Whole molecules of {len(snapshots)} all-atom snapshots, each moved onto the beads that it fits "
        "best, as placed: nothing is relaxed. There are no rings, hence no piercings, and no stereocentres. "
        "Reference of distributions: what the same makes of the beads of the target's snapshots that test; "
        f"the floor is one half of their molecules against another. `{KNOWN}` are shown as they are (298 K "
        "and its density, unless others were given). Lennard-Jones of GROMOS 54A7 to 0.8 nm between atoms "
        f"more than three bonds apart. {THESIS}"
    )
    frames = {name: len(own) for name, own in seen.items()}
    return after.Level("To all atoms", text, frames, after.compare(seen, after.OWN))


def main(words: list[str] | None = None) -> int:
    """Backmap and compare."""
    parser = after.arguments(__doc__, Path("runs/dodecane_morph"), ALL_FRAMES, "B")
    data = Path(os.environ.get("MSB_DATA", "data")) / "dodecane"
    parser.add_argument("--target", type=Path, default=data / "400K_mapped")
    parser.add_argument("--top-down", type=Path, default=data / "400K_martini_rescaled")
    parser.add_argument("--snapshots", type=Path, nargs="+", help="all-atom structures (dodecane/aa)")
    args = parser.parse_args(words)
    frames = 1 if args.smoke else args.frames
    snapshots = args.snapshots or by_number(data / "aa", "*.gro")
    snapshots = snapshots[-1:] if args.smoke else snapshots
    parts = [read_set(part, by_number(args.target, pattern)) for part, pattern in PARTS.items()]
    before = read_set("before", by_number(args.top_down, "*.gro"))
    study = Study(Case(*parts, before, "", "", BARS, PUBLISHED), FRAMES, args.runs)
    sets = {after.BEFORE: before[:frames]}
    facts: dict[str, Any] = {"frames": frames, "snapshots": [file.name for file in snapshots]}
    told = "unmorphed"
    if args.model is not None:
        model, rounds = ready(args.model, study, ""), 1 if args.smoke else ROUNDS
        sets[after.AFTER] = study.morphed(args.model, model, args.scheme, rounds, frames)[0]
        facts |= {"s": model.s, "scheme": args.scheme, "model": model.name, "rounds": rounds}
        told += f" and morphed by `{model.name}` (s = {model.s}, scheme {args.scheme})"
    sets[after.OWN] = study.test[:1] if args.smoke else study.test
    levels = [atom_level(sets, data, snapshots, args.runs / "down")]
    intro = [
        f"Written by `down.py`: the beads of Martini's dodecane, {told}, and those of the "
        "target's snapshots that test, all backmapped alike.",
        after.EFFECT,
    ]
    folder = args.out or (args.runs / "out" if args.smoke else STUDY / "out")
    after.conclude("Martini to mapped dodecane, after backmapping", intro, levels, facts, folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
