"""Components of many equations: sparse steps find what dense ones do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from molecules_of_beads import BACKBONE, dipeptide
from test_projection import constrained, hydrogens, lengths_of, relaxed_dipeptide, system

from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.topology import Topology


@given(constrained())
def test_long_components_are_solved_alike(
    case: tuple[MappingTemplate, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Sparse steps, which components of many equations take, find what dense ones do."""
    template, pairs, good, near = case
    mapping = system(template)
    arguments = near, mapping.beads(good), (pairs, lengths_of(good, pairs))
    dense = mapping.project(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("msb.core.projection._LONG", 0)
        sparse = mapping.project(*arguments)
    np.testing.assert_allclose(mapping.beads(sparse.positions), arguments[1], atol=1e-9)
    if dense.converged and sparse.converged:
        np.testing.assert_allclose(sparse.positions, dense.positions, atol=1e-6)


def test_frames_and_copies_of_long_components(monkeypatch: pytest.MonkeyPatch) -> None:
    molecule = dipeptide()
    mapping = Mapping([MappingTemplate.from_atoms(molecule, BACKBONE)], Topology(((molecule, 3),)))
    good, pairs = relaxed_dipeptide(6).reshape(2, 66, 3), hydrogens(molecule)
    every = np.concatenate([pairs, pairs + 22, pairs + 44])
    start = good + 0.01 * np.random.default_rng(2).normal(size=good.shape)
    arguments = (start, mapping.beads(good), (every, lengths_of(good[0], every)))
    dense = mapping.project(*arguments)
    monkeypatch.setattr("msb.core.projection._LONG", 0)
    sparse = mapping.project(*arguments)
    np.testing.assert_allclose(sparse.positions, dense.positions, atol=1e-9)
    assert sparse.converged.tolist() == dense.converged.tolist() == [True, True]
