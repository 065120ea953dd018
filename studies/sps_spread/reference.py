"""The reference of the spread: MD of one frame with its beads held, by GROMACS; resumable.

    MSB_DATA=... python studies/sps_spread/reference.py                # 568 and 313 K, 250 ps each
    MSB_DATA=... python studies/sps_spread/reference.py --set t313 --threads 1

Every bead becomes a virtual site at its place among the atoms, on a spring to an atom that does not move.
Writes ``out/reference_SET.npz``: the mean resultant of every torsion, which is all that `run.py` needs.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.data import sample
from msb.io.atomic import atomic_write_text
from msb.io.trajectory import open_trajectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "melt_data"))
from engine import run_stage
from frame_files import SETS
from melt import Melt
from torsions import BLOCKS, Names, kinds_of, spread_of, write_spread

__all__ = ["FRAME", "names_of", "reference_path", "start_text", "topology_text"]

HERE = Path(__file__).resolve().parent
FRAME = 40  # of every set; no training snapshot
STEP, EVERY, FIRST, STRUCTURES = 0.001, 0.5, 50.0, 400  # ps, ps, ps dropped, structures kept
SPRING = 3e6  # kJ/mol/nm^2
CUTOFF, DIELECTRIC, FRICTION = 1.0, 2.5, 0.2  # nm; of the reaction field; ps
Floats = NDArray[np.float64]


def reference_path(subset: str) -> Path:
    """Where the table of a set is."""
    return HERE / "out" / f"reference_{subset}.npz"


def names_of(melt: Melt, subset: str) -> Names:
    """Names of atoms as in the published frame."""
    atoms, box = melt.read("aa", subset, FRAME)
    whole = make_whole(atoms[None].astype(np.float64), box[None], melt.topology)
    return Names.of(melt.topology, np.asarray(whole)[0])


def topology_text(mapping: Mapping, spring: float = SPRING) -> str:
    """The bundled topology with a virtual site and a fixed atom for every bead."""
    text = sample("polystyrene.top").read_text()
    [template] = mapping.templates
    n, m = template.n_atoms, template.n_beads
    types = "BEA  0  0.0  0.0  V  0.0  0.0\nANC  0  1.0  0.0  A  0.0  0.0\n"
    atoms = [f"{n + k + 1}  BEA  2  BEA  V{k + 1}  {n + k + 1}  0.0  0.0" for k in range(m)]
    atoms += [f"{n + m + k + 1}  ANC  3  ANC  A{k + 1}  {n + m + k + 1}  0.0  1.0" for k in range(m)]
    springs = [f"{n + k + 1}  {n + m + k + 1}  6  0.0  {spring:g}" for k in range(m)]
    sites = []
    for k in range(m):
        row = template.weights[[k]]
        pairs = " ".join(f"{a + 1} {w:.8f}" for a, w in zip(row.indices, row.data, strict=True))
        sites.append(f"{n + k + 1}  3  {pairs}")
    before, bonds = text.split("[ bonds ]")
    before = before.replace("\n[ moleculetype ]", f"{types}\n[ moleculetype ]")
    bonds = bonds.split("[ system ]")[0]
    extra = "[ bonds ]\n" + "\n".join(springs) + "\n\n[ virtual_sitesn ]\n" + "\n".join(sites)
    counts = f"PS1  {mapping.topology.n_molecules}\n"
    held = before.rstrip() + "\n" + "\n".join(atoms) + "\n\n[ bonds ]" + bonds + extra
    return f"{held}\n\n[ system ]\nheld beads\n\n[ molecules ]\n{counts}"


def start_text(positions: Floats, beads: Floats, box: Floats, mapping: Mapping) -> str:
    """A .gro of whole molecules (N, 3), each followed by its sites and its fixed atoms, beads (M, 3)."""
    [template] = mapping.templates
    count, names = mapping.topology.n_molecules, mapping.topology.atom_names
    chains = positions.reshape(count, -1, 3)
    held = beads.reshape(count, -1, 3)
    lines = []
    for chain, there in zip(chains, held, strict=True):
        sites = template.weights @ chain
        rows = [(1, "PS1", names[k], x) for k, x in enumerate(chain)]
        rows += [(2, "BEA", f"V{k + 1}", x) for k, x in enumerate(sites)]
        rows += [(3, "ANC", f"A{k + 1}", x) for k, x in enumerate(there)]
        for number, residue, name, x in rows:
            serial = (len(lines) + 1) % 100000
            place = "".join(f"{value:10.5f}" for value in x)
            lines.append(f"{number:5d}{residue:<5}{name:>5}{serial:5d}{place}")
    order = (0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)
    cell = " ".join(f"{box[i, j]:.5f}" for i, j in order)
    return "\n".join(["held beads", str(len(lines)), *lines, cell, ""])


def parameters_text(kelvin: float, ps: float | None, seed: int = 1) -> str:
    """The .mdp: a minimisation without `ps`, else Langevin dynamics at constant volume."""
    lines = [
        f"rcoulomb = {CUTOFF}",
        f"rvdw = {CUTOFF}",
        "cutoff-scheme = Verlet",
        "coulombtype = Reaction-Field",
        f"epsilon-rf = {DIELECTRIC}",
        "constraints = all-bonds",
        "constraint-algorithm = lincs",
        "freezegrps = ANC",
        "freezedim = Y Y Y",
        "comm-mode = None",
        "compressed-x-grps = PS1",
        "compressed-x-precision = 10000",
    ]
    if ps is None:
        return "\n".join([*lines, "integrator = steep", "nsteps = 200", "emtol = 500", "emstep = 0.001", ""])
    every = round(EVERY / STEP)
    lines += ["integrator = sd", f"dt = {STEP}", f"nsteps = {round(ps / STEP)}", "tc-grps = System"]
    lines += [f"ref-t = {kelvin:g}", f"tau-t = {FRICTION}", f"ld-seed = {seed}"]
    lines += [f"nstxout-compressed = {every}", f"nstenergy = {every}", "nstcalcenergy = 100"]
    return "\n".join([*lines, "gen-vel = yes", f"gen-temp = {kelvin:g}", f"gen-seed = {seed}", ""])


def prepare(melt: Melt, subset: str, folder: Path) -> None:
    """Write what GROMACS starts from, unless it is there."""
    if (folder / "start.gro").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    atoms, box = melt.read("aa", subset, FRAME)
    beads, _ = melt.read("cg", subset, FRAME)
    whole = np.asarray(make_whole(atoms[None].astype(np.float64), box[None], melt.topology))[0]
    mapping = melt.observer.mapping
    away = beads - np.asarray(mapping.beads(whole))
    beads = beads - np.round(away @ np.linalg.inv(box)) @ box
    atomic_write_text(folder / "held.top", topology_text(mapping))
    atomic_write_text(folder / "start.gro", start_text(whole, beads, box, mapping))


def simulate(melt: Melt, subset: str, folder: Path, ps: float, threads: int) -> None:
    """Minimise and run, or go on with a run that was stopped."""
    prepare(melt, subset, folder)
    shared = folder, "held.top", threads
    _stage(*shared, "minimise", parameters_text(SETS[subset], None), "start")
    _stage(*shared, "held", parameters_text(SETS[subset], ps), "minimise")


def _stage(folder: Path, top: str, threads: int, name: str, parameters: str, before: str) -> None:
    run_stage(folder, name, parameters, top, before, threads, velocities=False)


def tabulate(melt: Melt, subset: str, folder: Path, first: float) -> tuple[int, float]:
    """Write the table of a finished run; return its structures and the beads' rms distance, nm."""
    mapping = melt.observer.mapping
    beads, _ = melt.read("cg", subset, FRAME)
    kept, away = [], []
    for frames in open_trajectory(melt.data / "aa.gro", folder / "held.xtc").iter(chunk=1):
        if frames.times is None or frames.times[0] < first + EVERY / 2:
            continue
        box = np.asarray(frames.boxes, dtype=np.float64)
        whole = np.asarray(make_whole(frames.positions.astype(np.float64), box, melt.topology))
        off = np.asarray(mapping.beads(whole))[0] - beads
        off -= np.round(off @ np.linalg.inv(box[0])) @ box[0]
        away.append((off**2).sum(-1).mean())
        kept.append(whole[0])
    spread = spread_of(kept, kinds_of(melt.observer.system), names_of(melt, subset), FRAME, BLOCKS)
    write_spread(reference_path(subset), spread)
    return len(kept), float(np.sqrt(np.mean(away)))


def main(words: list[str] | None = None) -> int:
    """Run what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "sps_spread", help="GROMACS' files")
    parser.add_argument("--set", choices=("t568", "t313", "all"), default="all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--structures", type=int, default=STRUCTURES)
    args = parser.parse_args(words)
    warnings.filterwarnings("ignore", message=".*left out. posres.itp")  # never published
    melt = Melt(args.data)
    for subset in ("t568", "t313") if args.set == "all" else (args.set,):
        folder = args.runs / "reference" / subset
        simulate(melt, subset, folder, FIRST + EVERY * args.structures, args.threads)
        structures, rms = tabulate(melt, subset, folder, FIRST)
        print(f"{subset}: {structures} structures, beads {rms:.4f} nm rms from theirs")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
