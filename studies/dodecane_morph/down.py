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
from collections.abc import Sequence
from pathlib import Path

from run import BARS, FRAMES, PARTS, PUBLISHED, by_number

sys.path.append(str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
sys.path.append(str(Path(__file__).resolve().parents[1] / "assess_melts"))
import after_backmapping as after
from alkane import MAPPING, TEMPERATURE, dodecane, top_text
from morph_study import Case, Study
from sets import read_set
from whole_molecules import KNOWN, Atoms, atom_level

from msb.errors import MsbError
from msb.io.atomic import atomic_write_text

__all__ = ["KNOWN", "main"]

STUDY = Path(__file__).resolve().parent
ALL_FRAMES = 6  # frames of each set


def atoms_of(molecules: int, data: Path, snapshots: Sequence[Path], folder: Path) -> Atoms:
    """What puts atoms into three beads a molecule; `folder` gets a topology."""
    if not snapshots:
        raise MsbError(f"{data / 'aa'} holds no .gro files: set MSB_DATA to the folder of the published data")
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_text(folder / "system.top", top_text(dodecane(data), molecules))
    said = (
        f"There are {len(snapshots)} of them, at 298 K and its density unless others were given. GROMOS 54A7."
    )
    return Atoms(folder / "system.top", MAPPING, snapshots, TEMPERATURE, said)


def main(words: list[str] | None = None) -> int:
    """Backmap and compare."""
    parser = after.arguments(__doc__, Path("runs/dodecane_morph"), ALL_FRAMES, "B")
    data = Path(os.environ.get("MSB_DATA", "data")) / "dodecane"
    parser.add_argument("--target", type=Path, default=data / "400K_mapped")
    parser.add_argument("--top-down", type=Path, default=data / "400K_martini_rescaled")
    parser.add_argument("--snapshots", type=Path, nargs="+", help="all-atom structures (dodecane/aa)")
    args = parser.parse_args(words)
    snapshots = args.snapshots or by_number(data / "aa", "*.gro")
    snapshots = snapshots[-1:] if args.smoke else snapshots
    parts = [read_set(part, by_number(args.target, pattern)) for part, pattern in PARTS.items()]
    before = read_set("before", by_number(args.top_down, "*.gro"))
    study = Study(Case(*parts, before, "", "", BARS, PUBLISHED), FRAMES, args.runs)
    sets, facts, told = after.sets_of(study, args)
    facts["snapshots"] = [file.name for file in snapshots]
    atoms = atoms_of(study.test.topology.n_molecules, data, snapshots, args.runs / "down")
    levels = [atom_level(sets, atoms, args.runs / "down")]
    title, beads = "Martini to mapped dodecane", f"the beads of Martini's dodecane, {told}"
    after.conclude(title, beads, levels, facts, args, STUDY)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
