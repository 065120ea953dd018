"""Force-field energies in torch, from any OpenMM System, and relaxation with the beads held."""

from __future__ import annotations

from msb.energy.amber import peptide_system
from msb.energy.finisher import Finished, Finisher
from msb.energy.gromacs import GromacsSystem, gro_box, read_gromacs_system
from msb.energy.protocols import PROTOCOLS, Finish, Stage
from msb.energy.relax import Relaxed, Relaxer, RelaxOptions, minimise, thermal
from msb.energy.replicate import split_system, system_of
from msb.energy.system import Energy
from msb.energy.systems import (
    bond_lengths,
    constrain_bonds,
    make_bonded_periodic,
    system_from_xml,
    system_to_xml,
)

__all__ = [
    "PROTOCOLS",
    "Energy",
    "Finish",
    "Finished",
    "Finisher",
    "GromacsSystem",
    "RelaxOptions",
    "Relaxed",
    "Relaxer",
    "Stage",
    "bond_lengths",
    "constrain_bonds",
    "gro_box",
    "make_bonded_periodic",
    "minimise",
    "peptide_system",
    "read_gromacs_system",
    "split_system",
    "system_from_xml",
    "system_of",
    "system_to_xml",
    "thermal",
]
