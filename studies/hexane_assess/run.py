"""Rank two models of liquid hexane that differ in one term, by the forces of what is backmapped from them.

    python studies/hexane_assess/run.py                     # the bundled frames
    python studies/hexane_assess/run.py --from DIR          # all frames of simulate.py and models.py
    python studies/hexane_assess/run.py --smoke --runs DIR  # 4 bundled frames, raw, no verdict

Writes ``out/results.json`` and ``out/TABLE.md`` (a smoke run only where ``--out`` says); exits 1 if a bar is
missed. A killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from coarse import Potentials, bead_system, own_forces
from numpy.typing import NDArray

from msb.assess import Assessment, AssessOptions, CGSet, ReferenceSet, assess
from msb.data import sample
from msb.energy.protocols import Finish
from msb.io.atomic import atomic_write_json, atomic_write_text
from msb.jobs.assess.prepare import Ready, prepare
from msb.jobs.assess.request import AssessRequest, CGFiles

sys.path.append(str(Path(__file__).resolve().parents[1] / "assess_common"))  # studies are no package
from rows import Row, rows_of, table

__all__ = ["WAYS", "Verdict", "judge", "main"]

OUT = Path(__file__).resolve().parent / "out"
TEMPERATURE, DIELECTRIC = 300.0, 2.0
GOOD, BAD = "bend", "nobend"
SMOKE_FRAMES = 4


@dataclass(frozen=True)
class Way:
    """What puts the atoms back and what is done to them afterwards."""

    method: str
    finish: Finish
    after: str


@dataclass(frozen=True)
class Verdict:
    """One bar; `passed` is None for what is told and not asked for."""

    text: str
    found: str
    passed: bool | None


WAYS = {
    "fragment": Way("fragment", Finish("staged", "thermal", TEMPERATURE), "beads held, 300 K"),
    "em": Way("geometric", Finish("em"), "minimised"),
}


def request_of(way: Way, source: Path, frames: int | None) -> AssessRequest:
    """What `msb assess-cg` would be given."""
    files = {
        name: (source / f"hexane_{name}.gro", source / f"hexane_{name}.xtc")
        for name in ("reference", GOOD, BAD)
    }
    learns = {"snapshots": (files["reference"][0],)} if way.method == "fragment" else {}
    return AssessRequest(
        *files["reference"],
        cg=tuple(CGFiles(name, *files[name]) for name in (GOOD, BAD)),
        top=sample("hexane.top"),
        mapping=(sample("hexane_mapping.yaml"),),
        method=way.method,
        temperature=TEMPERATURE,
        dielectric=DIELECTRIC,
        frames=frames,
        **learns,
    )


def with_forces(ready: Ready, potentials: Path) -> tuple[CGSet, ...]:
    """Models that know their own forces, where their potentials are there."""
    if not potentials.exists():
        return ready.models
    full = Potentials.from_dict(json.loads(potentials.read_text())["iterations"][-1]["potentials"])
    fields = {GOOD: full, BAD: full.without_angle()}
    return tuple(_known(model, ready.reference, fields[model.name]) for model in ready.models)


def _known(model: CGSet, reference: ReferenceSet, potentials: Potentials) -> CGSet:
    """The model with its forces on its own beads and on the reference's."""
    mapping, topology = reference.mapping, model.mapping.bead_topology()

    def field(beads: NDArray[Any], box: NDArray[Any]) -> NDArray[np.float32]:
        return own_forces(bead_system(potentials, topology, float(box[0, 0])), beads.astype(np.float64))

    def on_own(number: int) -> NDArray[np.float32]:
        return field(*model.read(number))

    def on_reference(number: int) -> NDArray[np.float32]:
        x, box = reference.read(number)
        return field(np.asarray(mapping.beads(x)), box)

    return replace(model, forces=on_own, reference_forces=on_reference)


def assessed(name: str, args: argparse.Namespace) -> Assessment:
    """Assess both models with one way of putting atoms back; frames that are there are kept."""
    way = WAYS[name]
    ready = prepare(request_of(way, args.source, args.frames))
    options = AssessOptions(
        polish=not args.no_polish,
        finish=way.finish,
        temperature=TEMPERATURE,
        workers=args.workers,
        keep_positions=False,
    )
    identity = {"way": name, "frames": args.frames}

    count = 0

    def told(done: int, total: int) -> None:
        nonlocal count
        count += done
        print(f"{name}: {count} of {total}", flush=True)

    return assess(
        ready.reference,
        with_forces(ready, args.source / "potentials.json" if args.whole else OUT / "potentials.json"),
        ready.backmapper,
        options,
        folder=args.runs / f"{'all' if args.whole else 'sample'}_{name}",
        resume=True,
        identity=identity,
        progress=told,
    )


