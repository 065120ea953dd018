"""Slow processes: features, independent components, Markov models, their tests and their comparison."""

from __future__ import annotations

from msb.analysis.kinetics.clock import Clock, match_slowest
from msb.analysis.kinetics.compare import EnsembleKinetics, ProcessComparison, analyse, compare
from msb.analysis.kinetics.features import (
    BackboneTorsions,
    CaDistances,
    Features,
    backbone_quads,
    feature_function,
    featurise,
)
from msb.analysis.kinetics.markov import MarkovModel, estimate_markov_model, markov_models, timescales_of
from msb.analysis.kinetics.metastable import MetastableSets, metastable_sets
from msb.analysis.kinetics.similarity import (
    ProcessGroup,
    Similarity,
    cosines,
    eigenvector_similarity,
    principal_cosines,
)
from msb.analysis.kinetics.tica import TICA, TicaModel
from msb.analysis.kinetics.validation import ChapmanKolmogorov, chapman_kolmogorov

__all__ = [
    "TICA",
    "BackboneTorsions",
    "CaDistances",
    "ChapmanKolmogorov",
    "Clock",
    "EnsembleKinetics",
    "Features",
    "MarkovModel",
    "MetastableSets",
    "ProcessComparison",
    "ProcessGroup",
    "Similarity",
    "TicaModel",
    "analyse",
    "backbone_quads",
    "chapman_kolmogorov",
    "compare",
    "cosines",
    "eigenvector_similarity",
    "estimate_markov_model",
    "feature_function",
    "featurise",
    "markov_models",
    "match_slowest",
    "metastable_sets",
    "principal_cosines",
    "timescales_of",
]
