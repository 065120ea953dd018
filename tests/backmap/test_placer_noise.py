"""Noise of placers is a function of its address alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.backmap.placer import Draw
from msb.errors import ConfigError

FRAMES, ATOMS = torch.tensor([0, 1, 1, 0]), torch.tensor([5, 5, 900, 70000])


def draw(**changes) -> Draw:
    keys = {"seed": 3, "numbers": np.array([17, 40]), "phase": 2, "dtype": torch.float64}
    return Draw(**{**keys, **changes})


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_rows_candidates_and_slots_do_not_know_of_each_other(kind: str) -> None:
    many = getattr(draw(), kind + "s")(FRAMES, ATOMS, 6, 9)
    assert many.shape == (4, 6, 9)
    for row, slot in ((0, 0), (2, 5), (3, 8)):
        one = getattr(draw(), kind)(FRAMES[row : row + 1], ATOMS[row : row + 1], 2, slot)
        torch.testing.assert_close(one[0], many[row, :2, slot], rtol=0, atol=0)
        later = getattr(draw().later(4), kind)(FRAMES[row : row + 1], ATOMS[row : row + 1], 2, slot)
        torch.testing.assert_close(later[0], many[row, 4:, slot], rtol=0, atol=0)
    table = ATOMS.reshape(2, 2)
    together = getattr(draw(), kind + "s")(FRAMES[:2], table, 6, 9)
    assert together.shape == (2, 6, 2, 9)
    torch.testing.assert_close(together[0, :, 0], many[0], rtol=0, atol=0)
    assert len(torch.unique(many)) == many.numel()


def test_every_key_counts() -> None:
    here = draw().normal(FRAMES, ATOMS, 1)
    for other in (draw(seed=4), draw(numbers=np.array([18, 41])), draw(phase=3), draw(first=1)):
        assert not torch.isclose(other.normal(FRAMES, ATOMS, 1), here).any()


def test_distribution_and_dtype() -> None:
    atoms = torch.arange(20000)
    z = draw(dtype=torch.float32).normals(torch.zeros_like(atoms), atoms, 2, 3)
    assert z.dtype == torch.float32
    assert abs(float(z.mean())) < 0.015
    assert float(z.std()) == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(z[:, 0, 0], z[:, 1, 0])[0, 1]) < 0.03
    u = draw(dtype=torch.float32).uniform(torch.zeros_like(atoms), atoms, 1)
    assert 0 < float(u.min()) < float(u.max()) < 1


def test_what_fills_up_is_let_pass_and_what_is_out_of_range_is_said() -> None:
    padded = draw().normal(FRAMES[:1], torch.tensor([[5, -1]]), 1)
    assert torch.isfinite(padded).all()
    with pytest.raises(ConfigError, match="atoms"):
        draw().normal(FRAMES[:1], torch.tensor([2**24]), 1)
    with pytest.raises(ConfigError, match="candidates"):
        draw().normal(FRAMES[:1], ATOMS[:1], 5000)
    with pytest.raises(ConfigError, match="frame numbers"):
        draw(numbers=np.array([-1]))
