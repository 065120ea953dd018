"""Dodecane at 400 K: the published all-atom box at 298 K, swollen, heated and simulated with GROMACS.

    MSB_DATA=... python alkane.py --runs runs/assess_melts           # 40 ps to settle, then 80 ps
    python alkane.py --runs DIR --data ... --smoke                   # a few molecules, seconds

It can be stopped at any time: the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole
from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MsbError, MsbWarning
from msb.io.atomic import atomic_write_text
from msb.io.frames import Frames
from msb.io.gromacs_writer import molecule_type_text, system_text
from msb.io.topology_files import read_gromacs
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
from engine import NICE, parameters_text, run_stage
from systems import Stage, System

__all__ = ["MAPPING", "STAGES", "TEMPERATURE", "dodecane", "edge_of", "main", "simulate", "start", "top_text"]

MAPPING = Path(__file__).resolve().parent / "dodecane.yaml"
TEMPERATURE = 400.0  # K
CUTOFF, DIELECTRIC = 1.2, 2.0  # nm; of the reaction field
SETTLE_PS, PS, SMOKE_PS, SMOKE_MOLECULES = 40.0, 80.0, 0.02, 2
DECIMALS = "100000"  # per nm, of the frames: rounding must not show in the forces
STAGES = ("minimise", "settle", "run001")

# GROMOS 54A7 in c6 and c12 (N. Schmid et al., Eur. Biophys. J. 40, 843 (2011)); mixed by geometric means
TYPES = """
[ defaults ]
; nbfunc  comb-rule  gen-pairs  fudgeLJ  fudgeQQ
1  1  no  1.0  1.0

[ atomtypes ]
; name  number  mass  charge  ptype  c6  c12
C   6  12.0110  0.0  A  2.340624e-03  4.937284e-06
HC  1   1.0080  0.0  A  8.464000e-05  1.512900e-08

[ pairtypes ]
; between atoms three bonds apart
C   C   1  2.340624e-03  3.374569e-06
HC  C   1  4.450960e-04  2.259510e-07
HC  HC  1  8.464000e-05  1.512900e-08
"""


def dodecane(data: Path) -> MoleculeTemplate:
    """Read the published molecule, its bonds as harmonic springs: they are rigid in the simulation."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*\[ align \]", MsbWarning)  # deepBackmap's own
        [published] = read_gromacs(data / "dodecane_aa.itp").molecule_types.values()
    return replace(published, interactions=tuple(_harmonic(entry) for entry in published.interactions))


def _harmonic(entry: Interaction) -> Interaction:
    """Give a spring in r² the harmonic one of the same length and stiffness."""
    if (entry.kind, entry.function) != ("bonds", 2):
        return entry
    length, stiffness = (float(value) for value in entry.parameters)
    return replace(entry, function=1, parameters=(length, 2 * stiffness * length**2))


def top_text(template: MoleculeTemplate, count: int) -> str:
    """Return the whole ``.top`` of so many molecules."""
    head = "; dodecane: written by studies/assess_melts, parameters of the Automated Topology Builder\n"
    topology = Topology(((template, count),))
    return "\n".join([head, TYPES, molecule_type_text(template), system_text(topology, "dodecane, 400 K")])


def edge_of(folder: Path) -> float:
    """Return the edge, nm, of a cube of the mean volume of a folder's structures."""
    files = sorted(folder.glob("*.gro"))
    if not files:
        raise MsbError(f"{folder} holds no .gro files: set MSB_DATA to the folder of the published data")
    boxes = [np.array(file.read_text().splitlines()[-1].split()[:3], dtype=float) for file in files]
    return float(np.mean(np.prod(boxes, axis=1)) ** (1 / 3))


