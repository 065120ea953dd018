"""Whole jobs on files, built on the protocol of a backmapper and not on a method: what the commands run."""

from __future__ import annotations

from msb.jobs.match_beads import ParticleNames, match_beads

__all__ = ["ParticleNames", "match_beads"]
