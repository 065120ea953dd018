"""Give a top-down coarse-grained structure the local statistics of a faithful one."""

from __future__ import annotations

from msb.morph.chains import Chains, chain_topology, find_chains
from msb.morph.config import MorphConfig
from msb.morph.encoder import bottleneck
from msb.morph.morpher import Morpher, load_morpher
from msb.morph.statistics import LocalStatistics
from msb.morph.units import LengthScale, length_scale

__all__ = [
    "Chains",
    "LengthScale",
    "LocalStatistics",
    "MorphConfig",
    "Morpher",
    "bottleneck",
    "chain_topology",
    "find_chains",
    "length_scale",
    "load_morpher",
]
