"""Figures that set what a model made beside what it should have made; each returns one `<svg>` element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from msb.report.style import MODEL, REFERENCE, SOFT, svg, themed

__all__ = [
    "Distribution",
    "distributions",
    "draw_distribution",
    "draw_memory",
    "memory",
    "ramachandran",
    "timescales",
]

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Distribution:
    """One quantity, binned alike for the reference and the model.

    Attributes
    ----------
    title, unit : str
        What it is, and the label of its axis.
    edges : ndarray (B + 1,)
        Bin edges.
    reference, model : ndarray (B,)
        Counts.
    """

    title: str
    unit: str
    edges: Floats
    reference: NDArray[np.number]
    model: NDArray[np.number]


def distributions(panels: Sequence[Distribution], columns: int = 3) -> str:
    """Draw the normalised histograms, the reference filled and the model as a line."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    with themed():
        figure = Figure(figsize=(3.55 * columns, 2.35 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            draw_distribution(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        grid[0].legend(fontsize=8.5, handlelength=1.4, borderaxespad=0.2)
        return svg(figure)


def draw_distribution(axes: Axes, panel: Distribution) -> None:
    """Draw one quantity: the reference filled, the model as a line."""
    width = np.diff(panel.edges)
    reference = panel.reference / (panel.reference.sum() * width)
    model = panel.model / (panel.model.sum() * width)
    axes.stairs(reference, panel.edges, fill=True, color=REFERENCE, alpha=0.25)
    axes.stairs(reference, panel.edges, color=REFERENCE, linewidth=1.0, label="reference")
    axes.stairs(model, panel.edges, color=MODEL, linewidth=1.5, label="backmapped")
    occupied = np.flatnonzero(panel.reference + panel.model)
    axes.set_xlim(panel.edges[occupied[0]], panel.edges[occupied[-1] + 1])
    axes.set_ylim(0, 1.12 * max(reference.max(), model.max()))
    axes.set(title=panel.title, xlabel=panel.unit, yticks=[])
    axes.spines["left"].set_visible(False)


def ramachandran(surfaces: Mapping[str, Floats], limit: float = 20.0) -> str:
    """Draw (φ, ψ) free-energy surfaces side by side, on one scale.

    Parameters
    ----------
    surfaces : mapping of label to ndarray (n, n)
        Free energy in kJ/mol over φ (rows) and ψ (columns) from -180° to 180°, lowest value 0; NaN or
        infinite where nothing was seen.
    limit : float
        Upper end of the colours, kJ/mol.
    """
    with themed():
        figure = Figure(figsize=(4.2 * len(surfaces) + 0.7, 3.9), layout="constrained")
        grid = figure.subplots(1, len(surfaces), squeeze=False, sharey=True)[0]
        for axes, (label, surface) in zip(grid, surfaces.items(), strict=True):
            seen = np.where(np.isfinite(surface), surface, np.nan).T
            ticks = [-180, -90, 0, 90, 180]
            image = axes.imshow(
                seen,
                origin="lower",
                extent=(-180, 180, -180, 180),
                cmap="magma",
                vmin=0,
                vmax=limit,
                interpolation="nearest",
            )
            axes.set(title=label, xlabel="φ / °", xticks=ticks, yticks=ticks)
            axes.set_facecolor("#f1f2f5")
        grid[0].set_ylabel("ψ / °")
        bar = figure.colorbar(image, ax=list(grid), shrink=0.9, label="free energy / kJ mol⁻¹")
        bar.outline.set_visible(False)
        return svg(figure)


def timescales(lags: Floats, reference: Floats, model: Floats, unit: str = "ps") -> str:
    """Draw implied timescales against the lag time, on a logarithmic axis.

    Parameters
    ----------
    lags : ndarray (L,)
        Lag times.
    reference, model : ndarray (L, k)
        The k slowest implied timescales at each lag, in the unit of `lags`; NaN is left out.
    unit : str
        Unit of both axes.
    """
    with themed():
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        axes = figure.subplots()
        axes.plot(lags, reference, color=REFERENCE, linewidth=4, alpha=0.3, solid_capstyle="round")
        axes.plot(lags, model, color=MODEL, linewidth=1.5, marker="o", markersize=3)
        axes.plot([], [], color=REFERENCE, linewidth=4, alpha=0.3, label="reference")
        axes.plot([], [], color=MODEL, linewidth=1.5, marker="o", markersize=3, label="backmapped")
        axes.fill_between(lags, 0, lags, color=SOFT, alpha=0.12, linewidth=0)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        finite = np.concatenate([reference.ravel(), model.ravel()])
        finite = finite[np.isfinite(finite) & (finite > 0)]
        axes.set_ylim(0.7 * finite.min(), 1.3 * finite.max())
        axes.set_xlim(lags[0], lags[-1])
        axes.set(xlabel=f"lag time / {unit}", ylabel=f"implied timescale / {unit}")
        axes.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
        return svg(figure)


def memory(times: Floats, reference: Floats, model: Floats) -> str:
    """Draw two autocorrelation functions from 1 downwards.

    Parameters
    ----------
    times : ndarray (L,)
        ps.
    reference, model : ndarray (L,)
        Autocorrelation.
    """
    with themed():
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        axes = figure.subplots()
        draw_memory(axes, times, reference, model)
        axes.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
        return svg(figure)


def draw_memory(axes: Axes, times: Floats, reference: Floats, model: Floats) -> None:
    """Draw two autocorrelation functions (L,) over times (L,) in ps."""
    axes.axhline(1 / np.e, color=SOFT, linewidth=0.8, linestyle=":")
    axes.annotate("1/e", (times[-1], 1 / np.e), ha="right", va="bottom", fontsize=8, color=SOFT)
    axes.plot(times, reference, color=REFERENCE, linewidth=4, alpha=0.3, label="reference")
    axes.plot(times, model, color=MODEL, linewidth=1.5, label="backmapped")
    axes.set(xlim=(times[0], times[-1]), ylim=(min(0.0, reference.min(), model.min()), 1.02))
    axes.set(xlabel="time / ps", ylabel="autocorrelation")
