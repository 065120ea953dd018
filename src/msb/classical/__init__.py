"""Backmapping without a network: what a learned model has to beat."""

from __future__ import annotations

from msb.classical.config import (
    FragmentConfig,
    FragmentOptions,
    LibraryConfig,
    LibraryOptions,
    LinearConfig,
    LinearOptions,
)
from msb.classical.fragment import FragmentBackmapper
from msb.classical.library import LibraryBackmapper
from msb.classical.linear import LinearBackmapper

__all__ = [
    "FragmentBackmapper",
    "FragmentConfig",
    "FragmentOptions",
    "LibraryBackmapper",
    "LibraryConfig",
    "LibraryOptions",
    "LinearBackmapper",
    "LinearConfig",
    "LinearOptions",
]
