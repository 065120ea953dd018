"""The morph model: what it keeps exactly, what it changes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm
import pytest
from morph_walks import BEADS, CHAINS, Walks, configuration, walks, write_target

from msb.backmapper import load_model
from msb.core.topology import Topology
from msb.errors import BundleError, ConfigError, MappingError
from msb.morph import LocalStatistics, Morpher, bottleneck, chain_topology, load_morpher
from msb.morph.flat_bottom import flat_bottom_system
from msb.morph.statistics import share_left
from msb.morph.training import train


@pytest.fixture(scope="module")
def target() -> Walks:
    """What is learned."""
    return walks(12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, target: Walks) -> Path:
    """Where a small model was trained for seconds."""
    base = tmp_path_factory.mktemp("morph")
    write_target(base, target)
    train(configuration(base), base, base / "run").save(base / "model")
    return base


@pytest.fixture(scope="module")
def morpher(folder: Path) -> Morpher:
    """The model, as it is read again."""
    return load_morpher(folder / "model")


@pytest.fixture(scope="module")
def top_down() -> Walks:
    """Chains whose bonds are too short and all alike, to be morphed."""
    return walks(2, bond=0.45, sd=0.004, seed=5, chains=9)


@pytest.mark.parametrize("scheme", ["A", "B"])
def test_centres_stay_and_bonds_become_the_targets(morpher: Morpher, top_down: Walks, scheme: str) -> None:
    model = morpher.onto(top_down.topology)
    found = model.morph(top_down.positions, top_down.boxes, scheme=scheme, seed=1)  # type: ignore[arg-type]
    before, after = (model.bottleneck.beads(x.astype(float)) for x in (top_down.positions, found))
    np.testing.assert_allclose(after, before, atol=2e-6)
    was, now = (
        LocalStatistics.of(x, top_down.boxes, top_down.topology, like=model.target)
        for x in (top_down.positions, found)
    )
    goal = model.target.mean_bond
    assert abs(now.mean_bond - goal) < 0.6 * abs(was.mean_bond - goal)
    assert now.divergences(model.held_out)["bond"] < 0.7 * was.divergences(model.held_out)["bond"]


def test_weighing_by_the_targets_statistics_keeps_centres(morpher: Morpher, top_down: Walks) -> None:
    config = morpher.config.model_copy(update={"weigh": "field"})
    model = Morpher(**{**vars(morpher), "config": config}).onto(top_down.topology)
    found = model.morph(top_down.positions[:1], top_down.boxes[:1], seed=1, sweeps=1)
    before = model.bottleneck.beads(top_down.positions[:1].astype(float))
    np.testing.assert_allclose(model.bottleneck.beads(found.astype(float)), before, atol=2e-6)
    assert model.decoder.sampling.select == "boltzmann"


def test_a_refined_field_is_the_same_again_and_keeps_centres(morpher: Morpher, top_down: Walks) -> None:
    config = morpher.config.model_copy(update={"weigh": "field"})
    model = Morpher(**{**vars(morpher), "config": config}).onto(top_down.topology)
    given = {"positions": top_down.positions, "boxes": top_down.boxes, "seed": 1}
    placed = model.place(**given, sweeps=1)
    counted: list[int] = []
    better = model.refined(placed, **given, rounds=2, told=counted.append)
    assert counted == [1, 1, 1]
    assert model.aim is None
    found = better.morph(**given, sweeps=1)
    np.testing.assert_array_equal(model.refined(placed, **given, rounds=2).polish(placed, **given), found)
    refined, plain, before = (
        LocalStatistics.of(x.astype(float), top_down.boxes, top_down.topology, like=model.target).divergences(
            model.target
        )
        for x in (found, model.polish(placed, **given), top_down.positions)
    )
    floor = model.held_out.divergences(model.target)
    assert share_left(refined, before, floor) <= share_left(plain, before, floor)
    assert model.refined(placed, **given, rounds=0) is model
    before, after = (model.bottleneck.beads(x.astype(float)) for x in (top_down.positions, found))
    np.testing.assert_allclose(after, before, atol=2e-6)


def test_the_same_seed_and_frame_give_the_same(morpher: Morpher, top_down: Walks) -> None:
    model = morpher.onto(top_down.topology)
    given = top_down.positions, top_down.boxes
    alone, number = (top_down.positions[1:], top_down.boxes[1:]), np.array([1])
    both = model.place(*given, seed=3)
    second = model.place(*alone, seed=3, frames=number)
    np.testing.assert_allclose(second[0], both[1], atol=1e-5)
    other = model.place(*alone, seed=4, frames=number)
    assert np.abs(other[0] - both[1]).max() > 0.01
    polished = model.polish(both, *given, seed=3)
    np.testing.assert_array_equal(model.polish(both[1:], *alone, seed=3, frames=number)[0], polished[1])
    assert np.abs(model.polish(both[1:], *alone, seed=4, frames=number)[0] - polished[1]).max() > 0.01


def test_chains_of_other_lengths_and_remainders(morpher: Morpher) -> None:
    """One bead left at the end of a chain is its own centre, hence stays where it is."""
    made = walks(1, seed=9)
    lengths = (5, 3)
    topology = chain_topology(lengths, ["X"] * 8, morpher.types_of(lengths))
    model = morpher.onto(topology)
    x = made.positions[:, [0, 1, 2, 3, 4, 8, 9, 10]]
    found = model.morph(x, made.boxes[:1])
    assert model.bottleneck.n_beads == 3 + 2
    np.testing.assert_allclose(found[:, [4, 7]], x[:, [4, 7]], atol=2e-6)


def test_bottleneck_is_the_mean_of_consecutive_beads(target: Walks) -> None:
    mapping = bottleneck(target.topology, 2)
    expected = target.positions.reshape(len(target.positions), -1, 2, 3).mean(2)
    np.testing.assert_allclose(mapping.beads(target.positions), expected, atol=1e-6)
    assert [tuple(p) for p in mapping.templates[0].bead_bonds] == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(("s", "says"), [(1, "at least two"), (9, "fewer than the 9")])
def test_bottleneck_refuses(target: Walks, s: int, says: str) -> None:
    with pytest.raises(MappingError, match=says):
        bottleneck(target.topology, s)


def test_walls_are_flat_inside_and_rise_outside(target: Walks) -> None:
    """Zero for the target itself; a stretched bond and an overlap cost what eqs. 7.2 and 7.3 say."""
    ranges = LocalStatistics.of(target.positions, None, target.topology).ranges
    system = flat_bottom_system(target.topology, ranges, 0.5)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )

    def energy(x: np.ndarray) -> float:
        context.setPositions(x)
        state = context.getState(getEnergy=True)
        return float(state.getPotentialEnergy().value_in_unit(openmm.unit.kilojoule_per_mole))

    for x in target.positions:
        assert energy(x) == pytest.approx(0.0, abs=1e-4)  # the extremes themselves, to rounding
    pair: Topology = chain_topology((2, 2), ["B"] * 4, ["B"] * 4)
    system = flat_bottom_system(pair, ranges, 0.5)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    x = np.zeros((4, 3))
    x[1, 0], x[2, 1], x[3, 1] = ranges.bond[1] + 0.1, 5.0, 5.0 + ranges.bond[1]
    assert energy(x) == pytest.approx(1000 / 0.25 * 0.1**2, rel=1e-4)
    x[1, 0] = ranges.bond[1]
    x[2:] += x[0] - x[2] + [0, 0, 0.5 * ranges.nearest]
    assert energy(x) == pytest.approx(1000 * 0.5**2, rel=1e-3)


def test_statistics_add_up_and_survive_json(target: Walks) -> None:
    whole = LocalStatistics.of(target.positions, target.boxes, target.topology)
    parts = [
        LocalStatistics.of(target.positions[rows], target.boxes[rows], target.topology, like=whole)
        for rows in (slice(0, 5), slice(5, None))
    ]
    both = LocalStatistics.from_dict((parts[0] + parts[1]).to_dict())
    for q in ("bond", "angle", "rdf"):
        np.testing.assert_array_equal(both.counts[q], whole.counts[q])
    assert both.mean_bond == pytest.approx(whole.mean_bond)
    assert both.ranges == whole.ranges
    assert both.divergences(whole) == pytest.approx({"bond": 0.0, "angle": 0.0, "rdf": 0.0}, abs=1e-12)
    assert both.density == pytest.approx(CHAINS * BEADS / 27.0)


def test_models_are_told_apart(folder: Path, morpher: Morpher) -> None:
    with pytest.raises(BundleError, match="it is for `msb morph`"):
        load_model(folder / "model")
    with pytest.raises(BundleError, match=r"`backmap`.*needs one of the method `morph`"):
        load_morpher("sps")
    assert morpher.pattern == ("B",) * BEADS


def test_refusals(morpher: Morpher, top_down: Walks) -> None:
    model = morpher.onto(top_down.topology)
    with pytest.raises(ConfigError, match="at least one"):
        model.morph(top_down.positions, top_down.boxes, scheme="B", sweeps=0)
    with pytest.raises(ConfigError, match="choose A"):
        model.morph(top_down.positions, top_down.boxes, scheme="C")  # type: ignore[arg-type]


def test_types_go_by_order_and_count(morpher: Morpher) -> None:
    two = Morpher(**{**vars(morpher), "pattern": ("P", "Q", "P")})
    assert two.types_of((3, 3)) == ("P", "Q", "P", "P", "Q", "P")
    with pytest.raises(MappingError, match="give chains of that length"):
        two.types_of((3, 4))


def test_one_snapshot_leaves_nothing_to_choose_by(tmp_path: Path) -> None:
    write_target(tmp_path, walks(1))
    with pytest.raises(ConfigError, match="one snapshot"):
        train(configuration(tmp_path), tmp_path, tmp_path / "run")
