"""Weights of 568 K at 313 K (and 453 K where its files are): the bars of the melt, and who crystallised.

    MSB_DATA=... python studies/sps_temperature/run.py                  # the shipped model, 78 frames
    MSB_DATA=... python studies/sps_temperature/run.py --any-backmapper fragment
    MSB_DATA=... python studies/sps_temperature/run.py --table          # only the tables of what is there
    MSB_DATA=... python studies/sps_temperature/run.py --smoke --any-backmapper linear --runs ...

Each frame is kept in a file under ``--runs``, the folder of studies/sps_melt: with its frames, the map of
phases shows 568 K as well.  Writes ``out/results.json`` and ``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis import maps

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
import monomers
import phases
from entrants import Entrant, Findings, arguments, find, finish, make, options, present, settle
from frame_files import SETS, frames_of
from goals import against_fragment, committed, polished_goals, raw_goals
from melt import Melt

OUT = Path(__file__).resolve().parent / "out"
MAP_FRAMES, LANDMARKS, REGIONS, OUTLIERS = 20, 150, 6, 0.02
BACKBONE = "dihedral C-C-C-C"
RING = "ring-dihedral sd, deg"


@dataclass(frozen=True)
class Chains:
    """Chains of some frames of one column: descriptors (N, K, D) and shares of trans (N,)."""

    descriptors: NDArray[np.float64]
    trans: NDArray[np.float64]


def chains_of(melt: Melt, subset: str, name: str, column: str, frames: list[int], runs: Path) -> Chains:
    """Describe every chain of some frames."""
    described, shares = [], []
    atoms = melt.observer.system.terms[BACKBONE].atoms
    for frame in frames:
        x, box = monomers.frame_of(melt, subset, name, column, frame, runs)
        found = monomers.describe(x[None], box[None], melt.topology)[0]
        described.append(found)
        shares.append(phases.trans_share(x[None], atoms, len(found))[0])
    return Chains(np.concatenate(described), np.concatenate(shares))


def phase_table(entrant: Entrant, subsets: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """Populations of the phases in every ensemble, on one map of all-atom chains of all temperatures."""
    melt = Melt(args.data)
    frames = {subset: shown(entrant, subset, args) for subset in subsets}
    number = min(len(own) for own in frames.values())
    frames = {subset: own[:number] for subset, own in frames.items()}
    md = {subset: chains_of(melt, subset, "md", "raw", own, args.runs) for subset, own in frames.items()}
    chart = phases.ChainMap.of(np.concatenate([own.descriptors for own in md.values()]), LANDMARKS)
    places = {subset: chart.places(own.descriptors) for subset, own in md.items()}
    regions = maps.find_regions(np.concatenate(list(places.values())), REGIONS, outliers=OUTLIERS)
    members = {SETS[subset]: regions.assign(own) for subset, own in places.items()}
    names = phases.label_regions(members, {SETS[subset]: own.trans for subset, own in md.items()})
    rows = []
    for subset, own in frames.items():
        for name in ("md", "deepbackmap", "baseline", entrant.name):
            for column in entrant.columns if name == entrant.name else ("raw",):
                if name == entrant.name and not monomers.made(subset, name, column, own, args.runs):
                    continue
                found = chains_of(melt, subset, name, column, own, args.runs)
                there = chart.places(found.descriptors)
                compared = maps.compare_regions(regions, places[subset], there)
                share = dict.fromkeys((*phases.PHASES, "outside"), 0.0)
                for label, population in zip((*names, "outside"), compared.test, strict=True):
                    share[label] += float(population)
                who = {"set": subset, "entrant": name, "column": column, "chains": len(there)}
                told = {"trans": float(found.trans.mean()), "js": compared.js, "kept": compared.kept}
                rows.append({**who, **share, **told})
    return {"regions": list(names), "frames": frames, "rows": rows, "stress": float(chart.plane.stress)}


def shown(entrant: Entrant, subset: str, args: argparse.Namespace) -> list[int]:
    """Frames of the map: evenly, where the entrant has them; any where it has none."""
    every = frames_of(subset, args.frames)
    own = [k for k in every if monomers.made(subset, entrant.name, "raw", [k], args.runs)] or every
    return [own[k] for k in np.linspace(0, len(own) - 1, min(len(own), args.map_frames)).astype(int)]


def phase_lines(table: dict[str, Any]) -> list[str]:
    """The populations as text."""
    labels = (*phases.PHASES, "outside")
    lines = ["", "## Phases of whole chains", "", f"Regions of the map: {', '.join(table['regions'])}.", ""]
    lines += [f"| set | who | {' | '.join(labels)} | trans | JS | kept |", f"|---|---|{'---|' * 7}"]
    for row in table["rows"]:
        shares = " | ".join(f"{row[label]:.3f}" for label in labels)
        who = f"{row['entrant']}, {row['column']}"
        lines.append(
            f"| {row['set']} | {who} | {shares} | {row['trans']:.3f} | {row['js']:.4f} | {row['kept']:.2f} |"
        )
    return lines


def widths(found: Findings, subsets: list[str], name: str) -> list[str]:
    """The ring dihedral at every temperature that there is."""
    lines = ["", "## Width of the ring dihedral, degrees", "", "| set | MD | published | raw | polished |"]
    lines.append("|---|---|---|---|---|")
    for subset in subsets:
        md = found.columns.get((subset, "md", "raw"))
        if md is None:
            continue
        cells = [f"{md.rows[RING].value:.2f}"]
        for key in ((subset, "deepbackmap", "raw"), (subset, name, "raw"), (subset, name, "polished")):
            cells.append(f"{found.columns[key].rows[RING].value:.2f}" if key in found.columns else "")
        lines.append(f"| {subset} | {' | '.join(cells)} |")
    return lines


def main(words: list[str] | None = None) -> int:
    """Make the frames that are missing, measure, judge, map, write."""
    parser = arguments(__doc__, "sps_melt", OUT)
    parser.add_argument("--model", default="sps", help="bundle: folder, or name of a shipped one")
    parser.add_argument("--any-backmapper", metavar="NAME", help="bundle or method instead of --model")
    parser.add_argument("--name", default="", help="of the frames' folder (default: the model's)")
    parser.add_argument("--map-frames", type=int, default=MAP_FRAMES, help="of each set, for the phases")
    args = settle(parser.parse_args(words))
    warnings.filterwarnings("ignore", message=".*left out. posres.itp")  # never published
    entrant = Entrant.of(args.any_backmapper or args.model, args.name, **options(args))
    subsets = [subset for subset in present(args.data) if subset != "t568"]
    if not args.table:
        make([entrant], subsets, args)
    there = [s for s in present(args.data) if s != "t568" or (args.runs / s / entrant.name).is_dir()]
    found = find([entrant], there, args)
    for subset in subsets:
        found.verdicts += raw_goals(found, subset, entrant.name)
        found.verdicts += polished_goals(found, subset, entrant.name)
        if entrant.name != "fragment":
            found.verdicts += against_fragment(found, subset, entrant.name, committed())
    if args.smoke:
        args.map_frames = 1
    found.more["phases"] = table = phase_table(entrant, present(args.data), args)
    lines = [*widths(found, there, entrant.name), *phase_lines(table)]
    return finish(found, args, OUT, f"568 K weights at other temperatures, {entrant.name}", lines)


if __name__ == "__main__":
    raise SystemExit(main())
