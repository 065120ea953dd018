"""The energies that a model chooses by: those of its force field, with rigid bonds as narrow springs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from msb.backmap.energies import CandidateEnergy
from msb.core.projection import Constraints
from msb.core.scene import Tables
from msb.energy.systems import constrain_pairs

__all__ = ["candidate_energy"]

_BOND_SD = 0.003  # nm; what the final projection mends without harm
_ROOM = 298.15  # K; for models without a temperature


def candidate_energy(
    system: Any, tables: Tables, rigid: Constraints | None, temperature: float = _ROOM
) -> CandidateEnergy:
    """Energies of candidates for a system.

    Parameters
    ----------
    system : openmm.System
    tables : Tables
    rigid : (pairs, lengths) or None
        Bonds that are brought to their lengths at the end.  What springs the force field has for them does
        not count (the reference had none); they get ones of the width that a network meets them with.
    temperature : float
        K, at which that width is meant.
    """
    chosen = system
    if rigid is not None:
        chosen = deepcopy(system)
        constrain_pairs(chosen, *rigid)
    return CandidateEnergy(
        chosen, tables, bond_sd=_BOND_SD, temperature=temperature, reaction_field_for_pme=True
    )
