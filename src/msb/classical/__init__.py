"""Backmapping without a network: what a learned model has to beat."""

from __future__ import annotations

from msb.classical.config import (
    FragmentConfig,
    FragmentOptions,
    GeometricConfig,
    GeometricOptions,
    LibraryConfig,
    LibraryOptions,
    LinearConfig,
    LinearOptions,
    RandomConfig,
    RandomOptions,
)
from msb.classical.equilibrium import equilibrium_geometry
from msb.classical.fragment import FragmentBackmapper
from msb.classical.geometric import GeometricBackmapper
from msb.classical.library import LibraryBackmapper
from msb.classical.linear import LinearBackmapper
from msb.classical.random import RandomBackmapper

__all__ = [
    "FragmentBackmapper",
    "FragmentConfig",
    "FragmentOptions",
    "GeometricBackmapper",
    "GeometricConfig",
    "GeometricOptions",
    "LibraryBackmapper",
    "LibraryConfig",
    "LibraryOptions",
    "LinearBackmapper",
    "LinearConfig",
    "LinearOptions",
    "RandomBackmapper",
    "RandomConfig",
    "RandomOptions",
    "equilibrium_geometry",
]
