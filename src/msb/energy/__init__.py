"""Force-field energies in torch, from any OpenMM System, and relaxation with the beads held."""

from __future__ import annotations

from msb.energy.amber import peptide_system
from msb.energy.gromacs import GromacsSystem, gro_box, read_gromacs_system
from msb.energy.relax import Relaxed, Relaxer, minimise, thermal
from msb.energy.system import Energy
from msb.energy.systems import (
    bond_lengths,
    constrain_bonds,
    make_bonded_periodic,
    system_from_xml,
    system_to_xml,
)

__all__ = [
    "Energy",
    "GromacsSystem",
    "Relaxed",
    "Relaxer",
    "bond_lengths",
    "constrain_bonds",
    "gro_box",
    "make_bonded_periodic",
    "minimise",
    "peptide_system",
    "read_gromacs_system",
    "system_from_xml",
    "system_to_xml",
    "thermal",
]
