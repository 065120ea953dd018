"""Methods over the same frames, each in a process of its own."""

from __future__ import annotations

__all__: list[str] = []
