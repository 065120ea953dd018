"""Assess the three models of TMBT by the forces of what is backmapped from them: the paper's Tables 6.1, 6.2.

    python studies/tmbt/run.py --from DIR                     # DIR as for simulate.py and cg_models.py
    python studies/tmbt/run.py --from DIR --model MODEL       # a trained backmapper besides the baselines
    python studies/tmbt/run.py --from DIR --smoke --runs DIR  # 2 frames, fragments, not relaxed

Writes ``out/results.json``, ``out/radial.json`` and ``out/TABLE.md`` (a smoke run only where ``--out``
says); exits 1 if a bar is missed. A killed run goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tmbt import CUTOFF, DIELECTRIC, LIQUID, MAPPING, TEMPERATURE

from msb.analysis.structure.rdf import relative_l1
from msb.assess import Assessment, AssessOptions, assess
from msb.energy.protocols import Finish
from msb.io.atomic import atomic_write_json, atomic_write_text
from msb.jobs.assess.prepare import prepare
from msb.jobs.assess.request import AssessRequest, CGFiles

sys.path.append(str(Path(__file__).resolve().parents[1] / "assess_common"))  # studies are no package
from rows import POOLED, Row, rows_of, table

__all__ = ["PAPER", "WAYS", "Verdict", "judge", "main", "paper_tables"]

OUT = Path(__file__).resolve().parent / "out"
MODELS = ("A", "B", "C")
SETS = ("in-distribution", *MODELS)
#: Thesis, Tables 6.1 (nm) and 6.2 (histograms of the paper's own: compare ranks and ratios).
PAPER = {
    "deviation": {"learned": (0.0056, 0.0064, 0.0063, 0.0064), "em": (0.0423, 0.0868, 0.0866, 0.0884)},
    "divergence": {"learned": (0.0473, 0.4571, 0.5988, 0.7161), "em": (4.9364, 4.8580, 4.7915, 4.8574)},
}
SMOKE_FRAMES = 2


@dataclass(frozen=True)
class Way:
    """What puts the atoms back, what is done to them afterwards, and which column is the paper's."""

    finish: Finish
    after: str
    column: str
    paper: str


THERMAL = Finish("staged", "thermal", TEMPERATURE)
WAYS = {
    "learned": Way(THERMAL, f"beads held, {TEMPERATURE:g} K", "raw", "learned"),
    "fragment": Way(THERMAL, f"beads held, {TEMPERATURE:g} K", "raw", "learned"),
    "em": Way(Finish("votca"), "fragments minimised as by VOTCA's protocol", "polished", "em"),
}


@dataclass(frozen=True)
class Verdict:
    """One bar; `passed` is None for what is told and not asked for."""

    text: str
    found: str
    passed: bool | None


def request_of(name: str, args: argparse.Namespace) -> AssessRequest:
    """What `msb assess-cg` would be given."""
    files = {part: args.source / f"tmbt_{part}" for part in ("reference", *MODELS)}
    both = {part: (path.with_suffix(".gro"), path.with_suffix(".xtc")) for part, path in files.items()}
    by: dict[str, Any] = {"method": "fragment", "snapshots": (both["reference"][0],)}
    return AssessRequest(
        *both["reference"],
        cg=tuple(CGFiles(part, *both[part], temperature=TEMPERATURE) for part in MODELS),
        top=args.source / "system.top",
        mapping=(MAPPING,),
        temperature=TEMPERATURE,
        cutoff=CUTOFF,
        dielectric=DIELECTRIC,
        frames=frames_of(name, args),
        **({"model": args.model} if name == "learned" else by),
    )


def frames_of(name: str, args: argparse.Namespace) -> int | None:
    """Frames of every set: a minimisation by VOTCA's protocol takes minutes, so it may have fewer."""
    return args.em_frames or args.frames if name == "em" else args.frames


def assessed(name: str, args: argparse.Namespace) -> Assessment:
    """Assess all models with one way of putting atoms back; frames that are there are kept."""
    ready = prepare(request_of(name, args))
    options = AssessOptions(
        polish=WAYS[name].column == "polished" or not args.no_polish,
        finish=WAYS[name].finish,
        temperature=TEMPERATURE,
        workers=args.workers,
        keep_positions=False,
    )
    count = 0

    def told(done: int, total: int) -> None:
        nonlocal count
        count += done
        print(f"{name}: {count} of {total}", flush=True)

    return assess(
        ready.reference,
        ready.models,
        ready.backmapper,
        options,
        folder=args.runs / name,
        resume=True,
        identity={"way": name, "frames": frames_of(name, args), "model": str(args.model or "")},
        progress=told,
    )


def judge(name: str, rows: Sequence[Row], found: Assessment) -> list[Verdict]:
    """Hold a way against the issue's bars: in-distribution far below the models, A before B before C."""
    verdicts = []
    for column in dict.fromkeys(row.column for row in rows if row.kind == "generalisation"):
        own = {row.name: row for row in rows if row.column == column}
        js = {part: own[part].scores[POOLED]["js"] for part in SETS if part in own}
        best = min(js[part] for part in MODELS)
        words = ", ".join(f"{part} {value:.4f}" for part, value in js.items())
        asked = WAYS[name].paper == "learned"
        far = js["in-distribution"] <= best / 5
        verdicts.append(
            Verdict(
                f"{name}, {column}: in-distribution a fifth of the best model", words, far if asked else None
            )
        )
        ranking = found.ranking.get(column)
        words = "not ranked"
        if ranking:
            words = " < ".join(f"{part} {own[part].excess:+.4f}" for part in ranking.order)
            words += f"; right with probability {ranking.probability:.3f}; "
            words += f"{'no' if ranking.separated else 'some'} intervals overlap"
        right = bool(ranking) and tuple(ranking.order) == MODELS and ranking.separated
        verdicts.append(
            Verdict(
                f"{name}, {column}: A before B before C, intervals apart", words, right if asked else None
            )
        )
    return verdicts


