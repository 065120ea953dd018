"""Beads drawn atom after atom from mixtures: densities, symmetries, and what a placer promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from msb.backmap.mixture.density import N_PARAMETERS, draw, log_density
from msb.backmap.mixture.hands import measure_labels, wanted_hands
from msb.backmap.mixture.layout import Layout
from msb.backmap.mixture.network import MixtureNetwork
from msb.backmap.mixture.placer import MixturePlacer
from msb.backmap.mixture.settings import MixtureSettings
from msb.backmap.mixture.training import MixtureTask, Part
from msb.backmap.mixture.vocabulary import Vocabulary
from msb.backmap.placer import Draw
from msb.core.mapping import Mapping
from msb.core.scene import Phase, Scene, Tables
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.data.snapshots import Snapshots, load_snapshots
from msb.errors import MappingError
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology

CHAINS = 3
SMALL = MixtureSettings(width=24, blocks=1, components=3, around_width=8, atoms_around=10, beads_around=4)


@pytest.fixture(scope="module")
def melt() -> Snapshots:
    """Two frames of three chains of polystyrene in the box of the melt."""
    whole = read_topology(sample("polystyrene.top"))
    chain = whole.templates[0]
    files = [sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc")]
    source = load_snapshots(files, whole, "polystyrene_mapping.yaml")
    topology = Topology.from_template(chain, CHAINS)
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    return Snapshots.of(source.positions[:2, : CHAINS * chain.n_atoms], mapping, source.boxes[:2])


@pytest.fixture(scope="module")
def placer(melt: Snapshots) -> MixturePlacer:
    """With weights as they begin, in float64."""
    torch.manual_seed(0)
    layout = Layout.of(melt.mapping)
    network = MixtureNetwork.for_layout(SMALL, layout)
    bonds = torch.tensor(np.array(melt.topology.bonds))
    network.calibrate(layout, bonds, torch.tensor(melt.positions))
    hands = layout.signs_of(torch.tensor(melt.positions))[0]
    return MixturePlacer(network.double(), layout, Tables.of(melt.mapping), hands)


def scene_of(melt: Snapshots, placer: MixturePlacer) -> Scene:
    """All atoms in place."""
    return Scene.of(
        placer.tables, melt.beads, melt.boxes, placer.reach, torch.float64, positions=melt.positions
    )


@pytest.mark.parametrize("rigid", [True, False])
def test_density_around_a_bond_is_one(rigid: bool) -> None:
    """Over the sphere (and the bond's length) with weight sin(theta), wide and narrow components alike."""
    torch.manual_seed(1)
    parameters = 0.3 * torch.randn(4, N_PARAMETERS, dtype=torch.float64)
    theta = torch.linspace(0, np.pi, 401, dtype=torch.float64)[1:-1]
    phi = torch.linspace(-np.pi, np.pi, 361, dtype=torch.float64)[:-1]
    r = torch.tensor([0.15]) if rigid else torch.linspace(0.13, 0.17, 61, dtype=torch.float64)
    grid = torch.meshgrid(r.double(), theta, phi, indexing="ij")
    unit = [grid[1].sin() * grid[2].cos(), grid[1].sin() * grid[2].sin(), grid[1].cos()]
    local = torch.stack(unit, -1) * grid[0][..., None]
    shape = local.shape[:-1]
    found = log_density(
        parameters.expand(*shape, 4, N_PARAMETERS),
        local,
        torch.ones(shape, dtype=torch.bool),
        torch.full(shape, 0.15),
        torch.full(shape, rigid),
    ).exp()
    cell = (theta[1] - theta[0]) * (phi[1] - phi[0]) * (1.0 if rigid else (r[1] - r[0]) / 0.003)
    assert float((found * grid[1].sin()).sum() * cell) == pytest.approx(1.0, abs=2e-3)


def test_draws_have_the_density() -> None:
    """Mean log density of draws is minus the entropy: compare with a histogram of the draws."""
    torch.manual_seed(2)
    n = 200_000
    parameters = (0.3 * torch.randn(3, N_PARAMETERS)).double().expand(n, 3, N_PARAMETERS)
    bonded, length = torch.ones(n, dtype=torch.bool), torch.full((n,), 0.11, dtype=torch.float64)
    noise = torch.randn(n, 3, dtype=torch.float64)
    local = draw(parameters, torch.rand(n, dtype=torch.float64), noise, bonded, length, bonded)
    assert torch.allclose(local.norm(dim=-1), length)
    theta = torch.acos(local[:, 2] / length)
    phi = torch.atan2(local[:, 1], local[:, 0])
    counts, _, _ = np.histogram2d(
        theta.numpy(), phi.numpy(), bins=(80, 80), range=((0, np.pi), (-np.pi, np.pi))
    )
    cell = (np.pi / 80) * (2 * np.pi / 80)
    found = log_density(parameters, local, bonded, length, bonded).exp().numpy()
    expected = found * np.sin(theta.numpy())  # per d(theta) d(phi)
    row = (theta.numpy() / np.pi * 80).astype(int).clip(0, 79)
    column = ((phi.numpy() + np.pi) / (2 * np.pi) * 80).astype(int).clip(0, 79)
    measured = counts[row, column] / n / cell
    assert np.mean(measured / expected) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    "phase", [Phase(False, "heavy", 0), Phase(True, "all", 2), Phase(True, "hydrogens", 3)], ids=str
)
def test_log_density_is_that_of_the_draw(melt: Snapshots, placer: MixturePlacer, phase: Phase) -> None:
    scene = scene_of(melt, placer)
    frame, bead = torch.tensor([0, 1, 0]), torch.tensor([4, 7, 19])
    noise = Draw(5, np.arange(2), phase.number, dtype=torch.float64)
    drawn = placer.place(scene, phase, frame, bead, noise, 2)
    for k in range(2):
        scene.write(frame, drawn.atoms, drawn.positions[:, k])
        found = placer.log_density(scene, phase, frame, bead)
        torch.testing.assert_close(found, drawn.log_density[:, k], atol=1e-8, rtol=0)


