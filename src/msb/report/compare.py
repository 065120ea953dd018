"""The page of a comparison: the verdict first, then the numbers, then every distribution overlaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import msb
from msb.analysis.comparison import Compared, EnsembleComparison
from msb.analysis.divergence import Excess
from msb.report.compare_figures import overlays, slow_processes, surfaces
from msb.report.page import Card, Page, Row, Section, Table

__all__ = ["compare_page", "verdict"]

_KINDS = {
    "energy": ("Energies", "Per molecule and frame, kJ/mol, from the force field that was given."),
    "bond": ("Bonds", "Lengths in nm."),
    "angle": ("Angles", ""),
    "dihedral": ("Dihedrals", ""),
    "improper": ("Improper dihedrals", "How far planar centres lean out of their plane; folded into ±90°."),
    "rdf": (
        "Pair distances",
        "Of atoms more than three bonds apart, by elements, in nm; drawn over the volume of the shells, as "
        "radial distribution functions are. L1 is the sum of the differences over the sum of the counts.",
    ),
}
_CONSTRAINED = (
    " Bonds marked * are constrained in the reference, whose spread is the rounding of its file: widths "
    "are compared there, not shapes."
)
_SCORES = ("JS", "floor", "excess", "95\u00a0% interval")


def verdict(tests: Sequence[EnsembleComparison], fail_above: float | None = None) -> list[str]:
    """Say of every test, in one sentence each, how much of it agrees with the reference."""
    return [_verdict(test, fail_above) for test in tests]


def _verdict(test: EnsembleComparison, fail_above: float | None) -> str:
    agreeing = sum(compared.agrees for compared in test.compared)
    name, value = next(iter(test.excesses().items()))
    said = (
        f"{test.label}: {agreeing} of {len(test.compared)} distributions agree with the reference within "
        f"sampling; the largest excess divergence is {_number(value)} nats ({name})"
    )
    if fail_above is None:
        return f"{said}."
    return f"{said}, {'above' if value > fail_above else 'within'} the bar of {fail_above:g}."


def compare_page(
    tests: Sequence[EnsembleComparison],
    title: str,
    facts: Mapping[str, str],
    commands: Sequence[str] = (),
    fail_above: float | None = None,
) -> Page:
    """Lay a comparison out as a page.

    Parameters
    ----------
    tests : sequence of EnsembleComparison
        All with the same reference and the same quantities.
    title : str
        Of the page.
    facts : mapping of str to str
        Files, frames, atoms: what a reader must know to judge the numbers.
    commands : sequence of str
        What made the page.
    fail_above : float, optional
        Bar that was asked for.
    """
    groups: list[list[Section]] = [[_summary(tests, fail_above)]]
    if any(test.kinetics is not None for test in tests):
        groups += [[_free_energy(tests)], [_timescales(tests), _timescale_table(tests)]]
    for kind in _KINDS:
        groups += [[section] for section in _kind(tests, kind)]
    groups.append([Section("What was compared", commands=tuple(commands), facts=dict(facts))])
    return Page(
        title=title,
        summary=" ".join(verdict(tests, fail_above)),
        cards=_cards(tests, fail_above),
        groups=groups,
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


def _cards(tests: Sequence[EnsembleComparison], fail_above: float | None) -> list[Card]:
    cards = [Card(f"{tests[0].n_frames:,}", "frames of each ensemble")]
    for test in tests[:4]:
        agreeing = sum(compared.agrees for compared in test.compared)
        value = next(iter(test.excesses().values()))
        mark = "" if fail_above is None else (" ✗" if value > fail_above else " ✓")
        cards.append(Card(f"{agreeing} / {len(test.compared)}", f"distributions agree: {test.label}"))
        cards.append(Card(f"{_number(value)}{mark}", f"largest excess, nats: {test.label}"))
    return cards


def _summary(tests: Sequence[EnsembleComparison], fail_above: float | None) -> Section:
    rows = []
    for test in tests:
        scores = _scores(test)
        for name in list(test.excesses())[: max(4, 10 // len(tests))]:
            score = scores[name]
            label = name if len(tests) == 1 else f"{test.label}: {name}"
            good = score.low <= 0.0 if fail_above is None else score.excess <= fail_above
            words = ("differs", "agrees") if fail_above is None else ("above the bar", "within the bar")
            rows.append(Row((label, *_score_cells(score), words[good]), good))
    return Section(
        "Where they differ most",
        "Jensen-Shannon divergences (natural logarithm, at most 0.693). A finite sample scores above zero "
        "even when it is perfect: that is the floor, measured between even and odd frames, and the excess "
        "over it is what counts. Intervals are from blocks of frames drawn with replacement.",
        table=Table(("", *_SCORES, ""), tuple(rows)),
    )


def _scores(test: EnsembleComparison) -> dict[str, Excess]:
    found = {f"{c.quantity.kind} {c.quantity.name}": c.score for c in test.compared if c.score is not None}
    if test.kinetics is not None:
        found[f"surface {test.kinetics.features}"] = test.kinetics.surface
    return found


def _kind(tests: Sequence[EnsembleComparison], kind: str) -> list[Section]:
    found = [{c.quantity.name: c for c in test.compared if c.quantity.kind == kind} for test in tests]
    panels = [[test[name] for test in found] for name in found[0] if all(name in test for test in found)]
    if not panels:
        return []
    title, text = _KINDS[kind]
    constrained = any(panel[0].quantity.constrained for panel in panels)
    labels = [test.label for test in tests]
    return [
        Section(
            title,
            f"{text}{_CONSTRAINED if constrained else ''}".strip(),
            figure=overlays(panels, labels),
            table=_table(kind, panels, labels),
        )
    ]


def _table(kind: str, panels: Sequence[Sequence[Compared]], labels: Sequence[str]) -> Table:
    several = len(labels) > 1
    moments = {
        "rdf": ("L1", "its floor"),
        "dihedral": (),  # the mean of an angle that goes round says nothing
    }.get(kind, ("reference, mean ± sd", "test"))
    rows = []
    for panel in panels:
        for number, (label, compared) in enumerate(zip(labels, panel, strict=True)):
            name = f"{compared.quantity.name}{' *' if compared.quantity.constrained else ''}"
            first = ("" if number else name, label) if several else (name,)
            rows.append(Row((*first, *_moments(kind, compared), *_judged(compared)), compared.agrees))
    return Table(("", *(("",) if several else ()), *moments, *_SCORES, ""), tuple(rows))


def _moments(kind: str, c: Compared) -> tuple[str, ...]:
    if kind == "dihedral":
        return ()
    if kind == "rdf":
        return tuple(_number(value) for value in (c.l1, c.l1_floor) if value is not None)
    digits = 4 if c.quantity.unit == "nm" else 1
    return tuple(
        f"{_rounded(mean, digits)} ± {_rounded(spread, digits)}" if np.isfinite(mean) else ""
        for mean, spread in zip(c.means, c.spreads, strict=True)
    )


def _rounded(value: float, digits: int) -> str:
    return f"{value:.2g}" if abs(value) >= 1e5 else f"{round(value, digits) + 0.0:.{digits}f}"


def _judged(c: Compared) -> tuple[str, ...]:
    if c.score is None:
        return "", "", "", "", "as narrow" if c.agrees else "broader"
    return (*_score_cells(c.score), "agrees" if c.agrees else "differs")


def _score_cells(score: Excess) -> tuple[str, ...]:
    low, high = _number(score.low), _number(score.high)
    return (*(_number(value) for value in (score.js, score.floor, score.excess)), f"{low} … {high}")


def _number(value: float) -> str:
    """Four decimals, five where that would leave nothing, and no negative zero."""
    digits = 4 if abs(value) >= 5e-4 or value == 0 else 5
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _free_energy(tests: Sequence[EnsembleComparison]) -> Section:
    told = [
        f"{test.label}: excess {_number(k.surface.excess)} nats, {_number(k.surface.low)} … "
        f"{_number(k.surface.high)}"
        for test in tests
        if (k := test.kinetics) is not None
    ]
    text = f"How often each place is visited; where it is blank, nothing was seen. {'; '.join(told)}."
    return Section("Free energy", text, figure=surfaces(tests))


def _timescales(tests: Sequence[EnsembleComparison]) -> Section:
    return Section(
        "Slow processes",
        "Markov models on the states of the reference, with 95\u00a0% intervals; grey is below the lag, "
        "where nothing is resolved.",
        figure=slow_processes(tests),
    )


def _timescale_table(tests: Sequence[EnsembleComparison]) -> Section:
    found = [(test.label, test.kinetics) for test in tests if test.kinetics is not None]
    reference = found[0][1].reference
    runs = [("reference", reference), *((label, kinetics.test) for label, kinetics in found)]
    rows = []
    for label, run in runs:
        for k, time in enumerate(run.timescales[-1]):
            interval = f"{run.low[-1, k]:.3g} … {run.high[-1, k]:.3g}"
            resolved = run.resolved[-1, k]
            told = (f"{time:.3g}" if np.isfinite(time) else "", interval if resolved else "")
            rows.append(Row((label if k == 0 else "", *told, "" if resolved else "not resolved")))
    alike = "; ".join(
        f"{label} {', '.join(f'{value:.2f}' for value in kinetics.similarity)}" for label, kinetics in found
    )
    shares = ", ".join(f"{label} {100 * run.active[-1]:.1f}\u00a0%" for label, run in runs)
    return Section(
        f"Timescales at a lag of {reference.lags[-1]:g} ps",
        f"Resolved is what is longer than two lags. Transitions inside the connected set: {shares}. "
        f"Similarity of the eigenvectors: {alike}.",
        table=Table(("", "ps", "95\u00a0% interval", ""), tuple(rows)),
    )
