"""Figures of a comparison: every distribution overlaid, surfaces side by side, timescales over lags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from msb.analysis.comparison import Compared, EnsembleComparison
from msb.report.style import MODEL, REFERENCE, SOFT, svg, themed

__all__ = ["TEST_COLOURS", "draw_overlay", "overlays", "slow_processes", "surfaces"]

Floats = NDArray[np.floating]

#: Of the tests, in their order; the reference is always filled and dark.
TEST_COLOURS = (MODEL, "#2a7f9e", "#d98e04", "#6a4c93", "#4c956c", "#8d5524")

_TITLE = 26  # characters of a panel's title


def overlays(panels: Sequence[Sequence[Compared]], labels: Sequence[str], columns: int = 4) -> str:
    """Draw every quantity in a small panel of its own: the reference filled, each test a line.

    Parameters
    ----------
    panels : sequence of (sequence of Compared)
        One a quantity, in it one a test.
    labels : sequence of str
        Of the tests.
    columns : int
        Panels in a row.
    """
    columns = max(min(columns, len(panels)), 3)
    rows = -(-len(panels) // columns)
    with themed():
        height = 1.7 * rows + 0.35
        figure = Figure(figsize=(11.2, height))  # placed by hand: a layout engine takes longer than the rest
        figure.subplots_adjust(0.01, 0.28 / height, 0.99, 1 - 0.6 / height, 0.06, 0.5)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            draw_overlay(axes, panel, labels)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="upper right", borderaxespad=0, ncols=len(names), fontsize=8.5)
        return svg(figure)


def draw_overlay(axes: Axes, panel: Sequence[Compared], labels: Sequence[str]) -> None:
    """Draw one quantity of the reference and of the tests, as densities; pair distances over r²."""
    quantity = panel[0].quantity
    weights = _weights(quantity.kind, quantity.edges)
    reference = _density(panel[0].reference, weights)
    steps = np.append(reference, reference[-1])
    axes.fill_between(quantity.edges, steps, step="post", color=REFERENCE, alpha=0.22, linewidth=0)
    axes.plot(
        quantity.edges, steps, drawstyle="steps-post", color=REFERENCE, linewidth=0.9, label="reference"
    )
    top = float(reference.max())
    for number, compared in enumerate(panel):
        colour = TEST_COLOURS[number % len(TEST_COLOURS)]
        density = _density(compared.test, weights)
        steps = np.append(density, density[-1])
        axes.plot(
            quantity.edges, steps, drawstyle="steps-post", color=colour, linewidth=1.2, label=labels[number]
        )
        top = max(top, min(float(density.max()), 2.5 * float(reference.max())))
    seen = panel[0].reference + sum(compared.test for compared in panel)
    occupied = np.flatnonzero(seen > 5e-4 * seen.max())
    first, last = (0, len(seen) - 1) if quantity.constrained else (occupied[0], occupied[-1])
    axes.set_xlim(quantity.edges[first], quantity.edges[last + 1])
    axes.set_ylim(0, 1.12 * top)
    name = quantity.name if len(quantity.name) <= _TITLE else f"{quantity.name[: _TITLE - 1]}…"
    axes.set_title(name, fontsize=9)
    axes.set_yticks([])
    turn = axes.get_xlim() == (-180.0, 180.0)
    axes.xaxis.set_major_locator(
        FixedLocator([-120, -60, 0, 60, 120])
        if turn
        else MaxNLocator(4, steps=[1, 2, 3, 5, 10], prune="both")
    )
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}{'°' if quantity.unit == '°' else ''}")
    axes.tick_params(labelsize=8)
    axes.spines["left"].set_visible(False)


def surfaces(tests: Sequence[EnsembleComparison], limit: float = 20.0) -> str:
    """Draw the free energies of the reference and of every test side by side, on one scale (kJ/mol)."""
    found = [test.kinetics for test in tests if test.kinetics is not None]
    shown = [found[0].surfaces[0], *(kinetics.surfaces[1] for kinetics in found)]
    titles = ["reference", *(test.label for test in tests)]
    first, second = found[0].edges
    with themed():
        figure = Figure(figsize=(11.2, 3.6 if len(shown) < 4 else 2.9), layout="constrained")
        grid = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        for axes, title, surface in zip(grid, titles, shown, strict=True):
            image = axes.imshow(
                np.asarray(surface).T,
                origin="lower",
                extent=(first[0], first[-1], second[0], second[-1]),
                aspect="auto",
                cmap="magma",
                vmin=0,
                vmax=limit,
                interpolation="nearest",
            )
            axes.set(title=title, xlabel=found[0].axes[0])
            axes.set_facecolor("#f1f2f5")
        grid[0].set_ylabel(found[0].axes[1])
        bar = figure.colorbar(image, ax=list(grid), shrink=0.9, label="free energy / kJ mol⁻¹")
        bar.outline.set_visible(False)
        return svg(figure)


def slow_processes(tests: Sequence[EnsembleComparison]) -> str:
    """Draw the implied timescales over lags with their 95 % intervals; grey is what no lag resolves."""
    found = [test.kinetics for test in tests if test.kinetics is not None]
    with themed():
        figure = Figure(figsize=(5.4, 3.4), layout="constrained")
        axes = figure.subplots()
        lags = found[0].reference.lags
        runs = [("reference", REFERENCE, found[0].reference)]
        runs += [
            (test.label, TEST_COLOURS[k % len(TEST_COLOURS)], kinetics.test)
            for k, (test, kinetics) in enumerate(zip(tests, found, strict=True))
        ]
        for label, colour, run in runs:
            for k in range(run.timescales.shape[1]):
                axes.fill_between(lags, run.low[:, k], run.high[:, k], color=colour, alpha=0.15, linewidth=0)
                axes.plot(
                    lags,
                    run.timescales[:, k],
                    color=to_hex(colour),
                    linewidth=1.4,
                    marker="o",
                    markersize=3,
                    label=label if k == 0 else None,
                )
        axes.fill_between(lags, 0, lags, color=SOFT, alpha=0.12, linewidth=0)
        values = np.concatenate([run.timescales.ravel() for _, _, run in runs])
        values = values[np.isfinite(values) & (values > 0)]
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0.6 * values.min(), 1.6 * values.max())
        if len(lags) > 1:
            axes.set_xlim(lags[0], lags[-1])
        axes.set(xlabel="lag time / ps", ylabel="implied timescale / ps")
        axes.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(runs), borderaxespad=0)
        return svg(figure)


def _weights(kind: str, edges: Floats) -> Floats:
    if kind == "rdf":
        return np.asarray(np.diff(np.asarray(edges) ** 3))
    return np.diff(edges)


def _density(counts: NDArray[np.number], weights: Floats) -> Floats:
    return np.asarray(counts / weights / max(float(np.sum(counts)), 1.0))
