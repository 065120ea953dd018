"""Beads to atoms: the molecules of a file of beads, frames made side by side, what is written."""

from __future__ import annotations

__all__: list[str] = []
