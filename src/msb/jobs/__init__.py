"""Whole jobs on files, built on the protocol of a backmapper and not on a method: what the commands run."""

from __future__ import annotations

__all__: list[str] = []
