"""The field of a target's statistics is minus kT times the logarithms that it was made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import openmm
import pytest
from ideal_target import BEND, BOND, KELVIN, WIDTH, pair_correlation, statistics

from msb.errors import TrajectoryError
from msb.morph import chain_topology
from msb.morph.field import corrected, target_field
from msb.morph.statistics import LocalStatistics, share_left
from msb.units import BOLTZMANN

KT = BOLTZMANN * KELVIN


def energy(positions: list[list[float]], lengths: list[int]) -> float:
    """kT of beads at positions."""
    names = ["B"] * len(positions)
    system = target_field(chain_topology(lengths, names, names), statistics(), KELVIN)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(np.array(positions))
    return context.getState(getEnergy=True).getPotentialEnergy()._value / KT


def test_bonds_get_their_potential_back() -> None:
    """Differences along the bond are those of the harmonic potential, and walls rise beyond."""
    base = energy([[0, 0, 0], [BOND, 0, 0]], [2])
    for r in (0.43, 0.47, 0.53, 0.56):
        expected = 0.5 * ((r - BOND) / WIDTH) ** 2
        assert energy([[0, 0, 0], [r, 0, 0]], [2]) - base == pytest.approx(expected, abs=0.03)
    assert energy([[0, 0, 0], [0.9, 0, 0]], [2]) - base > 500


def test_angles_get_their_potential_back() -> None:
    """Eq. 2.44 comes back from its own distribution."""

    def at(angle: float) -> float:
        end = [BOND - BOND * np.cos(angle), BOND * np.sin(angle), 0]
        return energy([[0, 0, 0], [BOND, 0, 0], end], [3])

    for angle in (1.8, 2.2, 2.9):
        expected = BEND * (np.cos(angle) - np.cos(2.5))
        assert at(angle) - at(2.5) == pytest.approx(expected, abs=0.05)


def test_pairs_get_their_correlation_back() -> None:
    """Strangers feel -ln g up to the reach; those within two bonds feel nothing of it."""
    far = energy([[0, 0, 0], [0.79, 0, 0]], [1, 1])
    near = energy([[0, 0, 0], [0.6, 0, 0]], [1, 1])
    assert far - near == pytest.approx(np.log(pair_correlation(np.array([0.6])))[0], abs=0.05)
    assert energy([[0, 0, 0], [0.3, 0, 0]], [1, 1]) > 5


def test_too_few_values_are_refused() -> None:
    """A sentence, not a polynomial through noise."""
    poor = statistics()
    poor.counts["bond"][:] = 1
    with pytest.raises(TrajectoryError, match="too few values of the bond"):
        target_field(chain_topology([3], ["B"] * 3, ["B"] * 3), poor, KELVIN)
    poor.counts["rdf"][:] = 0
    with pytest.raises(TrajectoryError, match="no non-bonded pairs"):
        target_field(chain_topology([1], ["B"], ["B"]), poor, KELVIN)


def test_a_correction_undoes_a_bias_at_once() -> None:
    """Where what comes out is what was aimed at times an exponential, aiming again hits the target."""
    target = statistics()
    bias = {q: np.geomspace(0.6, 1.8, 60) for q in target.counts}

    def outcome(aim: LocalStatistics) -> LocalStatistics:
        return replace(aim, counts={q: c * bias[q] for q, c in aim.counts.items()})

    aim = corrected(target, target, outcome(target))
    for quantity, counts in outcome(aim).counts.items():
        many = target.counts[quantity] > 3
        shares = counts[many] / counts[many].sum()
        wanted = target.counts[quantity][many] / target.counts[quantity][many].sum()
        np.testing.assert_allclose(shares, wanted, rtol=1e-6)


def test_a_correction_does_not_learn_noise() -> None:
    """What scatters about the target by chance moves the aim less than it scatters itself."""
    target = statistics()
    rng = np.random.default_rng(3)
    found = replace(target, counts={q: rng.poisson(c) for q, c in target.counts.items()})
    aim = corrected(target, target, found)
    for quantity, counts in target.counts.items():
        many = counts > 50
        scatter = np.log(found.counts[quantity][many] / counts[many])
        learnt = np.log(aim.counts[quantity][many] / counts[many])
        assert learnt.std() < 0.6 * scatter.std()


def test_a_correction_is_bounded_and_leaves_the_target_alone() -> None:
    target = statistics()
    same = corrected(target, target, target)
    far = replace(target, counts={q: np.roll(c, 7) for q, c in target.counts.items()})
    for quantity, counts in target.counts.items():
        np.testing.assert_array_equal(same.counts[quantity], counts)
        changed = corrected(target, target, far).counts[quantity]
        assert np.all((changed <= 3.001 * counts) & (changed >= counts / 3.001))
    empty = replace(target, counts={q: np.zeros(60, dtype=np.int64) for q in target.counts})
    np.testing.assert_array_equal(corrected(target, target, empty).counts["bond"], target.counts["bond"])


def test_what_is_left_is_a_mean_of_shares() -> None:
    """Each quantity counts alike, whatever its scale; below the floor nothing is to be gained."""
    before = {"bond": 0.08, "angle": 0.002, "rdf": 0.004}
    floor = {"bond": 0.001, "angle": 0.004, "rdf": 0.0001}
    found = {"bond": 0.008, "angle": 0.002, "rdf": 0.001}
    assert share_left(found, before, floor) == pytest.approx((0.1 + 0.5 + 0.25) / 3)
    assert share_left(before, before, dict.fromkeys(floor, 0.0)) == pytest.approx(1)
    assert share_left({"bond": 0.0}, {"bond": 0.0}, {"bond": 0.0}) == 0
