"""How good a coarse-grained model is, judged by the forces on the atoms that are put back into it."""

from msb.assess.assessment import Assessment
from msb.assess.cg_level import BeadFrames, compare_beads
from msb.assess.record import COLUMNS, KINDS, Column, Kind, SetResult, frames_of
from msb.assess.run import assess
from msb.assess.scores import POOLED, Scores
from msb.assess.sets import AssessOptions, CGSet, ReferenceSet, in_memory

__all__ = [
    "COLUMNS",
    "KINDS",
    "POOLED",
    "AssessOptions",
    "Assessment",
    "BeadFrames",
    "CGSet",
    "Column",
    "Kind",
    "ReferenceSet",
    "Scores",
    "SetResult",
    "assess",
    "compare_beads",
    "frames_of",
    "in_memory",
]
