"""One bead a monomer: raw and polished table of a trained model and of fragments, on 71 frames of 568 K.

    MSB_DATA=... python studies/sps_merged_bead/run.py --model FOLDER    # a bundle trained with config.yaml
    MSB_DATA=... python studies/sps_merged_bead/run.py --no-model        # fragments alone
    MSB_DATA=... python studies/sps_merged_bead/run.py --table           # only the table of what is there
    MSB_DATA=... python studies/sps_merged_bead/run.py --smoke --no-model --fragments linear --runs ...

Each frame is kept in a file under ``--runs``; a run that was killed goes on with the frames that are missing.
Writes ``out/results.json`` and ``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from columns import LJ_ROWS
from entrants import Entrant, Findings, arguments, find, finish, make, options, settle
from merge import MAPPING
from verdict import Verdict

HERE = Path(__file__).resolve().parent
OUT, SUBSET, NAME = HERE / "out", "t568", "merged"
ENERGIES = (0.02, 0.01)  # excess of all atoms' and of carbons' Lennard-Jones after the polish


def goals(found: Findings, name: str) -> list[Verdict]:
    """The bars of the merged bead."""
    key = SUBSET, name, "polished"
    if key not in found.columns:
        return []
    own, who = found.columns[key], f"{name}, polished"
    verdicts = []
    for row_name, bar in zip(LJ_ROWS, ENERGIES, strict=True):
        row = own.rows[row_name]
        said = f"{row.excess:+.5f} ({row.low:+.5f} … {row.high:+.5f}), floor {row.floor:.5f}"
        verdicts.append(Verdict(f"{who}: {row_name}", f"excess ≤ {bar:g}", said, bool(row.excess <= bar)))
    failed, frames = int(own.cost["failed"]), int(own.cost["frames"])
    verdicts.append(Verdict(f"{who}: failures in {frames} frames", "0", str(failed), failed == 0))
    return verdicts


def main(words: list[str] | None = None) -> int:
    """Make the frames that are missing, measure, judge, write."""
    parser = arguments(__doc__, "sps_merged_bead", OUT)
    parser.add_argument("--model", default=str(OUT / "model"), help="bundle of the merged mapping")
    parser.add_argument("--no-model", action="store_true", help="fragments alone")
    parser.add_argument("--fragments", default="fragment", metavar="METHOD", help="the method beside it")
    args = settle(parser.parse_args(words))
    own = {**options(args), "mapping": str(MAPPING)}
    entrants = [] if args.no_model else [Entrant.of(args.model, NAME, **own)]
    entrants.append(Entrant.of(args.fragments, **own))
    if not args.table:
        make(entrants, [SUBSET], args)
    found = find(entrants, [SUBSET], args)
    if not args.no_model:
        found.verdicts += goals(found, NAME)
    return finish(found, args, OUT, "One bead a monomer")


if __name__ == "__main__":
    raise SystemExit(main())
