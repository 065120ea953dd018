"""Networks: tensors in, tensors out; no chemistry, no files."""

from __future__ import annotations

from msb.nn.blocks import ConvBlock3d, ResidualBlock3d
from msb.nn.critic import VoxelCritic
from msb.nn.flow import CircularMixture, CouplingFlow, wrap_angle
from msb.nn.precision import Precision, choose_precision, cpu_has_fast_bfloat16
from msb.nn.seeding import seeded
from msb.nn.spectral import with_spectral_norm
from msb.nn.voxel_generator import VoxelGenerator
from msb.nn.voxel_networks import VoxelDecoder, VoxelEncoder

__all__ = [
    "CircularMixture",
    "ConvBlock3d",
    "CouplingFlow",
    "Precision",
    "ResidualBlock3d",
    "VoxelCritic",
    "VoxelDecoder",
    "VoxelEncoder",
    "VoxelGenerator",
    "choose_precision",
    "cpu_has_fast_bfloat16",
    "seeded",
    "with_spectral_norm",
    "wrap_angle",
]
