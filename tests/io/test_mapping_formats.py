"""The other programs' mapping files: deepBackmap's, VOTCA's and Backward's, and telling all of them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from peptide_mapping import TOPOLOGY, read, refuse

from msb.errors import FileFormatError, MsbWarning
from msb.io.mapping_files import mapping_format, read_mapping
from msb.io.mapping_formats import parse_deepbackmap

# --- deepBackmap -----------------------------------------------------------------------------------------

DEEP = """[map]
1 C 1 A          ; shared: half to each of its beads
1 C 2 B
2 C 1 A 0.75
3 O 1 A 0
4 N 2 B
5 H 2 B
6 C_AR 2 B
7 H_AR 2 B 0
8 C 2 B
9 C 2 B
10 O 2 B
11 N 2 B
[/map]
[align]
1 2
[/align]
[mult]
2 4
[/Rult]
"""


def test_deepbackmap(tmp_path: Path) -> None:
    template = read(tmp_path, DEEP)["ACE-ALA"]
    assert template.bead_names == ("A1", "B2")
    assert template.bead_types == ("A", "B")
    assert template.fractions.toarray()[:, :3].tolist() == [[0.5, 0.75, 0], [0.5, 0, 0]]
    assert template.owner.tolist() == [0, 0, 0] + [1] * 8
    parsed = parse_deepbackmap(tmp_path / "mapping")
    assert (parsed.align, parsed.multiples) == ({0: 1}, {1: 4})


def test_the_first_line_owns(tmp_path: Path) -> None:
    swapped = DEEP.replace(
        "1 C 1 A          ; shared: half to each of its beads\n1 C 2 B", "1 C 2 B 0\n1 C 1 A"
    )
    assert read(tmp_path, swapped)["ACE-ALA"].owner[0] == 1


def test_two_columns(tmp_path: Path) -> None:
    text = "[map]\n" + "".join(f" {i} {1 + i // 6}\n" for i in range(1, 12)) + "[/map]\n"
    template = read(tmp_path, text)["ACE-ALA"]
    assert template.bead_names == ("B1", "B2")
    assert template.owner.tolist() == [0] * 5 + [1] * 6


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("4 N 2 B", "4 N 2", "line 6: 3 columns"),
        ("4 N 2 B", "4 N x B", "line 6: '4 N x B': atom and bead are whole numbers"),
        ("4 N 2 B", "0 N 2 B", "line 6: atoms and beads count from 1"),
        ("3 O 1 A 0", "3 O 1 A 1.5", "line 5: the mass fraction 1.5 must lie in 0..1"),
        ("4 N 2 B", "2 N 1 A", "line 6: atom 2 stands in bead 1 for the second time"),
        ("4 N 2 B", "4 N 2 C", "line 6: bead 2 is of type B above and of type C here"),
        ("4 N 2 B", "4 N 4 C", "bead 3 of 4 has no atoms"),
        ("4 N 2 B\n", "", "1 atoms have no owner, ALA8:N"),
        ("11 N 2 B", "12 N 2 B", "it numbers 12 atoms, molecule ACE-ALA has 11"),
        ("4 N 2 B", "4 H 2 B", "another order than in the mapping file .atom 4 is H there and N here"),
        ("1 2\n", "1 x\n", "line 16: '1 x': two whole numbers"),
        ("[/map]", "[/map]\nfoo", "'foo' stands outside of any section"),
    ],
)
def test_sentences_about_deepbackmap(tmp_path: Path, old: str, new: str, match: str) -> None:
    assert old in DEEP
    refuse(tmp_path, DEEP.replace(old, new, 1), match)


# --- VOTCA -----------------------------------------------------------------------------------------------

XML = """<!-- a comment first -->
<cg_molecule>
  <name>cg</name><ident>ACE-ALA</ident>
  <topology>
    <cg_beads>
      <cg_bead><name>A</name><type>TA</type><symmetry>1</symmetry><mapping>a</mapping>
        <beads> 7:ACE:CH3 7:ACE:C </beads></cg_bead>
      <cg_bead><name>B</name><type>TB</type><mapping>b</mapping>
        <beads>8:ALA:CA 8:ALA:C 8:ALA:CB</beads></cg_bead>
    </cg_beads>
    <cg_bonded><bond><name>bond</name><beads> A B </beads></bond></cg_bonded>
  </topology>
  <maps>
    <map><name>a</name><weights>12 4</weights></map>
    <map><name>b</name><weights>1 1 0</weights></map>
  </maps>
