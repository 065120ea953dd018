"""The job behind `msb assess-cg`: from files to sets of frames, and from what was found to files."""

from __future__ import annotations

__all__: list[str] = []
