"""Bead features stay when the molecule moves; the linear mean is exact where atoms are linear in beads."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from msb.core.features import LinearMean, bead_features, choose_frame
from msb.core.geometry import random_rotations


@given(st.integers(0, 2**31))
def test_features_do_not_move_with_the_molecule(seed):
    generator = torch.Generator().manual_seed(seed)
    beads = torch.randn(4, 5, 3, dtype=torch.float64, generator=generator)
    turn = random_rotations(4, generator=generator, dtype=torch.float64)
    moved = beads @ turn + torch.randn(4, 1, 3, dtype=torch.float64, generator=generator)
    assert torch.allclose(bead_features(moved, (1, 0, 2)), bead_features(beads, (1, 0, 2)), atol=1e-9)


@given(st.integers(0, 2**31))
def test_linear_mean_is_exact_where_atoms_are_linear_in_beads(seed):
    generator = torch.Generator().manual_seed(seed)
    beads = torch.randn(200, 4, 3, dtype=torch.float64, generator=generator)
    share = torch.rand(6, 4, dtype=torch.float64, generator=generator)
    share = share / share.sum(1, keepdim=True)
    atoms = share @ beads
    mean = LinearMean.fit(atoms, beads, (0, 1, 2))
    assert torch.allclose(mean.predict(beads.float()), atoms.float(), atol=2e-5)


def test_the_frame_avoids_beads_on_a_line():
    line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0]])
    beads = line + 0.01 * torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(0))
    frame = choose_frame(beads, torch.tensor([[0, 1], [1, 2], [2, 3]]).numpy())
    assert frame[0] == 2
