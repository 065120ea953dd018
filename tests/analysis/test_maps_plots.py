"""Plots of maps: what is computed is what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from msb.analysis.maps import compare_on_map, compare_regions, find_regions, fit_sketch_map
from msb.analysis.plots import plot_map, plot_map_divergence, plot_regions
from msb.errors import ConfigError

POINTS = np.random.default_rng(0).normal(size=(60, 4))
MAP = fit_sketch_map(POINTS[:30])


def test_map() -> None:
    ax = Figure().subplots()
    places = MAP.transform(POINTS[30:])
    plot_map(MAP, ax, [("MD", places)], find_regions(MAP.places, 3))
    assert [c.get_label() for c in ax.collections] == ["landmarks", "MD"]
    np.testing.assert_allclose(ax.collections[0].get_offsets(), MAP.places)
    np.testing.assert_allclose(ax.collections[1].get_offsets(), places)
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3"]
    with pytest.raises(ConfigError, match="only maps of two dimensions"):
        plot_map(fit_sketch_map(POINTS[:9], dimensions=3), ax)


def test_regions() -> None:
    ax = Figure().subplots()
    plot_regions(compare_regions(find_regions(MAP.places, 2), MAP.places, MAP.places), ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), np.diag([1.0, 1.0, 0.0]))
    assert ax.get_xticklabels()[2].get_text() == "outliers\n0.0%"
    assert ax.get_title() == "100.0% stay; JS of the populations 0.0000"


def test_divergence() -> None:
    points = np.random.default_rng(1).normal(size=(500, 2))
    found = compare_on_map(points, points, 300.0, bins=6, replicates=5)
    axes = Figure().subplots(1, 2)
    drawn = plot_map_divergence(found, axes)
    assert drawn.levels[-1] == pytest.approx(found.test.max())
    assert axes[1].get_title().startswith("test: JS 0.0000")
    with pytest.raises(ConfigError, match="need two axes, got 3"):
        plot_map_divergence(found, Figure().subplots(1, 3))
