"""Library and linear mean: exact where they must be, and what every method promises."""

from __future__ import annotations

import numpy as np
import pytest

from backmapper_contract import BackmapperContract
from msb.backmapper import build_model
from msb.classical import FragmentConfig, LibraryConfig, LinearConfig, fragment, library, linear
from msb.core.geometry import random_rotations
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots
from msb.errors import ConfigError, MappingError, TrajectoryError

DATA = {"structure": "-", "trajectory": "-", "mapping": "-", "temperature": 300, "lag": 1}
METHODS = {
    "fragment": (fragment, FragmentConfig),
    "library": (library, LibraryConfig),
    "linear": (linear, LinearConfig),
}


def trained(name, paired, folder=None):
    module, config = METHODS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_paired", lambda *_: paired)
        return module.train(config.parse({"name": name, "data": DATA}), folder, folder)


@pytest.fixture(scope="module", params=sorted(METHODS))
def model(request, paired):
    return trained(request.param, paired)


class TestContract(BackmapperContract):
    """The baselines keep what every method promises, at any frame spacing."""

    def test_any_spacing_will_do(self, model):
        assert model.lag is None


def test_atoms_that_are_kept_stay(model, paired):
    only = np.zeros(22, dtype=bool)
    only[:6] = True
    start = paired.positions[1799]
    atoms = model.backmap(paired.beads[1800:1803], start=start, only=only)
    assert np.array_equal(atoms[:, 6:], np.broadcast_to(start[6:], (3, 16, 3)))
    with pytest.raises(TrajectoryError, match="needs `start`"):
        model.backmap(paired.beads[1800:1803], only=only)


def test_a_model_is_put_onto_more_copies_in_a_tilted_box(model, paired):
    """Each of three copies, wrapped into the box, is placed as it is alone."""
    template = paired.topology.only_template()
    topology = Topology(((template, 3),))
    mapping = Mapping([paired.mapping.templates[0]] * 1, topology)
    many = model.onto(topology, mapping)
    rng = np.random.default_rng(2)
    box = np.array([[3, 0, 0], [1, 2.8, 0], [0.7, -0.9, 2.5]], dtype=np.float32)
    turns = random_rotations(3).numpy()
    beads = paired.beads[1800:1803] - paired.beads[1800:1803].mean(1, keepdims=True)
    placed = beads @ turns + (rng.random((3, 1, 3)) @ box).astype(np.float32)
    fractions = placed @ np.linalg.inv(box)
    wrapped = ((fractions - np.floor(fractions)) @ box).astype(np.float32)
    atoms = many.backmap(wrapped.reshape(1, 18, 3), boxes=box[None])[0].reshape(3, 22, 3)
    assert np.abs(np.sort(np.linalg.norm(np.diff(atoms, axis=1), axis=-1)) < 0.6).all()
    alone = model.backmap(beads)
    there = atoms - np.asarray(paired.mapping.beads(atoms))[:, :1]
    here = (alone - beads[:, :1]) @ turns
    close = 2e-4 if model.method != "fragment" else 0.25  # fragments also look at what is around them
    assert np.abs(there - here).max() < close


def test_other_molecules_are_listed_at_once(model):
    water = MoleculeTemplate.from_atoms("SOL", ["OW", "HW1", "HW2"], bonds=[(0, 1), (0, 2)])
    methane = MoleculeTemplate.from_atoms("CH4", ["C", *"HHHH"], bonds=[(0, i) for i in range(1, 5)])
    topology = Topology(((water, 2), (methane, 1)))
    templates = [MappingTemplate.from_atoms(molecule, [0]) for molecule in (water, methane)]
    with pytest.raises(MappingError, match=r"SOL[\s\S]*CH4"):
        model.onto(topology, Mapping(templates, topology))


def test_without_snapshots_there_is_nothing_to_learn_from(model, paired):
    with pytest.raises(ConfigError, match="--from"):
        build_model(model.method, None, paired.topology, paired.mapping)
    source = Snapshots.of(paired.positions[:50], paired.mapping)
    with pytest.raises(ConfigError, match="unknown key `piars`"):
        build_model(model.method, source, paired.topology, paired.mapping, options={"piars": 3})
    built = build_model(model.method, source, paired.topology, paired.mapping)
    assert np.isnan(built.temperature)
    assert np.isfinite(built.backmap(paired.beads[:2])).all()


def test_the_library_finds_a_frame_of_its_own(paired):
    """A library frame's beads, turned and shifted, bring back that frame."""
    model = trained("library", paired)
    turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
    atoms = paired.positions[100:110] @ turn + 2
    found = model.backmap(paired.beads[100:110] @ turn + 2)
    assert np.abs(found - atoms).max() < 2e-4


def test_linear_mean_beats_the_mean_frame(paired):
    model = trained("linear", paired)
    heavy = [1, 5, 15, 18]
    error = model.backmap(paired.beads[1800:])[:, heavy] - paired.positions[1800:][:, heavy]
    assert np.sqrt((error**2).sum(-1).mean()) < 0.03


def test_the_linear_mean_is_one_least_squares_over_the_whole_molecule(paired):
    """The model is the plain regression of the training split, projected."""
    import torch

    from msb.core.features import LinearMean, choose_frame

    positions, beads = (torch.from_numpy(a) for a in paired.part("train"))
    frame = choose_frame(beads, np.asarray(paired.mapping.bead_topology().bonds))
    plain = LinearMean.fit(positions, beads, frame).predict(torch.from_numpy(paired.beads[1800:]))
    expected = paired.mapping.project(plain.numpy(), paired.beads[1800:]).positions
    assert np.abs(trained("linear", paired).backmap(paired.beads[1800:]) - expected).max() < 2e-4
