"""Backmap Kremer-Grest beads, morphed or not, to the published model and on to all atoms, and compare.

MSB_DATA=... python down.py --model MODEL_S2            # needs target.py's snapshots
MSB_DATA=... python down.py --model ... --atoms 0       # to the published model only: a minute or two
MSB_DATA=... python down.py --model ... --smoke

Three monomers a bead become the two beads a monomer of Fritz et al. by fragments of the snapshots that
train, and these all atoms by fragments of the bundled snapshot, or (`--atoms-by sps`) by the shipped model,
which is slow for chains of 96 monomers. Frames are kept under --runs: a run that was stopped goes on.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from run import BARS, CHOICE, FRAMES, PARTS, PUBLISHED
from target import CHAINS, MAPPING, MONOMERS, SPLIT, TEMPERATURE, monomers

sys.path.append(str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
sys.path.append(str(Path(__file__).resolve().parents[1] / "assess_melts"))
import after_backmapping as after
from chains import long_chains
from fine import Energies, Resolution
from morph_study import ROUNDS, SEED, Case, Study, ready
from sets import BeadSet, read_set, scaled

from msb.analysis.structure import LennardJones, PairGroups
from msb.backmapper import build_model
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.data.snapshots import Snapshots
from msb.errors import MsbError, MsbWarning
from msb.io.frames import Frames
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.backmap.setup import Prepared, Request, prepare

__all__ = ["Published", "all_atom", "main"]

STUDY = Path(__file__).resolve().parent
ALL_FRAMES, ATOM_FRAMES, SMOKE_FRAMES = 6, 4, 2
REACH = 1.5  # nm, of the radial distributions of the published model's beads
UNITS = {"unit": "bead", "near": 0.3, "candidates": 256, "sweeps": 8, "mirrors": False}
"""Of the fragments; candidates and weights are those that suit the snapshot that validates."""
BY = ("fragment", "sps")  # what puts the atoms in
WORDS = {"sps": "the shipped model `sps`", "fragment": "fragments of the bundled snapshot"}
TOP, BEADS = sample("polystyrene.top"), sample("polystyrene_mapping.yaml")
PUBLISHED_FIGURE = (
    "The thesis (Fig. 7.9) sees no difference between backmapped Kremer-Grest melts, morphed or not, and "
    "calls the influence of morphing negligible."
)


def chain(monomers_of: int) -> Topology:
    """One chain of the published model; odd and even monomers differ, as their hands do."""
    molecule = monomers(monomers_of)
    types = [f"{kind}{k // 2 % 2}" for k, kind in enumerate(molecule.atom_types)]
    return Topology(((replace(molecule, atom_types=tuple(types)), 1),))


@dataclass(frozen=True, eq=False)
class Published:
    """The published model, and how its beads are put back.

    Attributes
    ----------
    data : Path
        The published data.
    train : sequence of int
        Numbers of the snapshots that fragments are taken from.
    count : int
        Chains.
    """

    data: Path
    train: Sequence[int]
    count: int = CHAINS

    @cached_property
    def mapping(self) -> Mapping:
        """Three monomers a bead; neighbouring beads are of two types, as their hands differ."""
        alone = chain(MONOMERS)
        [template] = read_mapping(MAPPING, alone).values()
        types = tuple(f"F{k % 2}" for k in range(template.n_beads))
        molecule = alone.only_template()
        return Mapping(
            {molecule.name: replace(template, bead_types=types)}, Topology(((molecule, self.count),))
        )

    def read(self, name: str, numbers: Sequence[int]) -> BeadSet:
        """Published snapshots, chains whole."""
        files = [self.data / "fritz" / "cg" / f"{number}.gro" for number in numbers]
        if not files[0].is_file():
            raise MsbError(f"{files[0]} is not there: set MSB_DATA to the folder of the published data")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MsbWarning)  # the residue field has one column too few
            frames = [open_trajectory(file).read() for file in files]
        boxes = np.concatenate([frame.boxes for frame in frames])
        x = np.concatenate([frame.positions for frame in frames]).astype(np.float64)
        whole = make_whole(x, boxes.astype(np.float64), self.mapping.topology)
        return BeadSet(name, np.asarray(whole, dtype=np.float32), boxes, self.mapping.topology)

    @cached_property
    def training(self) -> BeadSet:
        """The snapshots that fragments are taken from."""
        return self.read("train", self.train)

    @cached_property
    def model(self) -> Any:
        """Fragments of three monomers, chosen by their own bead and its neighbours."""
        own = self.training
        known = Snapshots.of(own.positions, self.mapping, own.boxes)
        return build_model("fragment", known, own.topology, self.mapping, options=dict(UNITS))

    def place(self, beads: Any, box: Any, number: int) -> Any:
        """See `after_backmapping.Place`."""
        return self.model.backmap(
            beads[None], seed=SEED, frames=np.array([number]), boxes=np.asarray(box)[None]
        )[0]

    @property
    def how(self) -> str:
        """What the beads put back depend on."""
        return f"fritz {sorted(self.train)} {UNITS} {SEED}"


def all_atom(own: BeadSet, folder: Path, by: str) -> tuple[Prepared, Mapping]:
    """Everything that puts atoms into beads of the published model.

    Parameters
    ----------
    own : BeadSet
        Equal chains of A and B beads.
    folder : Path
        Gets a structure of the beads.
    by : str
        One of `BY`: fragments of the bundled snapshot, or the shipped model.

    Returns
    -------
    prepared, mapping
        Hands go on along the chain as in the model's own, and so does the force field that it draws by.
    """
    [(molecule, count)] = own.topology.molecules
    long = long_chains(TOP, BEADS, molecule.n_atoms, count)
    folder.mkdir(parents=True, exist_ok=True)
    structure = folder / f"beads_{count}x{molecule.n_atoms}.gro"
    with open_writer(structure, long.bead_topology(), 4) as writer:
        writer.write(Frames(own.positions[:1], own.boxes[:1], None, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # chains are longer than the model's
        how = {"relax": "none", "polish": "none", "temperature": TEMPERATURE}
        model: dict[str, Any] = {"model": by}
        if by == "fragment":
            model = {"method": by, "snapshots": (sample("polystyrene_snapshot.gro"),)}
        return prepare(Request(structure, top=TOP, mapping=(BEADS,), **model, **how)), long


def fritz_level(sets: dict[str, BeadSet], published: Published, test: BeadSet) -> after.Level:
    """Judge beads of the published model by its own snapshots that test."""
    groups = PairGroups.by_type([kind[0] for kind in published.training.topology.atom_types])
    labels = [kind[0] for kind in published.training.topology.atom_types]
    resolution = Resolution.of(published.training, groups, REACH, labels=labels, ranges=True)
    seen = {name: after.look_at(resolution, own) for name, own in sets.items()}
    seen[test.name] = after.look_at(resolution, test)
    text = (
        "Three monomers a bead become two beads a monomer by fragments of the snapshots that train. "
        "Reference: the published snapshots that test, also as a set; the floor is one half of their chains "
        f"against another. {PUBLISHED_FIGURE}"
    )
    frames = {name: len(own) for name, own in seen.items()}
    return after.Level("To the published model", text, frames, after.compare(seen, test.name))


def atom_level(sets: dict[str, BeadSet], folder: Path, by: str) -> after.Level:
    """Take beads of the published model to all atoms, and judge them."""
    first = sets[after.OWN]
    prepared, long = all_atom(first, folder / "atoms", by)
    maker, topology = prepared.maker, prepared.system.topology
    place, how = after.placed_by(prepared, TEMPERATURE), f"{by} {TEMPERATURE} {SEED}"
    made = after.backmapped(sets, topology, place, folder / "atoms", how)
    force_field = LennardJones.from_gromacs(read_gromacs(TOP), topology)
    carbons = PairGroups.between(topology.n_atoms, {"carbons": topology.elements == "C"})
    energies = Energies(force_field, long.n_beads // topology.n_molecules // 2, "monomer")
    resolution = Resolution.of(made[after.OWN], carbons, 0.8, energies=energies, checker=maker.checker)
    seen = {name: after.look_at(resolution, own, sets[name]) for name, own in made.items()}
    text = (
        f"The same beads, with atoms put in by {WORDS[by]}, hands "
        "syndiotactic, as placed: nothing is relaxed. Reference of distributions: what the same two steps "
        "make of the target's own beads; the floor is one half of their chains against the other. "
        "Lennard-Jones to 0.8 nm between atoms more than three bonds apart."
    )
    frames = {name: len(own) for name, own in seen.items()}
    return after.Level("To all atoms", text, frames, after.compare(seen, after.OWN))


def coarse_sets(args: Any, data: Path) -> tuple[dict[str, BeadSet], dict[str, Any]]:
    """Beads of three monomers: unmorphed, morphed, the target's, and what was done."""
    folder = args.target or args.runs / "target"
    parts = [read_set(part, sorted((folder / part).glob("*.gro"))) for part in PARTS]
    top_down = read_set("before", [args.top_down, args.top_down.with_suffix(".xtc")])
    judged = min(FRAMES, len(top_down.positions) - 1)
    before, scale = scaled(top_down[: judged + CHOICE], parts[0])
    study = Study(Case(*parts, before, scale, "", BARS, PUBLISHED), judged, args.runs)
    sets = {after.BEFORE: before[: args.frames]}
    facts: dict[str, Any] = {"scale": scale, "frames": args.frames}
    if args.model is not None:
        model, rounds = ready(args.model, study, ""), 1 if args.smoke else ROUNDS
        sets[after.AFTER] = study.morphed(args.model, model, args.scheme, rounds)[: args.frames]
        facts |= {"s": model.s, "scheme": args.scheme, "model": model.name, "rounds": rounds}
    sets[after.OWN] = study.test
    return sets, facts