def paper_tables(parts: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return Tables 6.1 and 6.2, each way beside the paper's numbers, as Markdown lines.

    Parameters
    ----------
    parts : dict of str to sequence of Row
        By way.
    """
    titles = {
        "deviation": "Table 6.1: re-mapped beads before projection, rms, nm",
        "divergence": "Table 6.2: divergence of the force on beads (paper: its own histograms)",
    }
    lines = []
    for what, title in titles.items():
        cells: dict[str, list[str]] = {}
        for name, rows in parts.items():
            way = WAYS[name]
            column = way.column if any(row.column == way.column for row in rows) else "raw"
            own = {row.name: row for row in rows if row.column == column}
            cells[f"{name} ({column})"] = [_cell(own.get(part), what) for part in SETS]
        cells |= {f"paper, {kind}": [f"{v:.4f}" for v in PAPER[what][kind]] for kind in ("learned", "em")}
        lines += ["", f"## {title}", "", f"| | {' | '.join(cells)} |", "|---" * (len(cells) + 1) + "|"]
        lines += [f"| {part} | {' | '.join(c[k] for c in cells.values())} |" for k, part in enumerate(SETS)]
    return lines


def _cell(row: Row | None, what: str) -> str:
    if row is None:
        return ""
    value = row.deviation if what == "deviation" else row.scores[POOLED]["js"]
    return "" if value is None else f"{value:.4f}"


def radial_rows(found: Assessment) -> dict[str, dict[str, float]]:
    """Return how far every set's g(r) (Figs. 6.3, A.3) is from the reference's: see `relative_l1`."""
    reference = found.radial.get(("reference", "raw"), {})
    seen = {pair: g for pair, g in reference.items() if g.g.sum() > 0}
    return {
        "/".join(place): {pair: relative_l1(own[pair].g, g.g) for pair, g in seen.items() if pair in own}
        for place, own in found.radial.items()
        if place[0] != "reference"
    }


def radial_curves(found: Assessment) -> dict[str, dict[str, list[float]]]:
    """Return r and every g(r), rounded, for figures."""
    return {
        "/".join(place): {"r": np.round(next(iter(own.values())).r, 4).tolist()}
        | {pair: np.round(curve.g, 4).tolist() for pair, curve in own.items()}
        for place, own in found.radial.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Assess, judge, print, write."""
    args = _arguments(arguments)
    parts: dict[str, list[Row]] = {}
    verdicts: list[Verdict] = []
    off: dict[str, dict[str, dict[str, float]]] = {}
    curves: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name in args.way:
        found = assessed(name, args)
        parts[name], off[name], curves[name] = rows_of(found), radial_rows(found), radial_curves(found)
        verdicts += judge(name, parts[name], found)
    text = told(parts, verdicts, off)
    print(text)
    folder = args.out or (None if args.smoke else OUT)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        rows = {name: [row.to_dict() for row in own] for name, own in parts.items()}
        plain = {"verdicts": [asdict(v) for v in verdicts], "rows": rows, "radial": off, "paper": PAPER}
        atomic_write_json(folder / "results.json", plain)
        atomic_write_json(folder / "radial.json", curves)
        atomic_write_text(folder / "TABLE.md", text)
    return int(not args.smoke and any(v.passed is False for v in verdicts))


def told(
    parts: Mapping[str, Sequence[Row]],
    verdicts: Sequence[Verdict],
    off: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> str:
    """Return all of it as Markdown."""
    lines = ["# TMBT: results", "", "Written by `run.py`.", *paper_tables(parts)]
    lines += ["", "## Bars", "", "| bar | found | |", "|---|---|---|"]
    signs = {True: "✓", False: "✗", None: ""}
    lines += [f"| {v.text} | {v.found} | {signs[v.passed]} |" for v in verdicts]
    for name, rows in parts.items():
        lines += ["", f"## {name}; polished: {WAYS[name].after}", "", *table(rows)]
        pairs = list(dict.fromkeys(pair for own in off[name].values() for pair in own))
        if pairs:
            lines += ["", f"| g(r) off, relative | {' | '.join(pairs)} |", "|---" * (len(pairs) + 1) + "|"]
        for place, own in off[name].items():
            lines.append(f"| {place} | {' | '.join(f'{own.get(pair, np.nan):.3f}' for pair in pairs)} |")
    return "\n".join([*lines, ""])


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the run")
    parser.add_argument("--model", help="a trained backmapper (the way `learned`)")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "tmbt", help="frames")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--way", nargs="+", choices=sorted(WAYS), help="(all that can be)")
    parser.add_argument("--frames", type=int, help="of every set (all)")
    parser.add_argument("--em-frames", type=int, help="of every set for `em` (as many as of the others)")
    parser.add_argument("--no-polish", action="store_true", help="raw structures only, but for `em`")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_FRAMES} frames, fragment, raw")
    args = parser.parse_args(arguments)
    args.source = args.source / LIQUID.name
    if args.smoke:
        args.no_polish, args.way, args.workers, args.frames = True, ["fragment"], 1, SMOKE_FRAMES
    args.way = args.way or (["learned"] if args.model else []) + ["fragment", "em"]
    if "learned" in args.way and not args.model:
        parser.error("--way learned needs --model MODEL")
    return args


if __name__ == "__main__":
    raise SystemExit(main())
