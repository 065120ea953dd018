"""The page of a check: the verdict, then kinds, frames and residues, and the worst offenders by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

import msb
from msb.quality import Verdict
from msb.quality.words import KIND_TITLES, headline, in_digits, kind_rows, named_atoms, with_unit
from msb.report.check_figures import places, timeline
from msb.report.page import Card, Page, Row, Section, Table

__all__ = ["check_page"]

_UNGRADED = ("hand", "piercing", "nan")  # there is no more or less of it
_NAMED = 6  # worst offenders of a kind
_RESIDUES = 12  # in figure and table

_SHORT = {
    "nan": "lost",
    "broken": "broken",
    "hand": "inverted",
    "cis": "turned",
    "piercing": "speared",
    "clash": "clashes",
    "bond": "bonds",
    "angle": "angles",
    "bead": "beads",
    "energy": "energy",
}

_STATISTICS = {
    "inverted_share": "share of stereocentres that are inverted",
    "meso_share": "share of meso pairs along chains (1 isotactic, 0 syndiotactic)",
    "ring_piercings": "speared rings a frame",
    "pairs_below_0.17_nm": "pairs of atoms nearer than 0.17 nm, a frame",
    "carbon_pairs_below_0.28_nm": "pairs of carbons nearer than 0.28 nm, a frame",
    "nearest_contact_nm": "nearest contact of all, nm",
    "bonds_across_box": "bonds across the box, made whole, a frame",
    "bead_deviation_mean_nm": "mean distance of the beads from the given ones, nm",
    "bead_deviation_max_nm": "largest distance of a bead, nm",
    "energy_per_atom": "mean energy, kJ/mol an atom",
}


def check_page(
    verdict: Verdict,
    title: str,
    facts: Mapping[str, str],
    commands: tuple[str, ...] = (),
    allowed: float | Mapping[str, float] = 0.0,
    repaired: Mapping[str, str] | None = None,
) -> Page:
    """Lay a check out as a page.

    Parameters
    ----------
    verdict : Verdict
        Of all frames.
    title : str
        Of the page.
    facts : mapping of str to str
        Files, atoms, where bonds and hands come from, thresholds.
    commands : tuple of str
        What made the page.
    allowed : float or mapping of kind to float
        Findings a frame that are tolerated.
    repaired : mapping of str to str, optional
        What a repair did, in words.
    """
    groups: list[list[Section]] = [[_kinds(verdict, allowed, facts)]]
    if repaired:
        groups.append([Section("Repair", "Only atoms around the defects were moved.", facts=dict(repaired))])
    if verdict.total:
        if verdict.n_frames > 1:
            groups.append([_timeline(verdict)])
        groups += [[_residues(verdict)], [_offenders(verdict)]]
    groups += [[_statistics(verdict)], [Section("What was checked", commands=commands, facts=dict(facts))]]
    said = headline(verdict, allowed)
    return Page(
        title=title,
        summary=f"{said[0].upper()}{said[1:]}.",
        cards=_cards(verdict, allowed),
        groups=groups,
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


def _cards(verdict: Verdict, allowed: float | Mapping[str, float]) -> list[Card]:
    passed = verdict.passed(allowed)
    return [
        Card("passed ✓" if passed else "failed ✗", "nothing past its bar" if passed else "past its bar"),
        Card(f"{verdict.n_frames:,}", "frames, every one looked through"),
        Card(f"{verdict.total:,}", "findings"),
        Card(in_digits(verdict.total / max(verdict.n_frames, 1)), "findings a frame"),
        Card(f"{len(verdict.by_frame):,}", "frames with a finding"),
    ]


def _kinds(verdict: Verdict, allowed: float | Mapping[str, float], sources: Mapping[str, str]) -> Section:
    rows = []
    for cells, fine in kind_rows(verdict, allowed, sources):
        word = "none" if cells[1] == "0" else "tolerated" if fine else "too many"
        word = "not judged" if fine is None else word
        rows.append(Row((*cells, word), fine))
    bars = {k: v for k, v in allowed.items() if v} if isinstance(allowed, Mapping) else {"all kinds": allowed}
    told = ", ".join(
        f"{value:g} {KIND_TITLES.get(kind, (kind,))[0]}" for kind, value in bars.items() if value
    )
    return Section(
        "What was found",
        "In every frame, with all periodic images. "
        + (f"Tolerated a frame: {told}." if told else "Nothing is tolerated (--allow KIND=N changes that)."),
        table=Table(("", "findings", "a frame", "frames", "the worst", ""), tuple(rows)),
    )


def _timeline(verdict: Verdict) -> Section:
    counts: dict[str, NDArray[np.int64]] = {}
    first = min(verdict.by_frame)
    offset = 0 if max(verdict.by_frame) < verdict.n_frames else first
    for frame, found in verdict.by_frame.items():
        for kind, count in found.items():
            row = counts.setdefault(kind, np.zeros(verdict.n_frames, dtype=np.int64))
            row[min(frame - offset, verdict.n_frames - 1)] += count
    titles = {kind: words[0] for kind, words in KIND_TITLES.items()}
    return Section("Along the trajectory", figure=timeline(counts, titles))


def _afflicted(verdict: Verdict) -> list[str]:
    return sorted(verdict.by_residue, key=lambda name: (-verdict.by_residue[name].total(), name))


def _residues(verdict: Verdict) -> Section:
    names = _afflicted(verdict)
    kinds = [kind for kind in KIND_TITLES if any(verdict.by_residue[name][kind] for name in names)]
    rows = [
        Row(
            (
                name,
                *(f"{verdict.by_residue[name][kind] or ''}" for kind in kinds),
                f"{verdict.by_residue[name].total():,}",
            )
        )
        for name in names[:_RESIDUES]
    ]
    counts = {kind: np.array([verdict.by_residue[n][kind] for n in names[:_RESIDUES]]) for kind in kinds}
    titles = {kind: words[0] for kind, words in KIND_TITLES.items()}
    more = len(names) - len(rows)
    said = f"{len(names):,} residue{'s have' if len(names) != 1 else ' has'} findings, the most first"
    return Section(
        "By residue",
        f"{said}; {more:,} more are in check.json." if more else f"{said}.",
        figure=places(names[:_RESIDUES], counts, titles) if names else "",
        table=Table(("", *(_SHORT[kind] for kind in kinds), "all"), tuple(rows)),
    )


def _offenders(verdict: Verdict) -> Section:
    rows = []
    for kind, (title, _) in KIND_TITLES.items():
        for k, finding in enumerate(verdict.worst(kind)[:_NAMED]):
            cells = (title if k == 0 else "", str(finding.frame), finding.residue)
            value = with_unit(finding) or f"hand {finding.value:+.0f}"
            beyond = "" if kind in _UNGRADED else f"{finding.severity:.2f}"
            rows.append(Row((*cells, named_atoms(finding), value, beyond)))
    kept = (
        "all findings are"
        if verdict.total == len(verdict.findings)
        else f"the first {len(verdict.findings):,} are"
    )
    return Section(
        "The worst offenders",
        f"Farthest beyond what is allowed (beyond 1), at most six of a kind; {kept} in check.json.",
        table=Table(("", "frame", "residue", "atoms", "value", "of what is allowed"), tuple(rows)),
    )


def _statistics(verdict: Verdict) -> Section:
    found = verdict.statistics
    rows = [Row((text, in_digits(found[key]))) for key, text in _STATISTICS.items() if key in found]
    return Section(
        "Plain numbers",
        "Whatever the thresholds; means over the frames, and the extremes of contacts and beads.",
        table=Table(("", ""), tuple(rows)),
    )
