"""A trained model in a hurry, polished: the bars of polished structures in less time than fragments need.

    MSB_DATA=... python studies/sps_quick/run.py                       # the shipped model, 568 and 313 K
    MSB_DATA=... python studies/sps_quick/run.py --model FOLDER
    MSB_DATA=... python studies/sps_quick/run.py --table               # only the table of what is there
    MSB_DATA=... python studies/sps_quick/run.py --smoke --model linear --runs ...

No sweeps, four candidates, a polish of 0.25 ps.  In some of the frames `fragment` is made beside it, with its
usual polish and with one as short, so that times are of one machine at one time.  Writes
``out/results.json`` and ``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from entrants import Entrant, Findings, arguments, find, finish, make, options, present, settle
from goals import against_fragment, committed, polished_goals
from verdict import Verdict

OUT = Path(__file__).resolve().parent / "out"
PS = 0.25
SAMPLING = (("sweeps", "0"), ("candidates", "4"))
BESIDE = 8  # frames of each set in which fragments are timed


def entrants_of(args: argparse.Namespace) -> tuple[Entrant, list[Entrant]]:
    """The model, and fragments with the usual polish and the short one."""
    usual = options(args)
    short = {**usual, "polish_ps": PS if args.polish_ps is None else args.polish_ps}
    name = f"{Path(args.model).name}_quick"
    own = Entrant.of(args.model, name, **{**short, "sampling": usual["sampling"] or SAMPLING})
    beside = {"fragment_usual": usual, "fragment_short": short}
    return own, [Entrant.of("fragment", who, **how) for who, how in beside.items()]


def times(found: Findings, subsets: Sequence[str], own: Entrant, beside: Sequence[Entrant]) -> list[str]:
    """Seconds of one thread in the frames that all have, and their ratio to the model's."""
    lines = ["", "## Seconds of one thread a frame, in the same frames", ""]
    lines += ["| set | frames | who | placed | minimised | polished | together | beside ours |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for subset in subsets:
        there = {e.name: found.columns.get((subset, e.name, "raw")) for e in (own, *beside)}
        if not all(there.values()):
            continue
        frames = sorted(set.intersection(*(set(j.column.frames) for j in there.values() if j)))
        spent = {}
        for entrant in (own, *beside):
            parts = {}
            for name in entrant.columns:
                column = found.columns[subset, entrant.name, name].column.at(frames)
                parts[name] = float(np.mean([one["cpu"] for one in column.meta]))
            spent[entrant.name] = sum(parts.values())
            cells = [f"{parts[n]:.1f}" if n in parts else "" for n in ("raw", "minimised", "polished")]
            ratio = spent[entrant.name] / spent[own.name]
            who = f"| {subset} | {len(frames)} | {entrant.name} | {' | '.join(cells)}"
            lines.append(f"{who} | {spent[entrant.name]:.1f} | {ratio:.2f} |")
        mine, usual = spent[own.name], spent[beside[0].name]
        text = f"{subset}: {own.name}, polished, beside {beside[0].name}: seconds of one thread a frame"
        found.verdicts.append(Verdict(text, f"< {usual:.1f}", f"{mine:.1f}", bool(mine < usual)))
    return lines


def main(words: list[str] | None = None) -> int:
    """Make the frames that are missing, measure, judge, write."""
    parser = arguments(__doc__, "sps_quick", OUT)
    parser.add_argument("--model", default="sps", help="bundle: folder, or name of a shipped one; a method")
    parser.add_argument("--beside", type=int, default=BESIDE, help=f"frames of `fragment` ({BESIDE})")
    args = settle(parser.parse_args(words))
    subsets = [name for name in ("t568", "t313") if name in present(args.data)]
    own, beside = entrants_of(args)
    some = argparse.Namespace(**{**vars(args), "frames": min(args.beside, args.frames or args.beside)})
    if not args.table:
        make(beside, subsets, some)
        make([own], subsets, args)
    found = find([own], subsets, args)
    found.columns |= find(beside, subsets, some).columns
    for subset in subsets:
        polished = polished_goals(found, subset, own.name)
        other = against_fragment(found, subset, own.name, committed())
        # times of the committed frames are of another day: those of the frames beside ours are judged
        found.verdicts += polished + [v for v in other if ", polished," in v.text and "seconds" not in v.text]
    lines = times(found, subsets, own, beside)
    return finish(found, args, OUT, f"In a hurry: {own.name}", lines)


if __name__ == "__main__":
    raise SystemExit(main())
