"""Which choices keep the distribution, on a harmonic well whose exact answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stand_ins import Well, particles

from msb.backmap.record import SamplerOptions
from msb.backmap.sampler import Sampler
from msb.backmap.selection import choose
from msb.core.scene import Tables
from msb.errors import ConfigError
from msb.units import BOLTZMANN

KELVIN = 1 / BOLTZMANN  # so that kT = 1 kJ/mol
MOLECULES, FRAMES = 500, 24


def widths(
    well: Well, select: str, candidates: int, sweeps: int, known: bool = True, **more: float
) -> tuple[float, float]:
    """Standard deviation and mean of all coordinates, in units of the exact standard deviation."""
    _, mapping = particles(MOLECULES)
    grid = np.arange(MOLECULES)
    beads = 3.0 * np.stack([grid % 10, grid // 10 % 10, grid // 100], 1) * np.ones((FRAMES, 1, 1))
    if not known:  # naive weighting: as if all candidates were drawn alike
        well.place = lambda *a, own=well.place: _flat(own(*a))  # type: ignore[method-assign]
    options = SamplerOptions(
        sweeps, candidates, select, project=False, dtype=torch.float64, max_batch=10**5, **more
    )
    sampler = Sampler(well, Tables.of(mapping), mapping, well.energy, options)
    made = sampler.run(beads, seed=11, temperature=KELVIN)
    away = (made.positions - beads) / well.sd
    return float(away.std()), float(away.mean())


def _flat(candidates):
    candidates.log_density.zero_()
    return candidates


@pytest.mark.parametrize(
    ("well", "sweeps"),
    [
        (Well(), 1),
        (Well(width=1.5), 4),
        (Well(width=0.85), 6),
        (Well(off=0.5), 6),
        (Well(width=1.2, off=-0.4), 5),
    ],
)
def test_boltzmann_is_exact_whatever_the_generator(well: Well, sweeps: int) -> None:
    sd, mean = widths(well, "boltzmann", 6, sweeps)
    assert sd == pytest.approx(1.0, abs=0.02)
    assert mean == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("candidates", [1, 2, 20])
def test_boltzmann_leaves_the_target_alone_for_every_number_of_candidates(candidates: int) -> None:
    """From the target itself, one sweep with a poor generator changes nothing on average."""
    _, mapping = particles(MOLECULES)
    well = Well(width=1.4, off=0.6)
    beads = 3.0 * np.arange(MOLECULES)[:, None] * np.ones((FRAMES, 1, 3))
    start = beads + well.sd * np.random.default_rng(0).normal(size=beads.shape)
    options = SamplerOptions(1, candidates, "boltzmann", project=False, dtype=torch.float64)
    sampler = Sampler(well, Tables.of(mapping), mapping, well.energy, options)
    made = sampler.run(beads, start=start, temperature=KELVIN)
    away = (made.positions - beads) / well.sd
    assert away.std() == pytest.approx(1.0, abs=0.02)
    assert away.mean() == pytest.approx(0.0, abs=0.02)
    assert 0 < made.kept < made.visits == FRAMES * MOLECULES


@pytest.mark.parametrize("well", [Well(), Well(width=1.3)])
def test_random_keeps_the_generator(well: Well) -> None:
    for candidates in (1, 5):
        sd, _ = widths(well, "random", candidates, 1)
        assert sd == pytest.approx(well.width, rel=0.02)


def test_minimum_and_naive_weights_collapse() -> None:
    assert widths(Well(), "min", 24, 0)[0] < 0.5
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(12000, 200)))
    uniform = torch.from_numpy(np.random.default_rng(2).random(12000))
    rows = torch.arange(len(x))
    for how, q, expected, within in (
        ("boltzmann", torch.zeros_like(x), 0.5**0.5, 0.015),  # the square of the distribution
        ("boltzmann", -0.5 * x**2, 1.0, 0.015),
        ("min", None, 0.0, 0.05),
    ):
        taken = x[rows, choose(how, 0.5 * x**2, q, 1.0, uniform)]
        assert float(taken.std()) == pytest.approx(expected, abs=within)


def test_naive_weighting_by_the_sampler_narrows() -> None:
    assert widths(Well(), "boltzmann", 24, 0, known=False)[0] < 0.82


def test_choices_by_hand() -> None:
    nan, inf = torch.nan, torch.inf
    energies = torch.tensor([[3.0, 1.0, nan], [nan, inf, 5.0], [nan, nan, inf], [1.0, 2.0, 3.0]])
    half = torch.full((4,), 0.5)
    assert choose("min", energies, None, None, half).tolist() == [1, 2, 0, 0]
    limit = torch.tensor([2.0, 1.0, 9.0, 2.5])
    assert choose("random", energies, None, None, half, limit).tolist() == [1, 2, 0, 1]
    assert choose("random", energies, None, None, half)[:3].tolist() == [1, 2, 0]
    q = torch.zeros_like(energies)
    assert choose("boltzmann", energies, q, 1e-6, half).tolist() == [1, 2, 0, 0]
    ends = torch.tensor([1e-9, 1 - 2**-24])
    assert choose("random", None, None, None, ends, candidates=7).tolist() == [0, 6]


def test_what_is_missing_is_said() -> None:
    one = torch.ones(1, 2)
    for how, energies, q, kT, word in (
        ("min", None, None, None, "energies"),
        ("random", None, None, None, "energies"),
        ("boltzmann", one, None, 1.0, "density"),
        ("boltzmann", one, one, None, "temperature"),
    ):
        with pytest.raises(ConfigError, match=word):
            choose(how, energies, q, kT, torch.ones(1))


@pytest.mark.parametrize("spring", [0.05, 0.1, 0.3])
def test_beads_are_held_while_candidates_are_weighed(spring: float) -> None:
    """A well and a spring about the same middle: 1/sd^2 of both add up, exactly."""
    sd, mean = widths(Well(off=0.3), "boltzmann", 12, 6, bead_sd=spring)
    assert sd == pytest.approx(1 / np.hypot(1.0, Well().sd / spring), rel=0.03)
    assert mean == pytest.approx(0.0, abs=0.02)
    free = widths(Well(off=0.3), "random", 12, 1, bead_sd=spring)
    assert free[0] == pytest.approx(1.0, abs=0.02)
