"""Whether a bar is met, in words."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Verdict", "below"]


@dataclass(frozen=True)
class Verdict:
    """One bar of the issue."""

    text: str
    bar: str
    found: str
    passed: bool


def below(text: str, value: float, bar: float, digits: int) -> Verdict:
    """Judge a figure that must not be larger than a bar."""
    return Verdict(text, f"≤ {bar:g}", f"{value:.{digits}f}", bool(value <= bar))
