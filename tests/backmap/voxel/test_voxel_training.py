"""Adversarial training: losses in closed form, what the prior is shown, exact resume, a smoke run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from msb.backmap.config import BackmapConfig
from msb.backmap.placer import Candidates, Draw
from msb.backmap.voxel.adversarial import AdversarialSettings
from msb.backmap.voxel.entry import placer, restore, train
from msb.backmap.voxel.settings import VoxelNetworkSettings
from msb.backmap.voxel.streams import STREAMS
from msb.backmap.voxel.training import channels_for, make_task, train_generator, wanted_hands
from msb.core.mapping import Mapping
from msb.core.scene import Scene, Tables
from msb.core.topology import Topology
from msb.data.force_fields import molecule_fields
from msb.data.samples import sample
from msb.data.snapshots import Snapshots, load_snapshots
from msb.data.training_set import TrainingSet
from msb.energy.systems import system_to_xml
from msb.errors import ConfigError
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.train.alternating import alternate
from small_melt import BOX, butane, chain, placed, write_box

NETWORK = VoxelNetworkSettings(width="tiny", head="coordinate", latent=4)


def settings(**changes):
    plain = {"steps": 3, "batch": 3, "critic_steps": 1, "pretrain": 1, "ema": 0.5, "validation_beads": 2}
    return AdversarialSettings.model_validate({**plain, "checkpoint_minutes": 1e-9, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A box of two chains and one of two butanes, one frame each to train and to select, with force field."""
    folder = tmp_path_factory.mktemp("melt")
    parts, fields = [], {}
    for name, molecules in (("chains", [chain(3), chain(3)]), ("liquid", [butane(), butane()])):
        files = write_box(folder / name, molecules)
        topology = read_topology(files.top)
        mapping = Mapping(read_mapping(files.mapping, topology), topology)
        positions = np.concatenate(placed(molecules))[None].astype(np.float32)
        parts.append(Snapshots.of(positions, mapping, BOX[None].astype(np.float32)))
        top = read_gromacs(files.top)
        made = molecule_fields(top, list(topology.templates), cutoff=1.0, dielectric=78.3, box=3 * np.eye(3))
        fields |= {name: system_to_xml(system) for name, system in made.items()}
    return TrainingSet(tuple(parts), tuple(parts), fields, 300.0)


def task_of(data, network=NETWORK, **changes):
    return make_task(data, network, settings(**changes), channels_for(network, data), seed=3)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """A critic that is linear in the density."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8, 8, generator=random(7)))

    def forward(self, condition, density, label):
        return (density * self.weight).flatten(1).sum(1) + 0 * condition.flatten(1).sum(1)


@pytest.fixture(scope="module")
def task(data):
    return task_of(data, drift=0.5, penalty=3.0)


def test_a_critic_step_in_closed_form(task, monkeypatch):
    """With C = <w, density>: mean over beads of the mean over atoms of <w, real> - <w, made>, and so on."""
    critic = Linear()
    monkeypatch.setattr(task, "critic", critic)
    terms = {name: value.detach() for name, value in task.critic_losses(4, 0, 2, random()).items()}
    batch = task._batch(2, 4, random())
    with torch.no_grad():
        made = task._grow(batch)
    grid = batch.system.environment.grid
    value = [
        (grid.densities(x[:, 0]) * critic.weight).flatten(2).sum(2).detach() for x in (batch.reference, made)
    ]
    rows = [(value[0][b][m], value[1][b][m]) for b, m in enumerate(batch.mask)]
    difference = np.mean([float((real - fake).mean()) for real, fake in rows])
    drift = 0.5 * np.mean([float(real.square().mean()) for real, _ in rows])
    penalty = 3.0 * (float(critic.weight.detach().norm()) - 1) ** 2
    assert float(terms["difference"]) == pytest.approx(difference, rel=1e-4, abs=1e-4)
    assert float(terms["drift"]) == pytest.approx(drift, rel=1e-4)
    assert float(terms["penalty"]) == pytest.approx(penalty, rel=1e-4)


def test_the_generator_is_judged_on_what_it_made(task, monkeypatch):
    monkeypatch.setattr(task, "critic", Linear())
    with torch.no_grad():
        terms = task.generator_losses(4, 1, random())
        batch = task._batch(1, 4, random())
        made = task._grow(batch)[:, 0]
    value = (batch.system.environment.grid.densities(made) * task.critic.weight).flatten(2).sum(2)
    wanted = np.mean([float(row[mask].mean()) for row, mask in zip(value, batch.mask, strict=True)])
    assert terms.keys() == {"critic"}
    assert float(terms["critic"]) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_updates_take_the_streams_in_turn_and_their_sequences(task):
    for update in range(5):
        batch = task._batch(update, 6, random(update))
        stream = STREAMS[update % 4]
        assert batch.stream is stream
        assert batch.mask.any(1).all()
        hydrogen = batch.system.scene.tables.hydrogen[batch.atoms.clamp(min=0)]
        assert (hydrogen[batch.mask] == (stream.atoms == "hydrogens")).all()
        back = batch.around.absolute(batch.reference, batch.turns)[:, 0]
        there = batch.system.scene.positions[batch.frame[:, None], batch.atoms.clamp(min=0)]
        assert torch.allclose(back[batch.mask], there[batch.mask], atol=1e-5)


def test_environments_are_turned_by_chance_or_not_at_all(task, monkeypatch):
    assert float(task._batch(0, 50, random()).turns.std()) > 1
    monkeypatch.setattr(task, "settings", task.settings.model_copy(update={"augment": False}))
    assert not task._batch(0, 50, random()).turns.any()


def test_errors_go_back_through_the_sequence(task):
    """The last atom's position depends on the noise of the first."""
    batch = task._batch(0, 6, random())
    row = int(batch.mask.sum(1).argmax())
    last = int(batch.mask[row].sum()) - 1
    assert last > 0
    noise = batch.noise.clone().requires_grad_(True)
    position = task._grow(replace(batch, noise=noise))[row, 0, last].sum()
    (gradient,) = torch.autograd.grad(position, noise)
    assert float(gradient[row, 0, 0].abs().max()) > 0
    assert not gradient[[r for r in range(6) if r != row]].any()


