"""Figures of one ensemble, as PNG files: timescales, components, radial functions, free energies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from msb.analysis.timescales import ImpliedTimescales
from msb.report.compare_figures import TEST_COLOURS
from msb.report.style import REFERENCE, SOFT, themed

__all__ = ["component_figure", "png", "radial_figure", "surface_figure", "timescale_figure"]

Floats = NDArray[np.floating]


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file's content."""
    content = BytesIO()
    figure.savefig(content, format="png", dpi=150, transparent=False, metadata={"Software": "msb"})
    return content.getvalue()


def timescale_figure(run: ImpliedTimescales) -> bytes:
    """Draw implied timescales over lags with their intervals; grey is what no lag resolves."""
    with themed():
        figure = Figure(figsize=(5.6, 3.8), layout="constrained")
        axes = figure.subplots()
        for k in range(run.timescales.shape[1]):
            colour = (REFERENCE, *TEST_COLOURS)[k % 7]
            axes.fill_between(run.lags, run.low[:, k], run.high[:, k], color=colour, alpha=0.18, linewidth=0)
            axes.plot(
                run.lags, run.timescales[:, k], color=colour, marker="o", markersize=3, label=f"t{k + 1}"
            )
        axes.fill_between(run.lags, 0, run.lags, color=SOFT, alpha=0.12, linewidth=0)
        finite = run.timescales[np.isfinite(run.timescales)]
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0.6 * finite.min(), 1.6 * finite.max())
        axes.set(xlabel="lag time / ps", ylabel="implied timescale / ps")
        axes.legend(fontsize=8.5, ncols=3)
        return png(figure)


def component_figure(points: Floats, times: Floats) -> bytes:
    """Draw the first components (F, K) of every frame over time (F,) in ps."""
    shown = min(points.shape[1], 4)
    with themed():
        figure = Figure(figsize=(8.5, 1.5 * shown + 0.5), layout="constrained")
        grid = figure.subplots(shown, 1, squeeze=False, sharex=True)[:, 0]
        for k, axes in enumerate(grid):
            axes.plot(times, points[:, k], ".", markersize=1.2, color=REFERENCE, rasterized=True)
            axes.set_ylabel(f"TIC {k + 1}")
        grid[-1].set_xlabel("time / ps")
        return png(figure)


def radial_figure(curves: Mapping[str, tuple[Floats, Floats]], label: str) -> bytes:
    """Draw curves (r in nm, value) by name."""
    with themed():
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        for k, (name, (r, values)) in enumerate(curves.items()):
            colour, style = (REFERENCE, *TEST_COLOURS)[k % 7], ("-", "--", ":", "-.")[k // 7 % 4]
            axes.plot(r, values, linewidth=1.3, color=colour, linestyle=style, label=name)
        axes.set(xlabel="r / nm", ylabel=label, xlim=(0, None), ylim=(0, None))
        axes.legend(fontsize=8.5)
        return png(figure)


def surface_figure(
    energy: Floats, edges: tuple[Floats, Floats], labels: Sequence[str], limit: float = 20.0
) -> bytes:
    """Draw a free energy (A, B) in kJ/mol over two coordinates; NaN, never seen, is grey."""
    with themed():
        figure = Figure(figsize=(5.2, 4.2), layout="constrained")
        axes = figure.subplots()
        first, second = edges
        image = axes.imshow(
            np.asarray(energy).T,
            origin="lower",
            extent=(first[0], first[-1], second[0], second[-1]),
            aspect="auto",
            cmap="magma",
            vmin=0,
            vmax=limit,
            interpolation="nearest",
        )
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.set_facecolor("#f1f2f5")
        figure.colorbar(image, ax=axes, label="free energy / kJ mol⁻¹").outline.set_visible(False)
        return png(figure)
