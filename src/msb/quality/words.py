"""Findings in words: what each kind is called, one finding in a line, a whole verdict in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from msb.quality.findings import Finding
from msb.quality.verdict import Verdict

__all__ = [
    "KIND_TITLES",
    "counted",
    "described",
    "headline",
    "in_digits",
    "kind_rows",
    "named_atoms",
    "with_unit",
]

#: What each kind of finding is called, and the unit of its value; the gravest first.
KIND_TITLES: Mapping[str, tuple[str, str]] = {
    "nan": ("residues without a position", " atoms"),
    "broken": ("broken bonds", " nm"),
    "hand": ("inverted stereocentres", ""),
    "cis": ("turned double bonds", "°"),
    "piercing": ("speared rings", " nm"),
    "clash": ("clashes", " nm"),
    "bond": ("bond lengths off", " nm"),
    "angle": ("bond angles off", "°"),
    "bead": ("beads out of place", " nm"),
    "energy": ("energies too high", " kJ/mol an atom"),
}

_PLURALS = ("residues", "bonds", "stereocentres", "rings", "lengths", "angles", "beads")
_NAMES = 8  # atoms of a finding that are spelt out


def headline(verdict: Verdict, allowed: float | Mapping[str, float] = 0.0) -> str:
    """Say in a sentence what was found.

    Parameters
    ----------
    verdict : Verdict
        Of all frames.
    allowed : float or mapping of kind to float
        Findings a frame that are tolerated.
    """
    frames = f"{verdict.n_frames:,} frame{'s' if verdict.n_frames != 1 else ''}"
    if not verdict.total:
        return f"nothing wrong in {frames}"
    found = {kind: verdict.by_kind[kind] for kind in KIND_TITLES if verdict.by_kind[kind]}
    parts = ", ".join(counted(kind, count) for kind, count in found.items())
    total = f"{verdict.total:,} finding{'s' if verdict.total != 1 else ''} in {frames}: {parts}"
    return f"{total}; all of it tolerated" if verdict.passed(allowed) else total


def counted(kind: str, count: int) -> str:
    """Return how many of a kind, in words."""
    words = KIND_TITLES[kind][0].split(" ")
    if count == 1:
        singular = {"energies": "energy", "clashes": "clash"}
        words = [singular.get(word, word.removesuffix("s") if word in _PLURALS else word) for word in words]
    return f"{count:,} {' '.join(words)}"


def described(finding: Finding) -> str:
    """Name a finding: residue, atoms, value with its unit."""
    return " ".join(part for part in (finding.residue, named_atoms(finding), with_unit(finding)) if part)


def named_atoms(finding: Finding) -> str:
    """Spell out a finding's atoms, the bond through the ring for a speared one."""
    atoms = list(finding.atoms)
    if finding.kind == "piercing":
        return f"{'–'.join(atoms[-2:])} through the ring of {atoms[0]}"
    if finding.kind == "hand":
        return atoms[0]
    return "–".join(atoms if len(atoms) <= _NAMES else [*atoms[:_NAMES], "…"])


def with_unit(finding: Finding) -> str:
    """Return a finding's value with its unit."""
    if finding.kind == "hand":
        return ""
    if not np.isfinite(finding.value):
        return "not finite"
    return f"{finding.value:.3g}{KIND_TITLES[finding.kind][1]}"


def kind_rows(
    verdict: Verdict,
    allowed: float | Mapping[str, float] = 0.0,
    sources: Mapping[str, str] | None = None,
) -> list[tuple[tuple[str, ...], bool | None]]:
    """Return the table of kinds: (kind, findings, a frame, frames, worst), and whether it is within the bar.

    None stands for kinds that could not be judged.

    Parameters
    ----------
    verdict : Verdict
        Of all frames.
    allowed : float or mapping of kind to float
        Findings a frame that are tolerated.
    sources : mapping of str to str, optional
        By what "stereocentres", "beads" and "energy" were judged, or why they were not.
    """
    failed, blind = verdict.failures(allowed), _unjudged(verdict, sources or {})
    rows: list[tuple[tuple[str, ...], bool | None]] = []
    for kind, (title, _) in KIND_TITLES.items():
        if kind in blind:
            rows.append(((title, "–", "–", "–", blind[kind]), None))
            continue
        count = verdict.by_kind[kind]
        frames = sum(1 for found in verdict.by_frame.values() if found[kind])
        worst = next(iter(verdict.worst(kind)), None)
        told = "" if worst is None else f"frame {worst.frame}: {described(worst)}"
        rate = in_digits(count / max(verdict.n_frames, 1))
        rows.append(((title, f"{count:,}", rate, f"{frames:,}", told), kind not in failed))
    return rows


def _unjudged(verdict: Verdict, sources: Mapping[str, str]) -> dict[str, str]:
    """Return the kinds that nothing was known to judge by, and what was lacking."""
    known = verdict.statistics
    lacking = {}
    if "bead_deviation_max_nm" not in known:
        lacking["bead"] = "no beads were given"
    if "energy_per_atom" not in known:
        lacking["energy"] = sources.get("energy", "no force field was given")
    if not known.get("stereocentres_judged"):
        lacking["hand"] = sources.get("stereocentres", "no stereocentre whose hand is known")
    return {kind: text for kind, text in lacking.items() if not verdict.by_kind[kind]}


def in_digits(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