def test_every_owned_atom_is_placed_once_a_bond_from_its_parent(
    melt: Snapshots, placer: MixturePlacer
) -> None:
    scene = scene_of(melt, placer)
    phase = Phase(True, "all", 2)
    bead = torch.arange(melt.mapping.n_beads)
    drawn = placer.place(
        scene, phase, torch.zeros_like(bead), bead, Draw(1, np.arange(2), 2, dtype=torch.float64), 1
    )
    atoms = drawn.atoms[drawn.atoms >= 0]
    assert sorted(atoms.tolist()) == list(range(melt.topology.n_atoms))
    placed = torch.zeros(melt.topology.n_atoms, 3, dtype=torch.float64)
    placed[atoms] = drawn.positions[:, 0][drawn.atoms >= 0]
    owner = np.asarray(placer.tables.owner)
    bonds = melt.topology.bonds
    inside = bonds[owner[bonds[:, 0]] == owner[bonds[:, 1]]]
    length = (placed[inside[:, 0]] - placed[inside[:, 1]]).norm(dim=-1)
    types = placer.layout.atom_type[torch.tensor(inside)]
    wanted = placer.network.lengths[types[:, 0], types[:, 1]]
    ring = torch.tensor([a in "C_AR" and b in "C_AR" for a, b in melt.topology.atom_types[inside]])
    tree = ~ring  # one bond of each ring closes it, and is not drawn
    assert float((length - wanted)[tree].abs().max()) < 1e-6


def test_moves_with_everything_and_in_a_mirror(melt: Snapshots, placer: MixturePlacer) -> None:
    """Turning, moving or mirroring beads, atoms and hands does the same to what is drawn."""
    phase, frame, bead = Phase(True, "all", 2), torch.tensor([0, 0]), torch.tensor([6, 11])
    noise = Draw(3, np.arange(1), 2, dtype=torch.float64)
    base = Scene.of(placer.tables, melt.beads[:1], None, 1.0, torch.float64, positions=melt.positions[:1])
    first = placer.place(base, phase, frame, bead, noise, 2)
    there = first.atoms >= 0
    drawn = first.positions.transpose(1, 2)[there]
    generator = np.random.default_rng(0)
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    for sign in (1.0, -1.0):
        matrix = turn * np.sign(np.linalg.det(turn)) * sign
        moved = Scene.of(
            placer.tables,
            melt.beads[:1] @ matrix + 0.7,
            None,
            1.0,
            torch.float64,
            positions=melt.positions[:1].astype(np.float64) @ matrix + 0.7,
        )
        other = MixturePlacer(placer.network, placer.layout, placer.tables, sign * placer.hands)
        found = other.place(moved, phase, frame, bead, noise, 2).positions.transpose(1, 2)[there]
        torch.testing.assert_close(found, drawn @ torch.tensor(matrix) + 0.7, atol=2e-5, rtol=0)


