"""Backmap Martini's tetracosane, morphed or not, to all atoms, and compare: the thesis' Fig. 7.10.

python down.py --model MODEL
python down.py --model ... --smoke

Atoms are those of whole molecules of the all-atom snapshots that train.  Frames are kept under --runs: a run
that was stopped goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from run import FRAMES, case_of

sys.path.append(str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
import after_backmapping as after
from make_liquids import LIQUID, MAPPING, SYSTEMS
from morph_study import Study
from whole_molecules import Atoms, atom_level

__all__ = ["main"]

STUDY = Path(__file__).resolve().parent
ALL_FRAMES = 6  # frames of each set
SAID = "They are of the snapshots that train. OPLS-AA."


def main(words: list[str] | None = None) -> int:
    """Backmap and compare."""
    parser = after.arguments(__doc__, Path("runs/tetracosane_morph"), ALL_FRAMES, "B")
    parser.add_argument("--liquids", type=Path, default=STUDY / "out", help="files of make_liquids.py")
    args = parser.parse_args(words)
    study = Study(case_of(args.liquids), 1 if args.smoke else FRAMES, args.runs)
    sets, facts, told = after.sets_of(study, args)
    snapshots = [args.liquids / "atoms.gro", args.liquids / "atoms.xtc"]
    temperature = SYSTEMS[LIQUID].production.temperature
    atoms = Atoms(args.liquids / "atoms.top", MAPPING, snapshots, temperature, SAID)
    levels = [atom_level(sets, atoms, args.runs / "down")]
    title, beads = "Martini to all-atom tetracosane", f"the beads of Martini's tetracosane, {told}"
    after.conclude(title, beads, levels, facts, args, STUDY)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
