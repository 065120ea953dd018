"""Many beads at a time give what one after another gives, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from stand_ins import Exact, scattered

from msb.backmap.placer import Draw
from msb.backmap.record import SamplerOptions, Tally
from msb.backmap.sampler import Sampler
from msb.backmap.schedule import Schedule
from msb.backmap.visit import Visitor
from msb.core.noise import child_seed
from msb.core.order import colours, visiting_order
from msb.core.scene import Scene, Tables
from toy_chains import system

REACH = 0.6
MIXTURE = system((3, 1), (1, 2), (4, 1))
MELT = system((3, 3))
OPTIONS = SamplerOptions(sweeps=1, project=False, dtype=torch.float64)


def one_by_one(sampler, beads, boxes, seed, numbers, temperature=300.0):
    """Positions (F, N, 3): frame after frame, phase after phase, a single bead at a time."""
    options = sampler.options
    visitor = Visitor(
        sampler.placer, sampler.energy, options, sampler.limits or {}, None, temperature * 0.0083145, Tally()
    )
    done = []
    for f, number in enumerate(numbers.tolist()):
        one = slice(f, f + 1)
        scene = Scene.of(sampler.tables, beads[one], boxes[one], sampler.placer.reach, options.dtype)
        hues = colours(scene.pairs(0), sampler.tables.n_beads)
        ranks, molecules = sampler.tables.ranks.numpy(), sampler.tables.molecule.numpy()
        for phase in sampler.placer.phases(options.sweeps):
            how = options.sweep_order if phase.gibbs else options.forward_order
            draw = Draw(seed, np.array([number]), phase.number, dtype=options.dtype)
            for bead in visiting_order(ranks, molecules, hues, how, child_seed(seed, number)).tolist():
                if bool((sampler.tables.placed_in(phase, torch.tensor([bead])) >= 0).any()):
                    place = torch.tensor([0]), torch.tensor([bead])
                    atoms, positions = visitor.visit(scene, phase, *place, draw)
                    scene.write(place[0], atoms, positions)
        done.append(scene.positions[0].numpy())
    return np.stack(done)


@st.composite
def boxes(draw):
    """Row vectors of boxes, also tilted, with edges from just above reach to three times as much."""
    edges = [draw(st.floats(1.02 * REACH, 3.0 * REACH)) for _ in range(3)]
    tilt = [draw(st.floats(-0.45, 0.45)) if draw(st.booleans()) else 0.0 for _ in range(3)]
    box = np.diag(edges)
    box[1, 0], box[2, 0], box[2, 1] = tilt[0] * edges[0], tilt[1] * edges[0], tilt[2] * edges[1]
    return box


ORDERS = st.sampled_from(["rank", "molecule", "colour", "random"])


@settings(max_examples=7, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    which=st.sampled_from([MIXTURE, MELT]),
    box=boxes(),
    seed=st.integers(0, 2**32),
    orders=st.tuples(ORDERS, ORDERS),
    select=st.sampled_from(["random", "redraw", "min", "boltzmann"]),
    together=st.booleans(),
    batch=st.integers(1, 40),
    split=st.integers(1, 3),
)
def test_like_one_at_a_time(which, box, seed, orders, select, together, batch, split) -> None:
    _, mapping = which
    rng = np.random.default_rng(seed)
    frames = np.array([5, 2, 90])
    cells = np.stack([box, box, 1.2 * box])
    beads = np.concatenate([scattered(mapping, 1, cell, rng) for cell in cells])
    placer = Exact(REACH, together)
    options = replace(
        OPTIONS,
        candidates=1 if select == "random" else 3,
        select="random" if select == "redraw" else select,
        forward_order=orders[0],
        sweep_order=orders[1],
        max_batch=batch,
        max_atoms=split * mapping.n_atoms,
        redraws=2,
    )
    limits = {f"{way}-{kind}": torch.full((mapping.n_beads,), 5.5) for way in ("forward", "gibbs")
              for kind in ("heavy", "hydrogens", "all")}  # fmt: skip
    sampler = Sampler(
        placer,
        Tables.of(mapping),
        mapping,
        None if select == "random" else placer.energy,
        options,
        limits=limits,
    )
    made = sampler.run(beads, cells, seed, frames, temperature=300.0)
    assert placer.largest <= max(batch, options.candidates)
    expected = one_by_one(sampler, beads, cells, seed, frames)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(made.positions, expected)
    assert (select == "redraw") >= (made.redrawn > 0)


def test_a_wrong_schedule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all beads of a pass placed at once, positions would differ: the test above is not empty."""
    _, mapping = MELT
    box = np.eye(3)[None] * 1.5
    beads = scattered(mapping, 1, box[0], np.random.default_rng(1))
    sampler = Sampler(Exact(REACH), Tables.of(mapping), mapping, None, OPTIONS)
    right = sampler.run(beads, box, 1).positions
    np.testing.assert_array_equal(right, one_by_one(sampler, beads, box, 1, np.array([0])))
    of = Schedule.of

    def at_once(*arguments):
        made = of(*arguments)
        return Schedule([tuple(torch.cat(parts) for parts in zip(*made.steps, strict=True))])

    monkeypatch.setattr(Schedule, "of", at_once)
    assert np.abs(sampler.run(beads, box, 1).positions - right).max() > 1e-3


def test_single_precision() -> None:
    """In float32 the schedule agrees as well."""
    _, mapping = MIXTURE
    box = np.eye(3)[None] * 1.1
    beads = scattered(mapping, 1, box[0], np.random.default_rng(3)).astype(np.float32)
    sampler = Sampler(Exact(REACH), Tables.of(mapping), mapping, None, replace(OPTIONS, dtype=torch.float32))
    made = sampler.run(beads, box, 8).positions
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, one_by_one(sampler, beads, box, 8, np.array([0])), atol=1e-5)


def test_stages_are_few() -> None:
    """Passes have the stages that the order says, and short sweeps where few beads see each other."""
    _, mapping = MELT
    far = np.diag([30.0, 30.0, 30.0])[None]
    beads = scattered(mapping, 1, far[0], np.random.default_rng(0))
    made = Sampler(Exact(REACH), Tables.of(mapping), mapping, None, OPTIONS).run(beads, far)
    assert made.passes == ["forward-heavy", "forward-hydrogens", "gibbs-heavy", "gibbs-hydrogens"]
    assert made.stages == [1, 1, 1, 1]
    assert made.visits == 2 * 18 + 2 * 9  # a fluorine is a bead without hydrogens
    assert made.seconds["total"] >= made.seconds["network"] > 0
