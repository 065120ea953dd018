"""How good a coarse-grained model is, judged by the forces on the atoms that are put back into it."""

from msb.assess.assessment import Assessment
from msb.assess.cg_level import BeadFrames, compare_beads
from msb.assess.forces import BeadForces, ForceFrames
from msb.assess.matching import Estimate, ForceMatching, augmented_chi_squared, chi_squared
from msb.assess.record import COLUMNS, KINDS, Column, Kind, SetResult, frames_of
from msb.assess.rigid import rigid_bonds_of
from msb.assess.rounding import RoundingFloor, decimals_of, rounding_floor
from msb.assess.run import assess
from msb.assess.scores import POOLED, Scores
from msb.assess.sets import AssessOptions, CGSet, ReferenceSet, in_memory

__all__ = [
    "COLUMNS",
    "KINDS",
    "POOLED",
    "AssessOptions",
    "Assessment",
    "BeadForces",
    "BeadFrames",
    "CGSet",
    "Column",
    "Estimate",
    "ForceFrames",
    "ForceMatching",
    "Kind",
    "ReferenceSet",
    "RoundingFloor",
    "Scores",
    "SetResult",
    "assess",
    "augmented_chi_squared",
    "chi_squared",
    "compare_beads",
    "decimals_of",
    "frames_of",
    "in_memory",
    "rigid_bonds_of",
    "rounding_floor",
]
