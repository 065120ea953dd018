"""Force-field energies in torch, from any OpenMM System, and relaxation with the beads held."""

from __future__ import annotations

from msb.energy.amber import peptide_system, system_from_xml, system_to_xml
from msb.energy.system import Energy

__all__ = ["Energy", "peptide_system", "system_from_xml", "system_to_xml"]
