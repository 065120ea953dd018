"""A temporal model for several copies of its molecule."""

from __future__ import annotations

import numpy as np
import pytest

from msb.backmapper import Backmapper, load_model
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError, TrajectoryError


@pytest.fixture(scope="module")
def model():
    return load_model("adp", device="cpu")


@pytest.fixture(scope="module")
def three(model):
    topology = Topology(((model.topology.only_template(), 3),))
    return model.onto(topology, Mapping(model.mapping.templates, topology))


def test_copies_walk_by_themselves(model, three, paired):
    """The first copy is the single molecule; others at the same beads have noise of their own."""
    beads = paired.beads[1800:1810]
    apart = np.array([0, 5, 10], dtype=np.float32)[:, None]
    many = (beads[:, None] + apart[:, None]).reshape(10, 18, 3)
    assert isinstance(three, Backmapper)
    atoms = three.backmap(many, seed=4).reshape(10, 3, 22, 3) - apart[:, None]
    assert np.abs(atoms[:, 0] - model.backmap(beads, seed=4)).max() < 1e-4
    assert np.abs(atoms[:, 1] - atoms[:, 0]).max() > 0.01
    assert np.abs(np.asarray(model.mapping.beads(atoms[:, 2])) - beads).max() < 1e-4


def test_pieces_boxes_and_starts(three, paired):
    beads = paired.beads[1800:1810]
    many = (beads[:, None] + np.float32(0.1) * np.ones((3, 1, 3), dtype=np.float32)).reshape(10, 18, 3)
    whole = three.backmap(many, seed=4)
    first = three.backmap(many[:4], seed=4, following=many[4])
    rest = three.backmap(many[4:], seed=4, frames=np.arange(4, 10), start=first[-1])
    assert np.abs(np.concatenate([first, rest]) - whole).max() < 1e-4
    box = 2.5 * np.eye(3, dtype=np.float32)
    wrapped = np.mod(many, 2.5).astype(np.float32)
    atoms = three.backmap(wrapped, seed=4, boxes=np.broadcast_to(box, (10, 3, 3)))
    bonds = np.linalg.norm(np.diff(atoms[:, three.topology.bonds], axis=2), axis=-1)
    assert bonds.max() < 0.2


def test_only_its_own_molecule(model, three, tmp_path):
    water = MoleculeTemplate.from_atoms("SOL", ["OW", "HW1", "HW2"], bonds=[(0, 1), (0, 2)])
    topology = Topology(((model.topology.only_template(), 1), (water, 4)))
    mapping = Mapping([model.mapping.templates[0], MappingTemplate.from_atoms(water, [0])], topology)
    for one in (model, three):
        with pytest.raises(MappingError, match=r"does not know SOL \(3 atoms\)"):
            one.onto(topology, mapping)
    with pytest.raises(TrajectoryError, match="7 beads, the system 18"):
        three.backmap(np.zeros((1, 7, 3), dtype=np.float32))
    assert three.onto(model.topology, model.mapping) is model
    three.save(tmp_path / "bundle")
    assert load_model(tmp_path / "bundle", device="cpu").topology == model.topology
