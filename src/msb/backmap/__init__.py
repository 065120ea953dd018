"""Backmapping of condensed phases: beads placed one after another among what is there already, then again."""

from __future__ import annotations

__all__: list[str] = []
