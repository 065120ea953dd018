"""Plots: what is computed is what is drawn, in the axes given."""

from __future__ import annotations

import numpy as np
import pytest
from known_processes import chain
from matplotlib.figure import Figure

from msb.analysis.kinetics import (
    chapman_kolmogorov,
    compare,
    estimate_markov_model,
    markov_models,
    timescales_of,
)
from msb.analysis.plots import kinetics as plots
from msb.errors import ConfigError

SLOW = np.array([[0.97, 0.02, 0.01], [0.02, 0.93, 0.05], [0.01, 0.05, 0.94]])
STATES = [chain(SLOW, 4000, 1)]


def test_timescales() -> None:
    found = timescales_of(list(markov_models(STATES, [1.0, 3.0], 1.0, samples=5).values()), 2)
    ax = Figure().subplots()
    plots.plot_timescales(found, ax, label="MD")
    assert [line.get_label() for line in ax.lines] == ["MD t1", "MD t2"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), found.timescales[:, 1])
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "lag (ps)"


def test_chapman_kolmogorov() -> None:
    found = chapman_kolmogorov(STATES, estimate_markov_model(STATES, 1.0), 2, (2, 3))
    axes = Figure().subplots(2, 2)
    plots.plot_chapman_kolmogorov(found, axes)
    np.testing.assert_allclose(axes[0, 1].lines[0].get_ydata(), [0, *found.predicted[:, 0, 1]])
    with pytest.raises(ConfigError, match=r"2 sets need axes of shape \(2, 2\), got \(3, 3\)"):
        plots.plot_chapman_kolmogorov(found, Figure().subplots(3, 3))


def test_surface_and_states() -> None:
    model = estimate_markov_model(STATES, 1.0)
    left, right = Figure().subplots(1, 2)
    drawn = plots.plot_eigenvector(model.eigenvectors(1)[:, 0], np.eye(3)[:, :2], left, title="first")
    np.testing.assert_allclose(drawn.get_array(), model.eigenvectors(1)[:, 0])
    energy = np.ma.masked_greater(np.arange(12.0).reshape(3, 4), 10)
    plots.plot_free_energy(energy, (np.arange(4.0), np.arange(5.0)), right, labels=[("A", 1.0, 2.0)])
    assert [text.get_text() for text in right.texts] == ["A"]


def test_a_comparison_draws_itself() -> None:
    wells = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    points = [
        wells[chain(SLOW, 3000, s)] + np.random.default_rng(s).normal(0, 0.1, (3000, 2)) for s in (1, 2)
    ]
    options = {
        "n_states": 3,
        "lag": 1.0,
        "lags": (1.0, 2.0),
        "n_timescales": 2,
        "multiples": (2,),
        "samples": 3,
    }
    found = compare(points[0], {"twin": points[1], "itself": points[0]}, **options)
    assert len(found.plot().axes) == 6
    assert len(compare(points[0], **options).plot().axes) == 1
