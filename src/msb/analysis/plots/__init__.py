"""Pictures of results; computing and drawing stay apart."""

from __future__ import annotations

from msb.analysis.plots.kinetics import (
    plot_chapman_kolmogorov,
    plot_clock,
    plot_comparison,
    plot_eigenvector,
    plot_free_energy,
    plot_sets,
    plot_similarity,
    plot_timescales,
)
from msb.analysis.plots.maps import plot_map, plot_map_divergence, plot_regions

__all__ = [
    "plot_chapman_kolmogorov",
    "plot_clock",
    "plot_comparison",
    "plot_eigenvector",
    "plot_free_energy",
    "plot_map",
    "plot_map_divergence",
    "plot_regions",
    "plot_sets",
    "plot_similarity",
    "plot_timescales",
]
