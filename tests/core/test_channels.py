"""Channel maps: declared, generated, and looked up for the atoms of a mixture."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch
import yaml

from msb.core import BeadGroup, Mapping, MappingTemplate, MoleculeTemplate, Topology
from msb.core.channel_tables import ChannelTables
from msb.core.channels import AtomClass, ChannelMap, default_channels
from msb.errors import ConfigError, MappingError

PAPER = ("bond", "angle", "torsion", "lennard-jones")


def molecule(name: str, elements: str, bonds: list[tuple[int, int]], beads: list[tuple[str, list[int]]]):
    """A molecule whose types are its elements, and its mapping."""
    names = [f"{element}{k}" for k, element in enumerate(elements)]
    template = MoleculeTemplate.from_atoms(name, names, bonds=bonds, elements=list(elements))
    groups = [BeadGroup(f"{kind}{k}", tuple(atoms), kind) for k, (kind, atoms) in enumerate(beads)]
    return template, MappingTemplate.from_mass(template, groups)


@pytest.fixture(scope="module")
def mixture() -> Mapping:
    """Two chloroethanes with two beads each and three methanols of one bead."""
    ethane = molecule(
        "CLE",
        "CHHHCHHF",
        [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7)],
        [("A", [0, 1, 2, 3]), ("B", [4, 5, 6, 7])],
    )
    methanol = molecule(
        "MET", "CHHHOH", [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)], [("M", [0, 1, 2, 3, 4, 5])]
    )
    topology = Topology(((ethane[0], 2), (methanol[0], 3)))
    return Mapping([ethane[1], methanol[1]], topology)


def test_default_channels_of_a_mixture(mixture: Mapping) -> None:
    channels = default_channels(mixture)
    assert channels.names == [
        *("any C", "any F", "any H", "any O", "bond C", "bond F", "bond O"),
        *("angle C", "angle F", "angle H", "angle O", "torsion C", "torsion F", "torsion H", "torsion O"),
        *("bead A", "bead B", "bead M", "current"),
    ]
    assert channels.static == [0, 1, 2, 3, 15, 16, 17, 18]
    assert channels.dynamic == list(range(4, 15))
    assert AtomClass("C (CHHH)", ("C",), ("C", "H", "H", "H")) in channels.classes
    together = default_channels(mixture, split="elements", relations=("bond",), by_type=False)
    assert together.names == ["bond C", "bond F", "bond O", "bead A", "bead B", "bead M", "current"]


def test_a_map_survives_yaml(mixture: Mapping) -> None:
    channels = default_channels(mixture, relations=PAPER)
    assert ChannelMap.from_dict(yaml.safe_load(yaml.safe_dump(channels.to_dict()))) == channels


def test_the_documented_example_is_one() -> None:
    import msb.core.channels as module

    block = module.__doc__.split("In YAML::")[1].split("References")[0]
    channels = ChannelMap.from_dict(yaml.safe_load(block))
    assert channels.names == ["any C", "bond C", "torsion H to C", "bead B", "current"]
    assert channels.atoms[2].placed == ("C",)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "a channel map is a mapping"),
        ({"atom": []}, "unknown key `atom`; did you mean `atoms`"),
        ({"atoms": {}}, "`atoms` is a list"),
        ({"atoms": [{"name": "x", "relation": "bonds"}]}, "entry 1 of `atoms`: relation 'bonds' is none of"),
        ({"atoms": [{"name": "x", "type": ["C"]}]}, "unknown key `type`; did you mean `types`"),
        ({"atoms": [{"name": "x", "types": "C"}]}, "`types` is a list of names"),
        ({"atoms": [{"types": ["C"]}]}, "`name` is missing"),
        ({"atoms": ["C"]}, "an entry is a mapping"),
        ({"beads": [{"name": "x"}, {"name": "x"}]}, "several channels are called x"),
        ({"current": False}, "there is no channel"),
        ({"current": 1}, "`current` is true or false"),
        ({"classes": []}, "`classes` is empty"),
    ],
)
def test_mistakes_are_sentences(data: object, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ChannelMap.from_dict(data, "file.yaml")


def test_relations_are_shortest_paths(mixture: Mapping) -> None:
    """Every pair of atoms of the system, against networkx; images and other molecules are never related."""
    tables = ChannelTables.of(default_channels(mixture), mixture)
    topology = mixture.topology
    graph = networkx.Graph(topology.bonds.tolist())
    far = dict(networkx.all_pairs_shortest_path_length(graph, cutoff=3))
    every = torch.arange(topology.n_atoms)
    found = tables.relation(every, every.expand(topology.n_atoms, -1))
    expected = [[far[i].get(j, 0) for j in range(topology.n_atoms)] for i in range(topology.n_atoms)]
    assert found.tolist() == expected
    image = torch.ones(topology.n_atoms, topology.n_atoms, dtype=torch.bool)
    assert not tables.relation(every, every.expand(topology.n_atoms, -1), image).any()
    assert tables.relation(torch.tensor([0]), torch.tensor([[-1, 1]])).tolist() == [[0, 1]]


def test_feature_matrix_by_hand(mixture: Mapping) -> None:
    """The fluorine is placed: its carbon, a hydrogen two bonds off, one of another molecule, two beads."""
    channels = default_channels(mixture)
    tables = ChannelTables.of(channels, mixture)
    matrix = tables.feature_matrix(
        torch.tensor([7]),
        torch.tensor([[4, 5, 8 + 5, -1]]),
        torch.tensor([[1, 0, -1]]),
        torch.tensor([[True, False, False]]),
    )
    assert matrix.shape == (1, 7, 19)
    named = [[channels.names[c] for c in torch.nonzero(row)[:, 0]] for row in matrix[0]]
    assert named == [
        *(["any C", "bond C"], ["any H", "angle H"], ["any H"], []),
        *(["bead B", "current"], ["bead A"], []),
    ]


def test_the_papers_map_puts_every_atom_into_one_channel(mixture: Mapping) -> None:
    channels = default_channels(mixture, relations=PAPER, by_type=False)
    tables = ChannelTables.of(channels, mixture)
    every = torch.arange(mixture.n_atoms)
    atom = every.expand(mixture.n_atoms, -1)
    relation = tables.relation(every, atom)
    weights = tables.atom_matrix(every, atom, relation).sum(-1)
    own_hydrogens = (relation == 1) & (tables.kind[atom] == 2)  # never there: no channel
    assert torch.equal(weights, (~own_hydrogens).float())


def test_channels_split_by_both_types(mixture: Mapping) -> None:
    data = {
        "atoms": [
            {"name": "H-C-H", "relation": "angle", "types": ["H"], "placed": ["H"]},
            {"name": "rest"},
        ]
    }
    tables = ChannelTables.of(ChannelMap.from_dict(data), mixture)
    placed, atom = torch.tensor([1, 4]), torch.tensor([[2], [1]])  # H and C, each with an H two bonds off
    matrix = tables.atom_matrix(placed, atom, tables.relation(placed, atom))
    assert matrix[:, 0].tolist() == [[1, 1, 0], [0, 1, 0]]


def test_everything_unknown_is_named_at_once(mixture: Mapping) -> None:
    channels = ChannelMap.from_dict(
        {
            "atoms": [{"name": "x", "types": ["C", "H"]}],
            "beads": [{"name": "y", "types": ["A"]}],
            "classes": [{"name": "any H", "types": ["H"]}],
        }
    )
    with pytest.raises(MappingError) as caught:
        ChannelTables.of(channels, mixture)
    text = str(caught.value)
    for part in ("atom types F, O", "bead types B, M", "C (CHHH)", "C (CFHH)", "O (CH)"):
        assert part in text


def test_other_names_of_beads_count() -> None:
    template, mapping = molecule("MET", "CO", [(0, 1)], [("M", [0, 1])])
    mapping = MappingTemplate.from_dict({**mapping.to_dict(), "aliases": {"M": ["Q"]}})
    system = Mapping([mapping], Topology(((template, 1),)))
    channels = ChannelMap.from_dict({"beads": [{"name": "q", "types": ["Q"]}]})
    tables = ChannelTables.of(channels, system)
    current = torch.tensor([[False]])
    assert tables.bead_matrix(torch.tensor([[0]]), current).tolist() == [[[1, 0]]]


def test_labels_tell_class_hands_and_pass() -> None:
    """A carbon with four different arms, between two others; hands of the wrong number are refused."""
    template, mapping = molecule(
        "CHI", "CHFOCHHH", [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7)], [("X", list(range(8)))]
    )
    assert template.stereocentres == (0,)
    system = Mapping([mapping], Topology(((template, 2),)))
    channels = default_channels(system)
    tables = ChannelTables.of(channels, system, np.array([1, -1]))
    labels = tables.labels(torch.tensor([0, 8, 12, 13, -1]), gibbs=True)
    n = len(channels.classes)
    assert labels.shape == (5, tables.n_labels) == (5, n + 4)
    assert labels[:4, :n].sum(1).tolist() == [1, 1, 1, 1]
    assert labels[0, :n].argmax() == labels[1, :n].argmax() != labels[2, :n].argmax()
    assert labels[:, n:].tolist() == [
        [1, 0, 0, 1],
        [-1, 0, 0, 1],
        [0, -1, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
    ]
    assert not ChannelTables.of(channels, system).hands.any()
    with pytest.raises(MappingError, match="2 stereocentres"):
        ChannelTables.of(channels, system, np.array([1]))