</cg_molecule>
"""


def test_votca(tmp_path: Path) -> None:
    template = read(tmp_path, XML, "no_ending")["ACE-ALA"]
    weights = template.weights.toarray()
    assert weights[0, :2].tolist() == [0.75, 0.25]
    assert weights[1, [5, 8]].tolist() == [0.5, 0.5]
    assert template.bead_bonds.tolist() == [[0, 1]]
    assert template.owner.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]


def test_votca_says_what_it_does_not_use(tmp_path: Path) -> None:
    text = XML.replace("<symmetry>1<", "<symmetry>3<").replace("12 4</weights>", "12 4</weights><d>1 1</d>")
    with pytest.warns(MsbWarning, match=r"force coefficients.*symmetry"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("</cg_molecule>", "", "not whole XML"),
        ("cg_molecule", "molecule", "the XML holds a <molecule>"),
        ("12 4", "12", "bead A has 2 atoms, its map a 1 weights"),
        ("12 4", "12 x", "weights of map a are not all numbers"),
        ("12 4", "12 -4", "negative or infinite weight"),
        ("<mapping>a<", "<mapping>c<", "bead A uses the map c; there are a, b"),
        ("7:ACE:C ", "ACE:C ", "must be residue number:residue name:atom name"),
        ("7:ACE:C ", "7:ACE:CX ", "atom 7:ACE:CX of bead A is unknown .nearest: C"),
        ("7:ACE:C ", "7:ALA:C ", "there is no residue 7:ALA"),
        (" A B <", " A X <", "lists unknown beads X"),
        (" A B <", " A B A <", "lists 3 beads, not pairs"),
        ("<type>TA</type>", "", "<cg_bead> A has no <type>"),
    ],
)
def test_sentences_about_votca(tmp_path: Path, old: str, new: str, match: str) -> None:
    assert old in XML
    refuse(tmp_path, XML.replace(old, new), match)


# --- Backward --------------------------------------------------------------------------------------------

BACKWARD = """; a comment
[ molecule ]
ACE
[ martini ]
BB
[ mapping ]
charmm36
[ atoms ]
  1  CH3  BB
  2    C  BB
  3    O  !BB
[ chiral ]
  CH3 C O
[molecule]
ALA
[ martini ]
BB SC1
[ atoms ]
  1    N  BB
  2   HN  BB
  3   CA  BB BB SC1
  4   CB  SC1
  5    C  BB
  6    O  BB
[ extra ]
SCP
"""


def test_backward(tmp_path: Path) -> None:
    with pytest.warns(MsbWarning, match=r"without atoms: SCP; and without 1 hydrogens.*ALA8:HN"):
        template = read(tmp_path, BACKWARD)["ACE-ALA"]
    assert template.bead_names == ("BB", "BB", "SC1")
    assert template.bead_residue.tolist() == [0, 1, 1]
    fractions = template.fractions.toarray()
    np.testing.assert_allclose(fractions[1], [0, 0, 0, 1, 0, 2 / 3, 0, 0, 1, 1, 0])
    np.testing.assert_allclose(fractions[2], [0, 0, 0, 0, 0, 1 / 3, 0, 1, 0, 0, 0])
    np.testing.assert_allclose(template.weights.toarray()[2, [5, 7]], [0.25, 0.75])
    assert template.owner.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 1, 1, 1]
    assert template.bead_bonds.tolist() == [[0, 1], [1, 2]]


def test_backward_from_a_file_for_each_residue(tmp_path: Path) -> None:
    head, tail = BACKWARD.split("[molecule]")
    for name, text in (("ace.map", head), ("ala.map", "[molecule]" + tail)):
        (tmp_path / name).write_text(text)
    with pytest.warns(MsbWarning):
        template = read_mapping([tmp_path / "ace.map", tmp_path / "ala.map"], TOPOLOGY)["ACE-ALA"]
    with pytest.warns(MsbWarning):
        assert template == read(tmp_path, BACKWARD)["ACE-ALA"]
    with pytest.raises(FileFormatError, match=r"residue ACE is mapped in .*ace.map already"):
        read_mapping([tmp_path / "ace.map", tmp_path / "ace.map"], TOPOLOGY)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("[molecule]\nALA", "[molecule]\nALX", "residues ALA .nearest: ALX. have no mapping among ACE, ALX"),
        ("  4   CB  SC1", "  4   CG  SC1", "lacks atoms that its mapping names: ALA8:CG"),
        ("  4   CB  SC1", "  4   CB  SC2", "does not list: SC2 .nearest: SC1"),
        ("  4   CB  SC1", "  4   CA  SC1", "line 22: atom CA of ALA comes twice"),
        ("  4   CB  SC1", "  4", r"line 22: a line of \[ atoms \] has a number, a name and beads"),
        ("  3    O  !BB", "  3    O  !BB BB", "bead BB both with and without weight"),
        ("[ chiral ]", "[ chiral", "line 12: .* not a whole section header"),
        ("[ martini ]\nBB SC1", "[ martini ]\nBB SC1 SC2", "bead SC2 has no atoms"),
        ("ACE\n", "ACE\nACF\n", "one name a section"),
    ],
)
@pytest.mark.filterwarnings("ignore::msb.errors.MsbWarning")
def test_sentences_about_backward(tmp_path: Path, old: str, new: str, match: str) -> None:
    assert old in BACKWARD
    refuse(tmp_path, BACKWARD.replace(old, new, 1), match)


def test_residues_need_a_topology(tmp_path: Path) -> None:
    refuse(tmp_path, BACKWARD, "maps residues: read it together with the molecule's topology", topology=None)


KINDS = {"yaml": "msb_mapping: 1\nmolecules:\n", "deepbackmap": DEEP, "votca": XML, "backward": BACKWARD}


@pytest.mark.parametrize(("kind", "text"), KINDS.items())
@pytest.mark.parametrize("name", ["mapping.map", "mapping.yaml", "mapping"])
def test_the_content_tells_the_format(tmp_path: Path, kind: str, text: str, name: str) -> None:
    (tmp_path / name).write_text(text)
    assert mapping_format(tmp_path / name) == kind
