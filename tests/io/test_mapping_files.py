"""Mapping files: told apart by content, read, the project's own written; broken ones get a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peptide_mapping import PEPTIDE, TOPOLOGY, read, refuse

from msb.core.bead_groups import BeadGroup
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import FileFormatError, MappingError
from msb.io.mapping_files import read_mapping, write_mapping

YAML = """
msb_mapping: 1
molecules:
  peptide:
    unlisted: nearest
    beads:
      - {residue: ACE, atoms: C}
      - name: BB
        type: P
        residue: ALA
        atoms: [N, CA, {atom: C, fraction: 0.25}, {atom: HA, fraction: 0}]
        owns: CB
      - name: END
        atoms: [{atom: [8, C], fraction: 0.5}, {atom: O, residue: ALA}, 11]
    bonds: [[1, BB], [2, END]]
    aliases: {P: [Q, R]}
"""


# --- the project's own -----------------------------------------------------------------------------------


def test_yaml(tmp_path: Path) -> None:
    template = read(tmp_path, YAML)["ACE-ALA"]
    assert template.bead_names == ("C", "BB", "END")
    assert template.bead_types == ("C", "P", "END")
    assert template.aliases == {"P": ("Q", "R")}
    assert template.bead_bonds.tolist() == [[0, 1], [1, 2]]
    fractions = template.fractions.toarray()
    assert fractions[1].tolist() == [0, 0, 0, 1, 0, 1, 0, 0, 0.25, 0, 0]
    assert fractions[2].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0.5, 1, 1]
    masses = fractions * PEPTIDE.masses
    np.testing.assert_allclose(template.weights.toarray(), masses / masses.sum(1, keepdims=True))
    assert template.owner.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]


def test_yaml_weights(tmp_path: Path) -> None:
    text = (
        "msb_mapping: 1\nmolecules:\n  X:\n    weights: %s\n    unlisted: nearest\n    beads:\n      - %s\n"
    )
    entry = "{name: B, atoms: [{atom: CA, weight: 3}, {atom: CB, weight: 0.5}, {atom: N}]}"
    given_ = read(tmp_path, text % ("given", entry))["ACE-ALA"].weights.toarray()[0]
    np.testing.assert_allclose(given_[[5, 7, 3]], np.array([3, 0.5, 1]) / 4.5)
    plain = read(tmp_path, text % ("geometry", entry))["ACE-ALA"].weights.toarray()[0]
    np.testing.assert_allclose(plain[[5, 7, 3]], 1 / 3)
    forced = read(tmp_path, text % ("mass", entry), weights="geometry")["ACE-ALA"].weights.toarray()[0]
    np.testing.assert_allclose(forced, plain)


def test_words_of_yaml_stay_words(tmp_path: Path) -> None:
    text = (
        "msb_mapping: 1\nmolecules:\n  X:\n    unlisted: nearest\n    beads: [{atoms: NO}, {atoms: [CA]}]\n"
    )
    assert read(tmp_path, text)["ACE-ALA"].bead_names == ("NO", "CA")


@st.composite
def templates(draw: st.DrawFn) -> MappingTemplate:
    n = draw(st.integers(3, 7))
    residues = draw(st.integers(1, 2))
    names = draw(
        st.lists(st.sampled_from(["C", "N", "1H", "H'", "NO", "10", "C*", "é"]), min_size=n, max_size=n)
    )
    molecule = MoleculeTemplate.from_atoms(
        draw(st.sampled_from(["MOL", "on", "a b", "12"])),
        names,
        bonds=[(i, i + 1) for i in range(n - 1)],
        elements=["C"] * n,
        masses=draw(st.lists(st.floats(1, 40), min_size=n, max_size=n)),
        residue_index=[i * residues // n for i in range(n)],
        residue_names=draw(st.lists(st.sampled_from(["A", "B"]), min_size=residues, max_size=residues)),
        residue_numbers=draw(st.lists(st.integers(-3, 9), min_size=residues, max_size=residues, unique=True)),
    )
    cut = draw(st.integers(1, n - 1))
    share = draw(st.floats(0, 1 if cut < n - 1 else 0.9))  # the last bead keeps some weight
    groups = [
        BeadGroup("B 1", tuple(range(cut + 1)), "x", (None,) * cut + (share,), tuple(range(1, cut + 2))),
        BeadGroup("#2", tuple(range(cut, n)), "on", owns=draw(st.sampled_from([(), (0,), (cut,)]))),
    ]
    make = draw(
        st.sampled_from([MappingTemplate.from_mass, MappingTemplate.from_geometry, MappingTemplate.given])
    )
    return make(molecule, groups, aliases=draw(st.sampled_from([{}, {"on": ["off", "1"]}])))


@given(templates())
@settings(max_examples=60)
def test_what_is_written_is_read_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, template) -> None:
    path = tmp_path_factory.mktemp("mapping") / "m.yaml"
    write_mapping(path, template)
    assert read_mapping(path) == {template.molecule: template}


def test_several_molecules_in_a_file(tmp_path: Path) -> None:
    first = MappingTemplate.from_atoms(PEPTIDE, [0, 5])
    other = MoleculeTemplate.from_atoms("W", ["OW", "HW1", "HW2"], bonds=[(0, 1), (0, 2)])
    second = MappingTemplate.from_mass(other, [BeadGroup("W", (0, 1, 2))])
    write_mapping(tmp_path / "m.yml", {"a": first, "b": second})
    assert read_mapping(tmp_path / "m.yml") == {"ACE-ALA": first, "W": second}
    both = Topology(((other, 5), (PEPTIDE, 1)))
    assert list(read_mapping(tmp_path / "m.yml", both)) == ["W", "ACE-ALA"]
    assert list(read_mapping(tmp_path / "m.yml", TOPOLOGY)) == ["ACE-ALA"]
    with pytest.raises(MappingError, match=r"give the file the ending \.yaml"):
        write_mapping(tmp_path / "m.map", first)
    with pytest.raises(MappingError, match="several mappings of W"):
        write_mapping(tmp_path / "m.yaml", [second, second])


def test_a_written_file_knows_the_order_of_the_atoms(tmp_path: Path) -> None:
    write_mapping(tmp_path / "m.yaml", MappingTemplate.from_atoms(PEPTIDE, [0, 5]))
    names = list(PEPTIDE.atom_names)
    names[0], names[3] = names[3], names[0]
    turned = MoleculeTemplate.from_atoms("ACE-ALA", names, bonds=PEPTIDE.bonds, elements=PEPTIDE.elements)
    with pytest.raises(
        MappingError, match=r"another order than in the mapping file .atom 1 is CH3 there and N"
    ):
        read_mapping(tmp_path / "m.yaml", Topology(((turned, 1),)))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("  peptide:", "  peptide: [", "this is not YAML"),
        ("msb_mapping: 1", "msb_mapping: 2", "format 2 is newer than 1"),
        ("unlisted: nearest", "unlist: nearest", "unknown keys: unlist .nearest: unlisted"),
        ("unlisted: nearest", "unlisted: maybe", "'maybe', not error or nearest"),
        (
            "unlisted: nearest",
            "unlisted: error",
            "3 atoms have no owner, ACE7:CH3, ACE7:O, ALA8:H: no bead",
        ),
        ("name: BB", "nome: BB", "bead 2 of peptide has unknown keys: nome .nearest: name"),
        ("      - name: BB\n        type: P", "      - type: P", "bead 2 of peptide needs a `name`"),
        ("fraction: 0.25", "fraction: much", "'much', not a number"),
        ("fraction: 0.25", "fraction: 1.25", "must lie in 0..1"),
        ("fraction: 0.25", "part: 0.25", "unknown keys: part"),
        ("[N, CA,", "[N, CE,", r"atom ALA:CE of bead BB is unknown .nearest: C"),
        ("residue: ACE", "residue: ACX", "there is no residue ACX"),
        ("{residue: ACE, atoms: C}", "{atoms: C}", "stands for ACE7:C, ALA8:C: name its residue too"),
        (", 11]", ", 12]", "atom number 12 of bead END does not exist"),
        ("[1, BB]", "[1, BX]", "bead 'BX' in `bonds` of molecule peptide is unknown"),
        ("[1, BB]", "[1, 4]", "bead 4 in `bonds`"),
        ("bonds: [[1, BB], [2, END]]", "bonds: [1]", "`bonds` of molecule peptide must be a list of pairs"),
        ("aliases: {P: [Q, R]}", "aliases: P", "`aliases` of molecule peptide"),
        ("aliases: {P: [Q, R]}", "atoms: [[CH3, ACE, 1]]", "`atoms` of molecule peptide must be a list of"),
    ],
)
def test_sentences_about_yaml(tmp_path: Path, old: str, new: str, match: str) -> None:
    assert old in YAML
    refuse(tmp_path, YAML.replace(old, new), match)


def test_sentences_about_any_file(tmp_path: Path) -> None:
    refuse(tmp_path, "  \n", "the file is empty")
    refuse(tmp_path, "a: 1\n", "this is no mapping: neither")
    refuse(tmp_path, YAML, "does not list them all with their masses: read it together", topology=None)
    with pytest.raises(FileFormatError, match="there is no such file"):
        read_mapping(tmp_path / "none.map", TOPOLOGY)
    (tmp_path / "binary.map").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="cannot be read as text"):
        read_mapping(tmp_path / "binary.map", TOPOLOGY)
    water = Topology(((MoleculeTemplate.from_atoms("W", ["OW"]), 1),))
    refuse(tmp_path, YAML, "maps peptide, which fits none of the molecules .W.*unknown", topology=water)
