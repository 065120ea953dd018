"""Structures looked through frame by frame, and repairs of what was found."""

from __future__ import annotations

__all__: list[str] = []