def test_the_penalty_comes_every_so_many_updates_and_as_heavy(task, monkeypatch):
    monkeypatch.setattr(task, "critic", Linear())
    every = task.critic_losses(2, 0, 4, random())["penalty"]
    monkeypatch.setattr(task, "settings", task.settings.model_copy(update={"penalty_every": 4}))
    terms = [task.critic_losses(2, 0, turn, random()) for turn in range(5)]
    assert ["penalty" in t for t in terms] == [True, False, False, False, True]
    assert float(terms[4]["penalty"].detach()) == pytest.approx(4 * float(every.detach()), rel=1e-5)
    part = task.settings.model_copy(update={"penalty_share": 0.3, "penalty_every": 1})
    monkeypatch.setattr(task, "settings", part)
    some = task.critic_losses(2, 0, 4, random())["penalty"]
    assert float(some.detach()) == pytest.approx(float(every.detach()), rel=1e-4)


def test_of_several_draws_the_nearest_learns(task, monkeypatch):
    monkeypatch.setattr(task, "settings", task.settings.model_copy(update={"pretrain_draws": 8}))
    batch = task._batch(0, 6, random())

    def errors(batch):
        with torch.no_grad():
            away = (task._grow(batch) - batch.reference).square().sum(-1)[:, 0]
        return (away * batch.mask).sum(1)

    chosen = task._nearest(batch, random(1))
    draws = torch.randn((6, 8, *batch.noise.shape[2:]), generator=random(1))
    each = torch.stack([errors(replace(batch, noise=draws[:, k : k + 1])) for k in range(8)])
    assert torch.allclose(errors(chosen), each.min(0).values, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", ["minimise", "match"])
def test_the_prior_and_its_ramp(data, kind):
    """Half way up its ramp every term has half its weight; C1 and C2 by their definitions."""
    prior = {"kind": kind, "bonded": 2e-3, "lj": 1e-4, "centre_of_mass": 3.0, "ramp": (10, 20), "soft": 0.5}
    task = task_of(data, regulariser=prior, augment=False)
    assert task.generator_losses(4, 8, random()).keys() == {"critic"}
    with torch.no_grad():
        half, full = task.generator_losses(4, 15, random()), task.generator_losses(4, 23, random())
        batch = task._batch(23, 4, random())
        positions = task._grow(batch)
    assert half["centre_of_mass"] > 0
    assert half.keys() == full.keys() == {"critic", "centre_of_mass", "bond", "angle", "dihedral", "lj"}
    for name in set(half) - {"critic"}:  # steps 15 and 23 are of one stream
        assert float(half[name]) == pytest.approx(0.5 * float(full[name]), rel=1e-5)
    energy = batch.system.regulariser.energy
    where = (batch.system.scene, batch.stream.phase, batch.frame, batch.bead)
    made = energy.terms(*where, Candidates(batch.atoms, batch.around.absolute(positions, batch.turns)))
    there = batch.system.scene.positions[batch.frame[:, None], batch.atoms.clamp(min=0)]
    real = energy.terms(*where, Candidates(batch.atoms, there[:, None]))
    for name, weight in (("bond", 2e-3), ("angle", 2e-3), ("dihedral", 2e-3), ("lj", 1e-4)):
        wanted = made[name] if kind == "minimise" else (made[name] - real[name]).abs()
        assert float(full[name]) == pytest.approx(weight * float(wanted.mean()), rel=2e-2, abs=1e-4)


def test_a_prior_without_a_force_field_is_refused(data):
    bare = TrainingSet(data.train, data.select, {}, 300.0)
    with pytest.raises(ConfigError, match="needs the force field"):
        task_of(bare, regulariser={"kind": "match"})


class Killed(Exception):
    pass


def test_a_resumed_training_ends_with_the_same_weights(data, tmp_path):
    network = NETWORK.model_copy(update={"head": "density"})
    how = settings(regulariser={"kind": "minimise", "ramp": (0, 3), "soft": 0.5}, validate_every=2)

    def killer(progress):
        if progress.step == 2:
            raise Killed

    whole = train_generator(data, network, how, tmp_path / "whole", seed=1)
    with pytest.raises(Killed):
        train_generator(data, network, how, tmp_path / "broken", seed=1, progress=killer)
    again = train_generator(data, network, how, tmp_path / "broken", seed=1, resume=True)
    checkpoints = [torch.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "broken")]
    for part in ("generator", "critic", "average"):
        first, second = (saved[part] for saved in checkpoints)
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole[0].state_dict().values(), again[0].state_dict().values(), strict=True)
    )
    lines = [json.loads(line) for line in (tmp_path / "broken/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]
    assert {"seconds", "valid_score", "valid_js_angles", "generator_critic", "critic_penalty"} <= lines[
        1
    ].keys()
    longer = how.model_copy(update={"steps": 4, "hours": 9.0})  # what comes later does not change what was
    train_generator(data, network, longer, tmp_path / "broken", seed=1, resume=True)
    assert len((tmp_path / "broken/log.jsonl").read_text().splitlines()) == 3
    with pytest.raises(ConfigError, match="another configuration"):
        train_generator(
            data, network, how.model_copy(update={"penalty": 9.0}), tmp_path / "broken", seed=1, resume=True
        )


def test_hands_of_a_system_are_those_of_its_first_frame(data):
    signs = wanted_hands(data.train[0])
    assert signs.shape == (4,)
    assert set(np.abs(signs).tolist()) == {1}
    assert (signs[:2] == signs[2:]).all()
    assert wanted_hands(data.train[1]).shape == (0,)


def config(how):
    return BackmapConfig.parse(
        {
            "name": "test",
            "data": {"mapping": ["m.yaml"], "snapshots": ["a.gro"], "temperature": 300.0},
            "network": NETWORK.model_dump(),
            "training": how.model_dump(),
        }
    )


def test_a_kind_trains_is_described_and_restored(data, tmp_path):
    trained, metrics = train(config(settings(steps=1)), data, tmp_path)
    description = json.loads(json.dumps(trained.description()))
    restored = restore(NETWORK, description)
    restored.load_state_dict(trained.state_dict())
    part = data.train[0]
    tables = Tables.of(part.mapping)
    beads = torch.arange(4)
    placed_by = []
    for network in (trained, restored):
        made = placer(network, NETWORK, part.mapping, tables, wanted_hands(part))
        scene = Scene.of(tables, part.beads, part.boxes, made.reach)
        draw = Draw(1, np.arange(1), 0)
        found = made.place(scene, made.phases(0)[0], torch.zeros(4, dtype=torch.int64), beads, draw, 2)
        placed_by.append(found.positions)
    assert torch.equal(*placed_by)
    assert 0 < metrics["score"] <= np.log(2)


def test_a_smoke_training_on_polystyrene_learns_to_reconstruct(tmp_path):
    whole = read_topology(sample("polystyrene.top"))
    molecule = whole.molecules[0][0]
    files = [sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc")]
    positions = load_snapshots(files, whole, "polystyrene_mapping.yaml").positions[:2, : 4 * molecule.n_atoms]
    topology = Topology(((molecule, 4),))
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    train_part, select_part = (Snapshots.of(positions[k : k + 1], mapping) for k in range(2))
    data = TrainingSet((train_part,), (select_part,), {}, 568.0)
    how = settings(steps=9, pretrain=8, batch=6, pretrain_rate=4e-3, validate_every=4, ema=0.0)
    task = make_task(data, NETWORK, how, channels_for(NETWORK, data), seed=1)

    def error():
        with torch.no_grad():
            return np.mean([float(task.pretrain_losses(12, s, random(9))["position"]) for s in range(4)])

    before = error()
    alternate(task, how, tmp_path, seed=1)
    assert error() < 0.6 * before
    scores = [json.loads(line)["valid_score"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(scores) == 3