def judge(name: str, rows: Sequence[Row], found: Assessment) -> list[Verdict]:
    """Return whether the model with the angle comes out nearer, in every column."""
    verdicts = []
    for column in dict.fromkeys(row.column for row in rows if row.kind == "generalisation"):
        own = {row.name: row for row in rows if row.column == column}
        ranking = found.ranking.get(column)
        words = " < ".join(f"{n} {own[n].excess:+.4f}" for n in ranking.order) if ranking else "not ranked"
        words += f"; right with probability {ranking.probability:.3f}" if ranking else ""
        words += f"; {'no' if ranking.separated else 'some'} intervals overlap" if ranking else ""
        right = bool(ranking) and ranking.order[0] == GOOD and ranking.separated
        asked = name != "em"
        verdicts.append(Verdict(f"{name}, {column}: {GOOD} before {BAD}", words, right if asked else None))
    return verdicts


def main(arguments: list[str] | None = None) -> int:
    """Assess, judge, print, write."""
    args = _arguments(arguments)
    parts: dict[str, list[Row]] = {}
    verdicts: list[Verdict] = []
    matching: dict[str, dict[str, Any]] = {}
    seen: dict[str, dict[str, float]] = {}
    for name in args.way:
        found = assessed(name, args)
        parts[name] = rows_of(found)
        verdicts += judge(name, parts[name], found)
        matching[name] = {"/".join(key): value.to_dict() for key, value in found.matching.items()}
        seen = {own.label: own.excesses() for own in found.cg_level}
    text = told(parts, verdicts, matching, seen)
    print(text)
    folder = args.out or (None if args.smoke else OUT)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        rows = {name: [row.to_dict() for row in own] for name, own in parts.items()}
        verdict_rows = [asdict(v) for v in verdicts]
        plain = {"frames": args.frames, "verdicts": verdict_rows, "rows": rows}
        plain |= {"matching": matching, "beads": seen}
        atomic_write_json(folder / "results.json", plain)
        atomic_write_text(folder / "TABLE.md", text)
    return int(not args.smoke and any(v.passed is False for v in verdicts))


def bead_table(seen: dict[str, dict[str, float]]) -> list[str]:
    """Return what the beads alone say: excess of every distribution, by model."""
    names = list(dict.fromkeys(name for own in seen.values() for name in own))
    lines = ["", "## Beads alone", "", f"| excess | {' | '.join(seen)} |", "|---" * (len(seen) + 1) + "|"]
    for name in names:
        cells = [f"{own[name]:+.4f}" if name in own else "" for own in seen.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def told(
    parts: dict[str, list[Row]],
    verdicts: Sequence[Verdict],
    matching: dict[str, dict[str, Any]],
    seen: dict[str, dict[str, float]],
) -> str:
    """Return all of it as Markdown."""
    lines = ["# Liquid hexane: results", "", "Written by `run.py`.", ""]
    lines += [
        "Divergences of the force on beads from the reference's in nats, excess over the floor with its"
    ]
    lines += ["95 % interval.", "", "| bar | found | |", "|---|---|---|"]
    signs = {True: "✓", False: "✗", None: ""}
    lines += [f"| {v.text} | {v.found} | {signs[v.passed]} |" for v in verdicts]
    for name, rows in parts.items():
        lines += ["", f"## {name}: {WAYS[name].method}; polished: {WAYS[name].after}", "", *table(rows)]
        residuals = [f"{key} {value['trimmed']['value']:.4g}" for key, value in matching[name].items()]
        if residuals:
            lines += ["", f"Force-matching residual, trimmed, (kJ/mol/nm)²: {', '.join(residuals)}."]
    return "\n".join([*lines, *bead_table(seen), ""])


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--from", dest="whole", type=Path, help="folder of the run, as for simulate.py")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "hexane_assess", help="frames")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--way", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--frames", type=int, help="of every set (all)")
    parser.add_argument("--no-polish", action="store_true", help="raw structures only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_FRAMES} frames, fragment, raw")
    args = parser.parse_args(arguments)
    if args.smoke:
        args.no_polish, args.way, args.workers, args.frames = True, ["fragment"], 1, SMOKE_FRAMES
    args.source = sample("hexane.top").parent
    if args.whole:
        from hexane import LIQUID
        from sample import write_sample

        args.source = args.whole / LIQUID.name
        if not (args.source / f"hexane_{BAD}.xtc").exists():
            write_sample(args.source, args.source, frames=100_000)
    return args


if __name__ == "__main__":
    raise SystemExit(main())
