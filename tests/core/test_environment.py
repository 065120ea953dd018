"""Aligned, voxelised environments: by hand, under rigid motions and periodic images, without any NaN."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core import BeadGroup, Mapping, MappingTemplate, MoleculeTemplate, Topology, VoxelGrid
from msb.core.channel_tables import ChannelTables
from msb.core.channels import default_channels
from msb.core.environment import VoxelEnvironment, bead_axes, surroundings
from msb.core.geometry import random_rotations
from msb.core.scene import Phase, Scene, Tables

GRID = VoxelGrid(16, 2.4, 0.12)
GIBBS = Phase(True, "heavy", 0)
HYDROGENS = Phase(True, "hydrogens", 1)
BOX = np.array([[2.1, 0, 0], [0.5, 2.0, 0], [-0.6, 0.7, 1.9]])


def propane_like() -> tuple[MoleculeTemplate, MappingTemplate]:
    """F-CH(H)-CH(H)-O-H as three beads in a row."""
    elements = "FCHHCHHOH"
    names = [f"{element}{k}" for k, element in enumerate(elements)]
    bonds = [(0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (4, 6), (4, 7), (7, 8)]
    template = MoleculeTemplate.from_atoms("PRO", names, bonds=bonds, elements=list(elements))
    groups = [
        BeadGroup("A", (0, 1, 2, 3), "A"),
        BeadGroup("B", (4, 5, 6), "B"),
        BeadGroup("C", (7, 8), "C"),
    ]
    return template, MappingTemplate.from_geometry(template, groups)


def single() -> tuple[MoleculeTemplate, MappingTemplate]:
    """HF as one bead."""
    template = MoleculeTemplate.from_atoms("HF", ["F", "H"], bonds=[(0, 1)], elements=["F", "H"])
    return template, MappingTemplate.from_geometry(template, [BeadGroup("F", (0, 1), "F")])


def system(chains: int, singles: int) -> Mapping:
    kinds = [(propane_like(), chains), (single(), singles)]
    kinds = [(kind, count) for kind, count in kinds if count]
    topology = Topology(tuple((template, count) for (template, _), count in kinds))
    return Mapping([mapping for (_, mapping), _ in kinds], topology)


def at_random(mapping: Mapping, seed: int, width: float = 1.9) -> np.ndarray:
    """Positions (1, N, 3): molecules anywhere, atoms of a molecule within a few tenths of a nanometre."""
    rng = np.random.default_rng(seed)
    centres = width * rng.random((mapping.topology.n_molecules, 3))
    x = centres[mapping.topology.molecule_index] + rng.normal(0, 0.12, (mapping.n_atoms, 3))
    return x[None]


def scene_of(mapping: Mapping, x: np.ndarray, box: np.ndarray | None = None, reach: float = 1.0) -> Scene:
    boxes = None if box is None else box[None]
    return Scene.of(Tables.of(mapping), mapping.beads(x), boxes, reach, torch.float64, x)


def environment(mapping: Mapping, shared: bool = True, grid: VoxelGrid = GRID) -> VoxelEnvironment:
    return VoxelEnvironment(grid, ChannelTables.of(default_channels(mapping), mapping), shared)


@pytest.mark.parametrize("shared", [True, False])
def test_channel_sums_count_what_is_around(shared: bool) -> None:
    """A chain and one HF 0.4 nm beside its middle bead, well inside the grid: every sum is a number."""
    mapping = system(1, 1)
    x = at_random(mapping, 1, 0.0)
    x[0, 9:] += [0.4, 0, 0]
    scene = scene_of(mapping, x)
    frame, bead = torch.tensor([0]), torch.tensor([1])
    around = surroundings(scene, frame, bead, HYDROGENS, 0.9)
    env = environment(mapping, shared)
    placed, turns = torch.tensor([5]), torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    new, spots = torch.tensor([[6]]), torch.full((1, 2, 1, 3), 0.05, dtype=torch.float64)
    dynamic = env.dynamic(around, turns, placed, new, spots)
    names = env.tables.channels.names
    counted = dict.fromkeys(names, 0)
    # F, C, 2 H, C (own), O, H of the chain, F and H beside; the bead's own hydrogens are being placed
    counted |= {"any F": 2, "any C": 2, "any H": 4, "any O": 1}
    counted |= {"bond C": 1, "angle C": 1, "angle O": 1, "torsion F": 1, "torsion H": 3}
    counted |= {"bead A": 1, "bead B": 1, "bead C": 1, "bead F": 1, "current": 1}
    again = {name: 0 for name in names if name.startswith("any")}
    again |= {"any H": 1}  # the hydrogen placed a moment ago, two bonds off
    expected = {name: counted[name] for name in names}
    expected["angle H"] = 1
    if shared:
        static = env.static(around, turns)
        channels = env.tables.channels
        assert static.shape == (1, 2, env.n_static, 16, 16, 16)
        total = (static.sum((-3, -2, -1)) / GRID.total)[0]
        for turn in total:
            assert turn.tolist() == pytest.approx([counted[names[c]] for c in channels.static], abs=1e-3)
        wanted = [expected[names[c]] for c in channels.dynamic] + list(again.values())
    else:
        wanted = [expected[name] + again.get(name, 0) for name in names]
    assert dynamic.shape == (1, 2, env.n_dynamic, 16, 16, 16)
    for turn in (dynamic.sum((-3, -2, -1)) / GRID.total)[0]:
        assert turn.tolist() == pytest.approx(wanted, abs=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.booleans())
def test_rigid_motions_change_nothing(seed: int, periodic: bool) -> None:
    """Everything turned, moved, and molecules sent to other images: every environment stays what it was.

    A single bead with fewer than two others near has nothing that settles its axes, and is left out.
    """
    mapping = system(3, 3)
    x = at_random(mapping, seed)
    rng = np.random.default_rng(seed + 1)
    turn = random_rotations(1, torch.Generator().manual_seed(seed), torch.float64)[0].numpy()
    moved = x @ turn + rng.normal(size=3)
    box = BOX if periodic else None
    if periodic:
        hops = rng.integers(-2, 3, (mapping.topology.n_molecules, 3))
        moved = moved + (hops @ BOX @ turn)[mapping.topology.molecule_index]
    one = scene_of(mapping, x, box)
    two = scene_of(mapping, moved, None if box is None else box @ turn)
    env = environment(mapping, grid=VoxelGrid(8, 1.2, 0.1))
    settled = (one.tables.plane >= 0) | ((one.near[0] >= 0).sum(1) > 1)
    bead = torch.nonzero(settled)[:, 0]
    frame = torch.zeros_like(bead)
    turns = torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(len(bead), 2)
    first, second = (surroundings(s, frame, bead, GIBBS, 0.8) for s in (one, two))
    assert first.axes.det().numpy() == pytest.approx(1.0)
    assert torch.equal(first.atom >= 0, second.atom >= 0)
    torch.testing.assert_close(env.static(first, turns), env.static(second, turns), rtol=0, atol=1e-9)
    placed = one.tables.own[bead, 0]
    none = torch.zeros(len(bead), 0, dtype=torch.long)
    empty = torch.zeros(len(bead), 2, 0, 3, dtype=torch.float64)
    torch.testing.assert_close(
        env.dynamic(first, turns, placed, none, empty),
        env.dynamic(second, turns, placed, none, empty),
        rtol=0,
        atol=1e-9,
    )


def test_a_turn_is_a_turn_of_the_densities() -> None:
    """A quarter turn about z moves the grid onto itself."""
    mapping = system(2, 2)
    scene = scene_of(mapping, at_random(mapping, 3, 0.5))
    around = surroundings(scene, torch.tensor([0]), torch.tensor([1]), GIBBS, 0.9)
    turns = torch.tensor([[0.0, np.pi / 2]], dtype=torch.float64)
    still, quarter = environment(mapping).static(around, turns)[0]
    torch.testing.assert_close(torch.rot90(still, 1, (-3, -2)), quarter, rtol=0, atol=1e-9)


def test_local_and_absolute_are_inverse() -> None:
    mapping = system(2, 2)
    x = at_random(mapping, 4)
    scene = scene_of(mapping, x, BOX)
    bead = torch.arange(4)
    around = surroundings(scene, torch.zeros_like(bead), bead, GIBBS, 0.8)
    turns = torch.linspace(0, 6, 12, dtype=torch.float64).reshape(4, 3)
    spots = torch.randn(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    back = around.absolute(around.local(spots, turns), turns)
    torch.testing.assert_close(back, spots[:, None].expand(4, 3, 5, 3), rtol=0, atol=1e-12)
    origin = around.local(scene.beads[0, bead][:, None], turns)
    assert origin.abs().max() < 1e-12


def test_own_images_are_not_bonded() -> None:
    """A box so small that a chain sees itself: only what is really bonded counts as bonded."""
    mapping = system(1, 0)
    x = at_random(mapping, 5, 0.0)
    box = np.diag([0.9, 5.0, 5.0])
    scene = scene_of(mapping, x, box, reach=1.2)
    around = surroundings(scene, torch.tensor([0]), torch.tensor([1]), GIBBS, 1.1)
    assert around.image.any()
    assert not around.image[around.atom < 0].any()
    placed = torch.tensor([4])
    relation = environment(mapping).tables.relation(placed, around.atom, around.image)
    assert (relation == 1).sum() == 2  # C and O, once each
    assert ((around.atom == 1).sum(), (around.atom == 7).sum()) > (1, 1)


def axes_of(mapping: Mapping, beads: np.ndarray, reach: float = 5.0) -> torch.Tensor:
    scene = Scene.of(Tables.of(mapping), beads[None], reach=reach, dtype=torch.float64)
    bead = torch.arange(mapping.n_beads)
    axes = bead_axes(scene, torch.zeros_like(bead), bead)
    assert torch.isfinite(axes).all()
    eye = torch.eye(3, dtype=torch.float64).expand_as(axes)
    torch.testing.assert_close(axes @ axes.mT, eye, rtol=0, atol=1e-9)
    assert torch.linalg.det(axes).numpy() == pytest.approx(1.0)
    return axes


def test_z_points_to_the_bonded_bead() -> None:
    beads = np.array([[0, 0, 0], [0.3, 0, 0], [0.3, 0.4, 0.0]])
    axes = axes_of(system(1, 0), beads)
    assert axes[0, 2].tolist() == pytest.approx([1, 0, 0])  # the first end: towards the middle
    assert axes[0, 0].tolist() == pytest.approx([0, 1, 0])  # the third bead settles the turn
    assert axes[1, 2].tolist() == pytest.approx([-1, 0, 0])  # the middle: towards its predecessor
    assert axes[2, 2].tolist() == pytest.approx([0, -1, 0])


@pytest.mark.parametrize(
    "beads",
    [
        [[0, 0, 0], [0, 0, 0.3], [0, 0, 0.6]],  # all on the z axis
        [[0, 0, 0.6], [0, 0, 0.3], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0.3, 0, 0]],  # two at one point
        [[0.1, 0.1, 0.1]] * 3,  # all at one point
    ],
)
def test_degenerate_beads_have_axes(beads: list[list[float]]) -> None:
    axes_of(system(1, 0), np.array(beads))


def test_molecules_of_one_bead_turn_to_the_nearest() -> None:
    mapping = system(0, 3)
    axes = axes_of(mapping, np.array([[0, 0, 0], [0, 0.4, 0], [0.5, 0.5, 0]]))
    assert axes[0, 2].tolist() == pytest.approx([0, 1, 0])
    assert axes[0, 0].tolist() == pytest.approx([1, 0, 0])  # the next one, not on the axis
    axes_of(mapping, np.array([[0, 0, 0], [0, 9.0, 0], [9.0, 0, 0]]), reach=1.0)  # nobody near: anything


def test_gradients_of_gradients_go_through_the_grid() -> None:
    """The gradient penalty and the sequence need derivatives of derivatives."""
    mapping = system(1, 1)
    scene = scene_of(mapping, at_random(mapping, 6, 0.0))
    around = surroundings(scene, torch.tensor([0]), torch.tensor([1]), HYDROGENS, 0.9)
    env = environment(mapping, grid=VoxelGrid(4, 1.2, 0.3))
    placed, new = torch.tensor([6]), torch.tensor([[5, 4]])
    turns = torch.tensor([[0.4]], dtype=torch.float64)

    def densities(positions: torch.Tensor) -> torch.Tensor:
        out = env.dynamic(around, turns, placed, new, positions)
        return out[:, :, :: env.n_dynamic // 3]

    spots = torch.randn(1, 1, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.2
    spots.requires_grad_(True)
    assert torch.autograd.gradcheck(densities, (spots,))
    assert torch.autograd.gradgradcheck(densities, (spots,))
