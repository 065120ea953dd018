"""Figures of a morphing: local statistics before and after beside the target's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from msb.morph.statistics import QUANTITIES, LocalStatistics
from msb.report.style import MODEL, REFERENCE, SOFT, svg, themed

__all__ = ["statistics_figure"]

_TITLES = {"bond": "bond length", "angle": "angle", "rdf": "pair distance"}
_AXES = {"bond": "d / nm", "angle": "θ / °", "rdf": "r / nm"}
_LINES: tuple[dict[str, Any], ...] = (
    {"color": "#2a7f9e", "linewidth": 1.3, "linestyle": (0, (4, 2))},
    {"color": MODEL, "linewidth": 1.6},
)
_SEEN = 2e-3  # share of the highest bin below which an end of the axis is cut
_TOP = 1.6  # times the target's maximum, where an axis ends

Floats = NDArray[np.floating]


def statistics_figure(
    target: LocalStatistics,
    sets: Mapping[str, LocalStatistics],
    whose: str = "target",
    bonds: tuple[Floats, NDArray[np.integer]] | None = None,
) -> str:
    """Draw bonds, angles and pair distances, the target filled, each set a line.

    Parameters
    ----------
    target : LocalStatistics
    sets : mapping of label to LocalStatistics
        At most two, in the target's bins: the first is dashed where there are two.
    whose : str
        The target's label.
    bonds : (ndarray (B + 1,), ndarray (sets, B)), optional
        Wider bins, nm, and the bonds of the sets in them: statistics hold what is beyond the target's range
        in their last bins.
    """
    lines = _LINES[-len(sets) :]
    shown = [name for name in QUANTITIES if target.counts[name].any()]
    with themed():
        figure = Figure(figsize=(3.7 * max(len(shown), 2) + 0.1, 2.9), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            _draw(axes, name, target, _curves(name, target, sets, bonds), lines, whose)
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names), fontsize=8.5)
        return svg(figure)


def _curves(
    name: str,
    target: LocalStatistics,
    sets: Mapping[str, LocalStatistics],
    bonds: tuple[Floats, NDArray[np.integer]] | None,
) -> dict[str, tuple[Floats, Floats]]:
    """Edges and density of every set that has any."""
    curves = {}
    for place, (label, own) in enumerate(sets.items()):
        wide = bonds is not None and name == "bond"
        edges, counts = (
            (bonds[0], bonds[1][place])
            if wide and bonds is not None
            else (_edges(name, target), own.counts[name])
        )
        if counts.any():
            curves[label] = edges, _density(name, edges, counts)
    return curves


def _edges(name: str, target: LocalStatistics) -> Floats:
    return np.asarray(np.rad2deg(target.edges[name]) if name == "angle" else target.edges[name])


def _draw(
    axes: Axes,
    name: str,
    target: LocalStatistics,
    curves: Mapping[str, tuple[Floats, Floats]],
    lines: tuple[dict[str, Any], ...],
    whose: str,
) -> None:
    edges = _edges(name, target)
    ground = _density(name, edges, target.counts[name])
    axes.stairs(ground, edges, fill=True, color=REFERENCE, alpha=0.22)
    axes.stairs(ground, edges, baseline=None, color=REFERENCE, linewidth=0.9, label=whose)
    top = float(ground.max())
    for (label, (own, density)), style in zip(curves.items(), lines, strict=True):
        axes.stairs(density, own, baseline=None, label=label, **style)
        top = max(top, min(float(density.max()), _TOP * float(ground.max())))
    axes.set_xlim(*_limits([(edges, ground), *curves.values()]))
    axes.set_ylim(0, 1.08 * top)
    axes.set(title=_TITLES[name], xlabel=_AXES[name])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if name == "rdf":
        axes.axhline(1.0, color=SOFT, linewidth=0.6, linestyle=":")
        axes.set_ylabel("density / mean")
    else:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)


def _limits(curves: Sequence[tuple[Floats, Floats]]) -> tuple[float, float]:
    """Where any curve is above some of its own highest value."""
    ends = []
    for edges, density in curves:
        occupied = np.flatnonzero(density > _SEEN * density.max())
        ends.append((edges[occupied[0]], edges[occupied[-1] + 1]))
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _density(name: str, edges: Floats, counts: NDArray[np.integer]) -> Floats:
    """Probability density; of pair distances the density of beads over its mean up to the last distance."""
    widths = np.diff(edges**3) if name == "rdf" else np.diff(edges)
    scale = widths.sum() if name == "rdf" else 1.0
    return np.asarray(counts / widths * scale / max(int(counts.sum()), 1))
