"""The voxel network: an atom at a time, by an adversarially trained generator."""

from __future__ import annotations

__all__: list[str] = []
