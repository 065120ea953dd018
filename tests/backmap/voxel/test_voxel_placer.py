"""The voxel placer on a mixture of two molecules in a triclinic box, with untrained networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from msb.backmap.placer import Draw
from msb.backmap.record import SamplerOptions
from msb.backmap.sampler import Sampler
from msb.backmap.voxel.build import channels_of, make_critic, make_environment, make_generator, make_placer
from msb.backmap.voxel.growth import grow, retrace
from msb.backmap.voxel.settings import VoxelNetworkSettings
from msb.core import BeadGroup, Mapping, MappingTemplate, MoleculeTemplate, Topology
from msb.core.environment import surroundings
from msb.core.geometry import random_rotations
from msb.core.scene import Scene, Tables
from msb.errors import ConfigError
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.nn.voxel_generator import WIDTHS
from small_melt import BOX, butane, chain, placed, write_box

KINDS = [(e, h) for e in ("shared", "atom") for h in ("density", "coordinate")]
CELL = 0.55 * BOX


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    """Networks of four channels: what is tested is not how well they place."""
    monkeypatch.setitem(WIDTHS, "tiny", (4, 1))


@pytest.fixture(scope="module")
def melt(tmp_path_factory):
    """Mapping and positions (1, N, 3) of two chains and two butanes, closer than molecules ever are."""
    molecules = [chain(3), chain(3), butane(), butane()]
    files = write_box(tmp_path_factory.mktemp("melt"), molecules)
    topology = read_topology(files.top)
    mapping = Mapping(read_mapping(files.mapping, topology), topology)
    return mapping, np.concatenate([x - 0.45 * x.mean(0) for x in placed(molecules)])[None]


def settings(encoding="shared", head="density", **more):
    return VoxelNetworkSettings(width="tiny", latent=4, encoding=encoding, head=head, **more)


def placer(mapping, hands=None, double=True, **more):
    chosen = settings(**more)
    environment = make_environment(chosen, channels_of(chosen, mapping), mapping, hands)
    generator = make_generator(chosen, environment, seed=1).eval()
    return make_placer(chosen, environment, generator.double() if double else generator)


def scene_of(mapping, x, box=CELL):
    return Scene.of(Tables.of(mapping), mapping.beads(x), box[None], 1.0, torch.float64, x)


def place(one, scene, phase, beads, candidates=2, seed=3):
    bead = torch.as_tensor(beads)
    draw = Draw(seed, np.array([5]), phase.number, dtype=torch.float64)
    with torch.no_grad():
        return one.place(scene, phase, torch.zeros_like(bead), bead, draw, candidates)


def test_passes_are_heavy_then_hydrogens_then_again(melt) -> None:
    phases = placer(melt[0]).phases(2)
    assert [(p.gibbs, p.atoms) for p in phases] == [
        (gibbs, atoms) for gibbs in (False, True, True) for atoms in ("heavy", "hydrogens")
    ]
    assert [p.number for p in phases] == list(range(6))


@pytest.mark.parametrize(("encoding", "head"), KINDS)
def test_candidates_are_one_at_a_time_and_all_at_once(melt, encoding, head) -> None:
    """Shapes, what fills up, and that neither batch nor order matters."""
    mapping, x = melt
    one, scene = placer(mapping, encoding=encoding, head=head), scene_of(mapping, x)
    beads = torch.arange(mapping.n_beads)
    for phase in one.phases(1)[1:3]:
        one.max_rows = 512
        all_at_once = place(one, scene, phase, beads, 3)
        expected = scene.tables.placed_in(phase, beads)
        assert all_at_once.atoms.tolist() == expected[:, : all_at_once.atoms.shape[1]].tolist()
        assert (all_at_once.atoms >= 0).sum() == (expected >= 0).sum()
        assert all_at_once.positions.shape == (len(beads), 3, all_at_once.atoms.shape[1], 3)
        assert all_at_once.log_density is None
        there = all_at_once.atoms >= 0
        away = all_at_once.positions - scene.beads[0, beads][:, None, None]
        assert away.transpose(1, 2)[there].norm(dim=-1).max() < 0.6 * math.sqrt(3)
        assert not all_at_once.positions.transpose(1, 2)[~there].any()
        assert all_at_once.positions.transpose(1, 2)[there].std(1).min() > 1e-5
        one.max_rows = 4
        for bead in (4, 7):
            alone = place(one, scene, phase, [bead], 3)
            rows = alone.atoms[0] >= 0
            torch.testing.assert_close(
                alone.positions[0][:, rows],
                all_at_once.positions[bead][:, : alone.atoms.shape[1]][:, rows],
                rtol=0,
                atol=1e-9,
            )


def test_a_turned_box_gives_turned_atoms(melt) -> None:
    """Also with every molecule sent to another image."""
    mapping, x = melt
    turn = random_rotations(1, torch.Generator().manual_seed(2), torch.float64)[0]
    hops = np.random.default_rng(1).integers(-1, 2, (mapping.topology.n_molecules, 3)) @ CELL
    hops = hops[mapping.topology.molecule_index]
    one = placer(mapping)
    phase = one.phases(1)[2]
    beads = torch.arange(mapping.n_beads)
    still = place(one, scene_of(mapping, x), phase, beads)
    turned = place(one, scene_of(mapping, (x + hops) @ turn.numpy(), CELL @ turn.numpy()), phase, beads)
    shift = torch.as_tensor(hops)[still.atoms.clamp(min=0)]
    expected = (still.positions + shift[:, None]) @ turn
    rows = still.atoms >= 0
    torch.testing.assert_close(
        turned.positions.transpose(1, 2)[rows], expected.transpose(1, 2)[rows], rtol=0, atol=1e-8
    )


def test_candidates_are_equally_spaced_turns(melt, monkeypatch) -> None:
    """A network that always answers the same leaves nothing but the turns."""
    mapping, x = melt
    one, scene = placer(mapping), scene_of(mapping, x)
    point = torch.tensor([0.1, 0.02, 0.05], dtype=torch.float64)
    monkeypatch.setattr(
        one.generator,
        "place",
        lambda _, label, *__: (point.expand(len(label), 3), torch.zeros(len(label), 8, 8, 8)),
    )
    phase = one.phases(0)[0]
    found = place(one, scene, phase, torch.arange(mapping.n_beads), 5)
    frame = torch.zeros(mapping.n_beads, dtype=torch.long)
    around = surroundings(scene, frame, torch.arange(mapping.n_beads), phase, 0.7)
    local = around.local(found.positions[:, :, 0], torch.zeros(1, 1).double().expand(mapping.n_beads, 1))[
        :, 0
    ]
    angle = torch.atan2(local[..., 1], local[..., 0])
    steps = torch.remainder(angle.diff(dim=1), 2 * math.pi)
    assert torch.remainder(-steps, 2 * math.pi).numpy() == pytest.approx(2 * math.pi / 5)
    assert local[..., 2].numpy() == pytest.approx(0.05)
    assert angle[:, 0].std() > 0.5  # each bead from a turn of its own on


def test_gibbs_passes_do_not_look_at_what_they_replace(melt) -> None:
    mapping, x = melt
    one = placer(mapping)
    phase = one.phases(1)[2]
    tables = Tables.of(mapping)
    first = place(one, scene_of(mapping, x), phase, [2])
    others = x.copy()
    own = tables.own[2][tables.own[2] >= 0].numpy()
    changed = Scene.of(tables, mapping.beads(x), CELL[None], 1.0, torch.float64, others)
    changed.positions[0, own] += 0.1
    assert torch.equal(place(one, changed, phase, [2]).positions, first.positions)
    changed.positions[0, tables.own[0, 0]] += 0.1
    assert not torch.equal(place(one, changed, phase, [2]).positions, first.positions)


@pytest.mark.parametrize(("encoding", "head"), KINDS)
def test_atoms_follow_those_before_them(melt, encoding, head) -> None:
    """Gradients go through the sequence; retracing what was grown shows the critic the same conditions."""
    mapping, x = melt
    one, scene = placer(mapping, encoding=encoding, head=head), scene_of(mapping, x)
    environment = one.environment
    bead = torch.tensor([2, 8])
    phase = one.phases(0)[1]
    around = surroundings(scene, torch.zeros_like(bead), bead, phase, one.cutoff)
    atoms = scene.tables.placed_in(phase, bead)[:, :3]
    turns = torch.tensor([[0.3, 1.0], [2.0, 0.1]], dtype=torch.float64)
    noise = torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    noise.requires_grad_(True)
    steps = []
    grown = grow(one.generator, environment, around, atoms, turns, noise, gibbs=False, steps=steps)
    (slope,) = torch.autograd.grad(grown[:, :, 1].sum(), noise, retain_graph=True)
    assert slope[:, :, 0].abs().max() > 0
    assert slope[:, :, 2].abs().max() == 0
    again = retrace(environment, around, atoms, turns, grown.detach(), gibbs=False)
    critic = make_critic(settings(encoding, head), environment).double()
    assert len(again) == len(steps) == int((atoms >= 0).sum(1).max())
    for one_step, other in zip(steps, again, strict=True):
        assert torch.equal(one_step.rows, other.rows)
        torch.testing.assert_close(one_step.condition, other.condition, rtol=0, atol=1e-12)
        assert torch.equal(one_step.label, other.label)
        assert one_step.density.shape == other.density.shape
        label = other.label.double()
        assert critic(other.condition, other.density, label).shape == other.rows.shape
        if head == "coordinate":
            torch.testing.assert_close(one_step.density, other.density, rtol=0, atol=1e-12)


def test_wanted_hands_reach_the_network(melt) -> None:
    """The other hand gives other atoms at a stereocentre, and the same ones far from all of them."""
    mapping, x = melt
    scene = scene_of(mapping, x)
    centres = mapping.topology.expand(lambda t: np.array(t.stereocentres, dtype=np.int64).reshape(-1, 1))[
        :, 0
    ]
    signs = np.ones(len(centres), dtype=np.int8)
    phase = placer(mapping).phases(0)[0]
    beads = torch.arange(mapping.n_beads)
    one, other = (place(placer(mapping, s), scene, phase, beads).positions for s in (signs, -signs))
    same = (one == other).flatten(1).all(1)
    touched = np.unique(mapping.owner[[a for c in centres for a in (c, *scene_neighbours(mapping, int(c)))]])
    assert len(touched)
    assert not same[torch.as_tensor(touched)].any()
    assert same[-1]  # butane
    blind, too = (place(make_blind(mapping, s), scene, phase, beads).positions for s in (signs, -signs))
    assert torch.equal(blind, too)


def make_blind(mapping, signs):
    """A placer that is given hands but told to leave them out."""
    chosen = settings(hands=False)
    environment = make_environment(chosen, channels_of(chosen, mapping), mapping, signs)
    return make_placer(chosen, environment, make_generator(chosen, environment, seed=1).double())


def scene_neighbours(mapping, atom):
    """Bonded heavy atoms."""
    bonds = mapping.topology.bonds
    near = [*bonds[bonds[:, 0] == atom, 1], *bonds[bonds[:, 1] == atom, 0]]
    return [int(a) for a in near if mapping.topology.elements[a] != "H"]


@pytest.mark.parametrize(("encoding", "head"), KINDS)
def test_a_whole_run(melt, encoding, head) -> None:
    """Every atom is placed, beads are met, and neither batch nor number of frames changes the result."""
    mapping, x = melt
    one = placer(mapping, encoding=encoding, head=head)
    beads = np.concatenate([mapping.beads(x), mapping.beads(x) + 0.3])
    boxes = np.stack([CELL, CELL])
    options = {"sweeps": 1, "dtype": torch.float64}
    runs = [
        Sampler(one, Tables.of(mapping), mapping, None, SamplerOptions(max_batch=size, **options)).run(
            beads[part], boxes[part], seed=2, numbers=np.arange(2)[part]
        )
        for size, part in ((64, slice(0, 2)), (3, slice(1, 2)))
    ]
    assert np.isfinite(runs[0].positions).all()
    np.testing.assert_allclose(mapping.beads(runs[0].positions), beads, atol=1e-5)
    np.testing.assert_allclose(runs[0].positions[1:], runs[1].positions, rtol=0, atol=1e-9)


def test_a_bead_without_heavy_atoms() -> None:
    """It has nothing to place in the heavy pass, and its hydrogens in the other."""
    water = MoleculeTemplate.from_atoms(
        "WAT", ["O", "H1", "H2"], bonds=[(0, 1), (0, 2)], elements=list("OHH")
    )
    groups = [BeadGroup("O", (0, 1), "O"), BeadGroup("H", (2,), "H")]
    mapping = Mapping([MappingTemplate.from_mass(water, groups)], Topology(((water, 2),)))
    x = np.random.default_rng(0).normal(0, 0.2, (1, 6, 3))
    one, scene = placer(mapping), scene_of(mapping, x)
    heavy, light = one.phases(0)
    assert place(one, scene, heavy, [1]).atoms.tolist() == [[-1]]
    assert not place(one, scene, heavy, [1]).positions.any()
    assert place(one, scene, heavy, [0, 1]).atoms.tolist() == [[0], [-1]]
    assert place(one, scene, light, [1]).atoms.tolist() == [[2]]
    assert torch.isfinite(place(one, scene, light, [0, 1]).positions).all()


def test_settings_are_checked(melt) -> None:
    with pytest.raises(ConfigError, match="what is seen must be reached"):
        VoxelNetworkSettings.parse({"cutoff": 1.2})
    with pytest.raises(ConfigError, match="did you mean `width`"):
        VoxelNetworkSettings.parse({"widht": "tiny"})
    declared = {"atoms": [{"name": "all"}], "beads": [{"name": "beads"}]}
    assert channels_of(settings(channels=declared), melt[0]).names == ["all", "beads", "current"]
    with pytest.raises(ConfigError, match="unknown key `atom`"):
        channels_of(settings(channels={"atom": []}), melt[0])
    paper = channels_of(settings("atom"), melt[0])
    assert not any(channel.relation == "any" for channel in paper.atoms)
    assert any(channel.relation == "lennard-jones" for channel in paper.atoms)
