"""Structure: internal coordinates, radial distributions, energies, chains and handedness of molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msb.analysis.structure.chains import (
    ChainStatistics,
    Mean,
    backbone,
    block_error,
    chain_sizes,
    chain_statistics,
)
from msb.analysis.structure.differences import require_same_topology, topology_differences
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
from msb.analysis.structure.stereo import (
    Handedness,
    Tacticity,
    chain_centres,
    handedness,
    inverted_centres,
    tacticity,
)
from msb.analysis.structure.terms import KINDS, Term, bonded_terms, fold_improper, term_values
from msb.analysis.structure.totals import intramolecular_energies, total_energies

if TYPE_CHECKING:
    from msb.analysis.structure.streams import ChainDimensions, InternalDistributions, NonbondedStructure

__all__ = [
    "BINS",
    "KINDS",
    "ChainDimensions",
    "ChainStatistics",
    "Distribution",
    "Handedness",
    "InternalCounter",
    "InternalDistributions",
    "LennardJones",
    "Mean",
    "NearPairs",
    "NonbondedPairs",
    "NonbondedStructure",
    "PairGroups",
    "RadialCounter",
    "RadialDistribution",
    "Tacticity",
    "Term",
    "backbone",
    "block_error",
    "bonded_terms",
    "chain_centres",
    "chain_sizes",
    "chain_statistics",
    "fold_improper",
    "handedness",
    "internal_distributions",
    "intramolecular_energies",
    "inverted_centres",
    "lennard_jones_energies",
    "near_pairs",
    "radial_distributions",
    "relative_l1",
    "require_same_topology",
    "tacticity",
    "term_values",
    "topology_differences",
    "total_energies",
]

_STREAMS = frozenset({"ChainDimensions", "InternalDistributions", "NonbondedStructure"})


def __getattr__(name: str) -> Any:
    """Import the MDAnalysis analyses when they are asked for: MDAnalysis takes its time to load."""
    if name in _STREAMS:
        from msb.analysis.structure import streams

        return getattr(streams, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
