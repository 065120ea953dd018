"""Pictures of maps; every function draws one result into the axes it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from msb.analysis.maps.regions import MapDivergence, RegionComparison, Regions
from msb.analysis.maps.sketchmap import SketchMap
from msb.analysis.plots.kinetics import COLOURS, plot_free_energy
from msb.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_map", "plot_map_divergence", "plot_regions"]


def plot_map(
    found: SketchMap,
    ax: Axes,
    projected: Sequence[tuple[str, ArrayLike]] = (),
    regions: Regions | None = None,
    *,
    colours: Sequence[str] = COLOURS,
) -> None:
    """Draw a two-dimensional map: landmarks in grey, ensembles over them, regions by their numbers from 1.

    Parameters
    ----------
    found : SketchMap
    ax : Axes
    projected : sequence of (str, array_like (N, 2))
        Name and places of each ensemble.
    regions : Regions, optional
    colours : sequence of str
        One for each ensemble, repeated where they are fewer.

    Raises
    ------
    ConfigError
        If the map has not two dimensions.
    """
    if found.places.shape[1] != 2:
        raise ConfigError(f"only maps of two dimensions are drawn, this one has {found.places.shape[1]}")
    area = 4.0 + 40.0 * found.weights / found.weights.max()
    ax.scatter(
        found.places[:, 0], found.places[:, 1], s=area, color="#b9bec9", linewidths=0, label="landmarks"
    )
    for k, (name, places) in enumerate(projected):
        x, y = np.asarray(places).T
        ax.scatter(x, y, s=5, alpha=0.5, linewidths=0, color=colours[k % len(colours)], label=name)
    if regions is not None:
        box = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "alpha": 0.85, "edgecolor": "#5f6675"}
        for k, centre in enumerate(regions.centres, 1):
            ax.text(centre[0], centre[1], str(k), ha="center", va="center", fontsize=9, bbox=box)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel("first axis of the map")
    ax.set_ylabel("second axis of the map")
    ax.legend(fontsize=8, frameon=False)


def plot_regions(found: RegionComparison, ax: Axes) -> Any:
    """Draw the confusion matrix, each row as shares, with the populations along the axes.

    Parameters
    ----------
    found : RegionComparison
    ax : Axes

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    counts = found.confusion
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    drawn = ax.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for i, j in np.ndindex(shares.shape):
        colour = "white" if shares[i, j] > 0.6 else "black"
        ax.text(j, i, f"{shares[i, j]:.2f}", ha="center", va="center", fontsize=8, color=colour)
    names = [*(str(k) for k in range(1, len(counts))), "outliers"]
    for axis, populations in (("x", found.test), ("y", found.reference)):
        labels = [f"{name}\n{share:.1%}" for name, share in zip(names, populations, strict=True)]
        ax.set(**{f"{axis}ticks": range(len(names)), f"{axis}ticklabels": labels})
    ax.tick_params(labelsize=8)
    ax.set_xlabel("region of the test, and its population")
    ax.set_ylabel("region of the reference, and its population")
    ax.set_title(f"{found.kept:.1%} stay; JS of the populations {found.js:.4f}", fontsize=9)
    return drawn


def plot_map_divergence(found: MapDivergence, axes: ArrayLike, *, limit: float | None = None) -> Any:
    """Draw the free energies of reference and test side by side, on one scale.

    Parameters
    ----------
    found : MapDivergence
    axes : array of two Axes
    limit : float, optional
        Highest energy drawn, kJ/mol; the largest of both by default.

    Returns
    -------
    QuadContourSet
        For a colour bar.

    Raises
    ------
    ConfigError
        If there are not two axes.
    """
    both = np.ravel(np.asarray(axes, dtype=object))
    if len(both) != 2:
        raise ConfigError(f"reference and test need two axes, got {len(both)}")
    top = max(float(np.ma.max(e)) for e in (found.reference, found.test)) if limit is None else limit
    if not top > 0:
        raise ConfigError("all occupied bins of the map hold the same number of points: nothing to draw")
    for ax, energy, name in zip(both, (found.reference, found.test), ("reference", "test"), strict=True):
        drawn = plot_free_energy(energy, found.edges, ax, limit=top)
        ax.set_xlabel("first axis of the map")
        ax.set_ylabel("second axis of the map")
        ax.set_title(name, fontsize=9)
    both[1].set_title(f"test: JS {found.js:.4f}, excess {found.excess.excess:.4f}", fontsize=9)
    return drawn
