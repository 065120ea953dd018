"""Beads that consist of their own atoms: the last one is where the bead's place wants it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.mixture.placer import MixturePlacer
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.training import MixtureTask, Part
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.backmap.placer import Draw
from msb.core.mapping import Mapping
from msb.core.scene import Phase, Scene, Tables
from msb.data.samples import sample
from msb.data.snapshots import Snapshots
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.morph import bottleneck, chain_topology

SETTINGS = MixtureSettings(
    width=24, blocks=1, components=3, around_width=8, atoms_around=10, beads_around=4, own=0.0, closes=True
)
LENGTHS = (7, 7, 3)


@pytest.fixture(scope="module")
def chains() -> Snapshots:
    """Random walks of 7, 7 and 3 beads, three to a centre; centres of 3 and of 1."""
    generator = np.random.default_rng(0)
    n = sum(LENGTHS)
    topology = chain_topology(LENGTHS, ["B"] * n, ["B"] * n)
    walk = np.cumsum(generator.normal(0, 0.09, size=(2, n, 3)), axis=1).astype(np.float32)
    return Snapshots.of(walk, bottleneck(topology, 3))


@pytest.fixture(scope="module")
def placer(chains: Snapshots) -> MixturePlacer:
    """With weights as they begin, in float64."""
    torch.manual_seed(0)
    layout = Layout.of(chains.mapping, closes=True)
    network = MixtureNetwork.for_layout(SETTINGS, layout)
    bonds = torch.tensor(np.array(chains.topology.bonds))
    network.calibrate(layout, bonds, torch.tensor(chains.positions))
    hands = torch.zeros(chains.topology.n_atoms)
    return MixturePlacer(network.double(), layout, Tables.of(chains.mapping), hands)


@pytest.mark.parametrize("phase", [Phase(False, "heavy", 0), Phase(True, "all", 2)])
def test_drawn_atoms_are_on_their_beads(chains: Snapshots, placer: MixturePlacer, phase: Phase) -> None:
    scene = Scene.of(
        placer.tables, chains.beads, None, placer.reach, torch.float64, positions=chains.positions
    )
    bead = torch.arange(chains.mapping.n_beads)
    drawn = placer.place(scene, phase, torch.zeros_like(bead), bead, Draw(1, np.arange(2), 2), 4)
    there = (drawn.atoms >= 0)[:, None, :, None]
    means = (drawn.positions * there).sum(2) / there.sum(2)
    centres = scene.beads[0][:, None].expand_as(means)
    torch.testing.assert_close(means, centres, atol=1e-6, rtol=0)
    own = there[:, 0, :, 0].sum(1)
    assert own.tolist() == [3, 3, 1, 3, 3, 1, 3]
    spread = drawn.positions.std(1).norm(dim=-1)
    assert (spread[own == 1, 0] < 1e-9).all()  # alone, there is nothing to draw
    assert (spread[own == 3] > 1e-3).all()


def test_density_is_that_of_the_drawn_ones_alone(chains: Snapshots, placer: MixturePlacer) -> None:
    """What was drawn, written into the scene, has the density that it was drawn with."""
    phase, bead = Phase(True, "all", 2), torch.tensor([1, 4])
    scene = Scene.of(
        placer.tables, chains.beads, None, placer.reach, torch.float64, positions=chains.positions
    )
    frame = torch.tensor([0, 1])
    drawn = placer.place(scene, phase, frame, bead, Draw(1, np.arange(2), 2, dtype=torch.float64), 2)
    for k in range(2):
        scene.write(frame, drawn.atoms, drawn.positions[:, k])
        known = placer.log_density(scene, phase, frame, bead)
        torch.testing.assert_close(known, drawn.log_density[:, k], atol=1e-4, rtol=1e-5)


def test_training_leaves_out_what_is_not_drawn(chains: Snapshots) -> None:
    part = Part.of(chains, Vocabulary.of(chains.mapping), SETTINGS)
    network = MixtureNetwork.for_layout(SETTINGS, part.layout)
    task = MixtureTask(network, [part], [part])
    assert "hydrogens" not in task.validate()
    again = Phase(True, "all", 1)
    found = task._found(part, again, torch.zeros(1, dtype=torch.long), torch.ones(1), torch.Generator())
    assert len(found) == 5 * 2  # of the five centres of three beads, two each


def test_beads_that_share_atoms_do_not_close() -> None:
    whole = read_topology(sample("polystyrene.top"))
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), whole), whole)
    assert (Layout.of(mapping).closing < 0).all()
