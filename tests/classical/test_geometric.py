"""Geometric and random placement: hands, rules, boxes, noise, parts, bundles; polystyrene, the hard case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msb.backmapper import build_model, load_model
from msb.classical.modifiers import apply_rules, hands_of_rules, local_rules, torsions_of_rules
from msb.classical.rest import RestGeometry
from msb.core.box import bonds_across, wrap
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.errors import ConfigError, MappingError, MsbWarning
from msb.io.mapping_files import read_mapping
from msb.io.mapping_formats import PlacementRule
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

METHODS = ("geometric", "random")
COPIES = 3
HALON = MoleculeTemplate.from_atoms(
    "HAL",
    ["C1", "H1", "F1", "CL1", "C2", "H2", "F2", "CL2"],
    bonds=[(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7)],
    elements=["C", "H", "F", "Cl", "C", "H", "F", "Cl"],
)
MAPPING = """msb_mapping: 1
molecules:
  HAL:
    beads:
      - {name: A, atoms: C1 H1 F1 CL1}
      - {name: B, atoms: C2 H2 F2 CL2}
    placement:
      - chiral H1 C1 F1 CL1 C2
      - {residue: HAL, rule: trans CL2 C2 C1 CL1}
"""
HANDS = np.array([1, 1, 1, -1, -1, -1], dtype=np.int8)
TILTED = np.array([[2.0, 0, 0], [0.6, 1.8, 0], [-0.5, 0.4, 1.9]], dtype=np.float32)


@pytest.fixture
def system(tmp_path: Path) -> tuple[Topology, Mapping, Path]:
    path = tmp_path / "halon.yaml"
    path.write_text(MAPPING)
    topology = Topology.from_template(HALON, COPIES)
    return topology, Mapping(read_mapping(path, topology), topology), path


def beads_of(frames: int) -> np.ndarray:
    first = np.array([[0.2, 0.3, 0.4], [1.0, 1.2, 0.3], [1.5, 0.2, 1.4]], np.float32)
    pair = np.stack([first, first + np.array([0.2, 0.1, 0.0], np.float32)], axis=1).reshape(1, -1, 3)
    return np.repeat(pair, frames, axis=0)


@pytest.mark.parametrize("frames", [1, 2])
def test_geometric_gives_the_wanted_hands_bonds_and_beads(system, frames: int) -> None:
    topology, mapping, _ = system
    model = build_model("geometric", None, topology, mapping).onto(topology, mapping, HANDS)
    x = model.backmap(beads_of(frames))
    assert x.shape == (frames, topology.n_atoms, 3)
    assert (HALON.chirality(x.reshape(frames, COPIES, -1, 3)) == HANDS.reshape(COPIES, 2)).all()
    i, j = topology.bonds.T
    rest = np.tile(RestGeometry.of(HALON).lengths[: len(HALON.bonds)], COPIES)
    np.testing.assert_allclose(
        np.linalg.norm(x[:, i] - x[:, j], axis=-1), np.tile(rest, (frames, 1)), atol=0.03
    )
    assert np.abs(mapping.beads(x) - beads_of(frames)).max() < 0.03


def test_random_pieces_are_rigid_and_turn_about_their_beads(system) -> None:
    topology, mapping, _ = system
    model = build_model("random", None, topology, mapping, options={"unit": "molecule"})
    model = model.onto(topology, mapping, HANDS)
    x = model.backmap(beads_of(40))
    assert (HALON.chirality(x.reshape(40, COPIES, -1, 3)) == HANDS.reshape(COPIES, 2)).all()
    lengths = np.linalg.norm(x[:, topology.bonds[:, 0]] - x[:, topology.bonds[:, 1]], axis=-1)
    assert np.ptp(lengths, axis=0).max() < 1e-5
    middle = mapping.beads(x).reshape(40, COPIES, 2, 3).mean(2)
    np.testing.assert_allclose(middle, beads_of(40).reshape(40, COPIES, 2, 3).mean(2), atol=1e-5)
    ways = (x[:, 0] - x[:, 4]) / np.linalg.norm(x[:, 0] - x[:, 4], axis=-1, keepdims=True)
    assert np.linalg.norm(ways.mean(0)) < 0.45  # 40 directions without a preferred one: 0.16 is usual


@pytest.mark.parametrize("method", METHODS)
def test_noise_belongs_to_the_frame_and_the_seed(system, method: str) -> None:
    topology, mapping, _ = system
    model = build_model(method, None, topology, mapping)
    both = model.backmap(beads_of(2), seed=3, frames=np.array([7, 8]))
    np.testing.assert_array_equal(both[1:], model.backmap(beads_of(1), seed=3, frames=np.array([8])))
    assert np.abs(both[0] - both[1]).max() > 1e-3
    assert np.abs(both[:1] - model.backmap(beads_of(1), seed=4, frames=np.array([7]))).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_beads_across_a_tilted_box_make_whole_molecules(system, method: str) -> None:
    topology, mapping, _ = system
    model = build_model(method, None, topology, mapping)
    cut = np.asarray(wrap(beads_of(1), TILTED), dtype=np.float32)
    x = model.backmap(cut, boxes=TILTED[None])
    assert not np.any(bonds_across(x, TILTED[None], topology))
    assert np.abs(mapping.beads(x).reshape(COPIES, 2, 3)[:, 0] - cut.reshape(COPIES, 2, 3)[:, 0]).max() < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_only_some_atoms_move(system, method: str) -> None:
    topology, mapping, _ = system
    model = build_model(method, None, topology, mapping).onto(topology, mapping, HANDS)
    before = model.backmap(beads_of(1))[0]
    only = np.zeros(topology.n_atoms, dtype=bool)
    only[1:4] = True
    after = model.backmap(beads_of(1), start=before, only=only, seed=9)[0]
    np.testing.assert_array_equal(after[~only], before[~only])
    assert np.abs(after[only] - before[only]).max() > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_bundle_gives_the_same_atoms(system, method: str, tmp_path: Path) -> None:
    topology, mapping, path = system
    options = {"placement": [str(path)]} if method == "geometric" else {}
    model = build_model(method, None, topology, mapping, options=options).onto(topology, mapping, HANDS)
    model.save(tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", device="cpu")
    np.testing.assert_array_equal(again.backmap(beads_of(1)), model.backmap(beads_of(1)))


@pytest.mark.parametrize("method", METHODS)
def test_wrong_hands_and_options_are_refused(system, method: str) -> None:
    topology, mapping, _ = system
    with pytest.raises(MappingError, match="6 stereocentres, but 2 hands"):
        build_model(method, None, topology, mapping).onto(topology, mapping, HANDS[:2])
    with pytest.raises(ConfigError, match="kicks"):
        build_model(method, None, topology, mapping, options={"kicks": 1})


def test_rules_of_the_file_fix_hand_and_torsion(system) -> None:
    topology, mapping, path = system
    model = build_model("geometric", None, topology, mapping, options={"placement": [str(path)]})
    rules = local_rules(HALON, model.rules)
    assert [rule.atoms for rule in rules] == [(1, 0, 2, 3, 4), (7, 4, 0, 3)]
    wanted = hands_of_rules(HALON, rules)
    assert wanted.tolist()[1] == 0
    assert torsions_of_rules(HALON, rules) == {(3, 0, 4, 7): False}
    x = model.backmap(beads_of(2)).reshape(-1, 8, 3)
    assert (HALON.chirality(x)[:, 0] == wanted[0]).all()
    assert np.linalg.norm(x[:, 3] - x[:, 7], axis=-1).min() > 0.35  # trans: 0.29 would be cis


def test_without_embedding_atoms_stand_on_their_beads(system) -> None:
    topology, mapping, _ = system
    options = {"embed": False, "kick": 0.0}
    x = build_model("geometric", None, topology, mapping, options=options).backmap(beads_of(1))[0]
    beads = beads_of(1)[0]
    np.testing.assert_allclose(x[[0, 2, 3]], np.tile(beads[0], (3, 1)), atol=1e-6)
    assert 0 < np.linalg.norm(x[1] - beads[0]) < 0.5


def test_each_rule_places_where_it_says() -> None:
    rules = [
        PlacementRule("trans", ("H1", "C1", "C2", "H2")),
        PlacementRule("cis", ("F1", "C1", "C2", "H2")),
        PlacementRule("out", ("CL1", "C1", "C2", "H1")),
        PlacementRule("chiral", ("F2", "C2", "C1", "H2", "CL2")),
        PlacementRule("chiral", ("NO", "C2", "C1", "H2")),
    ]
    local = local_rules(HALON, rules)
    assert len(local) == 4  # the last names an atom that is not there
    rng = np.random.default_rng(1)
    x = apply_rules(rng.normal(size=(5, 8, 3)), local, RestGeometry.of(HALON))
    u, v, w = x[:, 4] - x[:, 0], x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]
    assert (np.einsum("ck,ck->c", np.cross(u, v), np.cross(u, w)) < 0).all()  # trans and cis: opposite sides
    away = 0.5 * (x[:, 4] + x[:, 1]) - x[:, 0]
    across = x[:, 3] - x[:, 0]
    cosine = (
        np.einsum("ck,ck->c", away, across) / np.linalg.norm(away, axis=1) / np.linalg.norm(across, axis=1)
    )
    np.testing.assert_allclose(cosine, -1.0, atol=1e-6)
    normal = np.cross(x[:, 5] - x[:, 0], x[:, 7] - x[:, 0])
    assert (np.einsum("ck,ck->c", x[:, 6] - x[:, 4], normal) > 0).all()


def test_polystyrene_keeps_its_hands(msb_data: Path) -> None:
    """Where the published baseline keeps half of them."""
    chains = 3
    folder = msb_data / "sps"
    with pytest.warns(MsbWarning, match="missing includes left out"):
        template = read_topology(folder / "topol.top").templates[0]
    topology = Topology.from_template(template, chains)
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    source = open_trajectory(folder / "cg.gro", folder / "t568" / "cg.xtc").read(0, 1)
    beads = source.positions[:, : mapping.n_beads]
    hands = np.tile([1, -1, 1, -1, 1, -1, 1, -1, 1], chains).astype(np.int8)
    model = build_model("geometric", None, topology, mapping).onto(topology, mapping, hands)
    x = model.backmap(beads, boxes=source.boxes)
    assert (np.asarray(template.chirality(x.reshape(chains, -1, 3))).ravel() == hands).mean() >= 0.99
    i, j = topology.bonds.T
    assert np.linalg.norm(x[0, i] - x[0, j], axis=-1).max() < 0.3
