"""The last unit of the chains, frame by frame: rotamers of MD and of a model on the same beads.

    MSB_DATA=... python studies/sps_spread/ends.py --frames-of runs/sps_melt            # frames of sps_melt
    MSB_DATA=... python studies/sps_spread/ends.py --frames-of runs/sps_melt --smoke    # two frames

MD with its beads held stays in the rotamer that it begins in; the frames of the melt hold both.  Prints, and
writes to ``out/ENDS.md``, how many chains have the backbone's last torsion in each third of the circle.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure import term_values
from msb.core.box import make_whole
from msb.io.atomic import atomic_write_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from frame_files import SETS
from melt import Melt

TORSION = ("C130", "C133", "C146", "C149")  # of the published chain
STATES = ("trans", "gauche -", "gauche +")
COLUMNS = ("md", "raw", "polished")
OUT = Path(__file__).resolve().parent / "out" / "ENDS.md"


def rotamers(angles: NDArray[np.float64]) -> NDArray[np.int64]:
    """State of each torsion, radians: 0 where nearest to 180 degrees, 1 to -60, 2 to 60."""
    return np.asarray(np.floor((angles + np.pi) / (2 * np.pi / 3) + 0.5).astype(np.int64) % 3)


def count(melt: Melt, subset: str, frames: list[Path]) -> tuple[NDArray[np.int64], float]:
    """Chains (columns, 3) in each state; the share of polished ones in another than MD's of their frame."""
    chain = melt.topology.only_template()
    own = [chain.atom_names.index(name) for name in TORSION]
    atoms = np.arange(0, melt.topology.n_atoms, chain.n_atoms)[:, None] + np.array(own)
    total, other = np.zeros((len(COLUMNS), 3), dtype=np.int64), []
    for file in frames:
        x, box = melt.read("aa", subset, int(file.stem))
        with np.load(file) as kept:
            sets = [x, *(kept[f"{column}/positions"] for column in COLUMNS[1:])]
        whole = make_whole(np.stack(sets).astype(np.float64), np.stack([box] * len(sets)), melt.topology)
        states = rotamers(term_values(np.asarray(whole), "dihedral", atoms))
        total += np.stack([np.bincount(row, minlength=3) for row in states])
        other.append((states[-1] != states[0]).mean())
    return total, float(np.mean(other))


def main(words: list[str] | None = None) -> int:
    """Count and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--frames-of", type=Path, default=Path("runs") / "sps_melt", help="a study's frames")
    parser.add_argument("--model", default="sps", help="whose folder of frames")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--smoke", action="store_true", help="two frames of a set, nothing written")
    args = parser.parse_args(words)
    warnings.filterwarnings("ignore", message=".*left out. posres.itp")  # never published
    melt = Melt(args.data)
    lines = ["# The last torsion of the chains, " + "-".join(TORSION), ""]
    lines += ["Chains in each rotamer; the share of polished ones in another than MD's of their frame.", ""]
    lines += [f"| set | frames | | {' | '.join(STATES)} | other than MD |", "|---|---|---|---|---|---|---|"]
    for subset in SETS:
        frames = sorted((args.frames_of / subset / args.model).glob("*.npz"))[: 2 if args.smoke else None]
        if frames:
            total, other = count(melt, subset, frames)
            for column, row in zip(COLUMNS, total, strict=True):
                share = f"{other:.3f}" if column == "polished" else ""
                cells = " | ".join(map(str, row))
                lines.append(f"| {subset} | {len(frames)} | {column} | {cells} | {share} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.smoke:
        atomic_write_text(args.out, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
