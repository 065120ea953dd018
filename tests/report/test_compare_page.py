"""The page of a comparison says what its objects say, verdict first, whatever they are."""

from __future__ import annotations

import re

import numpy as np
import pytest

from msb.analysis import ImpliedTimescales, bin_numbers
from msb.analysis.comparison import (
    BlockHistogram,
    Compared,
    EnsembleComparison,
    KineticComparison,
    Quantity,
    compare_counts,
)
from msb.analysis.divergence import Excess, excess
from msb.report import render
from msb.report.compare import compare_page, verdict

EDGES = np.linspace(-4, 4, 41)


def counted(values: np.ndarray, chunk: int) -> BlockHistogram:
    histogram = BlockHistogram(len(values), len(EDGES) - 1)
    for start in range(0, len(values), chunk):
        part = values[start : start + chunk]
        frames = np.arange(start, start + len(part))
        histogram.add(frames, bin_numbers(part, EDGES), part)
    return histogram


def compared(name: str, kind: str, shift: float, constrained: bool = False) -> Compared:
    rng = np.random.default_rng(3)
    reference, test = rng.normal(size=(300, 5)), rng.normal(shift, 1, (300, 5))
    quantity = Quantity(name, kind, "°", EDGES, 5, constrained)
    return compare_counts(quantity, counted(test, 300), counted(reference, 300))


@pytest.mark.parametrize("chunk", [1, 7, 100, 300])
def test_counting_in_chunks_is_counting_at_once(chunk: int) -> None:
    rng = np.random.default_rng(0)
    reference, test = rng.normal(size=(300, 3)), rng.normal(0.3, 1, (300, 3))
    found = compare_counts(
        Quantity("x", "angle", "°", EDGES), counted(test, chunk), counted(reference, chunk)
    )
    assert found.score == excess(test, reference, EDGES)
    assert found.means[1] == pytest.approx(test.mean(), abs=1e-12)
    assert found.spreads[1] == pytest.approx(test.std(), rel=1e-9)


def kinetics() -> KineticComparison:
    lags = np.array([1.0, 2.0, 4.0])
    times = np.array([[30.0, 5.0, np.nan]] * 3)
    run = ImpliedTimescales(lags, times, 0.9 * times, 1.1 * times, np.ones(3))
    surface = np.where(np.eye(4) > 0, np.nan, 3.0)
    edges = (np.linspace(-180, 180, 5), np.linspace(-180, 180, 5))
    score = Excess(0.02, 0.01, 0.01, 0.005, 0.015)
    return KineticComparison(
        "phi-psi",
        ("φ", "ψ"),
        edges,
        (surface, surface),
        score,
        run,
        run,
        np.array([1.0, 0.9, 0.8]),
        (True, None),
    )


@pytest.fixture(scope="module")
def tests() -> list[EnsembleComparison]:
    good = (compared("C-C-H", "angle", 0.0), compared("C-H", "bond", 0.0, True))
    bad = (compared("C-C-H", "angle", 2.0), compared("C-H", "bond", 0.0, True))
    return [
        EnsembleComparison("model <1>", 300, good, kinetics()),
        EnsembleComparison("old", 300, bad, kinetics()),
    ]


def test_the_verdict_comes_first(tests: list[EnsembleComparison]) -> None:
    said = verdict(tests, 0.05)
    assert "within the bar of 0.05" in said[0]
    assert "above the bar of 0.05" in said[1]
    html = render(compare_page(tests, "Two models", {"structure": "a.pdb"}, ["msb compare …"], 0.05))
    assert html.index("above the bar of 0.05") < html.index("<h2>")
    assert "model &lt;1&gt;" in html
    assert "model <1>" not in html.replace("<!--", "")
    assert html.count("<svg") == 4
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", html)
    assert "not resolved" in html
    assert re.search("as narrow|broader", html)


def test_one_test_needs_no_column_of_names(tests: list[EnsembleComparison]) -> None:
    html = render(compare_page(tests[:1], "One", {}))
    assert ">differs<" in html or ">agrees<" in html
    assert "the bar" not in html


def test_numbers_are_json(tests: list[EnsembleComparison]) -> None:
    import json

    told = json.loads(json.dumps(tests[1].summary(), allow_nan=False))
    assert told["largest_excess"][0] == "angle C-C-H"
    assert told["kinetics"]["reference_timescales"][0][2] is None
    assert [q["constrained"] for q in told["quantities"]] == [False, True]
