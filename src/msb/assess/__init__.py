"""How good a coarse-grained model is, judged by the forces on the atoms that are put back into it."""

from msb.assess.record import COLUMNS, KINDS, Column, Kind, SetResult, frames_of

__all__ = ["COLUMNS", "KINDS", "Column", "Kind", "SetResult", "frames_of"]
