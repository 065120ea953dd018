"""Figures of an assessment: how hard the beads are pushed, and how the atoms of different molecules lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from msb.analysis.structure.rdf import RadialDistribution
from msb.assess.record import SetResult
from msb.report.compare_figures import TEST_COLOURS
from msb.report.style import REFERENCE, SOFT, svg, themed

__all__ = ["force_figure", "radial_figure", "ranking_figure"]

_BINS = 60
_BEYOND = 100  # times the largest force of the reference, where the axis ends
_WIDTH, _HEIGHT = 11.2, 2.1  # of a figure and of a row of panels, inch
_RADIAL = 6  # panels
Floats = NDArray[np.floating]


def force_figure(reference: SetResult, sets: Sequence[SetResult], columns: int = 4) -> str:
    """Draw the distributions of the force on a bead, all beads and every type, on a logarithmic axis.

    Parameters
    ----------
    reference : SetResult
        Filled.
    sets : sequence of SetResult
        One column of the others: lines, the in-distribution set dashed.
    columns : int
        Panels in a row.
    """
    types: list[str | None] = [None]
    types += list(reference.types) if len(reference.types) > 1 else []
    everybody = (reference, *sets)
    edges = _edges(everybody)
    columns = min(columns, len(types))
    rows = -(-len(types) // columns)
    with themed():
        figure = Figure(figsize=(_WIDTH, _HEIGHT * rows + 0.3), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, bead_type in zip(grid, types, strict=False):
            _draw_forces(axes, bead_type, reference, sets, edges)
        for axes in grid[len(types) :]:
            axes.set_axis_off()
        _legend(figure, grid[0])
        return svg(figure)


def _edges(sets: Sequence[SetResult]) -> Floats:
    """Bins that are equal in the logarithm, for everything but the weakest forces."""
    sizes = [values[np.isfinite(values) & (values > 0)] for values in (own.magnitudes for own in sets)]
    lowest = float(np.quantile(sizes[0], 0.002))
    highest = max(float(np.quantile(values, 0.9995)) for values in sizes if len(values))
    highest = min(highest, _BEYOND * float(sizes[0].max()))
    return np.geomspace(lowest, max(1.2 * highest, 10 * lowest), _BINS + 1)


def _draw_forces(
    axes: Axes, bead_type: str | None, reference: SetResult, sets: Sequence[SetResult], edges: Floats
) -> None:
    ground = _share(reference, bead_type, edges)
    axes.stairs(ground, edges, fill=True, color=REFERENCE, alpha=0.22)
    axes.stairs(ground, edges, color=REFERENCE, linewidth=0.9, label="reference")
    top = 0.0
    for own, style in zip(sets, _styles(sets), strict=True):
        if bead_type is None or bead_type in own.types:
            share = _share(own, bead_type, edges)
            axes.stairs(share, edges, label=own.name, **style)
            top = max(top, float(share[:-1].max()))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(title="all beads" if bead_type is None else bead_type, xlabel="|F| / kJ mol⁻¹ nm⁻¹", yticks=[])
    axes.set_ylim(0, 1.12 * max(float(ground.max()), min(top, 2.5 * float(ground.max())), 1e-9))
    axes.spines["left"].set_visible(False)


def _share(own: SetResult, bead_type: str | None, edges: Floats) -> Floats:
    values = own.magnitudes_of(bead_type)
    inside = np.clip(values, edges[0], edges[-1])
    counts = np.histogram(inside[np.isfinite(inside)], edges)[0]
    return np.asarray(counts / max(values.size, 1))


def _styles(sets: Sequence[SetResult]) -> list[dict[str, Any]]:
    styles: list[dict[str, Any]] = []
    models = 0
    for own in sets:
        if own.kind == "in-distribution":
            styles.append({"color": SOFT, "linewidth": 1.2, "linestyle": "--"})
        else:
            styles.append({"color": TEST_COLOURS[models % len(TEST_COLOURS)], "linewidth": 1.4})
            models += 1
    return styles


def _legend(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(names), fontsize=8.5)


def ranking_figure(excess: Mapping[str, Mapping[str, tuple[float, float, float]]], floor: float = 0.0) -> str:
    """Draw the excess of every set with its interval, raw and polished.

    Parameters
    ----------
    excess : mapping of set to (mapping of column to (low, excess, high))
        Nats; the first set at the top.
    floor : float
        What rounding alone would do; drawn as a line where it is not zero.
    """
    with themed():
        figure = Figure(figsize=(_WIDTH, 0.75 + 0.42 * len(excess)), layout="constrained")
        axes = figure.subplots()
        for place, columns in enumerate(excess.values()):
            for k, (column, (low, middle, high)) in enumerate(columns.items()):
                height = place + (0.0 if len(columns) == 1 else (-0.13, 0.13)[k % 2])
                colour = {"raw": TEST_COLOURS[0], "polished": TEST_COLOURS[1]}.get(column, SOFT)
                if np.isfinite([low, high]).all():
                    axes.plot([low, high], [height, height], color=colour, linewidth=5, alpha=0.3)
                first = place == 0
                label = column if first else None
                axes.plot([middle], [height], "o", color=colour, markersize=5, label=label)
        if floor > 0:
            axes.axvline(floor, color=SOFT, linewidth=0.9, linestyle=":", label="rounded coordinates")
        axes.axvline(0.0, color="#b9bec9", linewidth=0.8)
        axes.set_yticks(range(len(excess)), list(excess))
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set(xlabel="excess divergence of the forces / nats")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0)
        return svg(figure)


def radial_figure(
    reference: Mapping[str, RadialDistribution],
    sets: Mapping[str, Mapping[str, RadialDistribution]],
    dashed: str = "in-distribution",
) -> str:
    """Draw radial distributions of non-bonded atoms; an empty string where there is no density.

    Parameters
    ----------
    reference : mapping of pair to RadialDistribution
        Filled.
    sets : mapping of set to (mapping of pair to RadialDistribution)
        Lines.
    dashed : str
        The set that is drawn dashed.
    """
    known = [name for name, own in reference.items() if own.expected is not None and own.counts.sum() > 0]
    known = [name for name in known if all(name in own for own in sets.values())]
    chosen = sorted(known, key=lambda name: (name.count("H"), -reference[name].n_pairs))[:_RADIAL]
    if not chosen:
        return ""
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    with themed():
        figure = Figure(figsize=(_WIDTH, _HEIGHT * rows + 0.3), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, name in zip(grid, chosen, strict=False):
            ground = reference[name]
            axes.fill_between(ground.r, ground.g, color=REFERENCE, alpha=0.22, linewidth=0)
            axes.plot(ground.r, ground.g, color=REFERENCE, linewidth=0.9, label="reference")
            models = 0
            for label, own in sets.items():
                soft = label == dashed
                colour = SOFT if soft else TEST_COLOURS[models % len(TEST_COLOURS)]
                models += not soft
                line = "--" if soft else "-"
                axes.plot(own[name].r, own[name].g, color=colour, linewidth=1.2, linestyle=line, label=label)
            axes.set(title=name, xlabel="r / nm", ylabel="g(r)", xlim=(0, ground.edges[-1]))
            axes.set_ylim(0, 1.6 * float(np.nanmax(ground.g)) if np.nanmax(ground.g) > 0 else None)
            axes.xaxis.set_major_locator(MaxNLocator(5))
        for axes in grid[len(chosen) :]:
            axes.set_axis_off()
        _legend(figure, grid[0])
        return svg(figure)
