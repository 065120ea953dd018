"""What every backmapping method promises. A method's tests subclass this and give `model` as a fixture."""

from __future__ import annotations

import numpy as np
import pytest

from msb.backmapper import Backmapper, load_model
from msb.errors import TrajectoryError


class BackmapperContract:
    """Tests of a `model` of alanine dipeptide, on the data of the `paired` fixture."""

    def test_it_satisfies_the_protocol(self, model):
        assert isinstance(model, Backmapper)
        assert model.temperature == 300.0

    def test_beads_are_reproduced(self, model, paired):
        beads = paired.beads[1800:1820]
        atoms = model.backmap(beads, seed=3)
        assert atoms.shape == (20, 22, 3)
        assert atoms.dtype == np.float32
        assert np.abs(paired.mapping.beads(atoms) - beads).max() < 1e-5

    def test_two_identical_calls_agree_to_the_bit(self, model, paired):
        beads = paired.beads[1800:1810]
        assert np.array_equal(model.backmap(beads, seed=5), model.backmap(beads, seed=5))

    def test_a_trajectory_does_not_depend_on_its_batch(self, model, paired):
        beads = paired.beads[1700:1900].reshape(2, 100, 6, 3)
        frames = np.arange(200).reshape(2, 100)
        start = paired.positions[[1699, 1799]]
        both = model.backmap(beads, seed=5, frames=frames, start=start)
        alone = model.backmap(beads[1], seed=5, frames=frames[1], start=start[1])
        assert np.abs(both[1] - alone).max() < 1e-4

    def test_a_trajectory_does_not_depend_on_its_chunks(self, model, paired):
        beads = paired.beads[1800:1900]
        whole = model.backmap(beads, seed=5)
        first = model.backmap(beads[:37], seed=5, following=beads[37])
        second = model.backmap(beads[37:], seed=5, frames=np.arange(37, 100), start=first[-1])
        assert np.abs(np.concatenate([first, second]) - whole).max() < 1e-4

    def test_atoms_move_with_the_beads(self, model, paired):
        beads, start = paired.beads[1800:1810], paired.positions[1799]
        turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
        moved = model.backmap(beads @ turn + 1, seed=5, start=start @ turn + 1)
        assert np.abs(moved - (model.backmap(beads, seed=5, start=start) @ turn + 1)).max() < 1e-4

    def test_a_saved_model_is_the_same_model(self, model, paired, tmp_path):
        model.save(tmp_path / "bundle")
        again = load_model(tmp_path / "bundle", device="cpu")
        beads = paired.beads[1800:1810]
        assert np.array_equal(again.backmap(beads, seed=1), model.backmap(beads, seed=1))
        assert again.mapping.templates == model.mapping.templates
        assert again.topology == model.topology

    def test_a_wrong_number_of_beads_is_a_sentence(self, model, paired):
        with pytest.raises(TrajectoryError, match="5 beads, the model places 6"):
            model.backmap(paired.beads[:3, :5])
