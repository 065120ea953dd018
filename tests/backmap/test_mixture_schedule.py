"""With a network in double precision, many beads at a time give what one after another gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_schedule import one_by_one

from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.mixture.placer import MixturePlacer
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.backmap.record import SamplerOptions
from msb.backmap.sampler import Sampler
from msb.core.scene import Tables
from toy_chains import grown_system, random_hands, system

REACH = 0.6
BOX = np.array([[1.9, 0, 0], [0.3, 1.8, 0], [-0.2, 0.25, 1.85]])


@pytest.fixture(scope="module")
def made():
    """Sampler of an untrained network, beads (2, M, 3) and boxes, two kinds of chains."""
    topology, mapping = system((2, 2), (1, 1))
    rng = np.random.default_rng(4)
    hands = np.concatenate([random_hands(m, rng) for m, count in topology.molecules for _ in range(count)])
    beads = np.stack([mapping.beads(grown_system(topology, hands, rng)) for _ in range(2)])
    torch.manual_seed(0)
    settings = MixtureSettings(width=16, blocks=1, components=3, around_width=8, reach=REACH, cutoff=0.5)
    layout = Layout.of(mapping, Vocabulary.of(mapping))
    layout = replace(layout, static=layout.static.double(), weights=layout.weights.double())
    network = MixtureNetwork.for_layout(settings, layout).double()
    tables = Tables.of(mapping)
    placer = MixturePlacer(network, layout, tables, torch.zeros(topology.n_atoms))
    options = SamplerOptions(sweeps=1, project=False, dtype=torch.float64)
    return Sampler(placer, tables, mapping, None, options), beads, np.stack([BOX] * 2)


def test_like_one_at_a_time_with_the_mixture_network(made) -> None:
    sampler, beads, boxes = made
    numbers = np.array([4, 9])
    expected = one_by_one(sampler, beads, boxes, 3, numbers)
    for changes in ({}, {"max_batch": 5, "max_atoms": 1}):
        one = replace(sampler, options=replace(sampler.options, **changes))
        found = one.run(beads, boxes, 3, numbers)
        np.testing.assert_allclose(found.positions, expected, atol=1e-9)
    assert found.stages[2] < beads.shape[1]
