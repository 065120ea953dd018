"""Backmapping of condensed phases: beads placed one after another among what is there already, then again."""

from __future__ import annotations

from msb.backmap.energies import CandidateEnergy
from msb.backmap.placer import Candidates, Draw, Placer
from msb.backmap.record import Sampled, SamplerOptions
from msb.backmap.regularisers import Regulariser, regulariser
from msb.backmap.sampler import Sampler
from msb.backmap.selection import choose
from msb.backmap.spread import spread

__all__ = [
    "CandidateEnergy",
    "Candidates",
    "Draw",
    "Placer",
    "Regulariser",
    "Sampled",
    "Sampler",
    "SamplerOptions",
    "choose",
    "regulariser",
    "spread",
]
