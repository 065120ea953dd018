"""Temporally coherent backmapping of trajectories (thesis chapter 8)."""

from __future__ import annotations

from msb.temporal.config import FlowSettings, TemporalConfig, VoxelSettings
from msb.temporal.flow_network import FlowNetwork
from msb.temporal.model import TemporalBackmapper
from msb.temporal.training import train
from msb.temporal.voxel_network import VoxelNetwork

__all__ = [
    "FlowNetwork",
    "FlowSettings",
    "TemporalBackmapper",
    "TemporalConfig",
    "VoxelNetwork",
    "VoxelSettings",
    "train",
]
