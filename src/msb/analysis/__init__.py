"""Distributions, divergences, free energies, angles, motion and slow processes: arrays in, results out."""

from __future__ import annotations

from msb.analysis.bootstrap import block_bootstrap
from msb.analysis.circular import (
    autocorrelation,
    circular_mean,
    circular_variance,
    circular_width,
    relaxation_time,
    wrap_about,
)
from msb.analysis.divergence import Excess, excess, excess_of_bins, excess_of_counts, js
from msb.analysis.free_energy import free_energy, free_energy_profile, free_energy_surface, histogram_2d
from msb.analysis.histograms import bin_edges, bin_numbers, histogram
from msb.analysis.motion import local_displacements, local_positions
from msb.analysis.timescales import (
    ImpliedTimescales,
    assign,
    compare_timescales,
    implied_timescales,
    kmeans_centres,
    torsion_features,
)

__all__ = [
    "Excess",
    "ImpliedTimescales",
    "assign",
    "autocorrelation",
    "bin_edges",
    "bin_numbers",
    "block_bootstrap",
    "circular_mean",
    "circular_variance",
    "circular_width",
    "compare_timescales",
    "excess",
    "excess_of_bins",
    "excess_of_counts",
    "free_energy",
    "free_energy_profile",
    "free_energy_surface",
    "histogram",
    "histogram_2d",
    "implied_timescales",
    "js",
    "kmeans_centres",
    "local_displacements",
    "local_positions",
    "relaxation_time",
    "torsion_features",
    "wrap_about",
]
