"""The command line: parse, call, report; what is computed lives on lower floors."""

from __future__ import annotations

__all__: list[str] = []
