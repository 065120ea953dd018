"""What every structure must pass: bonds, angles, contacts, hands, planes, rings, wholeness, beads, energy."""

from __future__ import annotations

from msb.quality.checker import Checker
from msb.quality.findings import KINDS, Examination, Finding, Kind
from msb.quality.limits import Limits
from msb.quality.reference import Reference
from msb.quality.verdict import Verdict

__all__ = ["KINDS", "Checker", "Examination", "Finding", "Kind", "Limits", "Reference", "Verdict"]
