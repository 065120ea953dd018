"""The arena's picture: every divergence of everybody at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from msb.analysis.comparison import Compared
from msb.jobs.arena import Contender
from msb.report.style import SOFT, svg, themed

__all__ = ["heat_map", "scored"]

_AGREES = "#dcefe6"
_MAP = LinearSegmentedColormap.from_list("excess", ["#fdf6ec", "#f6c28b", "#d1495b", "#5c1f3f"])
_SMALLEST, _LARGEST = 3e-4, 0.5  # nats; the ends of the colours


def scored(contenders: Sequence[Contender]) -> list[tuple[str, list[Compared]]]:
    """Return the quantities with a divergence that all contenders have, as (kind and name, one of each)."""
    found = [
        {f"{c.quantity.kind} {c.quantity.name}": c for c in own.comparison.compared} for own in contenders
    ]
    shared = [name for name in found[0] if all(name in own for own in found)]
    rows = [(name, [own[name] for own in found]) for name in shared]
    return [row for row in rows if all(c.score is not None for c in row[1])]


def heat_map(contenders: Sequence[Contender]) -> str:
    """Draw the excess of every quantity (rows) for every contender (columns); green where it agrees."""
    rows = scored(contenders)
    values = np.array([[c.score.excess for c in row if c.score is not None] for _, row in rows])
    agrees = np.array([[c.agrees for c in row] for _, row in rows])
    with themed():
        figure = Figure(figsize=(2.6 + 0.74 * len(contenders), 1.4 + 0.25 * len(rows)), layout="constrained")
        axes = figure.subplots()
        shown = np.ma.masked_where(agrees, np.clip(values, _SMALLEST, _LARGEST))
        image = axes.imshow(shown, cmap=_MAP, norm=LogNorm(_SMALLEST, _LARGEST), aspect="auto")
        axes.set_facecolor(_AGREES)
        for (i, j), value in np.ndenumerate(values):
            dark = not agrees[i, j] and value > 0.03
            text = f"{value:.4f}" if abs(value) < 0.0995 else f"{value:.3f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "#1f2430")
        _labels(axes, [name for name, _ in rows], contenders)
        bar = figure.colorbar(image, ax=axes, pad=0.015, aspect=45, shrink=0.9)
        bar.set_label("excess divergence, nats (green: agrees within sampling)", color=SOFT)
        bar.outline.set_visible(False)
    return svg(figure)


def _labels(axes: Axes, rows: Sequence[str], contenders: Sequence[Contender]) -> None:
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    words = [own.entrant if own.column == "published" else own.column for own in contenders]
    words = [word.replace(" ", "\n") for word in words]
    axes.set_xticks(range(len(contenders)), words, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(len(contenders) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
    _braces(axes, contenders)


def _braces(axes: Axes, contenders: Sequence[Contender]) -> None:
    """Write each entrant's name above its columns, with a line between entrants."""
    names = [own.entrant for own in contenders]
    for name in dict.fromkeys(names):
        places = [k for k, own in enumerate(contenders) if own.entrant == name]
        if places[0]:
            axes.axvline(places[0] - 0.5, color="#8d93a3", linewidth=1.2)
        if contenders[places[0]].column == "published":
            continue
        axes.annotate(
            name,
            ((places[0] + places[-1]) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 26),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
            fontweight="bold",
        )
