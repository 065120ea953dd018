"""Give a top-down coarse-grained structure the local statistics of a faithful one."""

from __future__ import annotations

from msb.morph.chains import Chains, chain_topology, find_chains
from msb.morph.units import LengthScale, length_scale

__all__ = [
    "Chains",
    "LengthScale",
    "chain_topology",
    "find_chains",
    "length_scale",
]
