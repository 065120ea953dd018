"""Pictures of slow processes; every function draws one result into the axes it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.kinetics.clock import Clock
from msb.analysis.kinetics.metastable import MetastableSets
from msb.analysis.kinetics.similarity import Similarity
from msb.analysis.kinetics.validation import ChapmanKolmogorov
from msb.analysis.timescales import ImpliedTimescales
from msb.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from msb.analysis.kinetics.compare import ProcessComparison

__all__ = [
    "plot_chapman_kolmogorov",
    "plot_clock",
    "plot_comparison",
    "plot_eigenvector",
    "plot_free_energy",
    "plot_sets",
    "plot_similarity",
    "plot_timescales",
]

COLOURS = ("#2f3e5c", "#d1495b", "#2a9d8f", "#e09f3e", "#7b5ea7", "#5f6675")
FloatArray = NDArray[np.float64]


def plot_timescales(
    found: ImpliedTimescales,
    ax: Axes,
    *,
    label: str = "",
    colours: Sequence[str] = COLOURS,
    mark: str = "o",
    shade: bool = True,
) -> None:
    """Draw implied timescales over lags with their intervals; what is not resolved is grey.

    Parameters
    ----------
    found : ImpliedTimescales
    ax : Axes
    label : str
        In the legend, before the number of the process.
    colours : sequence of str
        One for each process, repeated where they are fewer.
    mark : str
        Marker.
    shade : bool
        Shade what is not resolved; once is enough where several are drawn over each other.
    """
    lags = found.lags
    for k in range(found.timescales.shape[1]):
        colour = colours[k % len(colours)]
        ax.fill_between(lags, found.low[:, k], found.high[:, k], color=colour, alpha=0.18, linewidth=0)
        name = f"{label} t{k + 1}".strip()
        ax.plot(lags, found.timescales[:, k], color=colour, marker=mark, markersize=4, label=name)
    finest = np.linspace(lags.min(), lags.max(), 50)
    if shade and len(lags) > 1:
        ax.fill_between(finest, 2 * finest, color="#b9bec9", alpha=0.5, linewidth=0)
        ax.annotate("t < 2 lag: not resolved", (lags.max(), lags.max()), ha="right", va="top", fontsize=8)
    ax.set_yscale("log")
    ax.set_ylim(top=max(ax.get_ylim()[1], 3.0 * float(np.nanmax(found.timescales))))
    ax.set_xlabel("lag (ps)")
    ax.set_ylabel("implied timescale (ps)")
    ax.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")


def plot_chapman_kolmogorov(found: ChapmanKolmogorov, axes: ArrayLike) -> None:
    """Draw predicted (line, 95 % band) and estimated (points, 95 % bars) probabilities from set to set.

    Parameters
    ----------
    found : ChapmanKolmogorov
    axes : array_like of Axes (M, M)

    Raises
    ------
    ConfigError
        If the axes are not as many.
    """
    n_sets = found.predicted.shape[-1]
    grid = np.asarray(axes)
    if grid.shape != (n_sets, n_sets):
        raise ConfigError(f"{n_sets} sets need axes of shape {(n_sets, n_sets)}, got {grid.shape}")
    for i in range(n_sets):
        for j in range(n_sets):
            ax = grid[i, j]
            start = float(i == j)
            lags = np.concatenate([[0.0], found.lags])
            line = np.concatenate([[start], found.predicted[:, i, j]])
            width = 1.96 * np.concatenate([[0.0], found.predicted_error[:, i, j]])
            ax.plot(lags, line, color=COLOURS[0])
            ax.fill_between(lags, line - width, line + width, color=COLOURS[0], alpha=0.2, linewidth=0)
            ax.errorbar(
                found.lags,
                found.estimated[:, i, j],
                1.96 * found.estimated_error[:, i, j],
                fmt="o",
                color=COLOURS[1],
                markersize=4,
            )
            ax.set_ylim(-0.03, 1.03)
            ax.set_title(f"{i + 1} → {j + 1}", fontsize=9)
            if i == n_sets - 1:
                ax.set_xlabel("time (ps)")
            if j == 0:
                ax.set_ylabel("probability")


def plot_eigenvector(
    vector: ArrayLike, points: ArrayLike, ax: Axes, *, weights: ArrayLike | None = None, title: str = ""
) -> Any:
    """Draw an eigenvector as the colours of the states: a process carries population from blue to red.

    Parameters
    ----------
    vector : array_like (A,)
    points : array_like (A, 2)
        Where the states are.
    ax : Axes
    weights : array_like (A,), optional
        Stationary distribution: larger points for more populated states.
    title : str

    Returns
    -------
    PathCollection
        For a colour bar.
    """
    values, places = np.asarray(vector, dtype=np.float64), np.asarray(points, dtype=np.float64)
    largest = float(np.abs(values).max())
    share = np.full(len(values), 0.3) if weights is None else np.asarray(weights, dtype=np.float64)
    sizes = 10 + 140 * np.sqrt(share / share.max())
    drawn = ax.scatter(
        places[:, 0],
        places[:, 1],
        c=values,
        s=sizes,
        cmap="RdBu_r",
        vmin=-largest,
        vmax=largest,
        edgecolors="#5f6675",
        linewidths=0.4,
    )
    ax.set_title(title, fontsize=10)
    return drawn


def plot_free_energy(
    energy: Any,
    edges: tuple[ArrayLike, ArrayLike],
    ax: Axes,
    *,
    levels: int = 16,
    limit: float | None = None,
    labels: Sequence[tuple[str, float, float]] = (),
) -> Any:
    """Draw a free-energy surface (kJ/mol) with named places; empty bins stay white.

    Parameters
    ----------
    energy : MaskedArray (A, B)
        As :func:`msb.analysis.free_energy.free_energy_surface` gives it, kJ/mol.
    edges : (array_like (A + 1,), array_like (B + 1,))
    ax : Axes
    levels : int
        Contours.
    limit : float, optional
        Highest energy drawn, kJ/mol; the largest by default.
    labels : sequence of (str, float, float)
        Name and place.

    Returns
    -------
    QuadContourSet
        For a colour bar.
    """
    x, y = (0.5 * (np.asarray(e)[1:] + np.asarray(e)[:-1]) for e in edges)
    top = float(np.ma.max(energy)) if limit is None else limit
    drawn = ax.contourf(
        x, y, np.ma.clip(energy, 0, top).T, levels=np.linspace(0, top, levels), cmap="viridis"
    )
    for name, a, b in labels:
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.85, "linewidth": 0}
        ax.text(a, b, name, ha="center", va="center", fontsize=9, fontweight="bold", bbox=box)
    return drawn


def plot_similarity(found: Similarity, ax: Axes, *, weighted: bool = True) -> None:
    """Draw the similarity of each process of the reference with each of the other, with numbers.

    Parameters
    ----------
    found : Similarity
    ax : Axes
    weighted : bool
        By the stationary distribution, or every state alike as published.
    """
    matrix = found.weighted_matrix if weighted else found.matrix
    ax.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
    for (i, j), value in np.ndenumerate(matrix):
        colour = "white" if value > 0.6 else "#1f2430"
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    ticks = np.arange(len(matrix))
    ax.set_xticks(ticks, [str(k + 1) for k in ticks])
    ax.set_yticks(ticks, [str(k + 1) for k in ticks])
    ax.set_xlabel("process")
    ax.set_ylabel("process of the reference")
    ax.set_title("eigenvectors, weighted" if weighted else "eigenvectors", fontsize=10)


def plot_clock(found: Clock, ax: Axes) -> None:
    """Draw the ratios of timescales that are left when the slowest have been matched.

    Parameters
    ----------
    found : Clock
    ax : Axes
    """
    ratios = found.ratios
    number = np.arange(1, len(ratios) + 1)
    errors = np.maximum([ratios - found.ratios_low, found.ratios_high - ratios], 0)
    ax.axhline(1.0, color="#b9bec9", linewidth=1)
    ax.errorbar(number, ratios, errors, fmt="o", color=COLOURS[1], capsize=3)
    ax.set_xticks(number)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("process")
    ax.set_ylabel("t / t(reference), slowest matched")
    ax.set_title(f"clock: × {found.scale:.3g}", fontsize=10)


def plot_sets(sets: MetastableSets, points: ArrayLike, ax: Axes) -> None:
    """Draw each connected state in the colour of its metastable set.

    Parameters
    ----------
    sets : MetastableSets
    points : array_like (A, 2)
        Where the states are.
    ax : Axes
    """
    places = np.asarray(points)
    for k, share in enumerate(sets.populations):
        own = places[sets.assignment == k]
        colour = COLOURS[k % len(COLOURS)]
        ax.scatter(own[:, 0], own[:, 1], s=22, color=colour, label=f"{k + 1}: {100 * share:.2g} %")
    ax.legend(fontsize=8, frameon=False)


def plot_comparison(found: ProcessComparison) -> Figure:
    """Draw a whole comparison: the reference's timescales first, then a row for each other ensemble.

    Parameters
    ----------
    found : ProcessComparison

    Returns
    -------
    Figure
    """
    from matplotlib.figure import Figure

    rows = max(1, len(found.others))
    figure = Figure(figsize=(13, 3.6 * rows), layout="constrained")
    grid = figure.subplots(rows, 3 if found.others else 1, squeeze=False)
    pale = ("#9aa3b5", "#e4a3ab", "#98cdc7", "#eecb9c", "#bdaed3", "#b3b7c0")
    if not found.others:
        plot_timescales(found.reference.timescales, grid[0, 0])
    for (name, other), (times, similarity, clock) in zip(found.others.items(), grid, strict=False):
        plot_timescales(found.reference.timescales, times, label="reference", colours=pale)
        plot_timescales(other.timescales, times, label=name, mark="s", shade=False)
        plot_similarity(found.similarity[name], similarity)
        plot_clock(found.clocks[name], clock)
    return figure
