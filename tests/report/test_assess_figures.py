"""Figures of an assessment: everything that is asked for is in them, whatever the forces are."""

from __future__ import annotations

import numpy as np
import pytest

from msb.analysis.structure.rdf import RadialDistribution
from msb.assess.record import SetResult
from msb.report.assess_figures import force_figure, radial_figure, ranking_figure


def made(name: str, kind: str, scale: float, column: str = "raw", types: tuple[str, ...] = ("A", "B")):
    rng = np.random.default_rng(len(name))
    beads = types * 5
    shape = (4, len(beads), 3)
    forces = rng.normal(0, scale, shape).astype(np.float32)
    return SetResult(name, kind, column, np.arange(4), forces, forces, beads, np.zeros(len(beads), int))


def axes_of(figure: str) -> int:
    return figure.count('<g id="axes_')


@pytest.mark.parametrize(("types", "panels"), [(("A",), 1), (("A", "B"), 3), (tuple("ABCDE"), 8)])
def test_a_panel_for_all_beads_and_one_for_each_type(types: tuple[str, ...], panels: int) -> None:
    sets = [made("in-distribution", "in-distribution", 100, types=types)]
    sets += [made("one", "generalisation", 300, types=types)]
    figure = force_figure(made("reference", "reference", 100, types=types), sets)
    assert figure.startswith("<svg")
    assert axes_of(figure) == panels


def test_forces_that_are_zero_huge_or_of_other_types_can_be_drawn() -> None:
    odd = made("odd", "generalisation", 1e12, types=("A", "C"))
    odd.bead_forces[0] = 0.0
    assert axes_of(force_figure(made("reference", "reference", 100), [odd])) == 3


def test_intervals_that_are_not_known_are_left_out() -> None:
    shown = {"one": {"raw": (np.nan, 0.2, np.nan), "polished": (0.0, 0.1, 0.2)}}
    assert axes_of(ranking_figure(shown, floor=0.05)) == 1


def test_radial_distributions_need_a_density() -> None:
    edges = np.linspace(0, 1, 11)
    counts = np.arange(10)
    known = RadialDistribution("C-C", edges, counts, np.ones(10), 1, 10)
    bare = RadialDistribution("C-C", edges, counts, None, 1, 10)
    assert radial_figure({"C-C": bare}, {"one": {"C-C": bare}}) == ""
    assert axes_of(radial_figure({"C-C": known}, {"one": {"C-C": known}})) == 1
