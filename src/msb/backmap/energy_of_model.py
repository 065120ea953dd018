"""The energies that a model chooses by: those of its force field, without bonds that are rigid anyway."""

from __future__ import annotations

from typing import Any

from msb.backmap.energies import CandidateEnergy
from msb.core.projection import Constraints
from msb.core.scene import Tables

__all__ = ["candidate_energy"]

_SPRINGS = ("HarmonicBondForce", "CustomBondForce")


def candidate_energy(system: Any, tables: Tables, rigid: Constraints | None) -> CandidateEnergy:
    """Energies of candidates for a system.

    Parameters
    ----------
    system : openmm.System
    tables : Tables
    rigid : (pairs, lengths) or None
        Bonds that are brought to their lengths at the end.  Where there are any, springs of bonds do not
        count: the reference has none, so they would outweigh everything that tells candidates apart.
    """
    exclude = () if rigid is None else _SPRINGS
    return CandidateEnergy(system, tables, exclude=exclude, bond_sd=None, reaction_field_for_pme=True)
