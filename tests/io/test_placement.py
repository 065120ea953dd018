"""Rules of placement in mapping files, Backward's and our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from msb.errors import FileFormatError
from msb.io.mapping_formats import PlacementRule, read_placement


def test_rules_of_vermouths_files() -> None:
    import vermouth

    folder = Path(vermouth.__file__).parent / "data" / "mappings"
    rules = read_placement([folder / "dppc.charmm36.map", folder / "leu.charmm36.map"])
    assert PlacementRule("chiral", ("HS", "C2", "O21", "C1", "C3"), "DPPC") in rules
    assert PlacementRule("trans", ("C22", "C21", "O21", "C2"), "DPPC") in rules
    assert PlacementRule("chiral", ("HA", "CA", "N", "CB", "C"), "LEU") in rules
    assert rules[-1] == PlacementRule("out", ("HD23", "CG", "CD1", "CB"), "LEU")
    assert all(read_placement(path) is not None for path in sorted(folder.glob("*.map")))


def test_other_formats_have_none(tmp_path: Path) -> None:
    (tmp_path / "votca.xml").write_text("<cg_molecule/>")
    (tmp_path / "deep.map").write_text("[map]\n1 C 1 B\n[/map]\n")
    assert read_placement([tmp_path / "votca.xml", tmp_path / "deep.map"]) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ molecule ]\nA\n[ out ]\nX Y\n", "line 4.*`out` names 3 or 4"),
        ("[ molecule ]\nA\n[ cis ]\nX Y Z Z\n", "different atoms"),
        ("msb_mapping: 1\nmolecules:\n  A:\n    placement: chiral\n", "list of rules"),
        ("msb_mapping: 1\nmolecules:\n  A:\n    placement: [sideways X Y Z]\n", "cis, trans, out, chiral"),
        ("msb_mapping: 1\nmolecules:\n  A:\n    placement: [{rules: out X Y Z}]\n", "residue and rule"),
        ("msb_mapping: 1\nmolecules: [\n", "not YAML"),
    ],
)
def test_broken_rules_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "broken.map"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=words):
        read_placement(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_placement(tmp_path / "none.map")
