"""The arena's picture: every divergence of everybody at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from msb.analysis.comparison import Compared
from msb.quality.contest import Contender
from msb.report.style import SOFT, svg, themed

__all__ = ["heat_map", "scored"]

_AGREES = "#dcefe6"
_MAP = LinearSegmentedColormap.from_list("excess", ["#fdf3e3", "#f6c28b", "#d1495b", "#5c1f3f"])
_SMALLEST, _LARGEST = 3e-4, 0.5  # nats; the ends of the colours
_WIDTH, _NAMES, _CELL = 10.8, 2.6, 0.8  # of figure, names and widest cells, inch
_ORDER = ("energy", "angle", "dihedral", "improper", "rdf", "bond")
_PLAIN = {"rdf": "distance"}


def scored(contenders: Sequence[Contender]) -> list[tuple[str, list[Compared]]]:
    """Return the quantities with a divergence that all contenders have, as (kind and name, one of each)."""
    found = [{(c.quantity.kind, c.quantity.name): c for c in own.comparison.compared} for own in contenders]
    keys = [key for key in found[0] if all(key in own and own[key].score is not None for own in found)]
    keys.sort(key=lambda key: _ORDER.index(key[0]) if key[0] in _ORDER else len(_ORDER))
    return [(f"{_PLAIN.get(kind, kind)} {name}", [own[kind, name] for own in found]) for kind, name in keys]


def heat_map(contenders: Sequence[Contender]) -> str:
    """Draw the excess of every quantity (rows) for every contender (columns); green where it agrees."""
    rows = scored(contenders)
    values = np.array([[c.score.excess for c in row if c.score is not None] for _, row in rows])
    agrees = np.array([[c.agrees for c in row] for _, row in rows])
    columns = len(contenders)
    height = 1.0 + 0.24 * len(rows)
    wide = min(1.0, _NAMES / _WIDTH + columns * _CELL / _WIDTH)
    left, top = _NAMES / _WIDTH, 0.75 / height
    with themed():
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((left, 0.01, min(wide, 0.9) - left, 0.99 - top))
        _cells(axes, values, agrees)
        _labels(axes, [name for name, _ in rows], contenders)
        _names(axes, contenders)
        _scale(figure, min(wide, 0.9) + 0.02, height)
    return svg(figure)


def _cells(axes: Axes, values: NDArray[np.float64], agrees: NDArray[np.bool_]) -> None:
    axes.imshow(np.where(agrees, 0.0, np.nan), cmap=ListedColormap([_AGREES]), aspect="auto")
    shown = np.ma.masked_where(agrees, np.clip(values, _SMALLEST, _LARGEST))
    axes.imshow(shown, cmap=_MAP, norm=LogNorm(_SMALLEST, _LARGEST), aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        dark = not agrees[i, j] and value > 0.03
        text = f"{round(value, 4) + 0.0:.4f}" if abs(value) < 0.0995 else f"{value:.3f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=7.5, color="white" if dark else "#1f2430")


def _labels(axes: Axes, rows: Sequence[str], contenders: Sequence[Contender]) -> None:
    axes.set_yticks(range(len(rows)), rows, fontsize=8.5)
    words = [own.entrant if own.column == "published" else own.column for own in contenders]
    axes.set_xticks(range(len(contenders)), [word.replace(" ", "\n") for word in words], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(len(contenders) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)


def _names(axes: Axes, contenders: Sequence[Contender]) -> None:
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
            xytext=(0, 30),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            fontweight="bold",
        )


def _scale(figure: Figure, left: float, height: float) -> None:
    """Draw the scale of the colours."""
    long = min(2.6, height - 1.0) / height
    axes = figure.add_axes((left, 0.01, 0.012, long))
    levels = np.geomspace(_SMALLEST, _LARGEST, 200)
    edges = np.geomspace(_SMALLEST, _LARGEST, 201)
    axes.pcolormesh([0.0, 1.0], edges, levels[:, None], cmap=_MAP, norm=LogNorm(_SMALLEST, _LARGEST))
    axes.set_yscale("log")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([1e-3, 1e-2, 1e-1], ["0.001", "0.01", "0.1"], fontsize=8, color=SOFT)
    axes.tick_params(which="minor", length=0)
    axes.set_title("nats", fontsize=8, color=SOFT, fontweight="normal")
    for spine in axes.spines.values():
        spine.set_visible(False)
