"""The arena's page: everybody over the same frames, what it cost, what differs, What is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import msb
from msb.analysis.comparison import Compared
from msb.quality import KINDS, Verdict
from msb.quality.contest import ArenaReport, Contender, Contest
from msb.quality.words import KIND_TITLES
from msb.report.arena_figures import heat_map, scored
from msb.report.page import Card, Page, Row, Section, Table

__all__ = ["arena_page", "told"]


def told(contest: Contest) -> list[str]:
    """Say in one line for each contender how it did."""
    lines = []
    for own in contest.contenders:
        agreeing, total, worst, name = _standing(own)
        speed = "" if own.cost is None else f", {own.cost.wall / len(contest.numbers):.3g} s a frame"
        lines.append(
            f"{contest.name}: {own.label}: {agreeing} of {total} distributions agree, largest excess "
            f"{worst:.4f} ({name}), {_count(own.quality.total, contest)} findings a frame{speed}"
        )
    return lines


def arena_page(report: ArenaReport, facts: Mapping[str, str], commands: Sequence[str] = ()) -> Page:
    """Lay all contests out as a page.

    Parameters
    ----------
    report : ArenaReport
    facts : mapping of str to str
        What a reader must know besides.
    commands : sequence of str
        What made the page.
    """
    groups: list[list[Section]] = []
    for contest in report.contests:
        groups += [[section] for section in _sections(contest, len(report.contests) > 1)]
    groups.append([Section("How it was measured", _METHOD, commands=tuple(commands), facts=dict(facts))])
    return Page(
        title=f"Arena: {report.title}",
        summary=" ".join(_summary(contest) for contest in report.contests),
        cards=_cards(report),
        groups=groups,
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


_METHOD = (
    "Everybody is given the same bead frames. Raw is as placed; minimised is relaxed with the beads held, "
    "and polished runs half a picosecond of dynamics at the temperature after that, with the beads held. "
    "Times are of this machine, from the first frame to the last, each column with what comes before it; "
    "the time to make or load a model is apart. Memory is the largest of the process that did it. "
    "Divergences are Jensen-Shannon, natural logarithm; the floor is what the reference scores against "
    "itself (even against odd frames), the excess what lies above it, and a distribution agrees where the "
    "95\u00a0% interval of the excess reaches zero. Few frames agree easily: look at the intervals."
)


def _standing(own: Contender) -> tuple[int, int, float, str]:
    """Distributions that agree, all of them, and the largest excess with its name."""
    compared = own.comparison.compared
    name, worst = next(iter(own.comparison.excesses().items()))
    return sum(c.agrees for c in compared), len(compared), worst, name


def _summary(contest: Contest) -> str:
    best = min(contest.contenders, key=lambda own: (-_standing(own)[0], _standing(own)[2]))
    agreeing, total, worst, name = _standing(best)
    return (
        f"{contest.name}, {len(contest.numbers)} frames of {contest.n_atoms:,} atoms: {best.label} comes "
        f"nearest to the reference, {agreeing} of {total} distributions agree and the largest excess is "
        f"{worst:.4f} ({name})."
    )


def _cards(report: ArenaReport) -> list[Card]:
    cards = []
    for contest in report.contests:
        suffix = f", {contest.name}" if len(report.contests) > 1 else ""
        cards.append(Card(str(len(contest.numbers)), f"frames of {contest.n_atoms:,} atoms{suffix}"))
        timed = [own for own in contest.contenders if own.cost is not None]
        for column in ("raw", "minimised", "polished"):
            among = [own for own in timed if own.column == column]
            if among:
                best = max(among, key=lambda own: (_standing(own)[0], -_standing(own)[2]))
                agreeing, total, _, _ = _standing(best)
                cards.append(Card(f"{agreeing} / {total}", f"agree, best {column}: {best.entrant}{suffix}"))
    return cards


def _sections(contest: Contest, several: bool) -> list[Section]:
    prefix = f"{contest.name}. " if several else ""
    missing = "".join(f" {name} took no part: {why}." for name, why in contest.missing.items())
    unfinished = (
        "" if contest.force_field else " The data set declares no force field, so nobody is finished."
    )
    first = Section(
        f"{prefix}Who differs where",
        "Excess divergence of every distribution, in nats: what lies above the floor of finite samples. "
        f"Green is agreement within sampling.{unfinished}{missing}",
        figure=heat_map(contest.contenders),
    )
    rest = [_standings(contest, prefix), _findings(contest, prefix), _divergences(contest, prefix)]
    widths = _widths(contest, prefix)
    return [first, *rest, *([widths] if widths else [])]


def _standings(contest: Contest, prefix: str) -> Section:
    rows = []
    for own in contest.contenders:
        agreeing, total, worst, _ = _standing(own)
        given = (f"{own.bead_rms:.4f}", _count(own.quality.total, contest), f"{worst:.4f}")
        cells = (own.label, *_costs(own, contest), *given, f"{agreeing} / {total}")
        rows.append(Row(cells, agreeing == total))
    paid = ("s a frame", "CPU s", "atoms/s", "MB", "made in, s", "given up")
    gained = ("beads off, nm", "findings a frame", "largest excess", "agree")
    text = (
        "Beads off: root mean square distance of the atoms' beads from the given ones. Given up: frames that "
        "relaxation or polish could not improve."
    )
    return Section(
        f"{prefix}What it costs, what it gives", text, table=Table(("", *paid, *gained), tuple(rows))
    )


def _count(count: float, contest: Contest) -> str:
    """Findings a frame."""
    rate = count / len(contest.numbers)
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _costs(own: Contender, contest: Contest) -> tuple[str, ...]:
    cost, n = own.cost, len(contest.numbers)
    if cost is None:
        return ("",) * 6
    speed = n * contest.n_atoms / max(cost.wall, 1e-9)
    return (
        f"{cost.wall / n:.3g}",
        f"{cost.cpu / n:.3g}",
        f"{speed:,.0f}",
        f"{cost.peak_mb:,.0f}",
        f"{cost.built:.2g}",
        str(cost.failures),
    )


def _findings(contest: Contest, prefix: str) -> Section:
    verdicts = [("reference", contest.reference)]
    verdicts += [(own.label, own.quality) for own in contest.contenders]
    kinds = [kind for kind in KINDS if any(verdict.counts[kind] for _, verdict in verdicts)]
    figures = [_statistics(verdict) for _, verdict in verdicts]
    kept = [k for k in range(len(_FIGURES)) if any(row[k] for row in figures)]
    rows = []
    for (label, verdict), own in zip(verdicts, figures, strict=True):
        rates = [_count(verdict.counts[kind], contest) for kind in kinds]
        cells = (label, *rates, *(own[k] for k in kept), _count(verdict.total, contest))
        rows.append(Row(cells, verdict.passed()))
    titles = [*(KIND_TITLES[kind][0] for kind in kinds), *(_FIGURES[k] for k in kept)]
    return Section(
        f"{prefix}What is broken",
        "Findings of `msb check` a frame, by kind; kinds that nobody has are left out.",
        table=Table(("", *titles, "all"), tuple(rows)),
    )


_FIGURES = ("inverted centres, %", "nearest contact, nm")


def _statistics(verdict: Verdict) -> tuple[str, str]:
    found = verdict.statistics
    inverted, nearest = found.get("inverted_share"), found.get("nearest_contact_nm")
    return (
        "" if inverted is None else f"{100 * inverted:.2f}",
        "" if nearest is None else f"{nearest:.3f}",
    )


def _divergences(contest: Contest, prefix: str) -> Section:
    rows = []
    for name, compared in scored(contest.contenders):
        floor = compared[0].score.floor if compared[0].score is not None else float("nan")
        rows.append(Row((name, f"{floor:.4f}", *(_score(c) for c in compared))))
    labels = [own.label for own in contest.contenders]
    return Section(
        f"{prefix}Every divergence",
        "Excess over the floor, with half the width of its 95\u00a0% interval, in nats.",
        table=Table(("", "floor", *labels), tuple(rows)),
    )


def _score(c: Compared) -> str:
    if c.score is None:
        return ""
    return f"{round(c.score.excess, 4) + 0.0:.4f} ± {0.5 * (c.score.high - c.score.low):.4f}"


def _widths(contest: Contest, prefix: str) -> Section | None:
    """Widths of bonds that are constrained in the reference, which have no divergence."""
    found = [
        {c.quantity.name: c for c in own.comparison.compared if c.quantity.constrained}
        for own in contest.contenders
    ]
    if not found[0]:
        return None
    rows = [
        Row((name, _width(c.spreads[0]), *(_width(own[name].spreads[1]) for own in found)))
        for name, c in found[0].items()
    ]
    labels = [own.label for own in contest.contenders]
    return Section(
        f"{prefix}Bonds",
        "Standard deviations in nm: the reference's bonds are constrained, their spread is the rounding of "
        "its file, so widths are compared, not shapes.",
        table=Table(("", "reference", *labels), tuple(rows)),
    )


def _width(value: float) -> str:
    return f"{value:.5f}" if np.isfinite(value) else ""
