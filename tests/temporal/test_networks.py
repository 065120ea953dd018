"""The two networks: what they learn from, their switches, and their schedules."""

from __future__ import annotations

import pytest
import torch

from msb.core.features import choose_frame
from msb.core.noise import normal_block
from msb.nn.precision import choose_precision
from msb.nn.seeding import seeded
from msb.temporal.config import LossWeights, VoxelSettings
from msb.temporal.losses import energy_weight, kl_weight
from msb.temporal.task import gather
from msb.temporal.voxel_network import VoxelNetwork


def batch(paired, unroll=1):
    return gather(
        (torch.from_numpy(paired.positions), torch.from_numpy(paired.beads)), torch.arange(4), unroll
    )


def test_a_batch_is_consecutive_frames(paired):
    step = batch(paired, unroll=3)
    x, b = torch.from_numpy(paired.positions), torch.from_numpy(paired.beads)
    assert torch.equal(step.previous[2], x[2])
    assert torch.equal(step.targets[2], x[3:6])
    assert torch.equal(step.beads[2], b[3:6])
    assert torch.equal(step.following[2], b[4:7])


def test_the_layout_of_alanine_dipeptide(flow_model):
    layout, chart = flow_model.network.layout, flow_model.network.chart
    methyls = sorted(chart.placements[k].atom for k in layout.rotors)
    assert methyls == [0, 11, 19]
    lengths = {chart.placements[k].atom for k, j in layout.stiff if j == 0}
    assert lengths == {1, 5, 15, 18}  # the heavy atoms: bonds to hydrogen are constrained
    assert chart.n_placed == 16


def test_splitting_and_joining_are_inverse(flow_model, paired):
    network = flow_model.network
    x, b = torch.from_numpy(paired.positions[:50]), torch.from_numpy(paired.beads[:50])
    rotors, stiff = network._split(network.chart.encode(x, b))
    again = network.chart.decode(network._join(rotors, stiff), b)
    assert (again - x).abs().max() < 3e-5  # constrained bonds are rounded in the sample


def test_the_likelihood_is_better_than_that_of_independent_coordinates(flow_model, paired):
    step = batch(paired)
    losses = flow_model.network.losses(step, 1.0, torch.Generator())
    n = len(flow_model.network.layout.stiff)
    assert float(losses["stiff"].detach()) < 0.5 * n * (1 + torch.log(torch.tensor(2 * torch.pi))) + 5


def network_of(paired, **settings):
    settings = VoxelSettings(**{"width": 8, "latent": 8, "mixture": 2, **settings})
    beads = torch.from_numpy(paired.beads)
    frame = choose_frame(beads, paired.mapping.templates[0].bead_bonds)
    with seeded(1):
        network = VoxelNetwork(22, 6, frame, settings)
    network.use(choose_precision("cpu"), paired.mapping.beads, lambda x: x.square().sum((-1, -2)), 1.0)
    return network


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"frame": "random", "mean": "none", "project": False},
        {"next_beads": True},
        {"unroll": 2, "weights": LossWeights(displacement=1.0)},
        {"mixture": 0},
    ],
    ids=["default", "paper", "next beads", "unrolled", "prior"],
)
def test_every_switch_of_the_voxel_network_learns(paired, settings):
    network = network_of(paired, **settings)
    losses = network.losses(batch(paired, settings.get("unroll", 1)), 1.0, torch.Generator().manual_seed(0))
    sum(losses.values()).backward()
    assert set(losses) >= {"voxel", "position", "distance", "beads", "energy", "kl"}
    assert all(torch.isfinite(value) for value in losses.values())
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not missing


def test_latents_follow_the_mixture(paired):
    network = network_of(paired)
    network.mixture_weights.copy_(torch.tensor([0.25, 0.75]))
    network.mixture_means.copy_(torch.stack([torch.full((8,), -5.0), torch.full((8,), 5.0)]))
    noise = torch.from_numpy(normal_block(0, range(4000), 8))[None]
    pick = torch.linspace(1e-4, 1 - 1e-4, 4000)[None]
    drawn = network._latents(pick, noise)[0]
    assert float((drawn[:, 0] < 0).float().mean()) == pytest.approx(0.25, abs=1e-3)
    assert float(drawn[:1000].std(0).mean()) == pytest.approx(1.0, abs=0.05)


def test_the_energy_comes_late_and_grows_to_its_weight():
    weights = LossWeights(energy=0.5, energy_start=0.2, energy_ramp=0.5)
    assert energy_weight(weights, 0.1) == 0
    assert energy_weight(weights, 0.7) == pytest.approx(0.5)
    ramp = [energy_weight(weights, p) for p in (0.2, 0.3, 0.5, 0.69)]
    assert ramp == sorted(ramp)
    assert ramp[0] == pytest.approx(0.5e-6)


def test_the_kl_weight_runs_in_cycles():
    weights = LossWeights(kl=2.0, kl_cycles=4)
    assert kl_weight(weights, 0.0) == 0
    assert kl_weight(weights, 0.25) == 0
    assert kl_weight(weights, 0.125) == pytest.approx(2.0)
    assert kl_weight(weights, 1.0) == 2.0
    assert kl_weight(LossWeights(kl=2.0, kl_cycles=0), 0.1) == 2.0
