"""Fragments: hands, lengths, mixtures and boxes exactly; then polystyrene."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from msb.analysis.structure import near_pairs, term_values
from msb.backmapper import build_model, load_model
from msb.classical import FragmentBackmapper
from msb.classical.fragment_search import Entries
from msb.core.bead_groups import BeadGroup
from msb.core.box import make_whole, minimum_image
from msb.core.geometry import kabsch, random_rotations
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots, load_snapshots
from msb.errors import ConfigError, MappingError, MsbWarning, TopologyError
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from toy_chains import grown_system, random_hands, system


def hands_of(topology: Topology, positions: np.ndarray) -> np.ndarray:
    parts = topology.split(positions)
    return np.concatenate([t.chirality(x).reshape(len(positions), -1) for t, x in parts], axis=1)


def wanted(topology: Topology, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate(
        [random_hands(molecule, rng) for molecule, count in topology.molecules for _ in range(count)]
    )


@pytest.fixture(scope="module")
def atactic() -> Snapshots:
    """120 chains of 7 monomers with hands at random."""
    rng = np.random.default_rng(1)
    topology, mapping = system((7, 120))
    return Snapshots.of(grown_system(topology, wanted(topology, rng), rng)[None], mapping)


@pytest.fixture(scope="module")
def isotactic() -> Snapshots:
    """60 chains of 7 monomers, all hands +."""
    rng = np.random.default_rng(2)
    topology, mapping = system((7, 60))
    hands = np.ones(len(wanted(topology, rng)), dtype=np.int8)
    return Snapshots.of(grown_system(topology, hands, rng)[None], mapping)


def test_other_lengths_mixed_with_any_hands(atactic) -> None:
    """Shorter and longer chains with hands at random: beads and hands come out exactly, bonds nearly."""
    rng = np.random.default_rng(3)
    topology, mapping = system((4, 3), (11, 4), (7, 2))
    hands = wanted(topology, rng)
    truth = grown_system(topology, hands, rng)[None]
    assert np.array_equal(hands_of(topology, truth)[0], hands)
    beads = np.asarray(mapping.beads(truth))
    model = build_model("fragment", atactic, topology, mapping, options={}).onto(topology, mapping, hands)
    atoms = model.backmap(beads)
    assert np.abs(np.asarray(mapping.beads(atoms)) - beads).max() < 1e-5
    assert (hands_of(topology, atoms)[0] == hands).mean() > 0.97
    lengths = np.linalg.norm(np.diff(atoms[0][topology.bonds], axis=1), axis=-1)
    assert np.abs(lengths - np.linalg.norm(np.diff(truth[0][topology.bonds], axis=1), axis=-1)).mean() < 0.02


def test_mirror_images_serve_the_other_hand(isotactic) -> None:
    """From chains of one hand come chains of the other, exactly mirrored."""
    topology, mapping = isotactic.topology, isotactic.mapping
    model = build_model("fragment", isotactic, topology, mapping)
    hands = np.ones(60 * 6, dtype=np.int8)
    flip = np.array([1, -1, 1], dtype=np.float32)
    one = model.onto(topology, mapping, hands).backmap(isotactic.beads)
    other = model.onto(topology, mapping, -hands).backmap(isotactic.beads * flip)
    assert np.abs(one * flip - other).max() < 1e-4
    assert (hands_of(topology, other) == -1).all()
    assert np.array_equal(model.backmap(isotactic.beads), one)  # hands that all copies have need not be said


def test_a_snapshot_brings_itself_back(isotactic) -> None:
    options = {"sweeps": 0}
    model = build_model("fragment", isotactic, isotactic.topology, isotactic.mapping, options=options)
    atoms = model.backmap(isotactic.beads)
    assert np.abs(atoms - isotactic.positions).max() < 1e-4


def test_tilted_boxes_and_molecules_cut_by_them(isotactic) -> None:
    topology, mapping = system((7, 10))
    model = build_model("fragment", isotactic, topology, mapping)
    beads = isotactic.beads[:, : mapping.n_beads]
    alone = model.backmap(beads)
    box = np.array([[40, 0, 0], [15, 40, 0], [-11, 13, 40]], dtype=np.float32)
    moved = beads + np.array([13.0, 7.0, -3.0], dtype=np.float32)
    fractions = moved @ np.linalg.inv(box)
    wrapped = ((fractions - np.floor(fractions)) @ box).astype(np.float32)
    atoms = model.backmap(wrapped, boxes=box[None])
    whole = make_whole(wrapped, box[None], mapping.bead_topology())
    assert np.abs(np.asarray(mapping.beads(atoms)) - whole).max() < 1e-4
    shift = minimum_image((atoms - alone)[0].astype(np.float64) - [13, 7, -3], box)
    assert np.abs(shift).max() < 2e-3


def test_frames_do_not_depend_on_their_batch_and_draws_on_their_seed(isotactic) -> None:
    topology, mapping = system((7, 4))
    model = build_model("fragment", isotactic, topology, mapping, options={"best": 6})
    rng = np.random.default_rng(4)
    beads = isotactic.beads[:, : mapping.n_beads] + rng.normal(0, 0.01, (3, mapping.n_beads, 3))
    beads = beads.astype(np.float32)
    together = model.backmap(beads, seed=3, frames=np.array([5, 6, 7]))
    alone = model.backmap(beads[1:2], seed=3, frames=np.array([6]))
    assert np.abs(together[1] - alone[0]).max() < 1e-5
    assert np.abs(model.backmap(beads, seed=4) - model.backmap(beads, seed=3)).max() > 0.01
    best = model.drawing(1)
    assert np.array_equal(best.backmap(beads, seed=4), best.backmap(beads, seed=3))


def test_only_some_atoms_and_what_is_around_them(isotactic) -> None:
    topology, mapping = system((7, 4))
    model = build_model("fragment", isotactic, topology, mapping, options={"sweeps": 0})
    start = isotactic.positions[0, : topology.n_atoms]
    only = np.zeros(topology.n_atoms, dtype=bool)
    only[10:16] = True
    atoms = model.backmap(isotactic.beads[:, : mapping.n_beads], start=start, only=only)
    assert np.array_equal(atoms[0, ~only], start[~only])
    assert np.abs(atoms[0] - start).max() < 1e-4


def test_a_bundle_is_the_same_model(atactic, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    topology, mapping = system((9, 2))
    hands = wanted(topology, rng)
    beads = np.asarray(mapping.beads(grown_system(topology, hands, rng)[None]))
    model = build_model("fragment", atactic, topology, mapping, temperature=300, options={"candidates": 5})
    model = model.onto(topology, mapping, hands)
    model.save(tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", device="cpu")
    assert isinstance(again, FragmentBackmapper)
    assert again.options.candidates == 5
    assert np.array_equal(again.backmap(beads), model.backmap(beads))
    longer, its_mapping = system((14, 1))
    assert again.onto(longer, its_mapping).mapping.n_beads == 28


def test_single_beads_are_turned_at_random_and_draws_differ() -> None:
    water = MoleculeTemplate.from_atoms("SOL", ["OW", "HW1", "HW2"], bonds=[(0, 1), (0, 2)])
    topology = Topology(((water, 50),))
    mapping = Mapping([MappingTemplate.from_atoms(water, [0])], topology)
    shape = np.array([[0, 0, 0], [0.0957, 0, 0], [-0.024, 0.0927, 0]])
    places = np.stack(np.meshgrid(*[np.arange(4) * 0.32] * 3), -1).reshape(-1, 1, 3)[:50]
    x = (shape @ random_rotations(50).double().numpy() + places).astype(np.float32).reshape(1, -1, 3)
    source = Snapshots.of(x, mapping)
    model = build_model("fragment", source, topology, mapping, options={"sweeps": 0})
    atoms = model.backmap(source.beads).reshape(50, 3, 3)
    axis = np.cross(atoms[:, 1] - atoms[:, 0], atoms[:, 2] - atoms[:, 0])
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    assert np.linalg.eigvalsh(axis.T @ axis / 50).min() > 0.15
    crowded = build_model("fragment", source, topology, mapping).backmap(source.beads)
    apart = near_pairs(crowded[0], None, 0.3)
    apart = apart[apart.first // 3 != apart.second // 3].distances.min()
    loose = near_pairs(atoms.reshape(-1, 3), None, 0.3)
    assert apart > loose[loose.first // 3 != loose.second // 3].distances.min()


def test_what_is_not_known_is_listed_at_once(isotactic) -> None:
    topology, mapping = system((1, 2), (7, 1))
    water = MoleculeTemplate.from_atoms("SOL", ["OW", "HW1", "HW2"], bonds=[(0, 1), (0, 2)])
    more = Topology((*topology.molecules, (water, 5)))
    both = Mapping([*mapping.templates, MappingTemplate.from_atoms(water, [0])], more)
    with pytest.raises(MappingError, match=r"TOY1 B0\+S0 \(nearest known: TOY7 [^)]*\), SOL OW"):
        build_model("fragment", isotactic, more, both)
    model = build_model("fragment", isotactic, *system((7, 1)))
    with pytest.raises(TopologyError, match="3 hands for 6 stereocentres"):
        model.onto(*system((7, 1)), np.ones(3, dtype=np.int8))
    with pytest.raises(ConfigError, match="`unit`"):
        build_model("fragment", isotactic, *system((7, 1)), options={"unit": "chain"})


def test_the_nearest_are_the_nearest_by_superposition() -> None:
    """Errors equal those of Kabsch, also of flat and mirrored beads, and the best of all come first."""
    import torch

    rng = np.random.default_rng(6)
    beads = rng.normal(size=(200, 5, 3)).astype(np.float32)
    entries = Entries(beads, beads, beads[:, :0], np.array([1, 1, 0.2, 0.2, 0.0]))
    flat = beads[:4] * np.array([1, 1, 0], dtype=np.float32)
    for queries in (beads[:20], flat, beads[:20] * np.array([-1, 1, 1], dtype=np.float32)):
        placed = entries.nearest(queries, 200)
        target = torch.as_tensor(queries)[:, None].expand(-1, 200, -1, -1)
        mobile = torch.as_tensor(beads)[None].expand_as(target)
        weights = torch.tensor([1, 1, 0.2, 0.2, 0.0]) / 2.4
        rotation, shift = kabsch(mobile, target, weights)
        error = (mobile @ rotation + shift.unsqueeze(-2) - target).square().sum(-1) @ weights
        assert np.abs(placed.error - error.sort(dim=1).values.numpy()).max() < 1e-5
    assert np.abs(entries.nearest(beads[:20], 1).atoms[:, 0] - beads[:20]).max() < 1e-4


def test_polystyrene(msb_data: Path) -> None:
    """A frame of the melt from one snapshot: hands, beads, few overlaps, and bonds between monomers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # its posres.itp was never published
        topology = read_topology(msb_data / "sps" / "topol.top")
    files = sorted((msb_data / "sps" / "train" / "aa").glob("*.gro"))[:1]
    source = load_snapshots(files, topology, "polystyrene_mapping.yaml")
    model = build_model("fragment", source, topology, source.mapping, temperature=568.0)
    frames = open_trajectory(msb_data / "sps" / "cg.gro", msb_data / "sps" / "t568" / "cg.xtc").read(0, 1)
    atoms = model.backmap(frames.positions, boxes=frames.boxes)
    away = minimum_image(np.asarray(source.mapping.beads(atoms)) - frames.positions, frames.boxes)
    assert np.abs(away).max() < 1e-5
    assert np.array_equal(hands_of(topology, atoms)[0], hands_of(topology, source.positions)[0])
    lengths = np.linalg.norm(np.diff(atoms[0][topology.bonds], axis=1), axis=-1)[:, 0]
    known = np.linalg.norm(np.diff(source.positions[0][topology.bonds], axis=1), axis=-1)[:, 0]
    assert np.abs(lengths - known).mean() < 0.004
    pairs = near_pairs(atoms[0], frames.boxes[0], 0.16)
    bonded = set(map(tuple, topology.expand(lambda t: t.exclusions(3)).tolist()))
    contacts = [p for p in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]
    assert sum(tuple(sorted(pair)) not in bonded for pair in contacts) < 30


