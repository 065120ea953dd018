"""Atoms drawn one after another from mixtures of normals in local coordinates."""

from __future__ import annotations

from msb.backmap.mixture.settings import MixtureSettings

__all__ = ["MixtureSettings"]
