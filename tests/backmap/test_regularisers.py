"""Energy priors: the papers' formulas, and gradients that lower what they should."""

from __future__ import annotations

import pytest
import torch
from energy_oracle import ALL, displaced, liquid

from msb.backmap.energies import CandidateEnergy
from msb.backmap.placer import Candidates
from msb.backmap.regularisers import Regulariser, regulariser
from msb.errors import ConfigError

MADE = {"bond": torch.tensor([[1.0], [5.0]]), "lj": torch.tensor([[-2.0], [8.0]])}
REAL = {"bond": torch.tensor([[2.0], [2.0]]), "lj": torch.tensor([[-4.0], [-4.0]])}


def test_energies_are_minimised_or_matched():
    weights = {"bond": 0.1, "lj": 0.5}
    low = regulariser(MADE, None, "minimise", weights)
    assert {k: v.item() for k, v in low.items()} == pytest.approx({"bond": 0.3, "lj": 1.5})
    same = regulariser(MADE, REAL, "match", weights)
    assert {k: v.item() for k, v in same.items()} == pytest.approx({"bond": 0.2, "lj": 3.5})
    assert set(regulariser(MADE, REAL, "match", {"bond": 0.0, "lj": 1.0})) == {"lj"}
    with pytest.raises(ConfigError, match="no energies are called angle; there are bond, lj"):
        regulariser(MADE, REAL, "match", {"angle": 1.0})
    with pytest.raises(ConfigError, match="takes those of the reference"):
        regulariser(MADE, None, "match", weights)


@pytest.mark.parametrize("kind", ["minimise", "match"])
def test_going_down_the_gradient_lowers_the_prior(tmp_path, kind):
    case = liquid(tmp_path)
    tables = case.tables()
    scene = case.scene(tables, 1.2)
    bead = torch.arange(4)
    frame = torch.zeros_like(bead)
    made = displaced(scene, bead, 1, width=0.02)
    real = Candidates(made.atoms, scene.positions[0][made.atoms.clamp(min=0)][:, None])
    prior = Regulariser.of(CandidateEnergy(case.system, tables, soft=0.05), kind, bonded=4e-3, lj=4e-2)
    x = made.positions.clone().requires_grad_(True)
    before = sum(prior(scene, ALL, frame, bead, Candidates(made.atoms, x), real).values())
    (gradient,) = torch.autograd.grad(before, x)
    step = Candidates(made.atoms, made.positions - 1e-5 * gradient / gradient.norm())
    terms = prior(scene, ALL, frame, bead, step, real)
    assert set(terms) == {"bond", "angle", "dihedral", "lj"}
    assert sum(terms.values()) < before
    if kind == "match":
        assert sum(prior(scene, ALL, frame, bead, real, real).values()) == 0
