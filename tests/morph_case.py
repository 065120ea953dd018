"""A small melt of a target, a model that hardly knows it, and a top-down melt in reduced units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msb.core.topology import Topology
from msb.io.frames import Frames
from msb.io.writers import open_writer
from msb.morph.chains import chain_topology
from msb.morph.config import MorphConfig
from msb.morph.morpher import Morpher
from msb.morph.training import train

CHAINS, BEADS = 4, 6
BOND, BOX = 0.5, 2.4  # nm, of the target
SIGMA = 0.1  # nm of the top-down files, whose bonds are 0.97 sigma


@dataclass(frozen=True)
class Case:
    """Files of a top-down melt, and the folders of models with s = 2 and 3."""

    structure: Path
    trajectory: Path
    models: dict[int, Path]
    target: Path


def walks(
    rng: np.random.Generator, frames: int, bond: float, spread: float, angle: float, box: float
) -> np.ndarray:
    """Chains (F, N, 3) of bonds and angles as given and any torsions, at random places of a box, whole."""
    out = np.empty((frames, CHAINS, BEADS, 3))
    out[:, :, 0] = rng.uniform(0, box, (frames, CHAINS, 3))
    step = _unit(rng.normal(size=(frames, CHAINS, 3)))
    for bead in range(1, BEADS):
        lengths = bond * (1 + spread * rng.normal(size=(frames, CHAINS, 1)))
        out[:, :, bead] = out[:, :, bead - 1] + lengths * step
        side = rng.normal(size=step.shape)
        side = _unit(side - (side * step).sum(-1, keepdims=True) * step)
        turn = np.pi - np.deg2rad(angle + 8 * rng.normal(size=(frames, CHAINS, 1)))
        step = np.cos(turn) * step + np.sin(turn) * side
    return out.reshape(frames, -1, 3).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def melt_topology(
    names: str = "B", resname: str = "TGT", chains: int = CHAINS, beads: int = BEADS
) -> Topology:
    n = chains * beads
    return chain_topology([beads] * chains, [names] * n, [names] * n, resnames=[resname] * n)


def write(path: Path, topology: Topology, positions: np.ndarray, box: float | None) -> Path:
    """Write frames, 1 ps apart where the format knows times."""
    cells = (
        None
        if box is None
        else np.tile(np.eye(3, dtype=np.float32) * np.float32(box), (len(positions), 1, 1))
    )
    with open_writer(path, topology, precision=5) as writer:
        writer.write(Frames(np.asarray(positions, np.float32), cells, np.arange(len(positions), dtype=float)))
    return path


def bare(path: Path) -> Path:
    """The same GRO file with one residue number: no residues, names or bonds tell chains apart."""
    lines = path.read_text().splitlines(keepends=True)
    kept = [line if len(line) < 40 else f"    1XXX      X{line[15:]}" for line in lines]
    path.write_text("".join(kept))
    return path


def model(folder: Path, s: int, target: Path, steps: int = 4) -> Path:
    """Train a model for as good as no time, and save it."""
    plain = {
        "method": "morph",
        "name": f"toy_s{s}",
        "s": s,
        "data": {"snapshots": [str(target)], "temperature": 300.0},
        "decoder": {"width": 8, "blocks": 1, "components": 2, "around_width": 4, "beads_around": 6},
        "sampling": {"sweeps": 1},
        "weigh": "none",
        "training": {"steps": steps, "batch": 2, "validate_every": steps},
    }
    work = folder.parent / f"{folder.name}_work"
    work.mkdir()
    trained: Morpher = train(MorphConfig.parse(plain), folder.parent, work)
    trained.save(folder)
    return folder


def shared_case(base: Path) -> Case:
    """Write everything into a folder of the whole session, once."""
    folder = base / "morph_case"
    if not folder.exists():
        folder.mkdir()
        _write(folder)
    models = {s: folder / f"toy_s{s}" for s in (2, 3)}
    return Case(folder / "kg.gro", folder / "kg.xtc", models, folder / "target.gro")


def _write(folder: Path) -> None:
    rng = np.random.default_rng(7)
    target = write(folder / "target.gro", melt_topology(), walks(rng, 5, BOND, 0.04, 115.0, BOX), BOX)
    small = BOX * SIGMA / 0.36
    frames = walks(rng, 3, 0.97 * SIGMA, 0.02, 150.0, small)
    topology = melt_topology("FE", "KG")
    write(folder / "kg.xtc", topology, frames, small)
    write(folder / "kg.gro", topology, frames[:1], small)
    for s in (2, 3):
        model(folder / f"toy_s{s}", s, target)
