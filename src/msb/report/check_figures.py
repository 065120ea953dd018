"""Figures of a check: what was found along the trajectory, and where in the molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from msb.report.style import MODEL, svg, themed

__all__ = ["KIND_COLOURS", "places", "timeline"]

#: One colour a kind of defect, the gravest first.
KIND_COLOURS: Mapping[str, str] = {
    "nan": "#1f2430",
    "broken": "#8d5524",
    "hand": "#6a4c93",
    "cis": "#b07aa1",
    "piercing": MODEL,
    "clash": "#d98e04",
    "bond": "#2a7f9e",
    "angle": "#8fb8cc",
    "bead": "#4c956c",
    "energy": "#7f7f7f",
}

_BARS = 160  # of a timeline; longer trajectories are averaged


def timeline(counts: Mapping[str, NDArray[np.number]], labels: Mapping[str, str]) -> str:
    """Draw the findings of every frame, kinds on top of each other; means of neighbours where there are many.

    Parameters
    ----------
    counts : mapping of kind to ndarray (F,)
        Findings in each frame; kinds that were never found are left out.
    labels : mapping of kind to str
        For the legend.
    """
    n_frames = len(next(iter(counts.values())))
    edges = np.unique(np.linspace(0, n_frames, min(n_frames, _BARS) + 1).round().astype(int))
    with themed():
        figure = Figure(figsize=(11.2, 2.7), layout="constrained")
        axes = figure.subplots()
        base = np.zeros(len(edges) - 1)
        for kind, colour in KIND_COLOURS.items():
            if kind not in counts or not counts[kind].any():
                continue
            heights = np.add.reduceat(counts[kind], edges[:-1]) / np.diff(edges)
            axes.bar(
                edges[:-1],
                heights,
                np.diff(edges),
                base,
                align="edge",
                color=colour,
                label=labels[kind],
                lw=0,
            )
            base = base + heights
        axes.set_xlim(0, n_frames)
        axes.set_ylim(0, 1.08 * base.max())
        mean = " (mean of neighbours)" if n_frames > _BARS else ""
        axes.set(xlabel="frame, counted from 0", ylabel=f"findings a frame{mean}")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=n_frames <= _BARS))
        figure.legend(loc="outside upper right", ncols=6, fontsize=8.5)
        return svg(figure)


def places(names: Sequence[str], counts: Mapping[str, NDArray[np.number]], labels: Mapping[str, str]) -> str:
    """Draw how much was found in each residue, the most at the top.

    Parameters
    ----------
    names : sequence of str (R,)
        Residues, the most afflicted first.
    counts : mapping of kind to ndarray (R,)
        Findings in each.
    labels : mapping of kind to str
        For the legend.
    """
    with themed():
        figure = Figure(figsize=(11.2, 0.22 * len(names) + 1.0), layout="constrained")
        axes = figure.subplots()
        base = np.zeros(len(names))
        for kind, colour in KIND_COLOURS.items():
            if kind in counts and counts[kind].any():
                axes.barh(
                    np.arange(len(names)), counts[kind], 0.72, base, color=colour, label=labels[kind], lw=0
                )
                base = base + np.asarray(counts[kind], dtype=np.float64)
        axes.set_yticks(np.arange(len(names)), names, fontsize=8.5)
        axes.invert_yaxis()
        axes.set(xlabel="findings")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper right", ncols=6, fontsize=8.5)
        return svg(figure)
