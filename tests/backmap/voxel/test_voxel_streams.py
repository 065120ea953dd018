"""Streams: which beads are drawn, how often, in which turn; names that do not exist are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.backmap.voxel.streams import STREAMS, Streams, multiplicities
from msb.core.mapping import Mapping
from msb.core.scene import Tables
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.errors import ConfigError
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology


@pytest.fixture(scope="module")
def mapping():
    """Two polystyrene chains."""
    chain = read_topology(sample("polystyrene.top")).molecules[0][0]
    topology = Topology(((chain, 2),))
    return Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)


def test_streams_are_the_four_in_turn(mapping):
    streams = Streams.of(Tables.of(mapping), 3)
    names = ["heavy_forward", "hydrogens_forward", "heavy_gibbs", "hydrogens_gibbs"]
    assert [streams.at(update).name for update in range(6)] == names + names[:2]
    assert len({stream.phase.number for stream in STREAMS}) == 4


def test_beads_are_drawn_by_their_weight(mapping):
    tables = Tables.of(mapping)
    weights = np.ones(tables.n_beads)
    weights[[0, 1]] = 0, 7
    frame, bead = Streams.of(tables, 3, weights).draw(STREAMS[0], 20_000, torch.Generator().manual_seed(0))
    share = np.bincount(bead.numpy(), minlength=tables.n_beads) / 20_000
    assert share == pytest.approx(weights / weights.sum(), abs=0.006)
    assert np.bincount(frame.numpy()) / 20_000 == pytest.approx(np.full(3, 1 / 3), abs=0.015)


def test_a_bead_without_hydrogens_is_in_no_hydrogen_stream(mapping):
    tables = Tables.of(mapping)
    object.__setattr__(tables, "n_own", torch.where(tables.ranks == 0, tables.n_heavy, tables.n_own))
    streams = Streams.of(tables, 1)
    assert (streams.weights[1] == 0).equal(tables.ranks == 0)
    assert (streams.weights[0] > 0).all()


def test_a_system_without_hydrogens_has_two_streams(mapping):
    tables = Tables.of(mapping)
    object.__setattr__(tables, "n_own", tables.n_heavy)
    assert [stream.name for stream in Streams.of(tables, 1).order] == ["heavy_forward", "heavy_gibbs"]
    object.__setattr__(tables, "n_heavy", torch.zeros_like(tables.n_heavy))
    object.__setattr__(tables, "n_own", tables.n_heavy)
    with pytest.raises(ConfigError, match="no bead"):
        Streams.of(tables, 1)


def test_rare_beads_are_drawn_more_often(mapping):
    numbers = multiplicities(mapping, "rare").reshape(2, 20)
    assert (numbers[0] == numbers[1]).all()
    assert numbers.max() == 4
    assert numbers.min() == 1
    assert set(np.flatnonzero(numbers[0] == 4).tolist()) == {0, 1, 2, 16, 18, 19}
    assert (multiplicities(mapping, "none") == 1).all()


def test_named_beads(mapping):
    numbers = multiplicities(mapping, {"B1": 4, "S2": 0.5}).reshape(2, 20)
    assert numbers[1].tolist() == [4, 1, 1, 0.5, *[1] * 16]
    with pytest.raises(ConfigError, match="B99"):
        multiplicities(mapping, {"B99": 2})
    with pytest.raises(ConfigError, match="negative"):
        multiplicities(mapping, {"B1": -1})
