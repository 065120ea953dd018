"""Morph Martini's dodecane to the beads of the all-atom liquid, s = 2 and 3, beside rivals.

MSB_DATA=... python run.py --models MODEL_S2 MODEL_S3
MSB_DATA=... python run.py --models ... --smoke

Morphed frames are kept under --runs: a run that was stopped goes on, and a new model is another file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
from morph_study import Case, Study, arguments, conclude
from morph_tables import Bars
from sets import read_set

__all__ = ["BARS", "FRAMES", "PARTS", "PUBLISHED", "by_number", "main"]

STUDY = Path(__file__).resolve().parent
FRAMES = 14  # of Martini's 20 snapshots are judged; the others choose
PARTS = {"train": "[3-6]*.gro", "validation": "7*.gro", "test": "[8-9]*.gro"}  # of the target, by time
BARS = Bars(share=0.2, quantities=("bond", "rdf"), fixed={"angle": 0.003})
PUBLISHED = {
    "scores": "Published, of tetracosane's map: before 2.239, A 2.338, B 1.213 for s = 2; before 2.925, "
    "B 1.197 for s = 3"
}


def main(words: list[str] | None = None) -> int:
    """Judge models."""
    parser = arguments(__doc__, Path("runs/dodecane_morph"), FRAMES)
    data = Path(os.environ.get("MSB_DATA", "data")) / "dodecane"
    parser.add_argument("--target", type=Path, default=data / "400K_mapped")
    parser.add_argument("--top-down", type=Path, default=data / "400K_martini_rescaled")
    args = parser.parse_args(words)
    frames, last = (1, 2) if args.smoke else (args.frames, None)
    parts = [read_set(part, by_number(args.target, pattern)) for part, pattern in PARTS.items()]
    before = read_set("before", by_number(args.top_down, "*.gro"))[:last]
    scale = "lengths are as in the files: both are in nm, and at one density"
    case = Case(*parts, before, scale, "Martini to mapped dodecane", BARS, PUBLISHED)
    return conclude(Study(case, frames, args.runs), args, STUDY / "out")


def by_number(folder: Path, pattern: str) -> list[Path]:
    """Files in the order of their numbers."""
    return sorted(folder.glob(pattern), key=lambda path: int(path.stem))


if __name__ == "__main__":
    raise SystemExit(main())