def main(words: list[str] | None = None) -> int:
    """Backmap and compare."""
    parser = after.arguments(__doc__, Path("runs/kg_morph"), ALL_FRAMES, "B")
    parser.add_argument(
        "--atoms", type=int, default=ATOM_FRAMES, help=f"frames of each set to all atoms ({ATOM_FRAMES})"
    )
    parser.add_argument("--atoms-by", choices=BY, default=BY[0], help=f"what puts them in ({BY[0]})")
    parser.add_argument("--target", type=Path, help="folder of target.py (RUNS/target)")
    parser.add_argument("--top-down", type=Path, default=STUDY / "out" / "kg_24x32.gro")
    args = parser.parse_args(words)
    if args.smoke:
        args.frames, args.atoms = SMOKE_FRAMES, 0
    data = Path(os.environ.get("MSB_DATA", "data"))
    sets, facts = coarse_sets(args, data)
    published = Published(data, SPLIT["train"][: 1 if args.smoke else None])
    topology, keep = published.mapping.topology, args.runs / "down"
    fine = after.backmapped(sets, topology, published.place, keep / "fritz", published.how)
    levels = [fritz_level(fine, published, published.read("published", SPLIT["test"]))]
    if args.atoms:
        some = {name: own[: args.atoms] for name, own in fine.items()}
        levels.append(atom_level(some, keep, args.atoms_by))
    told = "unmorphed"
    if args.model is not None:
        told += f" and morphed by `{facts['model']}` (s = {facts['s']}, scheme {facts['scheme']})"
    title, beads = "Kremer-Grest to polystyrene", f"Kremer-Grest beads at the target's density, {told}"
    after.conclude(title, beads, levels, facts, args, STUDY)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
