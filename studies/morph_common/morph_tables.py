"""Results as tables, in the layout of the thesis' Tables 7.1 to 7.3, and verdicts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from verdict import Verdict

__all__ = ["MAPS", "Bars", "goals", "markdown"]

MAPS = ("map, all chains", "map, own chain")
COLUMNS = ("bond", "angle", "rdf", *MAPS)
SIZES = {"end_to_end": "√⟨Re²⟩, nm", "gyration": "√⟨Rg²⟩, nm", "contour": "contour, nm"}
OUTSIDE = {"bonds": "bonds", "angles": "angles", "contacts": "contacts"}
SAME = 0.01  # of sizes of chains
TIMES = 2.0  # the rate of held-out snapshots
EXACT = 1e-4  # nm; what float32 leaves of a centre
Columns = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Bars:
    """What a morphed set must reach.

    Attributes
    ----------
    share : float
        Of the divergence before.
    bound : float
        Times the divergence of the bottleneck, where that is more; 0 for never.
    quantities : tuple of str
        That this is asked of.
    fixed : mapping of str to float
        Quantities and the excess that they may have, nats.
    contour : bool
        Whether the contour length must be the target's, and the other sizes those of before.
    """

    share: float
    bound: float = 0.0
    quantities: tuple[str, ...] = ("bond", "angle", "rdf")
    fixed: Mapping[str, float] = field(default_factory=dict)
    contour: bool = False


def goals(results: Mapping[str, Any], bars: Bars) -> list[Verdict]:
    """Judge the chosen column by the bars of the issue.

    Parameters
    ----------
    results : mapping
        What `morph_study.judge` finds.
    bars : Bars
    """
    columns, name = results["columns"], results["chosen"]
    before, own = columns["before"], columns[name]
    bound = results["bounds"][str(own["s"])]
    there = [q for q in bars.quantities if q in own["scores"]]
    scores = before["scores"], own["scores"], bound
    found = [_near(bars, kind, q, *scores) for kind in ("js", "excess") for q in there]
    for quantity, bar in bars.fixed.items():
        value = own["scores"][quantity]["excess"]
        found.append(Verdict(f"excess of {quantity}", f"≤ {bar:g}", f"{value:.5f}", bool(value <= bar)))
    found += _kept_sizes(before, own, columns["target"]) if bars.contour else []
    moved = own["moved"]
    kept = bool(moved <= EXACT)
    found.append(Verdict("centres of the bottleneck are kept", f"≤ {EXACT:g} nm", f"{moved:.1e} nm", kept))
    for kind, word in OUTSIDE.items():
        bar, rate = TIMES * results["held_out_rates"][kind], own["rates"][kind]
        text = f"{word} outside the target's range, of 1,000 beads"
        found.append(Verdict(text, f"≤ {bar:.3f}", f"{rate:.3f}", bool(rate <= bar)))
    value = own["scores"]["rdf"]["excess"]
    for rival in (f"fragment s{own['s']}", f"conformers s{own['s']}"):
        theirs = columns[rival]["scores"]["rdf"]["excess"]
        text = f"RDF: beats {rival.partition(' ')[0]} on the same bottleneck"
        found.append(Verdict(text, f"< {theirs:.5f}", f"{value:.5f}", bool(value < theirs)))
    return found


def _kept_sizes(before: Any, own: Any, target: Any) -> list[Verdict]:
    """End to end and gyration as they were, the contour as the target has it."""
    found = []
    for size in ("end_to_end", "gyration"):
        share = own["sizes"][size][0] / before["sizes"][size][0] - 1
        found.append(_within(f"{SIZES[size].partition(',')[0]} beside before", share))
    share = own["sizes"]["contour"][0] / target["sizes"]["contour"][0] - 1
    found.append(_within("contour beside the target's", share))
    return found


def _near(bars: Bars, kind: str, quantity: str, before: Any, own: Any, bound: Any) -> Verdict:
    """A share of before, or some bounds: with the noise of sampling in all three, and without."""
    base, value = before[quantity][kind], own[quantity][kind]
    limit = bound[quantity][kind] if quantity in bound else 0.0
    bar = max(bars.share * base, bars.bound * limit)
    said = f"{value:.5f} (before {base:.5f}, bound {limit:.5f})"
    word = {"js": "JS", "excess": "excess"}[kind]
    return Verdict(f"{word} of {quantity}", f"≤ {bar:.5f}", said, bool(value <= bar))


def _within(text: str, share: float) -> Verdict:
    return Verdict(text, f"within {SAME:.0%}", f"{share:+.2%}", bool(abs(share) <= SAME))


def markdown(
    results: Mapping[str, Any], judged: Sequence[Verdict], title: str, published: Mapping[str, str]
) -> str:
    """Return verdicts and tables."""
    lines = [f"# {title}: results", ""]
    lines += [
        f"Written by `run.py`: {results['frames']} top-down snapshots against "
        f"{results['test_snapshots']} snapshots of the target that trained and chose nothing; divergences in "
        "nats. JS: of all frames together; excess: one frame against one snapshot, minus the same of two "
        "snapshots of the target, zero for a perfect set and a little below or above it by chance.",
        "",
        results["scale"].capitalize() + ".",
        "",
        _refining(results["rounds"]),
        "",
        f"Chosen on {results['choice_frames']} other top-down snapshots and validating ones of the "
        f"target: **{results['chosen']}** (what is left of the JS of bond, angle and RDF, mean share: "
        f"{_choices(results['choices'])}).",
        "",
    ]
    lines += ["## Bars", "", "| what | bar | found | |", "|---|---|---|---|"]
    lines += [f"| {v.text} | {v.bar} | {v.found} | {'✓' if v.passed else '✗'} |" for v in judged]
    lines += ["", "## Sizes of chains", "", *_said(published, "sizes"), *_sizes(results["columns"]), ""]
    lines += ["## Local statistics", "", *_said(published, "scores"), *_scores(results["columns"]), ""]
    lines += ["## The bound: the same of the centres of s beads", "", *_bounds(results["bounds"]), ""]
    lines += ["## Outside the target's range, of 1,000 beads", "", *_rates(results), ""]
    return "\n".join(lines)


def _refining(rounds: int) -> str:
    if not rounds:
        return "The polish aims at the target's statistics as they are (`--refine 0`)."
    return (
        "What the polish aims at is put right on the snapshots that choose, none of them judged: the best of "
        f"{rounds} rounds."
    )


def _said(published: Mapping[str, str], where: str) -> list[str]:
    return [published[where], ""] if where in published else []


def _choices(choices: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1%}" for name, value in choices.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _sizes(columns: Columns) -> list[str]:
    rows = []
    for name, own in columns.items():
        cells = [f"{value:.3f} ± {error:.3f}" for value, error in own["sizes"].values()]
        cost = f"{own['seconds']:.2f}" if "seconds" in own else ""
        rows.append([name, *cells, cost])
    return _table(["", *SIZES.values(), "CPU seconds a frame"], rows)


def _scores(columns: Columns) -> list[str]:
    rows = [
        [name, *(_score(own["scores"].get(q)) for q in COLUMNS)]
        for name, own in columns.items()
        if own["scores"]
    ]
    first = next(own["scores"] for own in columns.values() if own["scores"])
    floor = ["floor: two snapshots", *(f"{first[q]['floor']:.4f}" if q in first else "" for q in COLUMNS)]
    return _table(["JS (excess)", *COLUMNS], [floor, *rows])


def _score(score: Mapping[str, float] | None) -> str:
    return "" if score is None else f"{score['js']:.4f} ({score['excess']:+.4f})"


def _bounds(bounds: Mapping[str, Any]) -> list[str]:
    rows = [[f"s = {s}", *(_score(scores.get(q)) for q in COLUMNS)] for s, scores in bounds.items()]
    return _table(["JS (excess)", *COLUMNS], rows)


def _rates(results: Mapping[str, Any]) -> list[str]:
    held = ["snapshots of the target, each against as many others as train"]
    rows = [[*held, *(f"{results['held_out_rates'][kind]:.3f}" for kind in OUTSIDE)]]
    for name, own in results["columns"].items():
        rows.append([name, *(f"{own['rates'][kind]:.3f}" for kind in OUTSIDE)])
    return _table(["", *OUTSIDE.values()], rows)
