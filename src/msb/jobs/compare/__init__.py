"""Do two ensembles agree: what both are measured by."""

from __future__ import annotations

__all__: list[str] = []
