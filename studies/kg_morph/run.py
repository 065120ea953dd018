"""Morph the Kremer-Grest melt by models of several s, in both schemes, and judge them beside rivals.

python run.py --models MODEL_S2 MODEL_S4 MODEL_S6        # needs simulate.py's out/ and target.py's snapshots
python run.py --models ... --frames 4 --choice 2 --no-map    # quick
python run.py --models ... --smoke

Morphed frames are kept under --runs: a run that was stopped goes on, and a new model is another file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
from morph_study import Case, Study, arguments, conclude
from morph_tables import MAPS, Bars
from sets import read_set, scaled

from msb.morph.statistics import QUANTITIES

STUDY = Path(__file__).resolve().parent
FRAMES, CHOICE = 40, 10  # Kremer-Grest snapshots that are judged, and those after them to choose by
PARTS = ("train", "validation", "test")
BARS = Bars(share=0.1, bound=2.0, quantities=(*QUANTITIES, *MAPS), contour=True)
PUBLISHED = {
    "sizes": "Published, nm: target 6.06, 2.51, 22.92; before 6.01, 2.43, 22.58; s2A 6.02, 2.43, 22.63",
    "scores": "Published, of the map: before 4.661; A: 0.436, 1.953, 3.589; B: 4.654, 0.646, 3.495 for "
    "s = 2, 4, 6",
}


def main(words: list[str] | None = None) -> int:
    """Judge models."""
    parser = arguments(__doc__, Path("runs/kg_morph"), FRAMES)
    parser.add_argument("--target", type=Path, help="folder of target.py (RUNS/target)")
    parser.add_argument("--top-down", type=Path, default=STUDY / "out" / "kg_24x32.gro")
    parser.add_argument("--choice", type=int, default=CHOICE, help="snapshots after those, to choose by")
    args = parser.parse_args(words)
    frames, choice = (2, 1) if args.smoke else (args.frames, args.choice)
    folder = args.target or args.runs / "target"
    parts = [
        read_set(part, sorted((folder / part).glob("*.gro"))) for part in ("train", "validation", "test")
    ]
    top_down = read_set("before", [args.top_down, args.top_down.with_suffix(".xtc")])
    before, scale = scaled(top_down[: frames + choice], parts[0])
    case = Case(*parts, before, scale, "Kremer-Grest to polystyrene", BARS, PUBLISHED)
    return conclude(Study(case, frames, args.runs), args, STUDY / "out")


if __name__ == "__main__":
    raise SystemExit(main())