def test_a_network_in_other_units_places_the_same(melt: Snapshots, placer: MixturePlacer) -> None:
    """Everything four times as large, told in units four times as large, is drawn four times as large."""
    settings, factor = SMALL.model_copy(update={"unit": 4.0}), np.float32(4.0)
    network = MixtureNetwork.for_layout(settings, Layout.of(melt.mapping)).double()
    network.load_state_dict(placer.network.state_dict())
    bonds = torch.tensor(np.array(melt.topology.bonds))
    network.calibrate(placer.layout, bonds, torch.tensor(factor * melt.positions))
    large = MixturePlacer(network, placer.layout, placer.tables, placer.hands)
    assert large.reach == 4 * placer.reach
    phase, frame, bead = Phase(True, "all", 2), torch.tensor([0, 1]), torch.tensor([6, 11])
    noise = Draw(3, np.arange(2), 2, dtype=torch.float64)
    scene = scene_of(melt, placer)
    larger = Scene.of(
        large.tables,
        factor * melt.beads,
        None if melt.boxes is None else factor * melt.boxes,
        large.reach,
        torch.float64,
        positions=factor * melt.positions,
    )
    there, found = (
        placer.place(scene, phase, frame, bead, noise, 2),
        large.place(larger, phase, frame, bead, noise, 2),
    )
    torch.testing.assert_close(found.positions, 4 * there.positions, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.log_density, there.log_density, atol=1e-4, rtol=0)
    known = large.log_density(larger, phase, frame, bead)
    torch.testing.assert_close(known, placer.log_density(scene, phase, frame, bead), atol=1e-4, rtol=0)


def test_rows_do_not_depend_on_the_batch(melt: Snapshots, placer: MixturePlacer) -> None:
    scene, phase = scene_of(melt, placer), Phase(True, "all", 2)
    noise = Draw(3, np.arange(2), 2, dtype=torch.float64)
    bead = torch.arange(0, 60, 7)
    frame = bead % 2
    together = placer.place(scene, phase, frame, bead, noise, 3).positions
    for i in range(len(bead)):
        alone = placer.place(scene, phase, frame[i : i + 1], bead[i : i + 1], noise, 3).positions
        torch.testing.assert_close(alone[0], together[i], atol=1e-9, rtol=0)


def test_hands_of_a_system_are_those_of_its_atoms(melt: Snapshots) -> None:
    layout = Layout.of(melt.mapping)
    signs = layout.signs_of(torch.tensor(melt.positions))
    labels = measure_labels([(melt.topology, layout, signs)])
    chain = melt.topology.templates[0]
    one = chain.chirality(melt.positions[0].reshape(CHAINS, chain.n_atoms, 3))
    found = wanted_hands(melt.topology, layout, labels, one.reshape(-1))
    torch.testing.assert_close(found, signs[0])
    assert (wanted_hands(melt.topology, layout, {}, None) == 0).all()


def test_unknown_types_are_listed(melt: Snapshots) -> None:
    with pytest.raises(MappingError, match=r"C_AR, H.*knows C"):
        Layout.of(melt.mapping, Vocabulary(("C",), ("B", "S")))


def test_training_lowers_the_loss(melt: Snapshots) -> None:
    torch.manual_seed(0)
    part = Part.of(melt, Vocabulary.of(melt.mapping), SMALL)
    network = MixtureNetwork.for_layout(SMALL, part.layout)
    task = MixtureTask(network, [part, part], [part])
    assert task.n_samples == 2 * 2 * part.groups
    before = task.validate()["score"]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(60):
        generator = torch.Generator().manual_seed(step)
        losses = task.losses(torch.arange(step % 3, task.n_samples, 3), step, generator)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    assert task.validate()["score"] < before - 5.0


def test_tempering_narrows_what_is_drawn(melt: Snapshots, placer: MixturePlacer) -> None:
    """At a quarter of the temperature every angle is drawn at half the distance from its mean."""
    scene, phase = scene_of(melt, placer), Phase(False, "heavy", 0)
    frame, bead = torch.tensor([0]), torch.tensor([1])
    noise = Draw(1, np.arange(2), 0, dtype=torch.float64)

    def spread() -> float:
        first = placer.place(scene, phase, frame, bead, noise, 400)
        ring = first.positions[0, :, 0]
        return float((ring - ring.mean(0)).norm(dim=-1).mean())

    wide = spread()
    try:
        placer.temper(1e-6)
        narrow = spread()
    finally:
        placer.temper(1.0)
    assert narrow < wide
    assert spread() == wide


def test_hidden_atoms_do_not_matter(melt: Snapshots, placer: MixturePlacer) -> None:
    """In a forward pass, what comes later in the order is not seen; nor are own atoms as they are."""
    scene = scene_of(melt, placer)
    phase, frame, bead = Phase(False, "heavy", 0), torch.tensor([0]), torch.tensor([8])
    later = placer.tables.ranks >= placer.tables.ranks[8]
    scene.placed = ~(later[placer.tables.owner] | placer.tables.hydrogen).expand_as(scene.placed)
    noise = Draw(1, np.arange(2), 0, dtype=torch.float64)
    first = placer.place(scene, phase, frame, bead, noise, 1).positions
    moved = replace(scene, positions=torch.where(scene.placed[..., None], scene.positions, 7.0))
    torch.testing.assert_close(placer.place(moved, phase, frame, bead, noise, 1).positions, first)
