"""What keeps two ensembles from being compared is said, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from msb.assess.conditions import Conditions, same_conditions
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from toy_chains import chain

SHORT, LONG = ("TOY2", 4), ("TOY4", 8)
REFERENCE = Conditions("reference", {SHORT: 10}, 300.0, 650.0)


def test_described_from_mapping_and_boxes() -> None:
    (short, short_map), (long, long_map) = chain(2), chain(4)
    topology = Topology(((short, 3), (long, 1), (short, 2)))
    boxes = np.stack([np.eye(3) * 2.0, np.array([[2.0, 0, 0], [1, 2, 0], [0, 0.5, 2.5]])])
    found = Conditions.of("A", Mapping([short_map, long_map, short_map], topology), boxes, 310.0)
    assert found.molecules == {SHORT: 5, LONG: 1}
    assert found.temperature == 310.0
    grams = float(topology.masses.sum()) / 6.02214076e23
    assert found.density == pytest.approx(1e-3 * grams / (9e-27), rel=1e-6)
    assert found.shares == {SHORT: pytest.approx(5 / 6), LONG: pytest.approx(1 / 6)}
    for none in (None, np.zeros((2, 3, 3))):
        assert Conditions.of("A", Mapping([short_map], Topology.from_template(short)), none).density is None


@pytest.mark.parametrize(
    "model",
    [
        REFERENCE,
        Conditions("A", {SHORT: 400}, 300.5, 655.0),
        Conditions("A", {SHORT: 10}, None, 650.0),
        Conditions("A", {SHORT: 2000, LONG: 1}, 300.0, 650.0),
    ],
)
def test_the_same(model: Conditions) -> None:
    assert same_conditions(REFERENCE, model) == []


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Conditions("A", {SHORT: 10}, 320.0, 650.0), "A is at 320 K, reference at 300 K"),
        (Conditions("A", {SHORT: 10}, 300.0, 700.0), "A has a density of 700.0 kg/m³.*650.0 kg/m³ .*7.7 %"),
        (Conditions("A", {SHORT: 10}, 300.0), "A has no box, reference has one"),
        (Conditions("A", {LONG: 5}, 300.0, 650.0), "of A have 8 beads, those of reference 4: chain ends"),
        (Conditions("A", {SHORT: 9, LONG: 1}), "90 % TOY2 of 4 beads, 10 % TOY4 of 8 beads.*100 % TOY2"),
        (Conditions("A", {("HEX", 4): 10}, 300.0, 650.0), "other molecules .*HEX"),
    ],
)
def test_differences_are_named(model: Conditions, words: str) -> None:
    import re

    said = same_conditions(REFERENCE, model)
    assert any(re.search(words, sentence) for sentence in said), said


def test_every_difference_once() -> None:
    said = same_conditions(REFERENCE, Conditions("A", {LONG: 7}, 500.0, 900.0))
    assert len(said) == 3
    assert (
        len(same_conditions(REFERENCE, Conditions("A", {LONG: 7}, 301.0, 656.0), temperature_tolerance=0.5))
        == 2
    )
