"""Backmapping without a network: what a learned model has to beat."""

from __future__ import annotations

from msb.classical.config import LinearConfig, LookupConfig
from msb.classical.linear import LinearBackmapper
from msb.classical.lookup import LookupBackmapper

__all__ = ["LinearBackmapper", "LinearConfig", "LookupBackmapper", "LookupConfig"]