@pytest.mark.parametrize("mirrors", [False, True])
def test_pieces_without_centres_keep_their_turn(mirrors: bool) -> None:
    """Right-handed helices of beads: left-handed pieces come where mirror images serve too, only there."""
    rng = np.random.default_rng(4)
    turns = np.arange(12) * 0.9
    helix = np.stack([0.3 * np.cos(turns), 0.3 * np.sin(turns), 0.1 * turns], axis=-1)
    x = helix @ np.asarray(random_rotations(40, torch.Generator().manual_seed(4))) + 2.0 * rng.random(
        (40, 1, 3)
    )
    x += 0.005 * rng.normal(size=x.shape)
    bonds = np.stack([np.arange(11), np.arange(1, 12)], axis=1)
    chain = MoleculeTemplate.from_atoms("HEL", [f"A{k}" for k in range(12)], bonds=bonds, elements=["C"] * 12)
    groups = [BeadGroup(f"F{k}", tuple(range(4 * k, 4 * k + 4)), "F") for k in range(3)]
    topology = Topology(((chain, 40),))
    mapping = Mapping({"HEL": MappingTemplate.from_mass(chain, groups)}, topology)
    source = Snapshots.of(x.reshape(1, -1, 3).astype(np.float32), mapping)
    options = {"unit": "bead", "mirrors": mirrors}
    made = build_model("fragment", source, topology, mapping, options=options).backmap(source.beads)
    inside = made.reshape(40, 12, 3)[:, :4].astype(np.float64)
    assert bool((term_values(inside, "dihedral", [[0, 1, 2, 3]]) < 0).any()) == mirrors