def start(data: Path, template: MoleculeTemplate, edge: float, molecules: int | None) -> NDArray[np.float32]:
    """Return whole molecules of the last published box, moved apart until they fill a cube.

    Parameters
    ----------
    data : Path
        The published files.
    template : MoleculeTemplate
    edge : float
        Of the cube, nm.
    molecules : int, optional
        Only so many.

    Returns
    -------
    float32 array (molecules * n, 3)
        nm.
    """
    last = max((data / "aa").glob("*.gro"), key=lambda path: int(path.stem))
    frame = open_trajectory(last).read(0, 1)
    topology = Topology(((template, frame.positions.shape[1] // template.n_atoms),))
    box = np.asarray(frame.boxes[0], dtype=np.float64)
    x = make_whole(frame.positions[0].astype(np.float64), box, topology).reshape(-1, template.n_atoms, 3)
    centres = x.mean(1, keepdims=True)
    moved = x + centres * (edge / box[0, 0] - 1)
    return np.asarray(moved[:molecules].reshape(-1, 3), dtype=np.float32)


def simulate(
    runs: Path, data: Path, ps: float = PS, threads: int = 1, smoke: bool = False, nice: int = NICE
) -> Path:
    """Run every stage to its end, from where it stopped, and return the folder.

    Parameters
    ----------
    runs : Path
        Gets a folder ``dodecane``.
    data : Path
        Published files.
    ps : float
        Of production at constant volume, a frame every 4 ps.
    threads : int
        Of GROMACS.
    smoke : bool
        A few molecules and steps.
    nice : int
        Of GROMACS.

    Returns
    -------
    Path

    Raises
    ------
    MsbError
        GROMACS is missing or failed.
    """
    folder = runs / "dodecane"
    folder.mkdir(parents=True, exist_ok=True)
    template, edge = dodecane(data), edge_of(data / "400K_mapped")
    positions = start(data, template, edge, SMOKE_MOLECULES if smoke else None)
    count = len(positions) // template.n_atoms
    times = (SMOKE_PS, SMOKE_PS) if smoke else (SETTLE_PS, ps)
    system = _system(template, count, edge, *times)
    atomic_write_text(folder / "system.top", top_text(template, count))
    if not (folder / "start.gro").exists():
        box = np.eye(3, dtype=np.float32)[None] * np.float32(edge)
        with open_writer(folder / "start.gro", system.topology) as writer:
            writer.write(Frames(positions[None], box, None, 0))
    before = "start"
    for stage in (*system.preparation, system.production):
        text = parameters_text(system, stage, stage.name == "settle", seed=1)
        text = text.replace("compressed-x-precision = 10000\n", f"compressed-x-precision = {DECIMALS}\n")
        print(f"dodecane: {stage.name}, {stage.ps:g} ps", flush=True)
        run_stage(folder, stage.name, text, "system.top", before, threads, before == "settle", nice=nice)
        before = stage.name
    return folder


def _system(template: MoleculeTemplate, count: int, edge: float, settle: float, ps: float) -> System:
    minimise, settling, run = STAGES
    stages = (
        Stage(minimise, 0, 0, None, integrator="steep"),
        Stage(settling, settle, TEMPERATURE, None),
    )
    production = Stage(run, ps, TEMPERATURE, None)
    own = "dodecane400", lambda: template, lambda: TYPES, count, edge, _placed
    return System(*own, stages, production, CUTOFF, DIELECTRIC)


def _placed(system: System, generator: np.random.Generator) -> Any:
    raise MsbError(f"{system.name} begins with a published box")


def main(arguments: list[str] | None = None) -> int:
    """Simulate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = Path(os.environ.get("MSB_DATA", "data")) / "dodecane"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=Path, default=Path("runs") / "assess_melts")
    parser.add_argument("--ps", type=float, default=PS, help=f"production ({PS:g})")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nice", type=int, default=NICE, help=f"of GROMACS ({NICE})")
    parser.add_argument("--smoke", action="store_true", help="a few molecules and steps")
    args = parser.parse_args(arguments)
    simulate(args.runs, args.data, args.ps, args.threads, args.smoke, args.nice)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
