"""Findings in words: what each kind is called, one finding in a line, a whole verdict in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from msb.quality.findings import Finding
from msb.quality.verdict import Verdict

__all__ = ["KIND_TITLES", "counted", "described", "headline", "named_atoms", "with_unit"]

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
