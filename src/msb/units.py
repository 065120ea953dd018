"""Constants in the units used everywhere inside: nm, ps, kJ/mol, K, e, amu (CODATA 2018)."""

from __future__ import annotations

__all__ = ["BOLTZMANN", "COULOMB", "NM_PER_ANGSTROM"]

BOLTZMANN = 0.008314462618153242  # kJ/(mol K)
COULOMB = 138.9354576  # kJ nm/(mol e^2), 1/(4 pi epsilon_0) as OpenMM defines it
NM_PER_ANGSTROM = 0.1  # nm
