"""Results as tables and verdicts: the thesis' Tables 7.1 and 7.2 with our numbers, and the issue's bars."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from verdict import Verdict

__all__ = ["PUBLISHED_MAP", "PUBLISHED_SIZES", "QUANTITIES", "goals", "markdown"]

QUANTITIES = ("bond", "angle", "rdf", "map, all chains", "map, own chain")
SIZES = {"end_to_end": "√⟨Re²⟩, nm", "gyration": "√⟨Rg²⟩, nm", "contour": "contour, nm"}
OUTSIDE = {"bonds": "bonds", "angles": "angles", "contacts": "contacts"}
TENTH, TWICE, SAME = 0.1, 2.0, 0.01
EXACT = 1e-4  # nm; what float32 leaves of a centre
PUBLISHED_SIZES = {"target": (6.06, 2.51, 22.92), "before": (6.01, 2.43, 22.58), "s2A": (6.02, 2.43, 22.63)}
PUBLISHED_MAP = "before 4.661; A: 0.436, 1.953, 3.589; B: 4.654, 0.646, 3.495 for s = 2, 4, 6"

Columns = Mapping[str, Mapping[str, Any]]


def goals(results: Mapping[str, Any]) -> list[Verdict]:
    """Judge the chosen column by the bars of the issue.

    Parameters
    ----------
    results : mapping
        What `run.py` writes.
    """
    columns, name = results["columns"], results["chosen"]
    before, own = columns["before"], columns[name]
    bound = results["bounds"][str(own["s"])]
    there = [q for q in QUANTITIES if q in own["scores"]]
    found = [
        _near(kind, q, before["scores"], own["scores"], bound) for kind in ("js", "excess") for q in there
    ]
    for size in ("end_to_end", "gyration"):
        share = own["sizes"][size][0] / before["sizes"][size][0] - 1
        found.append(_within(f"{SIZES[size].partition(',')[0]} beside before", share))
    share = own["sizes"]["contour"][0] / columns["target"]["sizes"]["contour"][0] - 1
    found.append(_within("contour beside the target's", share))
    moved = own["moved"]
    kept = bool(moved <= EXACT)
    found.append(Verdict("centres of the bottleneck are kept", f"≤ {EXACT:g} nm", f"{moved:.1e} nm", kept))
    for kind, word in OUTSIDE.items():
        bar, rate = TWICE * results["held_out_rates"][kind], own["rates"][kind]
        text = f"{word} outside the target's range, of 1,000 beads"
        found.append(Verdict(text, f"≤ {bar:.3f}", f"{rate:.3f}", bool(rate <= bar)))
    value = own["scores"]["rdf"]["excess"]
    for rival in (f"fragment s{own['s']}", f"conformers s{own['s']}"):
        theirs = columns[rival]["scores"]["rdf"]["excess"]
        text = f"RDF: beats {rival.partition(' ')[0]} on the same bottleneck"
        found.append(Verdict(text, f"< {theirs:.5f}", f"{value:.5f}", bool(value < theirs)))
    return found


def _near(kind: str, quantity: str, before: Any, own: Any, bound: Any) -> Verdict:
    """A tenth of before or twice the bound: with the noise of sampling in all three, and without."""
    base, value = before[quantity][kind], own[quantity][kind]
    limit = bound[quantity][kind] if quantity in bound else 0.0
    bar = max(TENTH * base, TWICE * limit)
    said = f"{value:.5f} (before {base:.5f}, bound {limit:.5f})"
    word = {"js": "JS", "excess": "excess"}[kind]
    return Verdict(f"{word} of {quantity}", f"≤ {bar:.5f}", said, bool(value <= bar))


def _within(text: str, share: float) -> Verdict:
    return Verdict(text, f"within {SAME:.0%}", f"{share:+.2%}", bool(abs(share) <= SAME))


def markdown(results: Mapping[str, Any], judged: Sequence[Verdict]) -> str:
    """Return verdicts and tables."""
    lines = ["# Kremer-Grest to polystyrene: results", ""]
    lines += [
        f"Written by `run.py`: {results['frames']} Kremer-Grest snapshots against "
        f"{results['test_snapshots']} snapshots of the target that trained and chose nothing; divergences in "
        "nats. JS: of all frames together; excess: one frame against one snapshot, minus the same of two "
        "snapshots of the target, zero for a perfect set and a little below or above it by chance.",
        "",
        results["scale"].capitalize() + ".",
        "",
        _refining(results["refined"]),
        "",
        f"Chosen on {results['choice_frames']} other Kremer-Grest snapshots and the validating one of the "
        f"target: **{results['chosen']}** (mean JS of bond, angle and RDF: {_choices(results['choices'])}).",
        "",
    ]
    lines += ["## Bars", "", "| what | bar | found | |", "|---|---|---|---|"]
    lines += [f"| {v.text} | {v.bar} | {v.found} | {'✓' if v.passed else '✗'} |" for v in judged]
    lines += ["", "## Sizes of chains (thesis, Table 7.1)", "", *_sizes(results["columns"]), ""]
    lines += ["## Local statistics (thesis, Table 7.2)", "", f"Published, of the map: {PUBLISHED_MAP}", ""]
    lines += [*_scores(results["columns"]), ""]
    lines += ["## The bound: the same of the centres of s beads", "", *_bounds(results["bounds"]), ""]
    lines += ["## Outside the target's range, of 1,000 beads", "", *_rates(results), ""]
    return "\n".join(lines)


def _refining(how: Mapping[str, int]) -> str:
    if not how["rounds"]:
        return "Candidates are weighed by the target's statistics as they are (`--refine 0`)."
    return (
        f"What candidates are weighed by is put right in {how['rounds']} rounds on {how['frames']} of the "
        "snapshots that choose."
    )


def _choices(choices: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in choices.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _sizes(columns: Columns) -> list[str]:
    rows = []
    for name, own in columns.items():
        cells = [f"{value:.3f} ± {error:.3f}" for value, error in own["sizes"].values()]
        cost = f"{own['seconds']:.2f}" if "seconds" in own else ""
        rows.append([name, *cells, cost])
    published = [
        [f"published, {name}", *(f"{value:.2f}" for value in values), ""]
        for name, values in PUBLISHED_SIZES.items()
    ]
    return _table(["", *SIZES.values(), "seconds a frame"], [*rows, *published])


def _scores(columns: Columns) -> list[str]:
    rows = [
        [name, *(_score(own["scores"].get(q)) for q in QUANTITIES)]
        for name, own in columns.items()
        if own["scores"]
    ]
    first = next(own["scores"] for own in columns.values() if own["scores"])
    floor = ["floor: two snapshots", *(f"{first[q]['floor']:.4f}" if q in first else "" for q in QUANTITIES)]
    return _table(["JS (excess)", *QUANTITIES], [floor, *rows])


def _score(score: Mapping[str, float] | None) -> str:
    return "" if score is None else f"{score['js']:.4f} ({score['excess']:+.4f})"


def _bounds(bounds: Mapping[str, Any]) -> list[str]:
    rows = [[f"s = {s}", *(_score(scores.get(q)) for q in QUANTITIES)] for s, scores in bounds.items()]
    return _table(["JS (excess)", *QUANTITIES], rows)


def _rates(results: Mapping[str, Any]) -> list[str]:
    held = ["snapshots of the target, each against seven others"]
    rows = [[*held, *(f"{results['held_out_rates'][kind]:.3f}" for kind in OUTSIDE)]]
    for name, own in results["columns"].items():
        rows.append([name, *(f"{own['rates'][kind]:.3f}" for kind in OUTSIDE)])
    return _table(["", *OUTSIDE.values()], rows)
