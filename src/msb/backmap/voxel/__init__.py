"""The voxel network: an atom at a time, by an adversarially trained generator."""

from __future__ import annotations

from msb.backmap.voxel.adversarial import AdversarialSettings, RegulariserSettings
from msb.backmap.voxel.settings import VoxelNetworkSettings

__all__ = ["AdversarialSettings", "RegulariserSettings", "VoxelNetworkSettings"]
