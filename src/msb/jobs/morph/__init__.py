"""From top-down beads to beads with a target's local statistics: what `msb morph` does with files."""

from __future__ import annotations

__all__: list[str] = []
