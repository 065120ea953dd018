"""Morph Martini's tetracosane to the beads of the all-atom liquid, s = 2 and 3, beside rivals.

python run.py --models MODEL_S2 MODEL_S3          # after make_liquids.py and two trainings
python run.py --models ... --smoke

Morphed frames are kept under --runs: a run that was stopped goes on, and a new model is another file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
from morph_study import Case, Study, arguments, conclude
from morph_tables import Bars
from sets import read_set, scaled

__all__ = ["FRAMES", "case_of", "main"]

STUDY = Path(__file__).resolve().parent
FRAMES = 40  # Martini's snapshots that are judged; the others choose
PARTS = ("train", "validation", "test")
BARS = Bars(share=0.2, quantities=("bond", "rdf"), fixed={"angle": 0.003})
PUBLISHED = {
    "scores": "Published, of the map: before 2.239, A 2.338, B 1.213 for s = 2; before 2.925, "
    "B 1.197 for s = 3"
}


def case_of(liquids: Path, last: int | None = None) -> Case:
    """Everything that is judged.

    Parameters
    ----------
    liquids : Path
        Folder that `make_liquids.py` wrote.
    last : int, optional
        Only so many of Martini's snapshots.
    """
    parts = [read_set(part, [liquids / "target.gro", liquids / f"target_{part}.xtc"]) for part in PARTS]
    martini = read_set("before", [liquids / "martini.gro", liquids / "martini.xtc"])
    before, scale = scaled(martini[:last], parts[0])
    return Case(*parts, before, scale, "Martini to all-atom tetracosane", BARS, PUBLISHED)


def main(words: list[str] | None = None) -> int:
    """Judge models."""
    parser = arguments(__doc__, Path("runs/tetracosane_morph"), FRAMES)
    parser.add_argument("--liquids", type=Path, default=STUDY / "out", help="files of make_liquids.py")
    args = parser.parse_args(words)
    frames, last = (1, 2) if args.smoke else (args.frames, None)
    return conclude(Study(case_of(args.liquids, last), frames, args.runs), args, STUDY / "out")


if __name__ == "__main__":
    raise SystemExit(main())
