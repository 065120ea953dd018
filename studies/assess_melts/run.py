"""Assess published coarse-grained melts: long polystyrene chains, and dodecane of a rescaled Martini model.

    MSB_DATA=... python studies/assess_melts/alkane.py --runs DIR      # first: dodecane's reference
    MSB_DATA=... python studies/assess_melts/run.py --runs DIR         # both
    MSB_DATA=... python studies/assess_melts/run.py --runs DIR --only polystyrene
    MSB_DATA=... python studies/assess_melts/run.py --runs DIR --smoke # 2 frames, raw

Writes ``out/results.json`` and ``out/TABLE.md`` (a smoke run only where ``--out`` says). A killed run goes
on.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from itertools import count
from pathlib import Path
from typing import Any

from alkane import CUTOFF, DIELECTRIC, MAPPING, TEMPERATURE, dodecane
from chains import CG_TEMPERATURE, chain_lengths, joined, long_chains

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.errors import MsbError, MsbWarning
from msb.io.atomic import atomic_write_json, atomic_write_text
from msb.io.mapping_files import read_mapping
from msb.jobs.assess.request import AssessRequest, CGFiles
from msb.jobs.assess.run import Assessed, run_assessment

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "assess_common"))  # studies are no package
from rows import rows_of, table

__all__ = ["CASES", "alkane_request", "main", "polystyrene_request"]

OUT = Path(__file__).resolve().parent / "out"
POLYSTYRENE = {"temperature": 568.0, "cutoff": 0.85, "dielectric": 2.5}
LIQUID = {"temperature": TEMPERATURE, "cutoff": CUTOFF, "dielectric": DIELECTRIC}
FRAMES, SMOKE_FRAMES = 10, 2


def polystyrene_request(args: argparse.Namespace) -> AssessRequest:
    """Short chains at 568 K beside the published long ones at 496 K."""
    top, mapping = sample("polystyrene.top"), sample("polystyrene_mapping.yaml")
    files = list((args.data / "fritz" / "cg").glob("*.gro"))
    if not files:
        raise MsbError(f"{args.data / 'fritz' / 'cg'} holds no structures: set MSB_DATA")
    long = long_chains(top, mapping, *chain_lengths(files[0]))
    beads = joined(files, long.bead_topology(), args.runs / "polystyrene", "fritz")
    data = args.data / "sps"
    how = _backmapper(args.model, (sample("polystyrene_snapshot.gro"),))
    common = {"top": top, "mapping": (mapping,), **POLYSTYRENE, **_common(args)}
    cg = (CGFiles("fritz", *beads, CG_TEMPERATURE),)
    return AssessRequest(data / "aa.gro", data / "t568" / "aa.xtc", cg=cg, **common, **how)


def alkane_request(args: argparse.Namespace) -> AssessRequest:
    """Dodecane at 400 K beside the rescaled Martini model."""
    folder = args.runs / "dodecane"
    reference = folder / "start.gro", folder / "run001.xtc"
    lost = [file for file in (*reference, folder / "settle.gro") if not file.is_file()]
    if lost:
        raise MsbError(f"{lost[0]} is not there: simulate the reference first (alkane.py --runs {args.runs})")
    files = list((args.data / "dodecane" / "400K_martini_rescaled").glob("*.gro"))
    molecule = dodecane(args.data / "dodecane")
    count = _number_of_atoms(reference[0]) // molecule.n_atoms
    topology = Topology(((molecule, count),))
    mapping = Mapping(read_mapping(MAPPING, topology), topology)
    beads = joined(files, mapping.bead_topology(), folder, "martini")
    how = {"method": "fragment", "snapshots": (folder / "settle.gro",)}
    common = {"top": folder / "system.top", "mapping": (MAPPING,), **LIQUID, **_common(args)}
    return AssessRequest(*reference, cg=(CGFiles("martini", *beads, TEMPERATURE),), **common, **how)


CASES = {"polystyrene": polystyrene_request, "dodecane": alkane_request}


def _number_of_atoms(structure: Path) -> int:
    with open(structure, encoding="utf-8") as lines:
        next(lines)
        return int(next(lines))


def _backmapper(model: str, snapshots: tuple[Path, ...]) -> dict[str, Any]:
    from msb.backmapper import METHODS

    if model in METHODS and METHODS[model].build:
        return {"method": model, "snapshots": snapshots}
    return {"model": model}


def _common(args: argparse.Namespace) -> dict[str, Any]:
    return {"polish": not args.no_polish, "frames": args.frames, "workers": args.workers, "force": True}


def told(name: str, found: Assessed) -> list[str]:
    """Markdown of one melt."""
    lines = [f"## {name}", "", *table(rows_of(found.assessment)), ""]
    lines += [f"- {sentence}" for sentence in (*found.told(), *found.notes())]
    lines.append("")
    worst = [f"{p.name}, {p.column}, frame {p.frame}: {p.force:.4g} on {p.bead}" for p in found.pairs[:3]]
    return [*lines, *(f"- largest: {words}" for words in worst), *([""] if worst else [])]


def main(arguments: list[str] | None = None) -> int:
    """Assess, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")))
    parser.add_argument("--runs", type=Path, default=Path("runs") / "assess_melts")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--only", choices=sorted(CASES), nargs="+", default=list(CASES))
    parser.add_argument("--model", default="sps", help="or method, for polystyrene (sps)")
    parser.add_argument("--frames", type=int, help=f"of every set, evenly ({FRAMES})")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-polish", action="store_true", help="raw structures only")
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_FRAMES} frames, raw")
    args = parser.parse_args(arguments)
    args.frames = args.frames or (SMOKE_FRAMES if args.smoke else FRAMES)
    args.no_polish = args.no_polish or args.smoke
    lines = ["# Melts of others, assessed: results", "", "Written by `run.py`."]
    lines += [
        "Divergences of the force on beads from the reference's in nats, excess over the floor with its"
    ]
    lines += ["95 % interval.", ""]
    results: dict[str, Any] = {"frames": args.frames}
    for name in args.only:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MsbWarning)  # molecules cross the box
            request = CASES[name](args)
            done = count(1)
            found = run_assessment(
                request,
                args.runs / name / f"assessed_{args.model if name == 'polystyrene' else 'fragment'}",
                lambda _, total, name=name, done=done: print(f"{name}: {next(done)} of {total}", flush=True),
                resume=True,
            )
        lines += told(name, found)
        pairs = [pair.to_dict() for pair in found.pairs]
        rows = [row.to_dict() for row in rows_of(found.assessment)]
        differences = {who: list(words) for who, words in found.assessment.differences.items()}
        words = {"told": found.told(), "notes": found.notes(), "differences": differences}
        results[name] = {"rows": rows, **words, "worst": pairs}
    text = "\n".join(lines)
    print(text)
    folder = args.out or (None if args.smoke else OUT)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_json(folder / "results.json", results)
        atomic_write_text(folder / "TABLE.md", text.rstrip() + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
