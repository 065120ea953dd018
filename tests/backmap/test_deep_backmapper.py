"""The model around any kind of placer: other systems, bundles, choices, hands, and what it refuses."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from msb.backmap.config import BackmapConfig
from msb.backmap.kinds import kind_named, register_kind
from msb.backmap.model import DeepBackmapper
from msb.backmap.training import train
from msb.backmapper import Backmapper, load_model
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots
from msb.data.training_set import load_training
from msb.errors import ConfigError, MappingError, MsbWarning, TrajectoryError
from small_melt import Box, butane, chain, write_box
from stand_in_kind import NAME, stand_in


@pytest.fixture(scope="module", autouse=True)
def _kind() -> Iterator[None]:
    before = stand_in()
    yield
    register_kind(NAME, before)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)


def config_of(**changes: object) -> BackmapConfig:
    plain: dict[str, object] = {
        "method": "backmap",
        "name": "small",
        "data": {
            "topology": "topol.top",
            "mapping": "mapping.yaml",
            "snapshots": "aa.gro",
            "validation": "aa.gro",
            "temperature": 300.0,
        },
        "network": {"kind": NAME},
        "sampling": {"redraw": False},
    }
    return BackmapConfig.parse({**plain, **changes})


@pytest.fixture(scope="module")
def trained(box: Box, tmp_path_factory: pytest.TempPathFactory) -> DeepBackmapper:
    return train(config_of(), box.top.parent, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def frame(box: Box) -> Snapshots:
    return load_training(config_of().data, box.top.parent).train[0]


@pytest.fixture
def model(trained: DeepBackmapper, frame: Snapshots) -> DeepBackmapper:
    return trained.onto(frame.topology, frame.mapping)


def test_it_is_a_backmapper_of_one_molecule_of_each_kind(trained: DeepBackmapper) -> None:
    assert isinstance(trained, Backmapper)
    assert [(t.name, n) for t, n in trained.topology.molecules] == [("PVC", 1), ("BUT", 1)]
    assert trained.temperature == 300.0
    assert trained.metrics["seconds"] == 36.0


def test_atoms_are_on_their_beads_and_frames_do_not_know_of_each_other(
    model: DeepBackmapper, frame: Snapshots
) -> None:
    twice = np.concatenate([frame.beads, frame.beads + 0.02])
    boxes = np.concatenate([frame.boxes, frame.boxes])
    both = model.backmap(twice, boxes=boxes, seed=3, frames=np.array([4, 9]))
    assert both.shape == (2, frame.topology.n_atoms, 3)
    assert both.dtype == np.float32
    assert np.abs(frame.mapping.beads(both) - twice).max() < 1e-4
    alone = model.backmap(twice[1:], boxes=boxes[1:], seed=3, frames=np.array([9]))
    assert np.array_equal(both[1:], alone)
    assert model.last is not None
    assert model.last.seconds["network"] > 0
    assert not np.array_equal(both[1:], model.backmap(twice[1:], boxes=boxes[1:], seed=4, frames=[9]))


def test_wrapped_beads_give_the_same_atoms(model: DeepBackmapper, frame: Snapshots) -> None:
    box = frame.boxes[0].astype(float)
    inside = frame.beads - np.floor(frame.beads @ np.linalg.inv(box)) @ box
    a, b = (model.backmap(x.astype(np.float32), boxes=frame.boxes) for x in (frame.beads, inside))
    away = (a - b).astype(float) @ np.linalg.inv(box)
    assert np.abs(away - np.round(away)).max() < 1e-4


def test_only_some_atoms_are_placed_anew(model: DeepBackmapper, frame: Snapshots) -> None:
    only = np.zeros(frame.topology.n_atoms, dtype=bool)
    only[-14:] = True
    made = model.backmap(frame.beads, boxes=frame.boxes, start=frame.positions[0], only=only)
    assert np.array_equal(made[0, ~only], frame.positions[0, ~only])
    assert not np.allclose(made[0, only], frame.positions[0, only])


def test_a_saved_model_is_the_same_model(
    model: DeepBackmapper, trained: DeepBackmapper, frame: Snapshots, tmp_path: Path
) -> None:
    trained.save(tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", device="cpu").onto(frame.topology, frame.mapping)
    a, b = (m.backmap(frame.beads, boxes=frame.boxes, seed=1) for m in (model, again))
    assert np.array_equal(a, b)
    assert set(again.force_field) == {"PVC", "BUT"}
    assert again.limits.values == trained.limits.values
    assert again.unfamiliar(frame.beads, frame.boxes) == model.unfamiliar(frame.beads, frame.boxes)
    card = (tmp_path / "bundle" / "card.md").read_text()
    assert "PVC" in card
    assert "It trained for 0.01 hours" in card
    through = pickle.loads(pickle.dumps(again))  # workers get it so
    assert np.array_equal(through.backmap(frame.beads, boxes=frame.boxes, seed=1), a)


def test_other_numbers_and_mixtures_of_what_it_knows(trained: DeepBackmapper, tmp_path: Path) -> None:
    liquid = write_box(tmp_path, [butane()] * 4)
    data = config_of(data={**config_of().data.model_dump(), "snapshots": str(liquid.atoms)})
    part = load_training(data.data, liquid.top.parent).train[0]
    atoms = trained.onto(part.topology, part.mapping).backmap(part.beads, boxes=part.boxes)
    assert np.abs(part.mapping.beads(atoms) - part.beads).max() < 1e-4


def test_what_it_has_never_seen_is_listed_at_once(trained: DeepBackmapper) -> None:
    from msb.core.bead_groups import BeadGroup
    from msb.core.mapping_template import MappingTemplate
    from msb.core.template import MoleculeTemplate

    water = MoleculeTemplate.from_atoms(
        "SOL",
        ["OW", "H1", "H2"],
        bonds=[(0, 1), (0, 2)],
        elements=["O", "H", "H"],
        atom_types=["O", "HW", "HW"],
    )
    topology = Topology(((water, 2),))
    beads = MappingTemplate.from_mass(water, [BeadGroup("W", (0, 1, 2), "VV")])
    with pytest.raises(MappingError) as told:
        trained.onto(topology, Mapping([beads], topology))
    assert "bead type VV of SOL (nearest: V)" in str(told.value)
    assert "atom type O of SOL" in str(told.value)
    assert "atom type HW of SOL (nearest: H)" in str(told.value)


def test_double_precision(model: DeepBackmapper, frame: Snapshots) -> None:
    single = model.backmap(frame.beads, boxes=frame.boxes, seed=2)
    model.sampled_as(precision="float64")
    double = model.backmap(frame.beads, boxes=frame.boxes, seed=2)
    assert np.abs(single - double).max() < 1e-5
    assert model.last is not None
    assert model.last.positions.dtype == np.float64
    assert next(model.network.parameters()).dtype == torch.float32  # which other systems share


def test_choices_by_energy(model: DeepBackmapper, frame: Snapshots) -> None:
    lowest = model.sampled_as(select="min", candidates=4, sweeps=0)
    assert lowest.needs_energy
    atoms = lowest.backmap(frame.beads, boxes=frame.boxes)
    assert np.isfinite(atoms).all()
    fair = model.sampled_as(select="boltzmann", candidates=2)
    assert np.isfinite(fair.backmap(frame.beads, boxes=frame.boxes, temperature=310.0)).all()
    model.force_field = {}
    with pytest.raises(ConfigError, match="`select: min` needs the force field"):
        model.sampled_as(select="min").backmap(frame.beads, boxes=frame.boxes)
    with pytest.raises(ConfigError, match="unknown key `swepes`; did you mean `sweeps`"):
        model.sampled_as(swepes=1)


def test_limits_are_those_of_the_reference(trained: DeepBackmapper, frame: Snapshots) -> None:
    limits = trained.limits.of(frame.mapping)
    assert set(limits) == {"forward-all", "gibbs-all"}
    assert all(torch.isfinite(values).all() for values in limits.values())


def test_what_lies_above_the_limits_is_drawn_again(model: DeepBackmapper, frame: Snapshots) -> None:
    assert model.limits
    model.sampled_as(redraw=True, sweeps=0).backmap(frame.beads, boxes=frame.boxes)
    assert model.last is not None
    assert model.last.redrawn > 0
    assert model.last.seconds["energy"] > 0


def test_unfamiliar_beads(model: DeepBackmapper, frame: Snapshots) -> None:
    assert model.unfamiliar(frame.beads, frame.boxes) == pytest.approx(0.0, abs=0.15)
    squeezed = frame.beads * np.float32(0.4)
    assert model.unfamiliar(squeezed, frame.boxes * np.float32(0.4))[0] > 0.5


def test_hands_are_those_that_most_copies_have(trained: DeepBackmapper, frame: Snapshots) -> None:
    hands = trained.knowledge.hands_of(frame.topology)
    centres = sum(n * len(t.stereocentres) for t, n in frame.topology.molecules)
    assert hands.shape == (centres,)
    assert set(np.unique(hands)) <= {-1, 1}  # copies of one chain


def test_two_beads_at_one_point(model: DeepBackmapper, frame: Snapshots) -> None:
    beads = frame.beads.copy()
    beads[0, -1] = beads[0, 0]
    with pytest.raises(TrajectoryError, match=r"frame 7: (at one point|.* are bonded)"):
        model.backmap(beads, boxes=frame.boxes, frames=np.array([7]))


def test_a_molecule_that_is_broken_and_no_box(model: DeepBackmapper, frame: Snapshots) -> None:
    beads = frame.beads.copy()
    beads[0, 0] += 4
    with pytest.raises(TrajectoryError, match="broken over a box that the file does not have"):
        model.backmap(beads)


def test_positions_that_are_no_numbers(model: DeepBackmapper, frame: Snapshots) -> None:
    beads = frame.beads.copy()
    beads[0, 2, 1] = np.nan
    with pytest.raises(TrajectoryError, match=r"frame 0: the position of bead .* of PVC 1 is no number"):
        model.backmap(beads)


def test_a_box_smaller_than_the_cutoff(trained: DeepBackmapper, frame: Snapshots) -> None:
    liquid = Topology(((frame.topology.templates[1], 1),))
    mapping = Mapping([frame.mapping.templates[1]], liquid)
    alone = trained.onto(liquid, mapping)
    beads = frame.beads[:, -2:]
    with pytest.warns(MsbWarning, match=r"the box is 0\.60 nm wide, smaller than the cutoff"):
        atoms = alone.backmap(beads, boxes=0.6 * np.eye(3, dtype=np.float32)[None])
    assert np.isfinite(atoms).all()


def test_kinds_are_known_by_name() -> None:
    assert kind_named(NAME).__name__ == "stand_in_kind"
    with pytest.raises(ConfigError, match="`vixel` is not a kind of network; known: mixture, voxel"):
        kind_named("vixel")
