"""A trained model on the published melt at 568 K, raw and polished: every bar of the issue, and its verdict.

    MSB_DATA=... python studies/sps_melt/run.py                          # the shipped model, 71 frames
    MSB_DATA=... python studies/sps_melt/run.py --model FOLDER           # another bundle
    MSB_DATA=... python studies/sps_melt/run.py --any-backmapper linear  # a method without training
    MSB_DATA=... python studies/sps_melt/run.py --table                  # only the table of what is there
    MSB_DATA=... python studies/sps_melt/run.py --smoke --any-backmapper linear --runs ...

Each frame is kept in a file under ``--runs``; a run that was killed goes on with the frames that are missing.
Writes ``out/results.json`` and ``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from entrants import Entrant, arguments, find, finish, make, options, settle
from goals import against_fragment, committed, polished_goals, raw_goals

OUT = Path(__file__).resolve().parent / "out"
SUBSET = "t568"


def main(words: list[str] | None = None) -> int:
    """Make the frames that are missing, measure, judge, write."""
    parser = arguments(__doc__, "sps_melt", OUT)
    parser.add_argument("--model", default="sps", help="bundle: folder, or name of a shipped one")
    parser.add_argument("--any-backmapper", metavar="NAME", help="bundle or method instead of --model")
    parser.add_argument("--name", default="", help="of the frames' folder (default: the model's)")
    args = settle(parser.parse_args(words))
    model = args.any_backmapper or args.model
    entrant = Entrant.of(model, args.name, **options(args))
    if not args.table:
        make([entrant], [SUBSET], args)
    found = find([entrant], [SUBSET], args)
    name = entrant.name
    found.verdicts += raw_goals(found, SUBSET, name) + polished_goals(found, SUBSET, name)
    if name != "fragment":
        found.verdicts += against_fragment(found, SUBSET, name, committed())
    return finish(found, args, OUT, f"Melt at 568 K, {name}")


if __name__ == "__main__":
    raise SystemExit(main())
