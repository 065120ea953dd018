"""Structure: internal coordinates, radial distributions, energies, chains and handedness of molecules."""

from __future__ import annotations

from msb.analysis.structure.distributions import BINS, Distribution, InternalCounter, internal_distributions
from msb.analysis.structure.energies import LennardJones, lennard_jones_energies
from msb.analysis.structure.pairs import NearPairs, NonbondedPairs, near_pairs
from msb.analysis.structure.rdf import (
    PairGroups,
    RadialCounter,
    RadialDistribution,
    radial_distributions,
    relative_l1,
)
from msb.analysis.structure.terms import KINDS, Term, bonded_terms, fold_improper, term_values

__all__ = [
    "BINS",
    "KINDS",
    "Distribution",
    "InternalCounter",
    "LennardJones",
    "NearPairs",
    "NonbondedPairs",
    "PairGroups",
    "RadialCounter",
    "RadialDistribution",
    "Term",
    "bonded_terms",
    "fold_improper",
    "internal_distributions",
    "lennard_jones_energies",
    "near_pairs",
    "radial_distributions",
    "relative_l1",
    "term_values",
]
